// Requests that are to be refused, and how.
import { randomBytes } from 'node:crypto';
import { describe, expect, expectCreated, expectRefused, expectStatus } from '../lib/expect.mjs';
import { directions, makeOffer, unknownCodec } from '../lib/offers.mjs';
import { sdpType } from '../lib/context.mjs';
import { casesOf } from './define.mjs';

const megabytes = 4;
const manyLines = 10_000;

/** A POST of `body` must be refused with a 4xx. */
const refused = (protocol, body, type) => async (context) => {
  const text = typeof body === 'function' ? body() : body;
  return expectRefused(await context.post(protocol, text, type === undefined ? {} : { type }));
};

const refusedOffer = (protocol, options) => refused(protocol, () => makeOffer(protocol, options).sdp);

/** `sdp` cut behind its first m= line. */
function cut(sdp) {
  return sdp.slice(0, sdp.indexOf('\r\n', sdp.indexOf('m=')) + 2);
}

function bodies(protocol, { must, should }) {
  must('bad-type', 'wrongOffer', 'an offer as text/plain is refused: 4xx', refused(protocol, () => makeOffer(protocol).sdp, 'text/plain'));
  should('bad-type-415', 'RFC 9110 §15.5.16', 'namely with 415', async (context) => expectStatus(await context.post(protocol, makeOffer(protocol).sdp, { type: 'text/plain' }), 415));
  must('bad-no-type', 'wrongOffer', 'an offer without a Content-Type is refused: 4xx', refused(protocol, () => makeOffer(protocol).sdp, null));
  must('bad-json', 'wrongOffer', 'an offer in JSON is refused: 4xx', refused(protocol, () => JSON.stringify({ type: 'offer', sdp: makeOffer(protocol).sdp }), 'application/json'));
  must('bad-empty', 'wrongOffer', 'no body is refused: 4xx', refused(protocol, ''));
  must('bad-text', 'wrongOffer', 'a body that is no description is refused: 4xx', refused(protocol, 'Never gonna give you up\r\n'));
  must('bad-bytes', 'wrongOffer', 'random bytes are refused: 4xx', refused(protocol, () => randomBytes(2000)));
  must('bad-no-media', 'wrongOffer', 'a description without an m= line is refused: 4xx', refused(protocol, 'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n'));
  must('bad-cut', 'wrongOffer', 'a description that ends in its middle is refused: 4xx', refused(protocol, () => cut(makeOffer(protocol).sdp)));
  must('bad-no-ice', 'wrongOffer', 'an offer without ice-ufrag and ice-pwd is refused: 4xx', refusedOffer(protocol, { noUfrag: true }));
  must('bad-no-fingerprint', 'wrongOffer', 'an offer without a fingerprint is refused: 4xx', refusedOffer(protocol, { noFingerprint: true }));
  should('bad-two-mids', 'RFC 5888 §4', 'two sections with one mid are refused: 4xx', refusedOffer(protocol, { mids: ['0', '0'] }));
  const { wrong } = directions[protocol];
  should('bad-direction', 'direction', `an offer that is ${wrong}, which no client may send, is refused: 4xx`, refusedOffer(protocol, { direction: wrong }));
  should('bad-inactive', 'direction', 'an offer that is inactive, which no client may send, is refused: 4xx', refusedOffer(protocol, { direction: 'inactive' }));
}

function codecs(protocol, { should }) {
  const where = protocol === 'whip' ? 'partial' : 'RFC 9110 §15.5.7';
  should('bad-codecs', where, 'an offer of codecs that nobody knows is refused: 4xx', async (context) => {
    const { response } = await context.attempt(protocol, makeOffer(protocol, { codecs: unknownCodec }));
    return expectRefused(response);
  });
  if (protocol !== 'whip') return;
  should('bad-one-codec', 'partial', 'video that cannot be taken is no session with audio alone: 422 or 400', async (context) => {
    const { response } = await context.attempt('whip', makeOffer('whip', { codecs: { video: unknownCodec.video } }));
    return expectStatus(response, 422, 400);
  });
}

function sizes(protocol, { must, should }) {
  const survives = async (context) => expectCreated((await context.open(protocol)).response);
  should('bad-long', 'RFC 9110 §15.5.14', `a body of ${megabytes} MiB is refused: 4xx, or the connection closes`, async (context) => {
    const body = `${makeOffer(protocol).sdp}a=x:${'x'.repeat(megabytes << 20)}\r\n`;
    let seen;
    try {
      seen = expectRefused(await context.post(protocol, body));
    } catch (error) {
      if (!/ECONNRESET|EPIPE|socket hang up|write/.test(error.message)) throw error;
      seen = 'the connection closes';
    }
    await survives(context);
    return seen;
  });
  must('bad-many-lines', 'wrongOffer', `${manyLines} lines are answered, with 201 or 4xx, and the next offer with 201`, async (context) => {
    const { response } = await context.attempt(protocol, makeOffer(protocol, { more: { session: Array.from({ length: manyLines }, (_, i) => `a=x-line:${i}`) } }));
    expect(response.status === 201 || response.refused, describe(response));
    await context.afterCase();
    await survives(context);
    return describe(response);
  });
}

function problems(protocol, { may }) {
  may('problem-json', 'http', 'a refusal tells why: application/problem+json (RFC 9457)', async (context) => {
    const response = await context.post(protocol, 'Never gonna let you down\r\n');
    expectRefused(response);
    expect(response.type === 'application/problem+json', `${response}`);
    const problem = JSON.parse(response.text);
    expect(problem.status === undefined || problem.status === response.status, `status ${problem.status} in a ${response.status}`);
    expect(problem.title || problem.detail, `neither title nor detail: ${response.text}`);
    return describe(response);
  });
  may('problem-json-type', 'http', 'of a wrong media type, too', async (context) => {
    const response = await context.post(protocol, makeOffer(protocol).sdp, { type: `${sdpType}x` });
    expectRefused(response);
    expect(response.type === 'application/problem+json', `${response}`);
    return describe(response);
  });
}

export function refusalCases(protocol) {
  const list = [];
  const levels = casesOf(protocol, list);
  bodies(protocol, levels);
  codecs(protocol, levels);
  sizes(protocol, levels);
  problems(protocol, levels);
  return list;
}
