import { createContext } from 'preact';
import { useContext } from 'preact/hooks';
import type { RoomSession } from '../session/session';
import type { RoomState } from '../state/room';

/** What components call of a session; a fixture gives one that does nothing. */
export type Actions = Pick<
  RoomSession,
  'own' | 'talk' | 'changeName' | 'setAudioOnly' | 'setQuality' | 'retryNow' | 'tryTcp' | 'leave' | 'moderation' | 'refreshModeration' | 'subscriber' | 'data'
>;

export interface RoomContext {
  state: RoomState;
  actions: Actions;
}

const context = createContext<RoomContext | null>(null);
export const RoomProvider = context.Provider;

export function useRoom(): RoomContext {
  const room = useContext(context);
  if (!room) throw new Error('outside of a room');
  return room;
}
