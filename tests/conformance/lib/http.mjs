// One HTTP request as it is wanted, with no header that was not asked for and nothing followed in silence.
import http from 'node:http';
import https from 'node:https';

/** A response: status, header fields as they came, and the body as text. */
export class Response {
  constructor(url, status, rawHeaders, body) {
    this.url = url;
    this.status = status;
    this.body = body;
    this.text = body.toString('utf8');
    this.fields = [];
    for (let i = 0; i < rawHeaders.length; i += 2) this.fields.push([rawHeaders[i].toLowerCase(), rawHeaders[i + 1]]);
    /** Responses that led here: 3xx, in order. */
    this.redirects = [];
  }

  /** The values of a field, one for each line of the header. */
  all(name) {
    return this.fields.filter(([field]) => field === name.toLowerCase()).map(([, value]) => value);
  }

  /** The value of a field, lines joined as RFC 9110 §5.3 has it; undefined where there is none. */
  header(name) {
    const values = this.all(name);
    return values.length ? values.join(', ') : undefined;
  }

  /** The media type without its parameters, in lower case; "" without one. */
  get type() {
    return (this.header('content-type') ?? '').split(';')[0].trim().toLowerCase();
  }

  get ok() {
    return this.status >= 200 && this.status < 300;
  }

  get refused() {
    return this.status >= 400 && this.status < 500;
  }

  /** Status and type, for a person. */
  toString() {
    return this.type ? `${this.status} ${this.type}` : `${this.status}`;
  }
}

/** The tokens of a list field such as Allow, in lower case. */
export function tokens(value) {
  return (value ?? '').split(',').map((token) => token.trim().toLowerCase()).filter(Boolean);
}

/**
 * Sends one request; rejects when no whole response came within `timeout` ms. `body` is a string, a Buffer, or an
 * array of either, which goes in chunks.
 */
export function send(method, url, { headers = {}, body, timeout = 10_000, insecure = false } = {}) {
  return new Promise((resolve, reject) => {
    const target = new URL(url);
    const client = target.protocol === 'https:' ? https : http;
    const chunked = Array.isArray(body);
    const fields = { ...headers };
    if (body !== undefined && !chunked) fields['content-length'] = String(Buffer.byteLength(body));
    const request = client.request(target, { method, headers: fields, agent: false, rejectUnauthorized: !insecure });
    const timer = setTimeout(() => {
      reject(new Error(`no response to ${method} ${url} within ${timeout} ms`));
      request.destroy();
    }, timeout);
    let answered = false;
    request.on('response', (message) => {
      answered = true;
      const parts = [];
      message.on('data', (part) => parts.push(part));
      message.on('error', (error) => { clearTimeout(timer); reject(error); });
      message.on('end', () => {
        clearTimeout(timer);
        resolve(new Response(String(target), message.statusCode, message.rawHeaders, Buffer.concat(parts)));
        request.destroy();
      });
    });
    // A server that refuses a long body may close before it has read it: then only the response counts.
    request.on('error', (error) => {
      if (answered) return;
      clearTimeout(timer);
      reject(new Error(`${method} ${url}: ${error.message || error.code}`));
    });
    if (chunked) for (const part of body) request.write(part);
    request.end(chunked ? undefined : body);
  });
}

const redirectStatuses = [301, 302, 303, 307, 308];
const mostRedirects = 10;

/** send() that goes after redirections with the same method and body, as a WHIP client does (RFC 9725 §4.5). */
export async function sendFollowing(method, url, options) {
  const seen = [];
  let at = url;
  for (;;) {
    const response = await send(method, at, options);
    const location = response.header('location');
    if (!redirectStatuses.includes(response.status) || !location || seen.length === mostRedirects) {
      response.redirects = seen;
      return response;
    }
    seen.push(response);
    at = String(new URL(location, at));
  }
}

/**
 * Opens a stream of server-sent events; resolves with {response, events, next(), close()} when the header is there.
 * next(timeout) gives the next event or undefined; `ended` is true when the server has closed the stream.
 */
export function openEvents(url, { headers = {}, timeout = 10_000, insecure = false } = {}) {
  return new Promise((resolve, reject) => {
    const target = new URL(url);
    const client = target.protocol === 'https:' ? https : http;
    const request = client.request(target, { method: 'GET', headers: { accept: 'text/event-stream', ...headers }, agent: false, rejectUnauthorized: !insecure });
    const timer = setTimeout(() => { reject(new Error(`no response to GET ${url} within ${timeout} ms`)); request.destroy(); }, timeout);
    request.on('error', (error) => { clearTimeout(timer); reject(error); });
    request.on('response', (message) => {
      clearTimeout(timer);
      resolve(new EventStream(request, message, String(target)));
    });
    request.end();
  });
}

class EventStream {
  #waiting = [];
  #rest = '';
  events = [];
  ended = false;

  constructor(request, message, url) {
    this.request = request;
    this.response = new Response(url, message.statusCode, message.rawHeaders, Buffer.alloc(0));
    message.setEncoding('utf8');
    message.on('data', (text) => this.#take(text));
    for (const name of ['end', 'error', 'close']) message.on(name, () => { this.ended = true; this.#wake(); });
  }

  #take(text) {
    const { events, rest } = parseEvents(this.#rest + text);
    this.#rest = rest;
    this.events.push(...events);
    this.#wake();
  }

  #wake() {
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /** Resolves with what `find` makes of this stream as soon as that is truthy; undefined after `timeout` ms. */
  async until(find, timeout) {
    const end = Date.now() + timeout;
    for (;;) {
      const found = find(this);
      if (found || Date.now() >= end) return found || undefined;
      let timer;
      await new Promise((resolve) => { this.#waiting.push(resolve); timer = setTimeout(resolve, end - Date.now()); });
      clearTimeout(timer);
    }
  }

  close() {
    this.request.destroy();
  }
}

/** The whole events at the start of a text/event-stream, each {event, data, dataLines}, and what is left. */
export function parseEvents(text) {
  const blocks = text.replace(/\r\n?/g, '\n').split('\n\n');
  const rest = blocks.pop();
  const events = [];
  for (const block of blocks) {
    const fields = block.split('\n').filter((line) => line && !line.startsWith(':')).map((line) => {
      const colon = line.indexOf(':');
      return colon < 0 ? [line, ''] : [line.slice(0, colon), line.slice(colon + 1).replace(/^ /, '')];
    });
    const data = fields.filter(([name]) => name === 'data').map(([, value]) => value);
    if (data.length === 0) continue;
    events.push({ event: fields.filter(([name]) => name === 'event').at(-1)?.[1] ?? 'message', data: data.join('\n'), dataLines: data.length });
  }
  return { events, rest };
}
