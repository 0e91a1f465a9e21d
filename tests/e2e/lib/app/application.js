// A room application as others write them: protoo-client for signalling, mediasoup-client for media, of
// either generation. Runs in a page; the test steers it by window.application and reads what it noted.
import * as mediasoupNow from 'mediasoup-client';
import * as mediasoupThen from 'mediasoup-client-3.7';
import * as protoo from 'protoo-client';

const generations = { now: mediasoupNow, then: mediasoupThen };
const webcamEncodings = [
  { scaleResolutionDownBy: 4, maxBitrate: 150_000, scalabilityMode: 'L1T3' },
  { scaleResolutionDownBy: 2, maxBitrate: 400_000, scalabilityMode: 'L1T3' },
  { scaleResolutionDownBy: 1, maxBitrate: 1_200_000, scalabilityMode: 'L1T3' },
];

class Application {
  constructor(url, {
    generation = 'now', displayName = 'N', produce = true, consume = true, data = true, resume = false, retry, device,
  } = {}) {
    this.settings = { generation, displayName, produce, consume, data, resume, device };
    this.resumeToken = undefined;
    this.resumed = 0;
    this.resumeFailures = [];
    this.producerIds = new Set();
    this.requests = []; // of the server: {method, data}
    this.trace = []; // all in order: {what, method, data}; of a request "data" is what was sent
    this.notifications = [];
    this.messages = []; // of data consumers: {label, text}
    this.peers = new Map();
    this.consumers = new Map();
    this.dataConsumers = new Map();
    this.videos = new Map();
    this.state = 'new';
    this.opened = 0;
    this.peer = new protoo.Peer(new protoo.WebSocketTransport(url, retry ? { retry } : undefined));
    this.peer.on('open', () => {
      this.opened += 1;
      this.enter().then(
        () => { this.state = 'joined'; },
        (error) => { this.state = `failed: ${error.message}`; },
      );
    });
    this.peer.on('disconnected', () => { this.state = 'disconnected'; });
    this.peer.on('close', () => { this.state = 'closed'; });
    this.peer.on('request', (request, accept, reject) => void this.onRequest(request, accept, reject));
    this.peer.on('notification', (notification) => this.onNotification(notification));
  }

  /** As it is now: libraries change what they are given. */
  note(what, method, data) {
    this.trace.push({ what, method, data: JSON.parse(JSON.stringify(data)) });
  }

  async request(method, data = {}) {
    this.note('request', method, data);
    try {
      const answer = await this.peer.request(method, data);
      this.note('response', method, answer);
      return answer;
    } catch (error) {
      this.note('error', method, { code: error.code, reason: error.message });
      throw error;
    }
  }

  /** Goes on as before where that is possible, else joins. */
  async enter() {
    if (this.resumeToken) {
      try {
        await this.resume();
        return;
      } catch (error) {
        this.resumeFailures.push(error.message);
        this.forget();
      }
    }
    await this.join();
  }

  async resume() {
    const state = await this.request('resume', {
      resumeToken: this.resumeToken,
      producerIds: [...this.producerIds],
      consumerIds: [...this.consumers.keys()],
      dataConsumerIds: [...this.dataConsumers.keys()],
    });
    this.resumeToken = state.resumeToken;
    this.peers = new Map(state.peers.map((peer) => [peer.id, peer]));
    this.resumed += 1;
  }

  /** All that the session before has left. */
  forget() {
    this.resumeToken = undefined;
    this.send?.close();
    this.receive?.close();
    for (const video of this.videos.values()) video.remove();
    for (const map of [this.peers, this.consumers, this.dataConsumers, this.videos, this.producerIds]) map.clear();
  }

  async join() {
    const { generation, displayName, produce, consume, data, resume, device } = this.settings;
    this.device = device ?? new generations[generation].Device();
    const routerRtpCapabilities = await this.request('getRouterRtpCapabilities');
    if (!this.device.loaded) await this.device.load({ routerRtpCapabilities });
    // The older library has capabilities to show, the newer one only asks for it.
    const known = this.device.sctpCapabilities;
    const sctp = data ? (known ? { sctpCapabilities: known } : { enableSctp: true }) : {};
    if (produce) this.send = await this.makeTransport('send', sctp);
    if (consume) this.receive = await this.makeTransport('receive', sctp);
    const { peers, resumeToken } = await this.request('join', {
      displayName,
      ...(resume ? { resume } : {}),
      device: { flag: 'chrome', name: 'Chrome', version: '156' },
      rtpCapabilities: consume ? this.device.rtpCapabilities : undefined,
      ...(consume ? sctp : {}),
    });
    this.resumeToken = resumeToken;
    for (const peer of peers) this.peers.set(peer.id, peer);
  }

