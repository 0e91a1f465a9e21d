/** What the page's address asks for, and what a person chose before. */
import type { Layers } from '../session/encodings';
import { cleanName } from '../session/names';

export type Mode = 'live' | 'call' | 'meet';
export type Resolution = 180 | 360 | 720 | 1080;

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
  /** How camera and screen are sent. */
  layers: Layers;
  /** Height of the camera's picture. */
  resolution: Resolution;
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
export const resolutions: Resolution[] = [180, 360, 720, 1080];

const flag = (value: string | null, fallback: boolean): boolean =>
  value === null ? fallback : value !== 'false' && value !== '0';

export function randomId(length = 8, letters = 'abcdefghijklmnopqrstuvwxyz0123456789'): string {
  const bytes = crypto.getRandomValues(new Uint8Array(length));
  return Array.from(bytes, (byte) => letters[byte % letters.length]).join('');
}

/** A room name that can be read aloud, such as "kap-dwfe-rin": 47 bits, which nobody guesses. */
export function randomRoom(): string {
  return [3, 4, 3].map((length) => randomId(length, 'abcdefghijklmnopqrstuvwxyz')).join('-');
}

function parseBuffer(text: string | null, mode: Mode): number | undefined {
  const buffer = Number(text ?? Number.NaN);
  if (buffer >= 0 && buffer <= maxBuffer) return buffer;
  return mode === 'live' ? liveBuffer : undefined;
}

export function parseMode(text: string | null): Mode {
  return text === 'live' || text === 'call' || text === 'meet' ? text : 'meet';
}

function parseLayers(text: string | null): Layers {
  return text === 'svc' || text === 'off' ? text : 'simulcast';
}

/** Kept choices; a browser may refuse to keep anything. */
export const kept = {
  read(key: string): string | null {
    try {
      return localStorage.getItem(`sluice.${key}`);
    } catch {
      return null;
    }
  },
  write(key: string, value: string): void {
    try {
      localStorage.setItem(`sluice.${key}`, value);
    } catch {
      // Chosen for this visit only.
    }
  },
};

/** Device ids by kind; "" = as the browser thinks. */
export interface ChosenDevices {
  audioinput: string;
  videoinput: string;
  audiooutput: string;
}

/** Those of the last visit. */
export const keptDevices = (): ChosenDevices => ({
  audioinput: kept.read('audioinput') ?? '',
  videoinput: kept.read('videoinput') ?? '',
  audiooutput: kept.read('audiooutput') ?? '',
});

/** `devices` with another one of a kind, which is kept for the next visit. */
export function withDevice(devices: ChosenDevices, kind: keyof ChosenDevices, deviceId: string): ChosenDevices {
  kept.write(kind, deviceId);
  return { ...devices, [kind]: deviceId };
}

export function readSettings(address: string): Settings {
  const query = new URL(address).searchParams;
  const mode = parseMode(query.get('mode') ?? query.get('roomId'));
  const codec = flag(query.get('forceH264'), false) ? 'h264' : (query.get('codec') ?? kept.read('codec') ?? '').toLowerCase();
  const resolution = Number(query.get('resolution') ?? kept.read('resolution'));
  return {
    roomId: query.get('roomId') ?? query.get('room') ?? '',
    displayName: cleanName(query.get('displayName') ?? kept.read('name') ?? ''),
    mode,
    publish: flag(query.get('publish') ?? query.get('produce'), mode !== 'live'),
    peerId: query.get('peerId') ?? randomId(),
    forceTcp: flag(query.get('forceTcp'), false),
    codec,
    layers: parseLayers(query.get('layers') ?? kept.read('layers') ?? (/^(vp9|av1)$/.test(codec) ? 'svc' : null)),
    resolution: resolutions.find((known) => known === resolution) ?? 720,
    buffer: parseBuffer(query.get('buffer'), mode),
    info: flag(query.get('info'), false),
    join: flag(query.get('join'), false),
    token: query.get('token') ?? '',
  };
}

/** The page's own address without what was asked for: where relative links start. */
function base(address: string): URL {
  const url = new URL(address);
  url.hash = '';
  url.search = '';
  return url;
}

/** The address that leads another person to the same room. */
export function inviteLink(settings: Pick<Settings, 'roomId' | 'mode'>, address: string): string {
  const url = base(address);
  url.search = new URLSearchParams({ roomId: settings.roomId, mode: settings.mode }).toString();
  return url.toString();
}

/** The controller's WebSocket, beside the page wherever that is. */
export function socketUrl(settings: Settings, address: string): string {
  const url = new URL('protoo', base(address));
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  const query = new URLSearchParams({
    roomId: settings.roomId,
    peerId: settings.peerId,
    mode: settings.mode, // what the room is for, if we come first
  });
  if (settings.token) query.set('token', settings.token);
  url.search = query.toString();
  return url.toString();
}

/** The same room by REST (room-api.md §4). */
export function roomUrl(settings: Settings, address: string): string {
  const url = new URL(`rooms/${encodeURIComponent(settings.roomId)}`, base(address));
  if (settings.token) url.searchParams.set('token', settings.token);
  return url.toString();
}
