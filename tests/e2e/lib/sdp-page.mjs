/**
 * A page with an RTCPeerConnection and a WebSocket to /sdp: it sends what it has and shows what the server offers.
 */

/** What a page of ten lines does, with a log. */
function client() {
  /** A picture that moves, of a page that has no camera. */
  const drawn = () => {
    const canvas = document.createElement('canvas');
    Object.assign(canvas, { width: 320, height: 180 });
    const context = canvas.getContext('2d');
    let count = 0;
    setInterval(() => {
      context.fillStyle = `hsl(${(count++ * 7) % 360} 80% 50%)`;
      context.fillRect((count * 5) % 320, 0, 40, 180);
    }, 50);
    const audio = new AudioContext();
    const tone = audio.createOscillator();
    const sound = audio.createMediaStreamDestination();
    tone.connect(sound);
    tone.start();
    return new MediaStream([...canvas.captureStream(15).getTracks(), ...sound.stream.getTracks()]);
  };
  // What our networks let through: a page sees no others of the server's candidates.
  const through = (sdp, only) => sdp.split('\r\n').filter((line) => !only || !line.startsWith('a=candidate:') || line.includes(` ${only} `)).join('\r\n');
  window.join = async (url, { publish = true, codec, data = true, only, camera = true, hint } = {}) => {
    const socket = new WebSocket(url);
    const log = [];
    const state = { log, streams: {}, closed: null, heard: [] };
    window.state = state;
    await new Promise((resolve, reject) => Object.assign(socket, { onopen: resolve, onerror: reject }));
    socket.onclose = ({ code }) => (state.closed = code);
    const sessionId = crypto.randomUUID();
    const send = (message) => socket.send(JSON.stringify({ sessionId, sdp: null, candidate: null, sdpMid: null, sdpMLineIndex: null, ...message }));
    const pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
    Object.assign(state, { socket, pc, send });
    let offering = false;
    pc.onnegotiationneeded = async () => {
      offering = true;
      await pc.setLocalDescription();
      offering = false;
      send({ type: 'offer', sdp: pc.localDescription.sdp });
    };
    state.own = [];
    pc.onicecandidate = ({ candidate }) => {
      if (candidate?.candidate) state.own.push(candidate.candidate);
      send({ type: 'candidate', candidate: candidate?.candidate ?? '', sdpMid: candidate?.sdpMid ?? null, sdpMLineIndex: candidate?.sdpMLineIndex ?? null });
    };
    pc.ontrack = ({ track, streams: [stream] }) => {
      const video = state.streams[stream.id] ?? document.createElement('video');
      Object.assign(video, { autoplay: true, srcObject: stream });
      if (!state.streams[stream.id]) document.body.append(video);
      state.streams[stream.id] = video;
    };
    // One after the other: an offer may come right behind an answer that is being taken.
    let last = Promise.resolve();
    socket.onmessage = ({ data: text }) => {
      const message = JSON.parse(text);
      log.push(message);
      last = last.then(() => take(message));
    };
    const take = async (message) => {
      if (message.type === 'offer') {
        // The server takes back its offer when ours crosses it.
        if (offering || pc.signalingState === 'have-local-offer') return;
        await pc.setRemoteDescription({ type: 'offer', sdp: through(message.sdp, only) });
        await pc.setLocalDescription();
        send({ type: 'answer', sdp: pc.localDescription.sdp });
      } else if (message.type === 'answer') {
        await pc.setRemoteDescription({ type: 'answer', sdp: through(message.sdp, only) });
      }
    };
    pc.ondatachannel = ({ channel }) => {
      channel.onmessage = ({ data: text }) => state.heard.push(`${channel.label}: ${text}`);
    };
    const stream = publish && (camera ? await navigator.mediaDevices.getUserMedia({ audio: true, video: { width: 320, height: 180, frameRate: 15 } }) : drawn());
    if (publish && hint) stream.getVideoTracks()[0].contentHint = hint;
    // All at once: one offer.
    if (data) state.channel = pc.createDataChannel('any');
    if (publish) {
      for (const track of stream.getTracks()) {
        const transceiver = pc.addTransceiver(track, { direction: 'sendrecv', streams: [stream] });
        if (track.kind === 'video' && codec) {
          transceiver.setCodecPreferences(RTCRtpSender.getCapabilities('video').codecs.filter(({ mimeType }) => mimeType.toLowerCase() === `video/${codec}`));
        }
      }
      state.stream = stream;
    }
  };
  window.look = async () => {
    const { pc, streams, log, closed } = window.state;
    const result = { state: pc.connectionState, closed, sent: 0, decoded: {}, media: {}, types: log.map(({ type }) => type), errors: log.filter(({ type }) => type === 'error').map(({ reason }) => reason) };
    const stats = await pc.getStats();
    for (const each of stats.values()) {
      if (each.type === 'outbound-rtp' && each.kind === 'video') result.sent += each.framesSent ?? 0;
      if (each.type === 'inbound-rtp') {
        const id = Object.keys(streams).find((one) => streams[one].srcObject.getTrackById(each.trackIdentifier));
        result.media[id] ??= { frames: 0, energy: 0 };
        result.media[id].frames += each.framesDecoded ?? 0;
        result.media[id].energy += each.totalAudioEnergy ?? 0;
        if (each.kind === 'video') result.media[id].content = each.contentType ?? 'video';
      }
      if (each.type === 'transport' && each.selectedCandidatePairId) {
        const { protocol, address } = stats.get(stats.get(each.selectedCandidatePairId).remoteCandidateId);
        result.way = `${protocol} ${address}`;
      }
    }
    result.own = window.state.own;
    for (const [id, video] of Object.entries(streams)) {
      result.decoded[id] = video.getVideoPlaybackQuality().totalVideoFrames;
    }
    return result;
  };
}

export class SdpPage {
  /** `options`: those of window.join above. */
  static async join(browser, url, room, peer, options = {}) {
    const page = await browser.context.newPage();
    await page.goto(`${url}/`);
    await page.evaluate(client);
    await page.evaluate(([where, more]) => window.join(where, more), [`${url.replace('http', 'ws')}/sdp?roomId=${room}&peerId=${peer}`, options]);
    return new SdpPage(page);
  }

  constructor(page) {
    this.page = page;
  }

  /** Its state, its frames sent, and by participant what it plays (`media`: frames decoded, audio energy, type of content). */
  look = () => this.page.evaluate(() => window.look());

  async close() {
    await this.page.close();
  }
}
