import { answerOf } from './data-clients.mjs';

/**
 * A page of people who join a room, chat and leave, one after the other: a WebSocket, a WebRTC transport for both
 * directions and two data channels each, with no more of a library than the browser.
 */
export class Visitors {
  static async open(browser, sluice) {
    const self = new Visitors();
    self.url = sluice.url.replace('http', 'ws');
    self.page = await browser.context.newPage();
    await self.page.goto(`${sluice.url}/`);
    await self.page.evaluate(`window.answerOf = ${answerOf}`);
    await self.page.evaluate(() => {
      const until = async (what, done) => {
        for (const end = performance.now() + 30_000; !done();) {
          if (performance.now() > end) throw new Error(`waited for ${what}`);
          await new Promise((resolve) => setTimeout(resolve, 2));
        }
      };
      const sctpCapabilities = { numStreams: { OS: 1024, MIS: 1024 } };
      const streamId = 1000;

      window.visit = async (url) => {
        const socket = new WebSocket(url, 'protoo');
        const [pending, heard] = [new Map(), new Set()];
        let next = 1;
        const connection = new RTCPeerConnection();
        const ask = (method, data) => new Promise((done, failed) => {
          pending.set(next, { done, failed });
          socket.send(JSON.stringify({ request: true, id: next++, method, data }));
        });
        socket.onmessage = ({ data: text }) => {
          const { id, request, response, method, data, ok, errorReason } = JSON.parse(text);
          if (response && ok) pending.get(id).done(data);
          if (response && !ok) pending.get(id).failed(new Error(errorReason));
          if (!request || method !== 'newDataConsumer') return;
          const { streamId: stream, ...how } = data.sctpStreamParameters;
          const channel = connection.createDataChannel(data.label, { negotiated: true, id: stream, ...how });
          channel.onmessage = () => heard.add(data.label);
          socket.send(JSON.stringify({ response: true, id, ok: true, data: {} }));
        };
        socket.onclose = ({ code, reason }) => {
          for (const { failed } of pending.values()) failed(new Error(`closed: ${code} ${reason}`));
        };
        await until('a WebSocket', () => socket.readyState === WebSocket.OPEN);
        const transport = await ask('createWebRtcTransport', { producing: true, consuming: true, sctpCapabilities });
        const mine = connection.createDataChannel('chat', { negotiated: true, id: streamId });
        await connection.setLocalDescription(await connection.createOffer());
        const [, algorithm, value] = /a=fingerprint:(\S+) (\S+)/.exec(connection.localDescription.sdp);
        await ask('connectWebRtcTransport', { transportId: transport.id, dtlsParameters: { role: 'client', fingerprints: [{ algorithm, value }] } });
        await ask('join', { displayName: 'Visitor', device: { flag: 'test', name: 'test', version: '1' }, sctpCapabilities });
        await ask('produceData', { transportId: transport.id, label: 'chat', protocol: '', sctpStreamParameters: { streamId, ordered: true } });
        await connection.setRemoteDescription({ type: 'answer', sdp: window.answerOf(transport) });
        await until('an open channel', () => mine.readyState === 'open');
        mine.send('hello');
        await until('a word in the chat', () => heard.has('chat'));
        socket.close(1000);
        connection.close();
      };
    });
    return self;
  }

  /** Peers of these names, `atOnce` at a time. Resolves when the last has left. */
  async visit({ room, names, atOnce }) {
    const urls = names.map((name) => `${this.url}/?${new URLSearchParams({ roomId: room, peerId: name })}`);
    await this.page.evaluate(async ([waiting, several]) => {
      await Promise.all(Array.from({ length: several }, async () => {
        while (waiting.length > 0) await window.visit(waiting.shift());
      }));
    }, [urls, atOnce]);
  }

  async close() {
    await this.page.close();
  }
}
