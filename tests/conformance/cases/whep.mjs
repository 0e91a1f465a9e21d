// What only WHEP has: nothing live, counter-offers, events, layers.
import { Failure, Skip, describe, expect, expectRefused, expectStatus } from '../lib/expect.mjs';
import { makeOffer, unknownCodec } from '../lib/offers.mjs';
import { parseSdp, sdpProblems } from '../lib/sdp.mjs';
import { sdpType } from '../lib/context.mjs';
import { events as eventsText, layers as layersText } from '../lib/sections.mjs';
import { casesOf } from './define.mjs';

const eventsRel = 'urn:ietf:params:whep:ext:core:server-sent-events';
const layersRel = 'urn:ietf:params:whep:ext:core:layer';
const json = { 'content-type': 'application/json' };

/** An offer POSTed while nothing that this program publishes is live. */
async function whileIdle(context, judge) {
  if (!context.options.whip) throw new Skip('needs --whip, to know that nothing is live');
  return await context.whileIdle(async () => {
    const session = await context.attempt('whep', makeOffer('whep'));
    if (session.response.status === 201) return '201: nothing need be live';
    return judge(session.response);
  });
}

/** Runs before anything is published. */
export function idleCases() {
  const list = [];
  const { must } = casesOf('whep', list);
  must('idle-409', 'session', 'while nothing is live an offer is refused with 409, unless the server takes it', (context) => whileIdle(context, (response) => expectStatus(response, 409)));
  must('idle-retry-after', 'session', 'and Retry-After tells when to come again, in seconds', (context) => whileIdle(context, (response) => {
    const value = response.header('retry-after');
    expect(/^\d+$/.test(value ?? ''), `${response.status}, Retry-After: ${value}`);
    return `Retry-After: ${value}`;
  }));
  return list;
}

function counterOffers({ must }) {
  /** The server's offer, where it makes one; it is asked for by an offer that it cannot take. */
  const counter = (judge) => async (context) => {
    for (const options of [{}, { codecs: unknownCodec }]) {
      const session = await context.attempt('whep', makeOffer('whep', options));
      if (session.response.status === 406 && session.response.type === sdpType) return await judge(session, context);
      await context.afterCase();
    }
    throw new Skip('the server makes no counter-offers');
  };
  must('counter-406', 'counter', 'a counter-offer is a 406 with an offer and Location', counter((session) => {
    const problems = sdpProblems(session.response.text);
    expect(problems.length === 0, problems.join(', '));
    return `406, Location: ${session.needUrl()}`;
  }));
  must('counter-direction', 'direction', 'the server offers to send: sendonly or sendrecv', counter((session) => {
    const found = session.answer.media.filter(({ kind }) => kind !== 'application').map((section) => session.answer.directionOf(section));
    expect(found.length > 0 && found.every((each) => ['sendonly', 'sendrecv'].includes(each)), found.join(', '));
    return found.join(', ');
  }));
  must('counter-valid-until', 'counter', 'valid-until, where it is told, is an HTTP-date', counter((session) => {
    const value = /valid-until="?([^";]*)"?/i.exec(session.response.header('content-type'))?.[1];
    expect(value === undefined || !Number.isNaN(Date.parse(value)), `valid-until is ${value}`);
    return value ?? 'not told: 30 s';
  }));
  must('counter-answer', 'counter', 'PATCH of the answer is a 204, and of nonsense a 4xx', counter(async (session) => {
    const refusal = await session.patch('no answer\r\n', { type: sdpType, ifMatch: null });
    expectRefused(refusal);
    return `${describe(refusal)}; ${expectStatus(await session.patch(answerTo(session.answer), { type: sdpType, ifMatch: null }), 204)}`;
  }));
}

/** An answer to an offer of a server, which takes all that it sends. */
export function answerTo(offer) {
  const own = parseSdp(makeOffer('whep', { kinds: ['audio'], setup: 'active' }).sdp).media[0];
  const lines = ['v=0', 'o=- 1 1 IN IP4 127.0.0.1', 's=-', 't=0 0', ...(offer.bundle ? [`a=group:BUNDLE ${offer.bundle.join(' ')}`] : [])];
  for (const section of offer.media) {
    lines.push(`m=${section.kind} 9 ${section.proto} ${section.formats.join(' ')}`, 'c=IN IP4 0.0.0.0', `a=mid:${section.mid}`, 'a=recvonly', 'a=rtcp-mux');
    for (const name of ['ice-ufrag', 'ice-pwd', 'fingerprint']) lines.push(`a=${name}:${own.get(name)}`);
    lines.push('a=setup:active', ...section.all('rtpmap').map((value) => `a=rtpmap:${value}`), ...section.all('fmtp').map((value) => `a=fmtp:${value}`));
  }
  return `${lines.join('\r\n')}\r\n`;
}

/** The events that a link announces. */
const announced = (link) => (link.parameters.events ?? '').split(',').map((each) => each.trim()).filter(Boolean);

