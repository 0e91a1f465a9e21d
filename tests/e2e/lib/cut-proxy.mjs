import net from 'node:net';

/** A way to a server that can be cut and mended: TCP in between. Media does not go through it. */
export class CutProxy {
  #pairs = new Set();
  #server;

  /** In front of `url`, on a port of its own. */
  static async start(url) {
    const proxy = new CutProxy();
    proxy.target = new URL(url);
    await proxy.#listen(0);
    proxy.port = proxy.#server.address().port;
    proxy.url = `http://127.0.0.1:${proxy.port}`;
    return proxy;
  }

  async #listen(port) {
    this.#server = net.createServer((client) => {
      const upstream = net.connect(Number(this.target.port), this.target.hostname);
      const pair = { client, upstream };
      this.#pairs.add(pair);
      client.pipe(upstream);
      upstream.pipe(client);
      for (const socket of [client, upstream]) {
        socket.on('error', () => undefined);
        socket.on('close', () => {
          if (pair.halfOpen) return;
          client.destroy();
          upstream.destroy();
          this.#pairs.delete(pair);
        });
      }
    });
    await new Promise((resolve, reject) => this.#server.once('error', reject).listen(port, '127.0.0.1', resolve));
  }

  /** Ends all connections without a word and takes no more; `halfOpen`: the server is not told. */
  async cut({ halfOpen = false } = {}) {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const pair of this.#pairs) {
      pair.halfOpen = halfOpen;
      if (halfOpen) {
        pair.client.unpipe(pair.upstream);
        pair.upstream.unpipe(pair.client);
        pair.upstream.pause();
      } else {
        pair.upstream.resetAndDestroy();
      }
      pair.client.resetAndDestroy();
    }
    await closed;
  }

  mend() {
    return this.#listen(this.port);
  }

  async stop() {
    for (const pair of this.#pairs) {
      pair.client.destroy();
      pair.upstream.destroy();
    }
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
