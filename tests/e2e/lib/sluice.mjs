import path from 'node:path';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import { Child, freePort } from './process.mjs';
import { controllerBin, root } from './paths.mjs';
import { Hopeless, waitFor } from './wait.mjs';

/** A controller with its workers, on ports of its own. */
export class Sluice {
  /** `ports` of one that ended: the next one is at the same address. `lasts` false: of one that ends by itself nothing is awaited. */
  static async start(name, { args = [], env = {}, command = [], host = '127.0.0.1', ports, lasts = true } = {}) {
    const { https, http, rtc, gst } = ports ?? {
      https: await freePort(), http: await freePort(), rtc: await freePort(), gst: await freePort(),
    };
    const state = mkdtempSync(path.join(os.tmpdir(), 'sluice-state-'));
    const argv = [
      ...command,
      controllerBin,
      '--listenIp', host,
      '--listenPort', String(https),
      '--plainListenIp', host,
      '--plainListenPort', String(http),
      '--gstListenIp', host,
      '--gstListenPort', String(gst ?? 0),
      '--rtcIp', host,
      '--rtcPort', String(rtc),
      '--stateDir', state,
      '--webRoot', path.join(root, 'web/dist'),
      ...args,
    ];
    const child = new Child(name, argv[0], argv.slice(1), { env: { ...process.env, ...env } });
    const sluice = new Sluice(child, host, { https, http, rtc, gst }, state);
    if (!lasts) return sluice;
    const answers = waitFor(
      'the controller to answer',
      async () => {
        if (child.exit) throw new Hopeless(`controller exited: ${JSON.stringify(child.exit)}\n${child.output}`);
        // A host of another namespace cannot be asked from here: then its own words count.
        if (host !== '127.0.0.1') return child.output.includes('listening');
        return (await fetch(`${sluice.url}/`)).ok;
      },
      { describe: () => child.output },
    );
    await answers.catch(async (error) => {
      await sluice.stop();
      throw error;
    });
    return sluice;
  }

  constructor(child, host, { https, http, rtc, gst }, state) {
    this.child = child;
    this.url = `http://${host}:${http}`;
    this.secureUrl = `https://${host}:${https}`;
    this.rtcPort = rtc;
    /** Of GStreamer's signalling, behind ws:// or wss://. */
    this.gstHost = `${host}:${gst}`;
    this.ports = { https, http, rtc, gst };
    this.state = state;
  }

  get output() {
    return this.child.output;
  }

  /** REST call; returns {status, body} with the body parsed where it is JSON. */
  async rest(method, route, body) {
    const reply = await fetch(`${this.url}${route}`, {
      method,
      headers: body === undefined ? {} : { 'content-type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await reply.text();
    let parsed = text;
    try {
      parsed = JSON.parse(text);
    } catch {
      // an error page or an empty body
    }
    return { status: reply.status, body: parsed };
  }

  /** Publishes with scripts/broadcast.sh until stop(). */
  broadcast(room, { name = 'broadcast', file, env = {}, command = [] } = {}) {
    const argv = [...command, path.join(root, 'scripts/broadcast.sh'), room, ...(file ? [file] : [])];
    return new Child(name, argv[0], argv.slice(1), {
      env: {
        ...process.env,
        SLUICE_URL: this.url,
        // Small: encoder, viewers and their painting share two cores with the server.
        SLUICE_SIZE: '320x180',
        SLUICE_BITRATE: '400k',
        ...env,
      },
    });
  }

  async stop() {
    const exit = await this.child.stop();
    rmSync(this.state, { recursive: true, force: true });
    return exit;
  }
}
