/** Every sentence of the watch page. `{name}` is replaced. */
const en = {
  'connecting': 'Connecting…',
  'waiting': 'The broadcast has not started. This page starts by itself.',
  'live': 'Live',
  'is-live': 'The broadcast is live.',
  'stalled': 'The broadcast has paused. It goes on by itself.',
  'silence': 'Connection lost. Trying again ({seconds} s)…',
  'unreachable': 'The server does not answer. Trying again ({seconds} s)…',
  'blocked': 'Sound and picture cannot get through. A firewall may block {ports}. Trying again ({seconds} s)…',
  'blocked-somewhere': 'Sound and picture cannot get through. A firewall may block them. Trying again ({seconds} s)…',
  'refused': 'The server refuses this broadcast.',
  'needs-token': 'This broadcast is for invited viewers. Ask for a new link.',
  'no-room': 'This address names no room. It ends with one: /watch/ROOM',
  'no-webrtc': 'This browser cannot receive live video (WebRTC). A newer one can.',
  'try-again': 'Try again',
  'mute': 'Mute',
  'unmute': 'Unmute',
  'full': 'Full screen',
  'leave-full': 'Leave full screen',
  'embed': 'Embed',
  'embed-title': 'Show this broadcast on a page of your own',
  'embed-token': 'The link that you opened has a token; the text above does not. Whoever embeds it adds one of their own.',
  'copy': 'Copy',
  'copied': 'Copied.',
  'copy-yourself': 'Press Ctrl+C to copy.',
  'close': 'Close',
} as const;

export type WordKey = keyof typeof en;

const de: Record<WordKey, string> = {
  'connecting': 'Wird verbunden…',
  'waiting': 'Die Sendung hat noch nicht begonnen. Diese Seite startet von selbst.',
  'live': 'Live',
  'is-live': 'Die Sendung läuft.',
  'stalled': 'Die Sendung ist unterbrochen. Sie geht von selbst weiter.',
  'silence': 'Verbindung verloren. Neuer Versuch ({seconds} s)…',
  'unreachable': 'Der Server antwortet nicht. Neuer Versuch ({seconds} s)…',
  'blocked': 'Bild und Ton kommen nicht durch. Vielleicht sperrt eine Firewall {ports}. Neuer Versuch ({seconds} s)…',
  'blocked-somewhere': 'Bild und Ton kommen nicht durch. Vielleicht sperrt sie eine Firewall. Neuer Versuch ({seconds} s)…',
  'refused': 'Der Server verweigert diese Sendung.',
  'needs-token': 'Diese Sendung ist für eingeladene Zuschauer. Bitte um einen neuen Link.',
  'no-room': 'Diese Adresse nennt keinen Raum. Sie endet mit einem: /watch/RAUM',
  'no-webrtc': 'Dieser Browser kann kein Live-Video empfangen (WebRTC). Ein neuerer kann es.',
  'try-again': 'Noch einmal',
  'mute': 'Ton aus',
  'unmute': 'Ton an',
  'full': 'Vollbild',
  'leave-full': 'Vollbild verlassen',
  'embed': 'Einbetten',
  'embed-title': 'Diese Sendung auf einer eigenen Seite zeigen',
  'embed-token': 'Der geöffnete Link hat ein Token, der Text oben nicht. Wer ihn einbettet, fügt ein eigenes hinzu.',
  'copy': 'Kopieren',
  'copied': 'Kopiert.',
  'copy-yourself': 'Mit Strg+C kopieren.',
  'close': 'Schließen',
};

export const languages = { en, de };
export type Language = keyof typeof languages;

/** The first of `wishes` that there are words for. */
export function chooseLanguage(wishes: readonly (string | null)[]): Language {
  for (const wish of wishes) {
    const known = (Object.keys(languages) as Language[]).find((each) => wish?.toLowerCase().startsWith(each));
    if (known) return known;
  }
  return 'en';
}

export function sentence(language: Language, key: WordKey, values: Record<string, string | number> = {}): string {
  return languages[language][key].replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}