function events({ must, should }) {
  const withEvents = (run) => async (context) => {
    const session = await context.open('whep');
    const link = session.link(eventsRel);
    if (!link) throw new Skip('no server-sent events');
    return await run({ context, session, link, url: String(new URL(link.target, session.response.url)) });
  };
  const create = async ({ context, url }, wanted) => {
    const response = await context.request('POST', url, wanted ? { headers: json, body: JSON.stringify(wanted) } : {});
    expectStatus(response, 201);
    const location = response.header('location');
    if (!location) throw new Failure('the 201 has no Location');
    return { response, stream: String(new URL(location, url)) };
  };
  /** A stream of all events that are announced, open. */
  const opened = async (given, wanted = announced(given.link)) => {
    const { stream } = await create(given, wanted.length ? wanted : undefined);
    const source = await given.context.openEvents(stream);
    return { source, stream };
  };
  must('events-create', eventsText, 'POST to the link makes a stream: 201 with Location', withEvents(async (given) => describe((await create(given, announced(given.link))).response)));
  should('events-all', eventsText, 'POST without a body asks for all events', withEvents(async (given) => describe((await create(given)).response)));
  must('events-stream', eventsText, 'GET of the stream is text/event-stream', withEvents(async (given) => {
    const { source } = await opened(given);
    source.close();
    expectStatus(source.response, 200);
    expect(source.response.type === 'text/event-stream', `${source.response}`);
    return `${source.response}, announced: ${announced(given.link).join(', ')}`;
  }));
  must('events-active', eventsText, 'its first events tell that somebody is live, each in one line of JSON', withEvents(async (given) => {
    if (!announced(given.link).includes('active')) throw new Skip('“active” is not announced');
    const { source } = await opened(given);
    const active = await source.until(({ events: seen }) => seen.find(({ event }) => event === 'active'), given.context.options.timeout);
    source.close();
    expect(active, `no event “active”; seen: ${source.events.map(({ event }) => event).join(', ') || 'none'}`);
    for (const { data, dataLines, event } of source.events) {
      expect(dataLines === 1, `“${event}” has ${dataLines} lines of data`);
      if (event !== 'scte35') JSON.parse(data);
    }
    return source.events.map(({ event, data }) => `${event} ${data}`).join(', ');
  }));
  must('events-chosen', eventsText, 'only events that were asked for come', withEvents(async (given) => {
    const [first, ...others] = announced(given.link).filter((each) => each !== 'active');
    if (!first || others.length === 0) throw new Skip('too few events are announced');
    const { source } = await opened(given, ['active']);
    await source.until(({ events: seen }) => seen.length > 0, given.context.options.timeout);
    source.close();
    const foreign = source.events.find(({ event }) => event !== 'active');
    expect(!foreign, foreign && `“${foreign.event}” came; “active” alone was asked for`);
    return `${source.events.length} events`;
  }));
  must('events-bad', eventsText, 'a body that is no list of events is refused: 4xx', withEvents(async ({ context, url }) => expectRefused(await context.request('POST', url, { headers: json, body: '{"active"' }))));
  must('events-delete', eventsText, 'DELETE ends the stream: then GET is a 404', withEvents(async (given) => {
    const { stream } = await create(given, announced(given.link));
    const ended = await given.context.request('DELETE', stream);
    expect(ended.ok, describe(ended));
    return `${ended.status}; ${expectStatus(await given.context.request('GET', stream), 404)}`;
  }));
  must('events-end', eventsText, 'a stream ends with its session', withEvents(async (given) => {
    const { source, stream } = await opened(given);
    await given.session.delete();
    const ended = await source.until((each) => each.ended, given.context.options.timeout);
    source.close();
    expect(ended, 'it is open still');
    return `closed; ${expectStatus(await given.context.request('GET', stream), 404)}`;
  }));
}

function layers({ must }) {
  const withLayers = (run) => async (context) => {
    const session = await context.open('whep');
    const link = session.link(layersRel);
    if (!link) throw new Skip('no choice of layers');
    return await run({ context, session, url: String(new URL(link.target, session.response.url)) });
  };
  const ask = (context, url, wish) => context.request('POST', url, { headers: json, body: typeof wish === 'string' ? wish : JSON.stringify(wish) });
  must('layers-events', layersText, 'who offers layers announces the event “layers”, too', withLayers(async ({ session }) => {
    const link = session.link(eventsRel);
    expect(link, 'no server-sent events');
    expect(announced(link).includes('layers'), `events are ${announced(link).join(', ')}`);
    return announced(link).join(', ');
  }));
  must('layers-default', layersText, 'an empty wish gives the choice back to the server: 200', withLayers(async ({ context, url }) => expectStatus(await ask(context, url, {}), 200)));
  must('layers-most', layersText, 'limits are taken: 200', withLayers(async ({ context, url }) => expectStatus(await ask(context, url, { maxSpatialLayerId: 0, maxTemporalLayerId: 1 }), 200)));
  must('layers-bad', layersText, 'a wish that is no JSON object is refused: 4xx', withLayers(async ({ context, url }) => expectRefused(await ask(context, url, '["hd"'))));
  must('layers-unknown', layersText, 'an encoding that is not there is refused: 4xx', withLayers(async ({ context, url }) => expectRefused(await ask(context, url, { rid: 'no-such-rid' }))));
  must('layers-medium', layersText, 'so is a medium that is not there: 4xx', withLayers(async ({ context, url }) => expectRefused(await ask(context, url, { mediaId: '99' }))));
}

export function whepCases() {
  const list = [];
  const levels = casesOf('whep', list);
  counterOffers(levels);
  events(levels);
  layers(levels);
  return list;
}