  async makeTransport(direction, sctp) {
    const options = await this.request('createWebRtcTransport', {
      forceTcp: false, producing: direction === 'send', consuming: direction === 'receive', ...sctp,
    });
    const transport = direction === 'send'
      ? this.device.createSendTransport({ ...options, iceServers: [] })
      : this.device.createRecvTransport({ ...options, iceServers: [] });
    transport.on('connect', ({ iceParameters, dtlsParameters }, done, failed) => {
      this.request('connectWebRtcTransport', { transportId: transport.id, iceParameters, dtlsParameters })
        .then(done).catch(failed);
    });
    transport.on('produce', ({ kind, rtpParameters, appData }, done, failed) => {
      this.request('produce', { transportId: transport.id, kind, rtpParameters, appData })
        .then(({ id }) => {
          this.producerIds.add(id);
          done({ id });
        })
        .catch(failed);
    });
    transport.on('producedata', ({ sctpStreamParameters, label, protocol, appData }, done, failed) => {
      this.request('produceData', { transportId: transport.id, sctpStreamParameters, label, protocol, appData })
        .then(({ id }) => done({ id })).catch(failed);
    });
    return transport;
  }

  /** The microphone; its producer's id. */
  async enableMic() {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    this.mic = await this.send.produce({
      track: stream.getAudioTracks()[0],
      codecOptions: { opusStereo: true, opusDtx: true, opusFec: true, opusNack: true },
    });
    return this.mic.id;
  }

  /** The camera, as `layers`: 'simulcast' (three encodings), 'svc' (VP9) or 'one'. */
  async enableWebcam(layers = 'simulcast', { width = 960, height = 540, frameRate = 10 } = {}) {
    const stream = await navigator.mediaDevices.getUserMedia({ video: { width, height, frameRate } });
    const track = stream.getVideoTracks()[0];
    const codecOptions = { videoGoogleStartBitrate: 1000 };
    const options = { track, codecOptions };
    if (layers === 'simulcast') options.encodings = webcamEncodings;
    if (layers === 'svc') {
      const known = this.device.sendRtpCapabilities ?? this.device.rtpCapabilities;
      options.codec = known.codecs.find((codec) => codec.mimeType.toLowerCase() === 'video/vp9');
      options.encodings = [{ maxBitrate: 1_200_000, scalabilityMode: 'L3T3_KEY' }];
    }
    this.webcam = await this.send.produce(options);
    return this.webcam.id;
  }

  /** A data producer as applications make them; resolves when it is open. */
  async enableData(label, options = {}) {
    const producer = await this.send.produceData({
      label, protocol: '', ordered: false, maxRetransmits: 1, appData: { info: 'data' }, ...options,
    });
    this[label] = producer;
    if (producer.readyState !== 'open') {
      await new Promise((done, failed) => {
        producer.once('open', done);
        producer.once('error', failed);
      });
    }
    return producer.id;
  }

  /** As DataPage.sendPaced(), with a data producer of enableData(). */
  sendPaced(label, { count, size, interval }) {
    return new Promise((resolve) => {
      const begin = performance.now();
      const sentAt = [];
      const timer = setInterval(() => {
        // What is due: a timer that was late sends more.
        const due = Math.min(count, Math.floor((performance.now() - begin) / interval) + 1);
        while (sentAt.length < due) {
          const bytes = new Uint8Array(size);
          new DataView(bytes.buffer).setUint32(0, sentAt.length);
          this[label].send(bytes);
          sentAt.push(Date.now());
        }
        if (sentAt.length < count) return;
        clearInterval(timer);
        resolve(sentAt);
      }, Math.min(interval, 10));
    });
  }

  async onRequest(request, accept, reject) {
    this.requests.push({ method: request.method, data: request.data });
    this.note('server request', request.method, request.data);
    try {
      if (request.method === 'newConsumer') {
        if (!this.settings.consume) return reject(403, 'I do not want to consume');
        await this.onNewConsumer(request.data);
        this.note('answer', request.method, request.data);
        return accept();
      }
      if (request.method === 'newDataConsumer') {
        if (!this.settings.consume || !this.settings.data) return reject(403, 'I do not want DataChannels');
        await this.onNewDataConsumer(request.data);
        this.note('answer', request.method, request.data);
        return accept();
      }
      return reject(404, 'unknown');
    } catch (error) {
      this.notifications.push({ method: 'failure of the application', data: error.message });
      return reject(500, error.message);
    }
  }

