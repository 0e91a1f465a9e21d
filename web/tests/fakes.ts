// Stand-ins for what a browser and a server have, which a test moves by hand.
import { vi } from 'vitest';
import type { Connection } from '../src/session/connection';
import type { MediaSession } from '../src/session/media';
import { RoomState } from '../src/state/room';
import type { Settings } from '../src/state/settings';

export const settings = (more: Partial<Settings> = {}): Settings => ({
  roomId: 'room', displayName: 'Ann', mode: 'meet', publish: true, peerId: 'me', forceTcp: false, codec: '', layers: 'simulcast',
  resolution: 720, buffer: undefined, info: false, join: false, token: '', ...more,
});

export class FakeTrack {
  readyState: 'live' | 'ended' = 'live';
  enabled = true;
  contentHint = '';
  onended: (() => void) | null = null;
  readonly id = Math.random().toString(36);

  constructor(readonly kind: 'audio' | 'video') {}
  stop(): void {
    this.readyState = 'ended';
  }
  /** Unplugged. */
  lose(): void {
    this.readyState = 'ended';
    this.onended?.();
  }
  clone(): FakeTrack {
    return new FakeTrack(this.kind);
  }
  getSettings(): object {
    return { width: 1280, height: 720 };
  }
}

class FakeStream {
  constructor(readonly tracks: FakeTrack[] = []) {}
  getTracks = () => this.tracks;
  getAudioTracks = () => this.tracks.filter((track) => track.kind === 'audio');
  getVideoTracks = () => this.tracks.filter((track) => track.kind === 'video');
}

interface Question {
  audio: boolean;
  video: boolean;
  allow(): FakeTrack[];
  /** What was asked for, as it was. */
  constraints: any;
  refuse(name: string, message?: string): void;
}

/** A browser whose prompts wait in `questions` until a test answers them. */
export function fakeBrowser() {
  const questions: Question[] = [];
  const ask = (kinds: { audio: boolean; video: boolean }, constraints: unknown = kinds) => new Promise<FakeStream>((resolve, reject) => {
    questions.push({
      ...kinds,
      constraints,
      allow: () => {
        const tracks = (['audio', 'video'] as const).filter((kind) => kinds[kind]).map((kind) => new FakeTrack(kind));
        resolve(new FakeStream(tracks));
        return tracks;
      },
      refuse: (name, message = name) => reject(Object.assign(new Error(message), { name })),
    });
  });
  vi.stubGlobal('MediaStream', FakeStream);
  vi.stubGlobal('navigator', {
    mediaDevices: {
      getUserMedia: ({ audio, video }: { audio?: unknown; video?: unknown }) => ask({ audio: !!audio, video: !!video }, { audio, video }),
      getDisplayMedia: () => ask({ audio: true, video: true }),
      enumerateDevices: async () => [],
    },
  });
  return questions;
}

/** Lets what is ready run. */
export const turn = async (): Promise<void> => {
  for (let i = 0; i < 30; ++i) await Promise.resolve();
};

/** A connection whose requests are in `asked`, answered by `answer` (an Error is thrown). */
export function fakeConnection(answer: (method: string, data: any) => unknown = () => ({})) {
  const asked: { method: string; data: any }[] = [];
  const connection = {
    open: true,
    heardAt: 0,
    abandoned: [] as string[],
    async request(method: string, data: unknown = {}) {
      asked.push({ method, data });
      const result = await answer(method, data);
      if (result instanceof Error) throw result;
      return result;
    },
    abandon(why: string) {
      this.abandoned.push(why);
    },
  };
  return { asked, connection: connection as typeof connection & Connection };
}

export class FakeProducer {
  paused: boolean;
  encodings = [{ active: true }, { active: true }, { active: true }];
  /** How often the encodings were set. */
  sets = 0;
  rtpSender = {
    getParameters: () => ({ encodings: this.encodings.map((each) => ({ ...each })) }),
    setParameters: async ({ encodings }: { encodings: { active: boolean }[] }) => {
      ++this.sets;
      this.encodings = encodings;
    },
  };
  closed = false;
  constructor(readonly id: string, public track: FakeTrack) {
    this.paused = !track.enabled;
  }
  pause = () => void (this.paused = true);
  resume = () => void (this.paused = false);
  close = () => void (this.closed = true);
  on = () => undefined;
  replaceTrack = async ({ track }: { track: FakeTrack }) => void (this.track = track);
}

/** Media whose producers are in `made`; `refuse` says what the server has against one. */
export function fakeMedia(refuse: (track: FakeTrack) => Error | undefined = () => undefined) {
  const made: FakeProducer[] = [];
  const transport = {
    async produce({ track }: { track: FakeTrack }) {
      const why = refuse(track);
      if (why) throw why;
      const producer = new FakeProducer(`p${made.length}`, track);
      made.push(producer);
      return producer;
    },
  };
  const media = { closed: false, send: Promise.resolve(transport), device: { sendRtpCapabilities: { codecs: [] } } };
  return { made, media: media as unknown as MediaSession };
}

export const roomState = (more: Partial<Settings> = {}) => new RoomState(settings(more));
export const noticesOf = (state: RoomState) => state.notices.value.map((notice) => notice.text);
