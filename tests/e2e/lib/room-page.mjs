/**
 * A browser page with one RTCPeerConnection to a worker of the JSON protocol. The side of the worker
 * makes the offers: its payload types count, and it is ICE-lite.
 */
export class RoomPage {
  log = [];

  static async open(browser) {
    const page = await browser.context.newPage();
    // A secure context, as getUserMedia wants it, without a server.
    const address = 'https://room-page.test/';
    await page.route(address, (route) => route.fulfill({ contentType: 'text/html', body: '<!doctype html>' }));
    await page.goto(address);
    return new RoomPage(page);
  }

  constructor(page) {
    this.page = page;
    page.on('console', (message) => this.log.push(message.text()));
    page.on('pageerror', (error) => this.log.push(`pageerror: ${error.stack}`));
  }

  /** An offer that tells what this browser can do; with `codecs` (e.g. "VP8"), of these only. */
  async capabilities(codecs) {
    return await this.page.evaluate(async (wanted) => {
      const connection = new RTCPeerConnection();
      for (const kind of ['audio', 'video']) {
        const transceiver = connection.addTransceiver(kind);
        if (!wanted) continue;
        const all = RTCRtpReceiver.getCapabilities(kind).codecs;
        transceiver.setCodecPreferences(all.filter(({ mimeType }) => wanted.includes(mimeType.split('/')[1])));
      }
      const { sdp } = await connection.createOffer();
      connection.close();
      return sdp;
    }, codecs);
  }

  /** Camera and microphone: the sections of the first offer that want media get these. */
  async publish() {
    await this.page.evaluate(async () => {
      const stream = await navigator.mediaDevices.getUserMedia({
        audio: true,
        video: { width: 320, height: 180 },
      });
      window.connection = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
      for (const track of stream.getTracks()) window.connection.addTrack(track, stream);
    });
  }

  /** Answers an offer (SDP); the tracks that it brings are played. */
  async answer(offer) {
    return await this.page.evaluate(async (sdp) => {
      window.connection ??= new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
      window.connection.ontrack = ({ track }) => {
        const element = document.createElement(track.kind);
        element.autoplay = true;
        element.srcObject = new MediaStream([track]);
        document.body.append(element);
      };
      await window.connection.setRemoteDescription({ type: 'offer', sdp });
      await window.connection.setLocalDescription();
      return window.connection.localDescription.sdp;
    }, offer);
  }

  /** Goes on sending the picture with another of the codecs that were agreed, e.g. "video/VP9". */
  async changeCodec(mimeType) {
    await this.page.evaluate(async (wanted) => {
      const sender = window.connection.getSenders().find(({ track }) => track?.kind === 'video');
      const parameters = sender.getParameters();
      const codec = parameters.codecs.find((offered) => offered.mimeType === wanted);
      for (const encoding of parameters.encodings) encoding.codec = codec;
      await sender.setParameters(parameters);
    }, mimeType);
  }

  /** Statistics of that type ("inbound-rtp", …) by kind. */
  async stats(type) {
    return await this.page.evaluate(async (wanted) => {
      const byKind = {};
      const all = await window.connection.getStats();
      all.forEach((entry) => {
        if (entry.type === wanted) byKind[entry.kind] = { ...entry, mimeType: all.get(entry.codecId)?.mimeType };
      });
      return byKind;
    }, type);
  }

  async close() {
    await this.page.close();
  }
}
