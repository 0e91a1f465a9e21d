/**
 * Another tab of this browser that comes as the same peer says so, and we leave: it has no resume token,
 * without which the server lets nobody take our place (room-api.md §9).
 */
export class OtherTab {
  #channel: BroadcastChannel | undefined;

  constructor(roomId: string, peerId: string, replaced: () => void) {
    if (typeof BroadcastChannel === 'undefined') return;
    const name = `${roomId}/${peerId}`;
    this.#channel = new BroadcastChannel('sluice.peer');
    this.#channel.onmessage = ({ data }) => {
      if (data === name) replaced();
    };
    this.#channel.postMessage(name);
  }

  end(): void {
    this.#channel?.close();
  }
}
