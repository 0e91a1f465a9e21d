import { useComputed, useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import type { Entered } from './enter-room';
import { both, type Wanted } from './session/device-questions';
import { Devices } from './session/devices';
import { checkRoomId } from './session/names';
import { AppState } from './state/app';
import type { RoomState } from './state/room';
import { keptDevices, randomId, type Settings } from './state/settings';
import { Ended, NotLoaded } from './ui/Ended';
import { Form } from './ui/Form';
import type { StartMedia } from './session/own-media';
import { Prejoin } from './ui/Prejoin';
import { t } from './words';

declare global {
  interface Window {
    /** The room on show, for browser tests and the console. */
    sluice?: { page?: Entered };
  }
}

type Inside = Entered & { Room: typeof import('./enter-room').Room };

/** Where one is: form, before joining, in the room, after it. */
export function App() {
  const app = useRef<AppState>(null);
  app.current ??= new AppState(window.location.href);
  const state = app.current;
  const inside = useSignal<Inside | null>(null);
  const devices = useRef(new Devices());
  /** A part of the page could not be loaded: what tries it again. */
  const notLoaded = useSignal<(() => void) | null>(null);
  /** The form is shown again: focus follows. */
  const isBack = useRef(false);
  const place = state.place;

  /** Of the room before: what was on is on again, and nothing else. */
  const wanted = useRef<Wanted>(both);

  /** In the preview, or in the room before; also where the browser keeps nothing. */
  const chosen = useRef(keptDevices());

  const end = (ending: NonNullable<typeof state.ending.value>) => {
    delete window.sluice!.page;
    if (inside.value) {
      wanted.current = wantedAfter(inside.value.state);
      chosen.current = inside.value.state.chosen.value;
    }
    inside.value = null;
    if (ending.to) {
      const { roomId, token } = ending.to;
      devices.current = new Devices();
      void enter({ ...state.settings.value, roomId, token: token || state.settings.value.token }, wanted.current);
      return;
    }
    state.ending.value = ending;
    place.value = 'ended';
    forgetJoin();
  };

  const enter = async (settings: Settings, media: StartMedia) => {
    settings = { ...settings, displayName: settings.displayName || t('guest') };
    state.settings.value = settings;
    rememberRoom(settings);
    const own = devices.current;
    place.value = 'room';
    notLoaded.value = null;
    const loaded = await import('./enter-room').catch(() => null);
    if (place.peek() !== 'room' || own !== devices.current) return;
    if (!loaded) {
      // Nothing is open while nothing happens.
      own.end();
      devices.current = new Devices();
      notLoaded.value = () => void enter(settings, wantedOf(media));
      return;
    }
    const { Room, enterRoom } = loaded;
    const entered = enterRoom(settings, own, chosen.current, end);
    inside.value = { ...entered, Room };
    window.sluice!.page = entered;
    entered.session.start(media);
  };

  const open = (settings: Settings) => {
    devices.current = new Devices();
    wanted.current = both;
    state.settings.value = settings;
    if (settings.roomId && checkRoomId(settings.roomId)) {
      end({ kind: 'bad-room', detail: '' });
    } else if (!settings.roomId) {
      place.value = 'form';
    } else if (settings.join) {
      void enter(settings, both);
    } else {
      place.value = 'prejoin';
    }
  };

  useEffect(() => {
    window.sluice = {};
    open(state.settings.value);
    // What is not here when somebody joins costs them a second.
    const idle = window.requestIdleCallback ?? ((job: () => void) => setTimeout(job, 1000));
    idle(() => void import('./enter-room').catch(() => undefined));
    const leave = () => inside.peek()?.session.leave();
    const back = () => {
      const room = inside.peek();
      if (!room) return;
      window.history.pushState(null, '', window.location.href);
      room.state.dialog.value = 'leave';
    };
    window.addEventListener('pagehide', leave);
    window.addEventListener('popstate', back);
    return () => {
      window.removeEventListener('pagehide', leave);
      window.removeEventListener('popstate', back);
    };
  }, []);

  const toForm = () => {
    devices.current.end();
    devices.current = new Devices();
    isBack.current = true;
    place.value = 'form';
  };

  const start = () => {
    window.history.replaceState(null, '', new URL('.', window.location.href));
    state.settings.value = { ...state.settings.value, roomId: '', join: false, peerId: randomId() };
    toForm();
  };

  const again = () => {
    const kind = state.ending.value?.kind;
    const settings = state.settings.value;
    devices.current = new Devices();
    // "replaced": here again as the same person; else as a new one.
    void enter(kind === 'replaced' ? settings : { ...settings, peerId: randomId() }, wanted.current);
  };

  const title = useComputed(() => `${place.value === 'form' || !state.settings.value.roomId ? '' : `${state.settings.value.roomId.slice(0, 64)} · `}${t('app-name')}`);
  useEffect(() => {
    if (place.value !== 'room') document.title = title.value;
  });

  switch (place.value) {
    case 'form':
      return (
        <Form
          settings={state.settings.value}
          focus={isBack.current}
          onSubmit={(settings) => {
            state.settings.value = settings;
            if (settings.publish) place.value = 'prejoin';
            else void enter(settings, both);
          }}
        />
      );
    case 'prejoin':
      return (
        <Prejoin
          settings={state.settings.value}
          devices={devices.current}
          onJoin={(ready) => {
            chosen.current = ready.chosen;
            void enter(ready.settings, ready);
          }}
          onBack={toForm}
        />
      );
    case 'ended':
      return <Ended ending={state.ending.value!} settings={state.settings.value} onAgain={again} onStart={start} />;
    case 'room': {
      const room = inside.value;
      if (notLoaded.value) return <NotLoaded onAgain={notLoaded.value} />;
      if (!room) return <main class="center-page"><h1 class="loading">{t('joining', { room: state.settings.value.roomId })}</h1></main>;
      return <room.Room room={{ state: room.state, actions: room.session }} />;
    }
  }
}

/** What was opened for a room that was not entered. */
const wantedOf = (media: StartMedia): Wanted =>
  'tracks' in media ? { audio: media.micOn && media.tracks.some(({ kind }) => kind === 'audio'), video: media.tracks.some(({ kind }) => kind === 'video') } : media;

/** What to ask for in the next room, by what was on in the one before. */
function wantedAfter({ media, micOn, cameraOn }: RoomState): Wanted {
  return media.value.kind === 'asking' ? both : { audio: micOn.value, video: cameraOn.value };
}

/** The address leads back here, and going back is noticed. */
function rememberRoom(settings: Settings): void {
  const url = new URL(window.location.href);
  url.searchParams.set('roomId', settings.roomId);
  url.searchParams.set('mode', settings.mode);
  if (url.toString() !== window.location.href) window.history.replaceState(null, '', url);
  window.history.pushState(null, '', url);
}

/** After the end, reloading does not join by itself. */
function forgetJoin(): void {
  const url = new URL(window.location.href);
  if (!url.searchParams.has('join')) return;
  url.searchParams.delete('join');
  window.history.replaceState(null, '', url);
}

