import http from 'node:http';
import { bundle } from './page-bundle.mjs';
import { waitFor } from './wait.mjs';

/** Serves the empty page that all MediaPages are, with mediasoup-client in it. */
export class PageServer {
  static async start() {
    const self = new PageServer();
    const script = bundle('mediasoup-client', 'mediasoupClient');
    self.server = http.createServer((request, response) => {
      if (request.url === '/client.js') {
        response.setHeader('content-type', 'text/javascript');
        response.end(script);
      } else {
        response.setHeader('content-type', 'text/html');
        response.end('<!doctype html><title>media</title><script src="client.js"></script>');
      }
    });
    await new Promise((resolve) => self.server.listen(0, '127.0.0.1', resolve));
    self.origin = `http://127.0.0.1:${self.server.address().port}`;
    return self;
  }
  close() {
    this.server.close();
    this.server.closeAllConnections();
  }
}

/** What every page runs: `window.client`, told what to do from here. */
function inPage() {
  const plain = (value) => JSON.parse(JSON.stringify(value));
  window.client = {
    producers: new Map(),
    stalls: [],  // when this page, or its camera, stood still: [{at, ms}]
    consumers: new Map(),  // id → {consumer, element, sizes: [{at, width, height}]}

    watchTime() {
      let last = Date.now();
      setInterval(() => {
        const now = Date.now();
        if (now - last > 50) this.stalls.push({ at: now, ms: now - last });
        last = now;
      }, 10);
    },
    async watchCamera(track, interval) {
      const frames = new MediaStreamTrackProcessor({ track }).readable.getReader();
      let last;
      for (;;) {
        const { done, value: frame } = await frames.read();
        if (done) return;
        const ms = last === undefined ? 0 : (frame.timestamp - last) / 1000;
        if (ms > 1.8 * interval) this.stalls.push({ at: Date.now(), ms });
        last = frame.timestamp;
        frame.close();
      }
    },
    async load(routerRtpCapabilities) {
      this.device = await mediasoupClient.Device.factory();
      await this.device.load({ routerRtpCapabilities });
      return plain(this.device.recvRtpCapabilities);
    },
    connect(direction, options) {
      const create = direction === 'send' ? 'createSendTransport' : 'createRecvTransport';
      const transport = this.device[create](options);
      this[direction] = transport;
      transport.on('connect', ({ dtlsParameters }, done, failed) => {
        window.signal('connect', plain({ transportId: transport.id, dtlsParameters })).then(done, failed);
      });
      transport.on('produce', ({ kind, rtpParameters }, done, failed) => {
        window.signal('produce', plain({ transportId: transport.id, kind, rtpParameters })).then((id) => done({ id }), failed);
      });
    },
    async produce({ kind, width, height, frameRate, codec, encodings, codecOptions }) {
      const constraints = kind === 'audio' ? { audio: true } : { video: { width, height, frameRate } };
      const stream = await navigator.mediaDevices.getUserMedia(constraints);
      const [track] = stream.getTracks();
      const options = { track, encodings, codecOptions, disableTrackOnPause: false };
      if (codec) {
        options.codec = this.device.sendRtpCapabilities.codecs.find(
          (each) => each.mimeType.toLowerCase() === codec.toLowerCase());
        if (!options.codec) return null;
      }
      const producer = await this.send.produce(options);
      const { rtpSender } = producer;
      if (kind === 'video') {
        // A machine that is slow for a moment is not to change the sizes that are looked for.
        const parameters = rtpSender.getParameters();
        parameters.degradationPreference = 'maintain-resolution';
        await rtpSender.setParameters(parameters);
      }
      this.producers.set(producer.id, producer);
      if (kind === 'video') {
        const watched = track.clone();
        void this.watchCamera(watched, 1000 / frameRate);
        // It would keep the camera at its size.
        producer.observer.on('close', () => watched.stop());
      }
      return producer.id;
    },
    stopProducing(id) {
      const producer = this.producers.get(id);
      this.producers.delete(id);
      producer.close();
    },
    async consume(options) {
      const consumer = await this.recv.consume(options);
      const element = document.createElement(consumer.kind);
      Object.assign(element, { autoplay: true, muted: consumer.kind === 'video', width: 160 });
      const entry = { consumer, element, sizes: [] };
      element.addEventListener('resize', () => {
        entry.sizes.push({ at: Date.now(), width: element.videoWidth, height: element.videoHeight });
      });
      element.srcObject = new MediaStream([consumer.track]);
      document.body.append(element);
      this.consumers.set(consumer.id, entry);
    },
    sizes(id) {
      return this.consumers.get(id).sizes;
    },
    async received(id) {
      const report = await this.consumers.get(id).consumer.getStats();
      for (const entry of report.values()) {
        if (entry.type === 'inbound-rtp') return { ...entry, mimeType: report.get(entry.codecId)?.mimeType };
      }
      return null;
    },
    async receivedAll() {
      return await Promise.all([...this.consumers.keys()].map(async (id) => [id, await this.received(id)]));
    },
    async sent(id) {
      const report = await this.producers.get(id).getStats();
      return [...report.values()].filter(({ type }) => type === 'outbound-rtp')
        .map((entry) => ({ ...entry, mimeType: report.get(entry.codecId)?.mimeType }));
    },
  };
}

