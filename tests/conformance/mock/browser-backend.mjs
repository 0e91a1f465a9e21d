// Media behind the mock server: a page of Chromium is the media server. What a publisher sends goes to all players of
// its room, encoded anew.
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fragmentText } from './text-backend.mjs';

const flags = ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--autoplay-policy=no-user-gesture-required',
  '--disable-background-timer-throttling', '--disable-renderer-backgrounding', '--disable-backgrounding-occluded-windows',
  '--allow-loopback-in-peer-connection', '--disable-features=WebRtcHideLocalIpsWithMdns'];

/** Runs in the page; nothing from outside. */
function makeServer() {
  const rooms = new Map();
  const sessions = new Map();
  const roomOf = (name) => rooms.get(name) ?? rooms.set(name, { tracks: {}, elements: [] }).get(name);

  /** Chromium passes a received track on only while something plays it. */
  function play(room, track) {
    const element = document.createElement(track.kind);
    Object.assign(element, { autoplay: true, muted: true, srcObject: new MediaStream([track]) });
    document.body.append(element);
    element.play().catch(() => {});
    room.elements.push(element);
  }

  function publish(room, name, track) {
    room.tracks[track.kind] = track;
    play(room, track);
    for (const session of sessions.values()) {
      if (session.protocol !== 'whep' || session.room !== name) continue;
      for (const { sender, receiver } of session.connection.getTransceivers()) if (receiver.track.kind === track.kind) sender.replaceTrack(track);
    }
  }

  async function answer(session, sdp) {
    const { connection } = session;
    await connection.setRemoteDescription({ type: 'offer', sdp });
    if (session.protocol === 'whep') {
      const stream = new MediaStream();
      for (const transceiver of connection.getTransceivers()) {
        transceiver.direction = 'sendonly';
        transceiver.sender.setStreams(stream);
        await transceiver.sender.replaceTrack(roomOf(session.room).tracks[transceiver.receiver.track.kind] ?? null);
      }
    }
    await connection.setLocalDescription(await connection.createAnswer());
    while (connection.iceGatheringState !== 'complete') await new Promise((resolve) => connection.addEventListener('icegatheringstatechange', resolve, { once: true }));
    return connection.localDescription.sdp;
  }

  return {
    async make(id, protocol, name, sdp) {
      const session = { protocol, room: name, offer: sdp, connection: new RTCPeerConnection() };
      sessions.set(id, session);
      if (protocol === 'whip') session.connection.ontrack = ({ track }) => publish(roomOf(name), name, track);
      return await answer(session, sdp);
    },
    async restart(id, { ufrag, pwd, candidates }) {
      const session = sessions.get(id);
      let first = true;
      const sdp = session.offer
        .replace(/^a=(candidate:.*|end-of-candidates)\r\n/gm, '')
        .replace(/^a=ice-ufrag:.*$/gm, `a=ice-ufrag:${ufrag}`)
        .replace(/^a=ice-pwd:.*$/gm, () => {
          const lines = first ? candidates.map((each) => `\r\na=candidate:${each}`).join('') : '';
          first = false;
          return `a=ice-pwd:${pwd}${lines}`;
        });
      const text = await answer(session, sdp);
      return { ufrag: text.match(/a=ice-ufrag:(\S+)/)[1], pwd: text.match(/a=ice-pwd:(\S+)/)[1], candidates: [...text.matchAll(/^a=candidate:(.*?)\r?$/gm)].map((each) => each[1]) };
    },
    end(id) {
      sessions.get(id)?.connection.close();
      sessions.delete(id);
    },
  };
}

export class BrowserBackend {
  /** `chromium` is playwright-core's. */
  static async open(chromium, executablePath = '/usr/bin/chromium') {
    const profile = mkdtempSync(path.join(os.tmpdir(), 'conformance-server-'));
    const context = await chromium.launchPersistentContext(profile, { executablePath, headless: true, args: flags });
    const page = await context.newPage();
    await page.evaluate(`window.server = (${makeServer})()`);
    return new BrowserBackend(context, page, profile);
  }

  constructor(context, page, profile) {
    Object.assign(this, { context, page, profile });
  }

  async make({ id, protocol, room }, offer) {
    return await this.page.evaluate((given) => window.server.make(...given), [id, protocol, room, offer]);
  }

  async restart({ id }, fragment) {
    const { candidates, ...ice } = await this.page.evaluate((given) => window.server.restart(...given), [id, fragment]);
    return fragmentText(ice, candidates, false);
  }

  async end({ id }) {
    await this.page.evaluate((given) => window.server.end(given), id);
  }

  async close() {
    await this.context.close();
    rmSync(this.profile, { recursive: true, force: true });
  }
}
