// A WHIP and WHEP server to try the suite with: right in everything, or wrong in the ways that `faults` name.
import { randomUUID } from 'node:crypto';
import http from 'node:http';
import { tokens } from '../lib/http.mjs';
import { parseSdp } from '../lib/sdp.mjs';
import { MockEvents, eventsRel, layersRel } from './events.mjs';
import { Refusal, judgeFragment, judgeOffer } from './judge.mjs';
import { TextBackend } from './text-backend.mjs';

const sdp = 'application/sdp';
const fragmentType = 'application/trickle-ice-sdpfrag';
const longestBody = 1 << 20;

function readBody(request) {
  return new Promise((resolve, reject) => {
    const parts = [];
    let size = 0;
    request.on('data', (part) => {
      size += part.length;
      if (size <= longestBody) parts.push(part);
    });
    request.on('end', () => (size > longestBody ? reject(new Refusal(413, `the body is longer than ${longestBody} bytes`)) : resolve(Buffer.concat(parts).toString('utf8'))));
    request.on('error', reject);
  });
}

export class MockServer {
  sessions = new Map();
  /** Requests that came: [method, path]. */
  log = [];

  /**
   * `faults`: names, see the code. `token` and `weakToken`: who may, who may not. `extensions`: events and layers.
   * `backend`: what answers offers. `counterOffers`: what it cannot take it answers with an offer.
   * `manyPublishers`: any number into one room.
   * `files(path)`: {type, body} of a page, if it serves one. `prefix`: a path before all others.
   */
  static async start(options = {}) {
    const mock = new MockServer(options);
    await new Promise((resolve) => mock.server.listen(0, '127.0.0.1', resolve));
    mock.url = `http://127.0.0.1:${mock.server.address().port}${mock.prefix}`;
    return mock;
  }

  constructor({ faults = [], token, weakToken, extensions = true, backend, counterOffers = false, files, prefix = '', manyPublishers = false }) {
    Object.assign(this, { token, weakToken, extensions, counterOffers, files, prefix, manyPublishers });
    this.faults = new Set(faults);
    this.backend = backend ?? new TextBackend(this.faults);
    this.events = new MockEvents(this);
    this.retryAfter = 1;
    this.server = http.createServer((request, response) => this.#handle(request, response));
  }

  whip(room = 'room') { return `${this.url}/whip/${room}`; }
  whep(room = 'room') { return `${this.url}/whep/${room}`; }

  async close() {
    for (const session of [...this.sessions.values()]) await this.#end(session);
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  /** The session that publishes into a room. */
  publisherOf(room) {
    return [...this.sessions.values()].find((session) => session.protocol === 'whip' && session.room === room);
  }

  /** Ends all sessions of a kind, as a server that closes them does. */
  async drop(protocol) {
    for (const session of [...this.sessions.values()]) if (session.protocol === protocol) await this.#end(session);
  }

  async #handle(request, response) {
    const path = new URL(request.url, 'http://mock').pathname.replace(this.prefix, '');
    this.log.push([request.method, path]);
    try {
      const body = await readBody(request);
      await this.#route(request, response, path, body);
    } catch (error) {
      if (!(error instanceof Refusal)) console.error(error);
      const status = error instanceof Refusal ? error.status : 500;
      const problem = this.faults.has('plain-errors') ? ['text/plain', error.message] : ['application/problem+json', JSON.stringify({ title: 'Refused', status, detail: error.message })];
      this.reply(response, status, { 'content-type': problem[0], ...error.headers }, problem[1]);
    }
  }

  reply(response, status, headers = {}, body) {
    const cors = this.faults.has('no-cors') ? {} : { 'access-control-allow-origin': '*', 'access-control-expose-headers': 'Location, ETag, Link, Accept-Post, Accept-Patch, Retry-After' };
    response.writeHead(status, { ...cors, 'content-length': Buffer.byteLength(body ?? ''), ...headers });
    response.end(body);
  }

  #authorize(request) {
    if (!this.token) return;
    const [scheme, token] = (request.headers.authorization ?? '').split(' ');
    const challenge = this.faults.has('no-challenge') ? {} : { 'www-authenticate': 'Bearer realm="mock"' };
    if (scheme.toLowerCase() === 'bearer' && token === this.weakToken) throw new Refusal(403, 'this token does not allow it');
    if (scheme.toLowerCase() !== 'bearer' || token !== this.token) throw new Refusal(401, 'a token is needed', challenge);
  }

