import { Copy, Users } from 'lucide-preact';
import { useEffect, useRef } from 'preact/hooks';
import '../style/room.css';
import '../style/tile.css';
import '../style/bar.css';
import '../style/panel.css';
import { t, tn } from '../words';
import { Banner } from './Banner';
import { Bar, copyLink, togglePanel } from './Bar';
import { RoomProvider, useRoom, type RoomContext } from './context';
import { Dialogs } from './Dialogs';
import { useKeys } from './keys';
import { LiveTools, useAwake } from './Live';
import { MediaPrompt } from './MediaPrompt';
import { Panels } from './Panels';
import { Sounds } from './Sounds';
import { Stage, tilesOf } from './Stage';
import { Toasts } from './Toasts';

/** The page of a room. */
export function Room({ room }: { room: RoomContext }) {
  return (
    <RoomProvider value={room}>
      <RoomPage />
    </RoomProvider>
  );
}

function RoomPage() {
  const { state, actions } = useRoom();
  const heading = useRef<HTMLHeadingElement>(null);
  const { mode, roomId } = state.settings;
  useKeys(state, actions);
  const covering = mode !== 'meet';
  const awake = useAwake(mode === 'live' && state.broadcasters.value.length > 0);
  useEffect(() => heading.current?.focus({ preventScroll: true }), []);
  // What is said of an empty room is not printed across a picture.
  const seen = tilesOf(state).length > 0;
  const unread = state.unread.value;
  useEffect(() => {
    document.title = `${unread > 0 ? `(${unread}) ` : ''}${roomId} · ${t('app-name')}`;
  }, [unread]);
  return (
    <div class={`room mode-${mode} ${covering ? 'covering' : ''} ${awake ? '' : 'asleep'} ${state.panel.value ? 'with-panel' : ''}`}>
      <div class="room-main">
        <header class="room-head">
          <h1 ref={heading} tabIndex={-1} aria-label={t('in-room', { room: roomId, kind: t(mode) })}>
            <bdi class="ellipsis" title={roomId}>{roomId}</bdi>
          </h1>
          {mode === 'live' ? (
            <LiveTools />
          ) : (
            <HeadPeople />
          )}
        </header>
        <main class="room-middle">
          <div class="room-notices">
            <Banner />
            <MediaPrompt />
          </div>
          <div class="room-stage">
            <Stage />
            {!seen && <Empty />}
            <Toasts />
          </div>
          <div class="room-foot">
            {seen && <Empty low />}
            <HearButton />
          </div>
        </main>
        <Bar onLeave={() => actions.leave()} />
      </div>
      <Panels />
      <Sounds />
      <Dialogs onLeave={() => actions.leave()} />
      <Announcer />
    </div>
  );
}

/** How many are here; the way to the list. */
function HeadPeople() {
  const { state } = useRoom();
  const count = state.people.value.length + 1;
  return (
    <button type="button" class="head-people" onClick={() => togglePanel(state, 'people')} aria-label={tn('people', count)} title={tn('people', count)}>
      <Users size={16} aria-hidden="true" />
      {count}
    </button>
  );
}

/** Nobody else: what to do about it. In the middle of nothing, or below pictures. */
function Empty({ low }: { low?: boolean }) {
  const { state } = useRoom();
  const place = `empty ${low ? 'low' : ''}`;
  if (!state.joined.value) {
    return state.network.value.kind === 'joining' ? <div class={place}><p>{t('joining', { room: state.settings.roomId })}</p></div> : null;
  }
  const live = state.settings.mode === 'live';
  const publishing = state.me.publishes.value || state.takesPart.value;
  const alone = live && !publishing ? state.broadcasters.value.length === 0 : state.people.value.length === 0;
  if (!alone) return null;
  const waits = live && !publishing;
  return (
    <div class={place}>
      <p>{t(waits ? 'alone-live-viewer' : live ? 'alone-live-publisher' : 'alone')}</p>
      {waits && <p class="dim">{t('alone-live-viewer-more')}</p>}
      {!waits && (
        <button type="button" class="button small" onClick={() => void copyLink(state)}>
          <Copy size={16} aria-hidden="true" />
          {t('copy-link')}
        </button>
      )}
    </div>
  );
}

function HearButton() {
  const { state } = useRoom();
  if (!state.soundRefused.value) return null;
  return (
    <button type="button" class="button primary hear" onClick={() => (state.soundRefused.value = false)}>{t('click-to-hear')}</button>
  );
}

/** Read by screen readers, seen by nobody. */
function Announcer() {
  const { polite, assertive } = useRoom().state.spoken.value;
  return (
    <div class="visually-hidden">
      <div aria-live="polite">{polite.map(({ id, text, params }) => <p key={id}>{t(text, params)}</p>)}</div>
      <div aria-live="assertive">{assertive && <p key={assertive.id}>{t(assertive.text, assertive.params)}</p>}</div>
    </div>
  );
}
