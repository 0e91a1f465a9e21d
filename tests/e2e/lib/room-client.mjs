import WebSocket from 'ws';
import { MediaPage } from './media-page.mjs';

/** A person in a room of the controller: the protoo door here, media in a page of `browser`. */
export class RoomClient {
  notifications = [];  // {at, method, data}
  consumers = new Map();  // consumer id → what newConsumer said
  #next = 1;
  #pending = new Map();

  static async enter(sluice, browser, origin, { room, peer }) {
    const self = new RoomClient();
    self.socket = new WebSocket(`${sluice.url.replace('http', 'ws')}/?roomId=${room}&peerId=${peer}`, ['protoo']);
    await new Promise((resolve, reject) => self.socket.once('open', resolve).once('error', reject));
    self.socket.on('message', (data) => void self.#onMessage(JSON.parse(data)));
    const rtpCapabilities = await self.request('getRouterRtpCapabilities');
    // What MediaPage wants of a router, by way of the door.
    const directions = ['send', 'recv'];
    const wanted = [...directions];
    self.page = await MediaPage.open(browser, origin, {
      rtpCapabilities,
      createWebRtcTransport: async () => {
        const direction = wanted.shift();
        const options = await self.request('createWebRtcTransport', {
          forceTcp: false, producing: direction === 'send', consuming: direction === 'recv',
        });
        const transportId = options.id;
        return {
          ...options,
          connect: ({ dtlsParameters }) => self.request('connectWebRtcTransport', { transportId, dtlsParameters }),
          produce: async ({ kind, rtpParameters }) =>
            ({ kind, rtpParameters, ...(await self.request('produce', { transportId, kind, rtpParameters, appData: {}, reportWantedLayers: true })) }),
        };
      },
    }, { directions });
    await self.request('join', {
      displayName: peer, device: { flag: 'chrome', name: 'Chrome', version: '1' }, rtpCapabilities: self.page.capabilities,
    });
    return self;
  }

  /** Data of the response; throws what the server says where it says no. */
  async request(method, data = {}) {
    const id = this.#next++;
    const answer = new Promise((resolve) => this.#pending.set(id, resolve));
    this.socket.send(JSON.stringify({ request: true, id, method, data }));
    const response = await answer;
    if (!response.ok) throw new Error(`${method}: ${response.errorCode} ${response.errorReason}`);
    return response.data;
  }

  async #onMessage(message) {
    if (message.response) {
      this.#pending.get(message.id)?.(message);
      this.#pending.delete(message.id);
    } else if (message.notification) {
      this.notifications.push({ at: Date.now(), method: message.method, data: message.data });
    } else if (message.method === 'newConsumer') {
      const { id, producerId, kind, rtpParameters } = message.data;
      await this.page.page.evaluate((o) => window.client.consume(o), { id, producerId, kind, rtpParameters });
      this.consumers.set(id, message.data);
      this.socket.send(JSON.stringify({ response: true, id: message.id, ok: true, data: {} }));
    }
  }

  /** The newest of these notifications about a consumer, or a producer. */
  latest(method, id) {
    return this.notifications.filter((each) => each.method === method && [each.data.consumerId, each.data.producerId].includes(id)).at(-1)?.data;
  }

  close() {
    this.socket.close();
  }
}
