/** WHEP as a player speaks it (draft-ietf-wish-whep): pure functions of what the server says. */

const firstGap = 1000; // ms
const largestGap = 30_000; // ms
const growth = 1.5;
/** The shortest that chance makes of a gap, so that a thousand viewers do not come in the same moment. */
const leastPart = 0.8;
const defaultRetryAfter = 3; // s, of a server that does not tell

/** Seconds of a Retry-After (RFC 9110 §10.2.3), which may be a date. */
export function retryAfterSeconds(value: string | null, now: number): number {
  if (value && /^\d+$/.test(value.trim())) return Number(value);
  const date = value ? Date.parse(value) : Number.NaN;
  return Number.isNaN(date) ? defaultRetryAfter : Math.max(0, (date - now) / 1000);
}

/**
 * ms until attempt number `attempt` (1 = the first after the refusal): from `initial` ms on, growing, as
 * draft-ietf-wish-whep §4.2.8 has it. `random` is 0…1.
 */
export function retryGap(attempt: number, random: number, initial = firstGap): number {
  const gap = Math.min(Math.max(largestGap, initial), Math.max(initial, 100) * growth ** (attempt - 1));
  return Math.round(gap * (leastPart + (1 - leastPart) * random));
}

/** "UDP 44444 and TCP 44444 at 203.0.113.7": where the candidates of an answer are; "" when it has none. */
export function portsOf(sdp: string): string {
  const ports = new Map<string, Set<string>>();
  for (const [, transport, address, port] of sdp.matchAll(/^a=candidate:\S+ 1 (\S+) \d+ (\S+) (\d+) typ host/gim)) {
    if (!address || !transport) continue;
    if (!ports.has(address)) ports.set(address, new Set());
    ports.get(address)?.add(`${transport.toUpperCase()} ${port}`);
  }
  return [...ports].map(([address, list]) => `${[...list].join(', ')} (${address})`).join(', ');
}

/** What a refusal says of itself: application/problem+json (RFC 9457), or "". */
export function reasonOf(body: string): string {
  try {
    const { detail, title } = JSON.parse(body) as { detail?: unknown; title?: unknown };
    return String(detail ?? title ?? '');
  } catch {
    return '';
  }
}

export type Outcome =
  | { kind: 'made'; answer: string; session: string }
  | { kind: 'not-live'; retryAfter: number } // s
  | { kind: 'refused'; status: number; detail: string }
  | { kind: 'unreachable' };

/** What became of the POST of an offer. Never rejects. */
export async function postOffer(endpoint: string, sdp: string, token: string, now: () => number = Date.now): Promise<Outcome> {
  try {
    const response = await fetch(endpoint, { method: 'POST', headers: { 'Content-Type': 'application/sdp', ...bearer(token) }, body: sdp });
    const body = await response.text();
    const location = response.headers.get('Location');
    if (response.status === 201 && location) return { kind: 'made', answer: body, session: new URL(location, response.url).href };
    // Nobody is live, or the server is busy: both pass.
    if ([409, 429, 503].includes(response.status)) return { kind: 'not-live', retryAfter: retryAfterSeconds(response.headers.get('Retry-After'), now()) };
    if (response.status >= 500) return { kind: 'unreachable' };
    return { kind: 'refused', status: response.status, detail: reasonOf(body) };
  } catch {
    return { kind: 'unreachable' };
  }
}

/** Ends a session, also of a page that closes. Never rejects. */
export function endSession(session: string, token: string): void {
  fetch(session, { method: 'DELETE', headers: bearer(token), keepalive: true }).catch(() => {});
}

function bearer(token: string): Record<string, string> {
  return token ? { Authorization: `Bearer ${token}` } : {};
}
