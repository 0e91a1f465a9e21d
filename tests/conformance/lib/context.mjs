// What a case is given: requests with the token, sessions that end with it, a publisher where there must be one.
import { openEvents, send, sendFollowing } from './http.mjs';
import { makeFragment, makeOffer } from './offers.mjs';
import { Failure, Skip, describe, expectCreated } from './expect.mjs';
import { linksOf, parseLinks } from './link.mjs';
import { parseSdp } from './sdp.mjs';

export const sdpType = 'application/sdp';
export const fragmentType = 'application/trickle-ice-sdpfrag';

const busyStatuses = [429, 503];
const mostBusy = 5;
const longestWait = 5000; // ms

/** One session at the server, made by `offer`. */
export class Session {
  deleted = false;

  constructor(context, protocol, offer, response) {
    this.context = context;
    this.protocol = protocol;
    this.offer = offer;
    this.response = response;
    const location = response.header('location');
    this.url = location && String(new URL(location, response.url));
    this.etag = response.header('etag');
    this.answer = parseSdp(response.text);
  }

  /** The links of its 201; [] where their syntax is wrong, of which there is a case. */
  get links() {
    try {
      return parseLinks(this.response.all('link'));
    } catch {
      return [];
    }
  }

  link(rel) {
    return linksOf(this.links, rel)[0];
  }

  /** PATCHes `body`; `ifMatch` null sends no If-Match. */
  async patch(body, { ifMatch = this.etag, type = fragmentType, ...options } = {}) {
    const headers = { ...(type ? { 'content-type': type } : {}), ...(ifMatch ? { 'if-match': ifMatch } : {}), ...options.headers };
    return await this.context.request('PATCH', this.needUrl(), { ...options, headers, body });
  }

  /** PATCHes candidates of the current credentials. */
  async trickle({ ifMatch, candidates, end, atSession } = {}) {
    return await this.patch(makeFragment(this.offer, { candidates, end, atSession }).body, ifMatch === undefined ? {} : { ifMatch });
  }

  /** PATCHes new credentials. Where the server takes them they are the session's, as is its new entity-tag. */
  async restart({ ifMatch = '*' } = {}) {
    const fragment = makeFragment(this.offer, { restart: true });
    const response = await this.patch(fragment.body, { ifMatch });
    if (response.status === 200) {
      Object.assign(this.offer, { ufrag: fragment.ufrag, pwd: fragment.pwd });
      this.etag = response.header('etag') ?? this.etag;
    }
    return response;
  }

  async delete(options = {}) {
    const response = await this.context.request('DELETE', this.needUrl(), options);
    if (response.ok) this.deleted = true;
    return response;
  }

  /** Its URL; fails the case where the server gave none. */
  needUrl() {
    if (!this.url) throw new Failure('the 201 has no Location');
    return this.url;
  }
}

export class Context {
  #sessions = [];
  #answers = {};
  #support = {};
  #publisher;

  /** `options` of options.mjs; `media` is what media.mjs gives, or undefined without a browser. */
  constructor(options, media) {
    this.options = options;
    this.media = media;
  }

  endpoint(protocol) {
    return this.options[protocol];
  }

  /** One request, with the token unless `token` says another or null. */
  async request(method, url, { headers = {}, body, token = this.options.token, follow = false } = {}) {
    const fields = { ...(token ? { authorization: `Bearer ${token}` } : {}), ...headers };
    const { timeout, insecure } = this.options;
    return await (follow ? sendFollowing : send)(method, url, { headers: fields, body, timeout, insecure });
  }

  /** POSTs anything to the endpoint, where it may be refused or, wrongly, not: then the session ends with the case. */
  async post(protocol, body, options) {
    return (await this.attempt(protocol, { sdp: body }, options)).response;
  }

  /** After redirections, and again when the server has asked for patience. */
  async #post(protocol, body, { type = sdpType, ...options } = {}) {
    const headers = { ...(type ? { 'content-type': type } : {}), ...options.headers };
    for (let tries = 1; ; ++tries) {
      const response = await this.request('POST', this.endpoint(protocol), { follow: true, ...options, headers, body });
      if (!busyStatuses.includes(response.status) || tries === mostBusy) return response;
      const wait = Math.min(longestWait, 1000 * (Number(response.header('retry-after')) || 1));
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }

