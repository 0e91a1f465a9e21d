/**
 * A page that publishes by WHIP and plays by WHEP, as a page of ten lines would: an RTCPeerConnection, one POST.
 * Everything runs in the page; here are handles of it.
 */

/** What is put into the page once. */
function tools() {
  const connections = new Map();
  let next = 1;

  async function negotiate(pc, url, headers, sdp = (text) => text) {
    await pc.setLocalDescription();
    const offer = sdp(pc.localDescription.sdp);
    const response = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/sdp', ...headers }, body: offer });
    const text = await response.text();
    if (response.status !== 201) {
      pc.close();
      return { status: response.status, text, retryAfter: response.headers.get('retry-after') };
    }
    await pc.setRemoteDescription({ type: 'answer', sdp: text });
    const id = next++;
    const session = {
      pc, offer, answer: text, url: new URL(response.headers.get('location'), url).href,
      etag: response.headers.get('etag'), link: response.headers.get('link'), headers,
    };
    connections.set(id, session);
    return { id, status: 201, url: session.url, etag: session.etag, link: session.link, answer: text };
  }

  window.whip = {
    async publish(url, { codec, simulcast = false, headers = {}, width = 640, height = 360 } = {}) {
      const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: { width, height, frameRate: 15 } });
      const pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
      for (const track of stream.getTracks()) {
        const encodings = track.kind === 'video' && simulcast
          ? [{ rid: 'q', scaleResolutionDownBy: 4 }, { rid: 'h', scaleResolutionDownBy: 2 }, { rid: 'f' }] : [{}];
        const transceiver = pc.addTransceiver(track, { direction: 'sendonly', streams: [stream], sendEncodings: encodings });
        if (track.kind === 'video' && codec) {
          const all = RTCRtpSender.getCapabilities('video').codecs;
          const first = all.filter(({ mimeType }) => mimeType.toLowerCase() === `video/${codec}`);
          transceiver.setCodecPreferences([...first, ...all.filter((each) => !first.includes(each))]);
        }
      }
      const made = await negotiate(pc, url, headers);
      if (!made.id) for (const track of stream.getTracks()) track.stop();
      return made;
    },

    async play(url, { headers = {}, kinds = ['audio', 'video'] } = {}) {
      const pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
      for (const kind of kinds) pc.addTransceiver(kind, { direction: 'recvonly' });
      const video = document.createElement('video');
      video.autoplay = true;
      video.srcObject = new MediaStream();
      pc.ontrack = ({ track }) => video.srcObject.addTrack(track);
      document.body.append(video);
      const started = performance.now();
      const first = new Promise((resolve) => video.requestVideoFrameCallback(() => resolve(performance.now() - started)));
      const made = await negotiate(pc, url, headers);
      if (made.id) Object.assign(connections.get(made.id), { video, first });
      else video.remove();
      return made;
    },

    /** Milliseconds from the POST to the first picture. */
    firstFrame: (id) => connections.get(id).first,

    async stats(id) {
      const { pc, video } = connections.get(id);
      const result = { state: pc.connectionState, framesDecoded: 0, framesSent: 0, audioEnergy: 0, packets: 0, ssrcs: [], rids: [], codec: '', width: video?.videoWidth ?? 0, time: video?.currentTime ?? 0, freezes: 0 };
      const report = await pc.getStats();
      for (const each of report.values()) {
        if (each.type === 'inbound-rtp') {
          result.packets += each.packetsReceived;
          result.ssrcs.push(each.ssrc);
          if (each.kind === 'video') {
            result.framesDecoded += each.framesDecoded ?? 0;
            result.freezes += each.freezeCount ?? 0;
            result.codec = report.get(each.codecId)?.mimeType ?? '';
          } else {
            result.audioEnergy += each.totalAudioEnergy ?? 0;
          }
        } else if (each.type === 'outbound-rtp') {
          result.packets += each.packetsSent;
          if (each.kind === 'video') {
            result.framesSent += each.framesSent ?? 0;
            if (each.rid && each.framesSent > 0) result.rids.push(each.rid);
          }
        }
      }
      return result;
    },

    /** ICE is restarted by PATCH. */
    async restart(id) {
      const session = connections.get(id);
      const { pc } = session;
      pc.restartIce();
      await pc.setLocalDescription(await pc.createOffer({ iceRestart: true }));
      const line = (name) => pc.localDescription.sdp.match(new RegExp(`a=${name}:(.*)\r\n`))[1];
      const response = await fetch(session.url, {
        method: 'PATCH',
        headers: { 'content-type': 'application/trickle-ice-sdpfrag', 'if-match': '*', ...session.headers },
        body: `a=ice-ufrag:${line('ice-ufrag')}\r\na=ice-pwd:${line('ice-pwd')}\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n`,
      });
      const fragment = await response.text();
      const fresh = (name) => fragment.match(new RegExp(`a=${name}:(.*)\r\n`))[1];
      session.answer = session.answer
        .replaceAll(/a=ice-ufrag:.*\r\n/g, `a=ice-ufrag:${fresh('ice-ufrag')}\r\n`)
        .replaceAll(/a=ice-pwd:.*\r\n/g, `a=ice-pwd:${fresh('ice-pwd')}\r\n`);
      await pc.setRemoteDescription({ type: 'answer', sdp: session.answer });
      session.etag = response.headers.get('etag');
      return { status: response.status, fragment };
    },

    /** Any request to the session or below it. */
    async request(id, method, path = '', { type, body, ifMatch } = {}) {
      const session = connections.get(id);
      const response = await fetch(session.url + path, {
        method,
        headers: { ...(type ? { 'content-type': type } : {}), ...(ifMatch ? { 'if-match': ifMatch } : {}), ...session.headers },
        body,
      });
      return { status: response.status, text: await response.text(), location: response.headers.get('location') };
    },

    /** Names of the events of a stream so far. */
    async listen(id, location) {
      const events = [];
      connections.get(id).events = events;
      const source = new EventSource(location);
      for (const name of ['active', 'inactive', 'layers']) source.addEventListener(name, ({ data }) => events.push([name, data]));
      source.onerror = () => events.push(['error', '']);
    },
    events: (id) => connections.get(id).events,

    /** Lets go of a connection: as a program that ends, or with DELETE first. */
    async leave(id, { silently = false } = {}) {
      const session = connections.get(id);
      const status = silently ? 0 : (await fetch(session.url, { method: 'DELETE', headers: session.headers })).status;
      for (const sender of session.pc.getSenders()) sender.track?.stop();
      session.pc.close();
      session.video?.remove();
      connections.delete(id);
      return status;
    },
  };
}

/** A page of the server's own origin in which all of that can be called. */
export class WhipPage {
  static async open(browser, url) {
    const page = await browser.context.newPage();
    await page.goto(`${url}/`);
    await page.evaluate(tools);
    return new WhipPage(page, url);
  }

  constructor(page, url) {
    this.page = page;
    this.url = url;
  }

  call(name, ...args) {
    return this.page.evaluate(([method, list]) => window.whip[method](...list), [name, args]);
  }

  publish(room, options) {
    return this.call('publish', `${this.url}/whip/${room}`, options);
  }

  play(room, options) {
    return this.call('play', `${this.url}/whep/${room}`, options);
  }

  stats(id) {
    return this.call('stats', id);
  }

  async close() {
    await this.page.close();
  }
}
