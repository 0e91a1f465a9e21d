// Sessions that are to be made, and what their 201 says.
import { describe, expect, expectCreated, expectRefused, expectStatus } from '../lib/expect.mjs';
import { candidates, directions, makeOffer } from '../lib/offers.mjs';
import { isStrongTag } from '../lib/sdp.mjs';
import { casesOf } from './define.mjs';

const leastSecret = 8; // characters in which two session URLs differ, of one that nobody guesses

/** In how many places two texts differ; the longer one's rest counts. */
export function differingCharacters(a, b) {
  let count = Math.abs(a.length - b.length);
  for (let i = 0; i < Math.min(a.length, b.length); ++i) if (a[i] !== b[i]) ++count;
  return count;
}

/** The POST of an offer must make a session; tells how the server answered. */
const created = (protocol, options, request) => async (context) => describe((await context.open(protocol, options, request)).response);

/** What may be made or refused: WHIP says how, of WHEP any 4xx is good, a counter-offer among them. */
const createdOrRefused = (protocol, options) => async (context) => {
  const { response } = await context.attempt(protocol, makeOffer(protocol, options));
  if (protocol === 'whip') return expectStatus(response, 201, 422, 400);
  return response.status === 201 ? describe(response) : expectRefused(response);
};

function response201(protocol, { must, should }) {
  must('post-201', 'setup', 'the POST of an offer makes a session: 201', created(protocol));
  must('post-type', 'setup', 'the 201 is application/sdp', async (context) => {
    const { response } = await context.answered(protocol);
    expect(response.type === 'application/sdp', `Content-Type is ${response.header('content-type')}`);
    return response.header('content-type');
  });
  must('post-location', 'setup', 'the 201 tells the session’s URL in Location, absolute or relative', async (context) => {
    const session = await context.answered(protocol);
    const url = new URL(session.needUrl());
    expect(/^https?:$/.test(url.protocol), `Location is ${session.response.header('location')}`);
    expect(String(url) !== context.endpoint(protocol), 'Location is the endpoint itself');
    return session.response.header('location');
  });
  should('post-location-secret', 'security', 'session URLs are hard to guess', async (context) => {
    const urls = [];
    for (let i = 0; i < 2; ++i) {
      const session = await context.open(protocol);
      urls.push(session.needUrl());
      await session.delete();
    }
    const differ = differingCharacters(...urls);
    expect(differ >= leastSecret, `two URLs differ in ${differ} characters: ${urls.join(' ')}`);
    return `two differ in ${differ} characters`;
  });
  must('post-etag', 'patch', 'the 201 has a strong ETag where ICE restarts are supported', async (context) => {
    const { etag } = await context.answered(protocol);
    const { restart } = await context.support(protocol);
    expect(etag || !restart.ok, 'no ETag, but ICE restarts work');
    expect(!etag || isStrongTag(etag), `ETag is ${etag}`);
    return etag ?? 'none, and no ICE restarts';
  });
  must('post-redirect', 'redirect', 'a POST is redirected with 307 or 308, never with 301 or 302', async (context) => {
    const { response } = await context.answered(protocol);
    for (const each of response.redirects) expectStatus(each, 307, 308);
    return response.redirects.map(({ status }) => status).join(', ') || 'no redirection';
  });
}

function requests(protocol, { must, should }) {
  const refusal = protocol === 'whip' ? '422 or 400' : 'a 4xx';
  must('post-type-case', 'RFC 9110 §8.3.1', 'the media type is compared without regard to case', created(protocol, {}, { type: 'Application/SDP' }));
  should('post-type-parameter', 'RFC 9110 §8.3.1', 'a parameter of the media type is no reason to refuse', created(protocol, {}, { type: 'application/sdp; charset=utf-8' }));
  must('post-chunked', 'RFC 9112 §7.1', 'a body in chunks is taken', async (context) => {
    const offer = makeOffer(protocol);
    const half = offer.sdp.length / 2;
    const { response } = await context.attempt(protocol, { ...offer, sdp: [offer.sdp.slice(0, half), offer.sdp.slice(half)] });
    return expectCreated(response);
  });
  must('offer-no-candidates', 'trickle', 'an offer without candidates is enough', created(protocol));
  must('offer-candidates', 'trickle', 'an offer with all its candidates is taken: of any kind, with names, over TCP', created(protocol, { candidates: Object.values(candidates) }));
  must('offer-bundle-only', 'bundle', 'sections may be bundle-only, with port 0 and no transport of their own', created(protocol, { bundleOnly: true }));
  must('offer-sendrecv', 'direction', `sendrecv may be offered and is answered with ${directions[protocol].answer}`, async (context) => {
    const { answer, response } = await context.open(protocol, { direction: 'sendrecv' });
    const found = answer.media.filter((section) => !section.rejected).map((section) => answer.directionOf(section));
    expect(found.every((each) => each === directions[protocol].answer), `${response.status}, answered with ${found.join(', ')}`);
    return found.join(', ');
  });
  must('offer-unknown-lines', 'RFC 8866 §5.13', 'unknown attributes are ignored', created(protocol, {
    more: { session: ['a=x-nobody-knows:1 2 3'], audio: ['a=x-nobody-knows', 'a=ts-refclk:local'], video: ['b=TIAS:2500000', 'a=framerate:30'] },
  }));
  should('offer-lf', 'RFC 8866 §5', 'lines that end with LF alone are read, too', async (context) => {
    const offer = makeOffer(protocol);
    const { response } = await context.attempt(protocol, { ...offer, sdp: offer.sdp.replaceAll('\r\n', '\n') });
    return expectCreated(response);
  });
  must('offer-audio-only', 'stream', `a stream of audio alone: made, or refused with ${refusal}`, createdOrRefused(protocol, { kinds: ['audio'] }));
  must('offer-video-only', 'stream', `a stream of video alone: made, or refused with ${refusal}`, createdOrRefused(protocol, { kinds: ['video'] }));
  must('offer-video-first', 'RFC 3264 §6', 'video before audio: the answer keeps the order', async (context) => {
    const { answer } = await context.open(protocol, { kinds: ['video', 'audio'], mids: ['v', 'a'] });
    const found = answer.media.map((section) => `${section.kind} ${section.mid}`).join(', ');
    expect(found === 'video v, audio a', found);
    return found;
  });
  must('offer-two-videos', 'stream', `two video tracks: made, or refused with ${refusal}`, createdOrRefused(protocol, { kinds: ['audio', 'video', 'video'] }));
}

function roles(protocol, { must, should }) {
  const answeredRole = async (context, setup, wanted) => {
    const { response, answer } = await context.attempt(protocol, makeOffer(protocol, { setup }));
    if ([422, 400].includes(response.status)) return describe(response);
    expectCreated(response);
    const role = answer.transport('setup');
    expect(wanted.includes(role), `answered with setup:${role}`);
    return `setup:${role}`;
  };
  must('offer-active', protocol === 'whip' ? 'role' : 'RFC 8842 §5.3', 'setup:active is answered with passive, or refused with 422 or 400',
    (context) => answeredRole(context, 'active', ['passive']));
  should('offer-passive', 'RFC 8842 §5.3', 'setup:passive, which ffmpeg offers, is answered with active, or refused with 422 or 400',
    (context) => answeredRole(context, 'passive', ['active']));
}

export function setupCases(protocol) {
  const list = [];
  const levels = casesOf(protocol, list);
  response201(protocol, levels);
  requests(protocol, levels);
  roles(protocol, levels);
  return list;
}
