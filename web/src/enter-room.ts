/** What a room needs, loaded when one is entered: session, media and its part of the page. */
import { RoomSession } from './session/session';
import type { Devices } from './session/devices';
import type { Ending } from './session/ending';
import type { ChosenDevices, Settings } from './state/settings';
import { RoomState } from './state/room';
import { Room } from './ui/Room';

export { Room };

// The first offer of a browser takes it a quarter of a second, as it looks for its codecs: before somebody waits for it.
try {
  const connection = new RTCPeerConnection();
  connection.addTransceiver('audio');
  connection.addTransceiver('video');
  connection.createOffer().catch(() => undefined).finally(() => connection.close());
} catch {
  // A browser without WebRTC: said when somebody joins.
}

export interface Entered {
  state: RoomState;
  session: RoomSession;
}

export function enterRoom(settings: Settings, devices: Devices, chosen: ChosenDevices, onEnded: (ending: Ending) => void): Entered {
  const state = new RoomState(settings, chosen);
  return { state, session: new RoomSession(settings, state, devices, onEnded) };
}