/** A browser page with mediasoup-client, one sending and one receiving transport of `router`. */
export class MediaPage {
  log = [];
  transports = {};  // by direction
  byId = new Map();
  producers = new Map();  // the library's
  capabilities;

  static async open(browser, origin, router, { directions = ['send', 'recv'], transportOptions = {}, route = (candidates) => candidates } = {}) {
    const self = new MediaPage();
    self.router = router;
    self.page = await browser.context.newPage();
    self.page.on('console', (message) => self.log.push(message.text()));
    self.page.on('pageerror', (error) => self.log.push(`pageerror: ${error.stack}`));
    await self.page.exposeFunction('signal', (method, data) => self.signal(method, data));
    await self.page.goto(origin);
    await self.page.evaluate(`(${inPage})()`);
    await self.page.evaluate(() => window.client.watchTime());
    self.capabilities = await self.page.evaluate((c) => window.client.load(c), router.rtpCapabilities);
    for (const direction of directions) {
      const transport = await router.createWebRtcTransport({
        listenInfos: [{ protocol: 'udp', ip: '127.0.0.1' }], initialAvailableOutgoingBitrate: 10_000_000, ...transportOptions,
      });
      self.transports[direction] = transport;
      self.byId.set(transport.id, transport);
      const { id, iceParameters, dtlsParameters } = transport;
      const iceCandidates = await route(transport.iceCandidates, direction);
      await self.page.evaluate(
        ([d, options]) => window.client.connect(d, options), [direction, { id, iceParameters, iceCandidates, dtlsParameters }]);
    }
    return self;
  }

  async signal(method, data) {
    const transport = this.byId.get(data.transportId);
    if (method === 'connect') return await transport.connect({ dtlsParameters: data.dtlsParameters });
    const producer = await transport.produce({ kind: data.kind, rtpParameters: data.rtpParameters });
    this.producers.set(producer.id, producer);
    return producer.id;
  }

  /** Fake camera or microphone; resolves with the library's producer, null where the browser lacks the codec. */
  async produce(options) {
    const id = await this.page.evaluate((o) => window.client.produce(o), options);
    return id === null ? null : this.producers.get(id);
  }

  /** Resolves with the library's consumer, which runs. */
  async consume(producer, options = {}) {
    const consumer = await this.transports.recv.consume({
      producerId: producer.id, rtpCapabilities: this.capabilities, paused: true, ...options,
    });
    await this.show(consumer);
    return consumer;
  }
  /** The page plays it, and it runs. */
  async show(consumer) {
    const { id, producerId, kind, rtpParameters } = consumer;
    await this.page.evaluate((o) => window.client.consume(o), { id, producerId, kind, rtpParameters });
    await consumer.resume();
  }

  /** The inbound-rtp statistics of a consumer. */
  async received(consumer) {
    return await this.page.evaluate((id) => window.client.received(id), consumer.id);
  }
  /** The same of all consumers of the page, by consumer id. */
  async receivedAll() {
    return new Map(await this.page.evaluate(() => window.client.receivedAll()));
  }
  /** The outbound-rtp statistics of a producer, one element for each encoding. */
  async sent(producer) {
    return await this.page.evaluate((id) => window.client.sent(id), producer.id);
  }
  /** When the decoded picture had which size: [{at: ms of the epoch, width, height}]. */
  async sizes(consumer) {
    return await this.page.evaluate((id) => window.client.sizes(id), consumer.id);
  }
  /** Whether the page, or its camera, stood still since that time (ms of the epoch): a machine with too much to do. */
  async stalled(since) {
    return await this.page.evaluate((at) => window.client.stalls.some((stall) => stall.at > at), since);
  }
  async stopProducing(producer) {
    await this.page.evaluate((id) => window.client.stopProducing(id), producer.id);
    producer.close();
  }
  async decodes(consumer, minFrames = 5) {
    return await waitFor(`decoded media of ${consumer.id}`, async () => {
      const stats = await this.received(consumer);
      const good = consumer.kind === 'audio' ? stats?.totalAudioEnergy > 0 : stats?.framesDecoded >= minFrames;
      return good && stats;
    }, { describe: async () => [await this.received(consumer), this.log] });
  }
  async close() {
    await this.page.close();
  }
}
