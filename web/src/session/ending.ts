/** Why a session ended, or could not begin: told apart from what the server says. */

export type EndingKind =
  | 'left'
  | 'room-full'
  | 'room-locked'
  | 'call-full'
  | 'kicked'
  | 'replaced'
  | 'id-in-use'
  | 'closed'
  | 'bad-room'
  | 'token-missing'
  | 'token-expired'
  | 'token-refused'
  | 'browser'
  | 'moved'
  | 'refused';

export interface Ending {
  kind: EndingKind;
  /** The technical reason, shown behind "details" only. */
  detail: string;
  /** What a moderator said. */
  said?: string;
  /** Where a moderator has moved this person, with a token when one is needed. */
  to?: { roomId: string; token: string };
}

/** Why there is no connection at the moment; it is tried again. */
export type DownKind = 'network' | 'server' | 'busy' | 'restart' | 'taken';

/** `within`: ms over which those who come back are to spread themselves; without it they come at once. */
export type Verdict = { again: DownKind; detail: string; within?: number } | { ending: Ending };

/** Close codes of the room API (docs/protocols/room-api.md §1). */
const closedForGood = 4000;
const serviceRestart = 1012;
const goingAway = 1001;
const policyViolation = 1008;

/**
 * The server's own sentences (controller/room), whole: a moderator gives any text as a reason, and what
 * is part of it says nothing.
 */
const endings: [RegExp, EndingKind][] = [
  [/^this room is locked: nobody may come in \(rule \w+\.locked\)$/, 'room-locked'],
  [/^this room is for \d+ participants, who are here \(rule call\.maxParticipants\)$/, 'call-full'],
  [/^this room is for \d+ participants, who are here \(rule \w+\.maxParticipants\)$/, 'room-full'],
  [/^room "[^"]*" is full: it holds \d+ peers( \(\w+\))?$/, 'room-full'],
  [/^moved to room [\w\-.~@:+]+$/, 'moved'],
  [/^you were sent away$/, 'kicked'],
  [/^the peer goes on over another connection$/, 'replaced'],
  [/^closed by protoo-server$|^$/, 'closed'],
  [/^peer with id "[^"]*" is a broadcaster$/, 'id-in-use'],
];
/** Another connection has this peer's place: it is ours and ends in half a minute, or somebody else's. */
const placeTaken = /^peer with id "[^"]*" is connected /;

/** How long clients may take to come back, each at a random moment. */
const comeBackWithin = / within (\d{1,6}) ms$/;
const longestWithin = 60_000; // ms

/** What a closed WebSocket means. */
export function judgeClose(code: number, reason: string): Verdict {
  const detail = `WebSocket closed: ${code}${reason ? ` ${reason}` : ''}`;
  if (code === closedForGood) {
    const kind = endings.find(([pattern]) => pattern.test(reason))?.[1];
    // Any other text is what a moderator gave as the reason.
    if (!kind || kind === 'moved') return { ending: { kind: kind ?? 'kicked', detail, said: reason } };
    return { ending: { kind, detail } };
  }
  if (code === policyViolation) return { ending: { kind: 'refused', detail } };
  if (code === serviceRestart && placeTaken.test(reason)) return { again: 'taken', detail };
  const restarts = code === serviceRestart || code === goingAway;
  const within = restarts ? comeBackWithin.exec(reason)?.[1] : undefined;
  if (within) return { again: 'restart', detail, within: Math.min(Number(within), longestWithin) };
  return { again: restarts ? 'restart' : 'network', detail };
}

/**
 * What a refused WebSocket means, by the answer to a plain GET of the same room: a browser does not
 * tell a page why a WebSocket was refused. `status` 0: no answer at all.
 */
export function judgeRefusal(status: number, text: string, hasToken: boolean): Verdict {
  const detail = status === 0 ? 'no answer' : `HTTP ${status}: ${text.slice(0, 300)}`;
  const end = (kind: EndingKind): Verdict => ({ ending: { kind, detail } });
  if (status === 400) return end('bad-room');
  if (status === 401 && /expired/i.test(text)) return end('token-expired');
  if (status === 401) return end(hasToken ? 'token-refused' : 'token-missing');
  if (status === 403) return end('token-refused');
  if (status === 429 || status === 503) return { again: 'busy', detail };
  return { again: 'server', detail };
}