  async #route(request, response, path, body) {
    if (this.faults.has('moved') && request.method === 'POST' && path.startsWith('/whip/old')) return this.reply(response, 301, { location: `${this.url}/whip/room` });
    if (request.method === 'POST' && path.startsWith('/whip/moved')) return this.reply(response, 307, { location: `${this.url}/whip/room` });
    if (request.method === 'OPTIONS') return this.#options(request, response);
    const file = request.method === 'GET' && this.files?.(path);
    if (file) return this.reply(response, 200, { 'content-type': file.type, ...file.headers }, file.body);
    const [, first, second, third, fourth] = path.split('/');
    this.#authorize(request);
    if (first === 'whip' || first === 'whep') return await this.#endpoint(first, second, request, response, body);
    const session = first === 'session' && this.sessions.get(second);
    if (!session) throw new Refusal(404, 'there is no such session');
    if (third) return this.events.handle(session, [third, fourth], request, response, body);
    return await this.#session(session, request, response, body);
  }

  #options(request, response) {
    const methods = this.faults.has('no-patch-preflight') ? 'POST, GET, DELETE, OPTIONS, HEAD' : 'POST, GET, PATCH, DELETE, OPTIONS, HEAD';
    if (this.faults.has('preflight-token')) this.#authorize(request);
    this.reply(response, 200, { 'accept-post': sdp, 'access-control-allow-methods': methods, 'access-control-allow-headers': 'Content-Type, Authorization, If-Match, Link' });
  }

  #notAllowed(allow) {
    return new Refusal(405, 'this method is not allowed here', this.faults.has('no-allow') ? {} : { allow });
  }

  async #endpoint(protocol, room, request, response, body) {
    if (request.method === 'GET' || request.method === 'HEAD') return this.reply(response, this.faults.has('get-405') ? 405 : 200, request.method === 'HEAD' ? { 'content-type': sdp } : { allow: 'POST' });
    if (request.method !== 'POST') throw this.#notAllowed('POST, GET, HEAD, OPTIONS');
    const type = (request.headers['content-type'] ?? '').split(';')[0].trim().toLowerCase();
    if (type !== sdp && !(this.faults.has('any-type') && type)) throw new Refusal(415, `Content-Type is '${type}'; it is ${sdp}`);
    if (protocol === 'whep' && !this.publisherOf(room)) throw new Refusal(409, 'nothing is live', this.faults.has('no-retry-after') ? {} : { 'retry-after': String(this.retryAfter) });
    if (protocol === 'whip' && !this.manyPublishers && this.publisherOf(room)) throw new Refusal(409, 'somebody else publishes');
    await this.#create(protocol, room, response, body);
  }

  async #create(protocol, room, response, body) {
    const id = this.faults.has('counting-ids') ? String(this.sessions.size + 1000) : randomUUID();
    const session = { id, protocol, room, tags: 1, url: `${this.url}/session/${id}`, streams: new Map() };
    try {
      judgeOffer(protocol, body, this.faults);
    } catch (error) {
      if (protocol !== 'whep' || !this.counterOffers || error.status !== 422) throw error;
      return this.#counter(session, response);
    }
    const offer = parseSdp(body);
    session.remote = { ufrag: offer.transport('ice-ufrag'), pwd: offer.transport('ice-pwd') };
    const answer = await this.backend.make(session, body);
    if (!this.faults.has('forgets-sessions')) this.sessions.set(id, session);
    if (protocol === 'whip') this.events.live(room, 'active');
    this.reply(response, 201, {
      'content-type': this.faults.has('answer-as-text') ? 'text/plain' : sdp,
      ...(this.faults.has('no-location') ? {} : { location: `${this.prefix}/session/${id}` }),
      ...(this.faults.has('no-etag') ? {} : { etag: this.#tag(session) }),
      link: this.#links(session),
    }, answer);
  }

  #counter(session, response) {
    this.sessions.set(session.id, { ...session, countered: true });
    this.reply(response, 406, { 'content-type': `${sdp}; valid-until="${new Date(Date.now() + 30_000).toUTCString()}"`, location: session.url }, this.backend.offer(session));
  }

  #links(session) {
    const servers = this.faults.has('bad-turn') ? ['<turn:turn.example.net>; rel="ice-server"'] : ['<stun:stun.example.net>; rel="ice-server"'];
    if (this.faults.has('bad-link')) servers.push('stun:stun.example.net; rel="ice-server"');
    if (session.protocol === 'whip' || !this.extensions) return servers;
    const events = this.faults.has('no-layers-event') ? 'active,inactive,viewercount' : 'active,inactive,layers,viewercount';
    return [...servers, `<${session.url}/sse>; rel="${eventsRel}"; events="${events}"`, `<${session.url}/layer>; rel="${layersRel}"`];
  }

  #tag(session) {
    if (this.faults.has('weak-etag')) return `W/"${session.id}-${session.tags}"`;
    return this.faults.has('same-etag') ? `"${session.id}"` : `"${session.id}-${session.tags}"`;
  }

  async #session(session, request, response, body) {
    if (request.method === 'GET' || request.method === 'HEAD') return this.reply(response, 200);
    if (request.method === 'PATCH') return await this.#patch(session, request, response, body);
    if (request.method !== 'DELETE') throw this.#notAllowed('PATCH, DELETE, GET, HEAD, OPTIONS');
    if (this.faults.has('delete-needs-tag') && ![undefined, this.#tag(session)].includes(request.headers['if-match'])) throw new Refusal(412, 'another session');
    if (!this.faults.has('delete-keeps')) await this.#end(session);
    this.reply(response, this.faults.has('delete-204') ? 204 : 200);
  }

  async #end(session) {
    this.sessions.delete(session.id);
    for (const stream of session.streams.values()) stream.response?.end();
    if (session.protocol === 'whip') this.events.live(session.room, 'inactive');
    await this.backend.end(session);
  }

  #matches(session, ifMatch) {
    const wanted = tokens(ifMatch).map((each) => (each === '"*"' ? '*' : each));
    const tag = this.#tag(session).toLowerCase();
    return wanted.includes('*') || wanted.includes(tag) || (this.faults.has('weak-comparison') && wanted.includes(`w/${tag}`));
  }

  async #patch(session, request, response, body) {
    const type = (request.headers['content-type'] ?? '').split(';')[0].trim().toLowerCase();
    if (session.countered && type === sdp) {
      if (!body.startsWith('v=0')) throw new Refusal(400, 'the body is no answer');
      return this.reply(response, 204);
    }
    if (type !== fragmentType) throw new Refusal(415, `Content-Type is '${type}'; it is ${fragmentType}`, { 'accept-patch': fragmentType });
    const { fragment, restart } = judgeFragment(body, session.remote);
    const ifMatch = request.headers['if-match'];
    if (!ifMatch && !this.faults.has('no-428')) throw new Refusal(428, 'If-Match is missing');
    if (ifMatch && !this.#matches(session, ifMatch) && !this.faults.has('no-412')) throw new Refusal(412, 'another ICE session');
    if (restart ? this.faults.has('no-restart') : this.faults.has('no-trickle')) throw new Refusal(this.faults.has('501') ? 501 : 422, 'not supported');
    if (!restart && this.faults.has('picky') && fragment.candidates.some((each) => !/ udp .* typ host/.test(each))) throw new Refusal(400, 'a candidate that is no use');
    if (!restart) return this.faults.has('trickle-200') ? this.reply(response, 200, { etag: this.#tag(session) }, 'thanks') : this.reply(response, 204);
    const text = await this.backend.restart(session, fragment);
    session.remote = { ufrag: fragment.ufrag, pwd: fragment.pwd };
    session.tags += 1;
    this.reply(response, 200, { 'content-type': fragmentType, etag: this.#tag(session) }, text);
  }
}