  /**
   * POSTs an offer; gives the Session, which ends with the case. The response may be anything: see open() for one
   * that must be a 201.
   */
  async attempt(protocol, offer, options) {
    await this.#prepare(protocol);
    const response = await this.#post(protocol, offer.sdp, options);
    const session = new Session(this, protocol, offer, response);
    if (response.status === 201 || (response.status === 406 && session.url)) this.#sessions.push(session);
    return session;
  }

  /** A session that exists, or the case fails; it is skipped where a WHEP server makes its own offers. */
  async open(protocol, offerOptions = {}, options) {
    const session = await this.attempt(protocol, makeOffer(protocol, offerOptions), options);
    const { response } = session;
    if (protocol === 'whep' && response.status === 406 && response.type === sdpType) throw new Skip('the server answers with an offer of its own (406)');
    if (protocol === 'whep' && response.status === 409 && !this.#publisher) throw new Skip('nothing is live there: name --whip, too, or publish');
    expectCreated(response);
    return session;
  }

  /** The session of the plainest offer, kept for all cases that only look at what came back. It has ended. */
  async answered(protocol) {
    if (!this.#answers[protocol]) {
      const session = await this.open(protocol);
      this.#answers[protocol] = session;
      await this.#end(session);
    }
    return this.#answers[protocol];
  }

  /** What PATCH can do there: {trickle, restart: status of each}. */
  async support(protocol) {
    if (!this.#support[protocol]) {
      const session = await this.open(protocol);
      const trickle = await session.trickle();
      const restart = await session.restart();
      this.#support[protocol] = { trickle, restart };
      await this.#end(session);
    }
    return this.#support[protocol];
  }

  /** Skips the case where the server does not do that with PATCH. */
  async need(protocol, what) {
    const response = (await this.support(protocol))[what];
    if (!response.ok) throw new Skip(`${what === 'trickle' ? 'trickle ICE' : 'ICE restart'} is not supported (${describe(response)})`);
  }

  async openEvents(url, headers = {}) {
    const { token, timeout, insecure } = this.options;
    return await openEvents(url, { headers: { ...(token ? { authorization: `Bearer ${token}` } : {}), ...headers }, timeout, insecure });
  }

  /** Whoever publishes must stop before a case publishes; whoever watches needs somebody who does. */
  async #prepare(protocol) {
    if (protocol === 'whip') await this.unpublish();
    else if (this.options.whip && !this.#idle) await this.publish();
  }

  #idle = false;
  /** Runs `body` while nothing that this program publishes is live. */
  async whileIdle(body) {
    await this.unpublish();
    this.#idle = true;
    try {
      return await body();
    } finally {
      this.#idle = false;
    }
  }

  /** Publishes by WHIP, in a browser where there is one, until unpublish(). Gives what does it. */
  async publish() {
    if (this.#publisher) return this.#publisher;
    if (this.media) return (this.#publisher = await this.media.publish(this));
    const offer = makeOffer('whip');
    const session = new Session(this, 'whip', offer, await this.postAsPublisher(offer.sdp));
    expectCreated(session.response);
    this.#publisher = { session, stop: () => session.delete() };
    return this.#publisher;
  }

  /** The POST of whoever publishes for the players: it ends with unpublish(), not with a case. */
  async postAsPublisher(sdp) {
    return await this.#post('whip', sdp);
  }

  async unpublish() {
    const publisher = this.#publisher;
    this.#publisher = undefined;
    await publisher?.stop();
  }

  /** Ends what the case left. */
  async afterCase() {
    for (const session of this.#sessions.splice(0)) await this.#end(session);
    await this.media?.afterCase();
  }

  async #end(session) {
    if (!session.url || session.deleted) return;
    await session.delete().catch(() => {});
    session.deleted = true;
  }

  async close() {
    await this.afterCase();
    await this.unpublish().catch(() => {});
    await this.media?.close();
  }
}
