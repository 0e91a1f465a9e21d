import { Worker } from 'node:worker_threads';

/**
 * A link in user space in front of a UDP port on this machine: capacity, queue and delay, each way for
 * itself. A client that is told of its port instead of the server's has its media come over it. Needs no
 * rights and no network namespace.
 *
 * `{ down: { kbps, queue, delay }, up: { … } }`: capacity in kbit/s (absent: any), the longest that a
 * packet may wait in the queue (ms, 300) before those that come are dropped, one-way delay (ms, 0).
 */
export class LinkRelay {
  static async open(target, link) {
    const relay = new LinkRelay();
    relay.thread = new Worker(new URL('./link-relay-thread.mjs', import.meta.url), { workerData: { target, link } });
    ({ port: relay.port } = await relay.#answer());
    return relay;
  }

  /**
   * The candidates of a transport, with the ports of relays in front of theirs; `relays` gets these.
   * Only UDP goes through.
   */
  static async inFront(iceCandidates, link, relays = []) {
    const ours = [];
    for (const candidate of iceCandidates) {
      if (candidate.protocol !== 'udp') continue;
      const relay = await LinkRelay.open({ address: candidate.address ?? candidate.ip, port: candidate.port }, link);
      relays.push(relay);
      ours.push({ ...candidate, ip: '127.0.0.1', address: '127.0.0.1', port: relay.port });
    }
    return ours;
  }

  #answer() {
    return new Promise((resolve, reject) => this.thread.once('message', resolve).once('error', reject));
  }

  /** Holds for what comes from now on; what waits leaves as it was to. */
  set(link) {
    this.thread.postMessage({ link });
  }

  /**
   * What went over it so far, for each 100 ms with traffic: `at` (ms of the epoch), and for `down` and
   * `up` the longest wait in the queue (ms), bytes offered, bytes carried, packets lost.
   */
  async samples() {
    const answer = this.#answer();
    this.thread.postMessage({ samples: true });
    return (await answer).samples;
  }

  async close() {
    await this.thread.terminate();
  }
}
