import assert from 'node:assert/strict';
import dgram from 'node:dgram';
import { SCTP } from 'werift-sctp';
import { waitFor } from './wait.mjs';

const text = 51; // payload protocol (RFC 8831 §8)

/** A broadcaster over a plain transport with SCTP, and the program behind it: an association that can begin anew. */
export class DataBroadcaster {
  heard = []; // {stream, text}

  static async create(sluice, room, id) {
    const self = new DataBroadcaster();
    self.at = `/rooms/${room}/broadcasters`;
    const call = async (route, body) => {
      const { status, body: answer } = await sluice.rest('POST', `${self.at}${route}`, body);
      assert.equal(status, 200, answer);
      return answer;
    };
    const made = await call('', { id, displayName: id, device: { name: 'test' }, rtpCapabilities: { codecs: [], headerExtensions: [] } });
    self.peers = made.peers;
    self.transport = await call(`/${id}/transports`, { type: 'plain', comedia: true, rtcpMux: true, enableSctp: true });
    self.produce = (streamId, label = 'chat') =>
      call(`/${id}/transports/${self.transport.id}/produce/data`, { label, protocol: '', sctpStreamParameters: { streamId } });
    self.consume = (dataProducerId) => call(`/${id}/transports/${self.transport.id}/consume/data`, { dataProducerId });
    self.socket = dgram.createSocket('udp4');
    self.socket.on('message', (bytes) => self.link?.onData?.(bytes));
    await new Promise((resolve) => self.socket.bind(0, '127.0.0.1', resolve));
    await self.begin();
    return self;
  }

  /** The association, from its start. */
  async begin() {
    await this.sctp?.stop().catch(() => undefined);
    this.link = {
      send: (bytes) => new Promise((resolve) => this.socket.send(bytes, this.transport.port, this.transport.ip, () => resolve())),
      close: () => undefined,
    };
    this.sctp = SCTP.client(this.link, this.transport.sctpParameters.port);
    this.sctp.onReceive.subscribe((stream, _, bytes) => this.heard.push({ stream, text: bytes.toString() }));
    await this.sctp.start(this.transport.sctpParameters.port);
    await waitFor('an association', () => this.sctp.state === 'connected', { timeout: 15_000 });
  }

  say(stream, message) {
    return this.sctp.send(stream, text, Buffer.from(message), { ordered: true });
  }

  async end() {
    await this.sctp.stop().catch(() => undefined);
    this.socket.close();
  }
}
