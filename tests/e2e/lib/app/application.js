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
  constructor(url, { generation = 'now', displayName = 'N', produce = true, consume = true, data = true } = {}) {
    this.settings = { generation, displayName, produce, consume, data };
    this.requests = []; // of the server: {method, data}
    this.notifications = [];
    this.messages = []; // of data consumers: {label, text}
    this.peers = new Map();
    this.consumers = new Map();
    this.dataConsumers = new Map();
    this.videos = new Map();
    this.state = 'new';
    this.opened = 0;
    this.peer = new protoo.Peer(new protoo.WebSocketTransport(url));
    this.peer.on('open', () => {
      this.opened += 1;
      this.join().then(
        () => { this.state = 'joined'; },
        (error) => { this.state = `failed: ${error.message}`; },
      );
    });
    this.peer.on('disconnected', () => { this.state = 'disconnected'; });
    this.peer.on('close', () => { this.state = 'closed'; });
    this.peer.on('request', (request, accept, reject) => void this.onRequest(request, accept, reject));
    this.peer.on('notification', (notification) => this.onNotification(notification));
  }

  request(method, data) {
    return this.peer.request(method, data);
  }

  async join() {
    const { generation, displayName, produce, consume, data } = this.settings;
    const { Device } = generations[generation];
    this.device = new Device();
    await this.device.load({ routerRtpCapabilities: await this.request('getRouterRtpCapabilities') });
    // The older library has capabilities to show, the newer one only asks for it.
    const known = this.device.sctpCapabilities;
    const sctp = data ? (known ? { sctpCapabilities: known } : { enableSctp: true }) : {};
    if (produce) this.send = await this.makeTransport('send', sctp);
    if (consume) this.receive = await this.makeTransport('receive', sctp);
    const { peers } = await this.request('join', {
      displayName,
      device: { flag: 'chrome', name: 'Chrome', version: '156' },
      rtpCapabilities: consume ? this.device.rtpCapabilities : undefined,
      ...(consume ? sctp : {}),
    });
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
        .then(({ id }) => done({ id })).catch(failed);
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

  async onRequest(request, accept, reject) {
    this.requests.push({ method: request.method, data: request.data });
    try {
      if (request.method === 'newConsumer') {
        if (!this.settings.consume) return reject(403, 'I do not want to consume');
        await this.onNewConsumer(request.data);
        return accept();
      }
      if (request.method === 'newDataConsumer') {
        if (!this.settings.consume || !this.settings.data) return reject(403, 'I do not want DataChannels');
        await this.onNewDataConsumer(request.data);
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
      this.messages.push({ label, peerId, at: Date.now(), size, text: typeof message === 'string' ? message : null });
    });
  }

  onNotification({ method, data }) {
    this.notifications.push({ method, data });
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
          keyFrames: stat.keyFramesDecoded ?? 0, plis: stat.pliCount ?? 0,
        });
      });
      all[id] = entry;
    }
    return all;
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
