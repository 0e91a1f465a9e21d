// The mock server's extensions of WHEP: server-sent events and the choice of layers.
import { randomUUID } from 'node:crypto';
import { Refusal } from './judge.mjs';

export const eventsRel = 'urn:ietf:params:whep:ext:core:server-sent-events';
export const layersRel = 'urn:ietf:params:whep:ext:core:layer';
const all = ['active', 'inactive', 'layers', 'viewercount'];

function parse(body) {
  try {
    return JSON.parse(body);
  } catch {
    throw new Refusal(400, 'the body is no JSON');
  }
}

export class MockEvents {
  constructor(mock) {
    this.mock = mock;
  }

  /** A request below a session's URL: `path` is ["sse"], ["sse", id] or ["layer"]. */
  handle(session, path, request, response, body) {
    if (session.protocol !== 'whep' || !this.mock.extensions) throw new Refusal(404, 'there is no such resource');
    if (path[0] === 'sse' && !path[1] && request.method === 'POST') return this.#create(session, response, body);
    if (path[0] === 'layer' && request.method === 'POST') return this.#layer(response, body);
    const stream = path[0] === 'sse' && session.streams.get(path[1]);
    if (!stream) throw new Refusal(404, 'there is no such stream');
    if (request.method === 'GET') return this.#open(session, stream, response);
    if (!this.mock.faults.has('events-stay')) session.streams.delete(path[1]);
    stream.response?.end();
    return this.mock.reply(response, 200);
  }

  #create(session, response, body) {
    const wanted = body ? parse(body) : all;
    if (!Array.isArray(wanted) || !wanted.every((each) => typeof each === 'string')) throw new Refusal(400, 'the body is no list of events');
    const id = randomUUID();
    session.streams.set(id, { wanted: this.mock.faults.has('events-all') ? all : wanted });
    this.mock.reply(response, 201, { location: `${session.url}/sse/${id}` });
  }

  #open(session, stream, response) {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'access-control-allow-origin': '*' });
    stream.response = response;
    response.on('close', () => { stream.response = undefined; });
    // The foreign one first, so that whoever asked for "active" alone sees it.
    this.#send(stream, 'viewercount', { viewercount: 1 });
    if (this.mock.publisherOf(session.room)) this.#send(stream, 'active', {});
  }

  #send(stream, event, data) {
    if (!stream.wanted.includes(event)) return;
    const lines = this.mock.faults.has('two-data-lines') ? 'data: {\ndata: }' : `data: ${JSON.stringify(data)}`;
    stream.response?.write(`event: ${event}\n${lines}\n\n`);
  }

  /** Tells all players of a room. */
  live(room, event) {
    for (const session of this.mock.sessions.values()) if (session.room === room) for (const stream of session.streams.values()) this.#send(stream, event, {});
  }

  #layer(response, body) {
    const wish = parse(body);
    if (typeof wish !== 'object' || wish === null || Array.isArray(wish)) throw new Refusal(400, 'the body is no object');
    if (wish.rid !== undefined && !['q', 'h', 'f'].includes(wish.rid) && !this.mock.faults.has('any-rid')) throw new Refusal(400, `there is no encoding '${wish.rid}'`);
    if (wish.mediaId !== undefined && !['0', '1'].includes(wish.mediaId)) throw new Refusal(400, `there is no medium '${wish.mediaId}'`);
    this.mock.reply(response, 200);
  }
}