  async onNewConsumer({ peerId, producerId, id, kind, rtpParameters, type, appData, producerPaused }) {
    const known = this.peers.has(peerId);
    const consumer = await this.receive.consume({
      id, producerId, kind, rtpParameters, streamId: `${peerId}-${appData.share ? 'share' : 'mic-webcam'}`,
      appData: { ...appData, peerId },
    });
    this.consumers.set(id, { peerId, producerId, kind, type, producerPaused, consumer, knownPeer: known });
    if (kind === 'video') {
      const video = document.createElement('video');
      video.muted = true;
      video.srcObject = new MediaStream([consumer.track]);
      document.body.append(video);
      video.play().catch(() => undefined); // resolves when media comes, which it does once this is answered
      this.videos.set(id, video);
    }
  }

  async onNewDataConsumer({ peerId, dataProducerId, id, sctpStreamParameters, label, protocol, appData }) {
    const consumer = await this.receive.consumeData({
      id, dataProducerId, sctpStreamParameters, label, protocol, appData: { ...appData, peerId },
    });
    this.dataConsumers.set(id, { peerId, label, consumer });
    consumer.on('message', (message) => {
      const size = typeof message === 'string' ? message.length : message.byteLength;
      const isText = typeof message === 'string';
      const number = !isText && size >= 4 ? new DataView(message).getUint32(0) : null; // of sendPaced()
      this.messages.push({ label, peerId, at: Date.now(), size, text: isText ? message : null, number });
    });
  }

  onNotification({ method, data }) {
    this.notifications.push({ method, data });
    this.note('notification', method, data);
    if (method === 'newPeer') this.peers.set(data.id, data);
    if (method === 'peerClosed') this.peers.delete(data.peerId);
    if (method === 'consumerClosed') {
      this.consumers.get(data.consumerId)?.consumer.close();
      this.consumers.delete(data.consumerId);
      this.videos.get(data.consumerId)?.remove();
      this.videos.delete(data.consumerId);
    }
    if (method === 'dataConsumerClosed') {
      this.dataConsumers.get(data.dataConsumerId)?.consumer.close();
      this.dataConsumers.delete(data.dataConsumerId);
    }
  }

  /** What is received of each consumer: size, frames, energy. */
  async received() {
    const all = {};
    for (const [id, { consumer, kind, peerId, type }] of this.consumers) {
      const entry = { kind, peerId, type };
      (await consumer.getStats()).forEach((stat) => {
        if (stat.type !== 'inbound-rtp') return;
        Object.assign(entry, {
          width: stat.frameWidth ?? 0, height: stat.frameHeight ?? 0, frames: stat.framesDecoded ?? 0,
          freezes: stat.freezeCount ?? 0, dropped: stat.framesDropped ?? 0, energy: stat.totalAudioEnergy ?? 0,
          packets: stat.packetsReceived ?? 0, keyFrames: stat.keyFramesDecoded ?? 0, plis: stat.pliCount ?? 0,
        });
      });
      all[id] = entry;
    }
    return all;
  }

  /** Key frames that were sent so far. */
  async sentKeyFrames() {
    let count = 0;
    (await this.webcam.getStats()).forEach((stat) => {
      if (stat.type === 'outbound-rtp') count += stat.keyFramesEncoded ?? 0;
    });
    return count;
  }

  /** Asks for layers of a consumer; milliseconds until a picture `width` pixels wide is decoded. */
  async switchTo(consumerId, spatialLayer, width) {
    const begin = performance.now();
    await this.request('setConsumerPreferredLayers', { consumerId, spatialLayer, temporalLayer: 2 });
    while ((await this.received())[consumerId].width !== width) {
      if (performance.now() - begin > 20_000) throw new Error(`no picture ${width} pixels wide`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    return Math.round(performance.now() - begin);
  }

  close() {
    this.peer.close();
    this.send?.close();
    this.receive?.close();
  }
}

window.startApplication = (url, settings) => {
  window.application = new Application(url, settings);
};

/** A viewer for each of the addresses as window.crowd, `atOnce` of them coming at a time; one device is all theirs. */
window.startCrowd = async (urls, settings, atOnce) => {
  const device = new generations.now.Device();
  const waiting = [...urls];
  window.crowd = [];
  const come = async (url) => {
    const viewer = new Application(url, { ...settings, device, produce: false });
    window.crowd.push(viewer);
    while (viewer.state === 'new') await new Promise((resolve) => setTimeout(resolve, 5));
    if (viewer.state !== 'joined') throw new Error(`viewer ${window.crowd.length}: ${viewer.state}`);
  };
  await come(waiting.shift()); // loads the device
  const comeOneByOne = async () => {
    while (waiting.length > 0) await come(waiting.shift());
  };
  await Promise.all(Array.from({ length: atOnce }, comeOneByOne));
};
