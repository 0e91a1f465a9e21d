import { useEffect } from 'preact/hooks';
import type { RoomState } from '../state/room';
import { canShare, toggleFullScreen, toggleLayout, togglePanel } from './Bar';
import type { Actions } from './context';
import { tilesOf } from './Stage';

/** Keys of the room; never while somebody writes. */
export function useKeys(state: RoomState, actions: Actions): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => onRoomKey(event, state, actions);
    window.addEventListener('keydown', onKey);
    return () => window.removeEventListener('keydown', onKey);
  }, []);
}

export function onRoomKey(event: KeyboardEvent, state: RoomState, actions: Actions): void {
  const run = keyAction(event, state, actions);
  if (!run) return;
  // Also of one that is held: the browser has other plans with Ctrl+D.
  event.preventDefault();
  // A key that is held switches once; pages are leafed through.
  if (!event.repeat || event.key.startsWith('Arrow')) run();
}

/** What a key does now; undefined: it is not ours. */
export function keyAction(event: KeyboardEvent, state: RoomState, actions: Actions): (() => void) | undefined {
  const target = event.target as HTMLInputElement;
  if (event.altKey || event.metaKey || event.defaultPrevented || state.dialog.value) return undefined;
  const writes = target.isContentEditable || (/^(input|textarea|select)$/i.test(target.tagName) && !/^(range|radio|checkbox)$/.test(target.type));
  if (writes) return undefined;
  return event.ctrlKey ? controlKey(event.key, state, actions) : plainKey(event, state, actions);
}

function controlKey(key: string, state: RoomState, actions: Actions): (() => void) | undefined {
  if (!state.takesPart.value) return undefined;
  if (key === 'd') return () => void actions.own.setMic(!state.micOn.value);
  if (key === 'e') return () => void actions.own.setCamera(!state.cameraOn.value);
  return undefined;
}


function plainKey(event: KeyboardEvent, state: RoomState, actions: Actions): (() => void) | undefined {
  const publish = state.takesPart.value;
  switch (event.key.toLowerCase()) {
    case 'm':
      return publish ? () => void actions.own.setMic(!state.micOn.value) : undefined;
    case 'v':
      return publish ? () => void actions.own.setCamera(!state.cameraOn.value) : undefined;
    case 's':
      return publish && canShare() ? () => void actions.own.setSharing(!state.sharing.value) : undefined;
    case 'h':
      return state.mayTalk.value ? () => actions.talk.setHand(state.me.hand.value === 0) : undefined;
    case 'c':
      return state.data.value ? () => togglePanel(state, 'chat') : undefined;
    case 'p':
      return () => togglePanel(state, 'people');
    case 'l':
      return state.settings.mode === 'meet' ? () => toggleLayout(state) : undefined;
    case 'f':
      return toggleFullScreen;
    case '?':
      return () => (state.dialog.value = 'help');
    case 'escape':
      return state.panel.value ? () => (state.panel.value = null) : undefined;
    case 'arrowleft':
    case 'arrowright': {
      if ((event.target as HTMLInputElement).type === 'range') return undefined;
      const by = event.key === 'ArrowLeft' ? -1 : 1;
      const last = state.pages.value - 1;
      return () => (state.page.value = Math.min(Math.max(0, Math.min(state.page.value, last) + by), last));
    }
    case ' ':
      if (state.settings.mode !== 'live' || (event.target as HTMLElement).tagName === 'BUTTON') return undefined;
      return () => (state.deaf.value = !state.deaf.value);
    default: {
      if (!/^[1-9]$/.test(event.key) || state.settings.mode !== 'meet') return undefined;
      const item = tilesOf(state)[Number(event.key) - 1];
      return item && (() => (state.pinned.value = state.pinned.value === item.id ? '' : item.id));
    }
  }
}
