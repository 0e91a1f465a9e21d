/** What the page's address asks for, and what the join form fills in. */

export type Mode = 'live' | 'call' | 'meet';

export interface Settings {
  roomId: string;
  displayName: string;
  mode: Mode;
  /** False: watch only. */
  publish: boolean;
  peerId: string;
  /** ICE over TCP only. */
  forceTcp: boolean;
  /** Preferred video codec, such as "vp8" or "h264"; "" = the room's first. */
  codec: string;
  /**
   * Milliseconds that received media is held back, so that a packet lost twice is repaired before it
   * is due; undefined = the browser's choice, which is as little as the link has allowed so far.
   */
  buffer: number | undefined;
  /** Show the statistics of each tile from the start. */
  info: boolean;
  /** Join at once, without the form. */
  join: boolean;
  /** What a server with a secret asks for: from `sluice token`. */
  token: string;
}

/** A broadcast is watched, not talked back to: a quarter of a second buys three round trips of repair. */
const liveBuffer = 250; // ms
/** The most that browsers grant (WebRTC Extensions, jitterBufferTarget). */
const maxBuffer = 4000; // ms

const flag = (value: string | null, fallback: boolean): boolean =>
  value === null ? fallback : value !== 'false' && value !== '0';

export function randomId(length = 8): string {
  const letters = 'abcdefghijklmnopqrstuvwxyz0123456789';
  const bytes = crypto.getRandomValues(new Uint8Array(length));
  return Array.from(bytes, (byte) => letters[byte % letters.length]).join('');
}

function parseBuffer(text: string | null, mode: Mode): number | undefined {
  const buffer = Number(text ?? Number.NaN);
  if (buffer >= 0 && buffer <= maxBuffer) return buffer;
  return mode === 'live' ? liveBuffer : undefined;
}

function parseMode(text: string | null): Mode {
  return text === 'live' || text === 'call' || text === 'meet' ? text : 'meet';
}

export function readSettings(address = window.location.href): Settings {
  const query = new URL(address).searchParams;
  const mode = parseMode(query.get('mode') ?? query.get('roomId'));
  return {
    roomId: query.get('roomId') ?? query.get('room') ?? '',
    displayName: query.get('displayName') ?? localStorage.getItem('sluice.name') ?? '',
    mode,
    publish: flag(query.get('publish') ?? query.get('produce'), mode !== 'live'),
    peerId: query.get('peerId') ?? randomId(),
    forceTcp: flag(query.get('forceTcp'), false),
    codec: flag(query.get('forceH264'), false) ? 'h264' : (query.get('codec') ?? '').toLowerCase(),
    buffer: parseBuffer(query.get('buffer'), mode),
    info: flag(query.get('info'), false),
    join: flag(query.get('join'), false),
    token: query.get('token') ?? '',
  };
}

/** The address that leads another person to the same room. */
export function inviteLink(settings: Settings): string {
  const url = new URL(window.location.href);
  url.search = new URLSearchParams({ roomId: settings.roomId, mode: settings.mode }).toString();
  return url.toString();
}

/** Where the controller's WebSocket is: the page's own host. */
export function socketUrl(settings: Settings): string {
  const url = new URL(window.location.href);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  url.pathname = '/protoo';
  url.hash = '';
  const query = new URLSearchParams({
    roomId: settings.roomId,
    peerId: settings.peerId,
    mode: settings.mode, // what the room is for, if we come first
  });
  if (settings.token) query.set('token', settings.token);
  url.search = query.toString();
  return url.toString();
}
