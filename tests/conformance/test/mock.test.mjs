// A server that is right passes every case that needs no media; one that is wrong in one way fails those that it should.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failed, tryMock } from './suite.mjs';

const all = { token: 'right', weakToken: 'weak', counterOffers: true };
const needsMedia = ({ seen }) => seen === 'needs a browser';

test('a server that is right passes every case, and skips only what needs media or what it does not have', async () => {
  const results = await tryMock(all);
  assert.deepEqual(results.filter(({ result }) => result === 'fail'), []);
  assert.deepEqual(results.filter((each) => each.result === 'skip' && !needsMedia(each)).map(({ id }) => id), ['whip-link-extensions']);
  assert.ok(results.filter(({ result }) => result === 'pass').length >= 60);
});

test('without token, extensions, restarts and counter-offers there is less to say, and nothing fails', async () => {
  const results = await tryMock({ extensions: false, faults: ['no-restart'] });
  assert.deepEqual(failed(results), ['whip-restart', 'whep-restart']);
  const skipped = results.filter((each) => each.result === 'skip' && !needsMedia(each)).map(({ id }) => id);
  for (const id of ['whip-auth-none', 'whep-events-create', 'whep-layers-default', 'whep-counter-406', 'whip-restart-etag', 'whep-link-extensions']) assert.ok(skipped.includes(id), id);
});

test('a player’s endpoint alone, where nothing is live, says nothing of the server', async () => {
  const results = await tryMock({ only: ['whep-post-201', 'whep-idle-409', 'whep-bad-empty'], whip: () => undefined });
  assert.deepEqual(results.map(({ id, result }) => `${id} ${result}`), ['whep-idle-409 skip', 'whep-post-201 skip', 'whep-bad-empty pass']);
});

test('a player that finds nothing live although somebody publishes is a fault', async () => {
  assert.deepEqual(failed(await tryMock({ only: ['whep-post-201'], whip: (mock) => mock.whip('another-room') })), ['whep-post-201']);
});

test('redirections are followed: with 307 they are right, with 301 wrong', async () => {
  const only = ['whip-post-*'];
  const right = await tryMock({ only, whip: (mock) => mock.whip('moved') });
  assert.deepEqual(failed(right), []);
  assert.equal(right.find(({ id }) => id === 'whip-post-redirect').seen, '307');
  const wrong = await tryMock({ only, whip: (mock) => mock.whip('old'), faults: ['moved'] });
  assert.deepEqual(failed(wrong), ['whip-post-redirect']);
});

// Fault of the mock server → the cases that fail, of both protocols, and of one alone.
const faults = {
  'answer-as-text': { both: ['post-type'] },
  'no-etag': { both: ['post-etag', 'trickle', 'patch-422', 'restart-old-tag', 'restart-failed'] },
  'weak-etag': { both: ['post-etag', 'restart-etag'] },
  'same-etag': { both: ['restart-etag', 'restart-unique', 'restart-old-tag'] },
  'counting-ids': { both: ['post-location-secret'] },
  'any-type': { both: ['bad-type', 'bad-type-415', 'problem-json-type'] },
  'plain-errors': { both: ['problem-json', 'problem-json-type'] },
  'no-allow': { both: ['put-405'] },
  'no-cors': { both: ['preflight-post', 'preflight-patch', 'preflight-delete', 'cors-expose', 'cors-refusal', 'auth-refusal-cors'] },
  'no-patch-preflight': { both: ['preflight-patch'] },
  'preflight-token': { both: ['preflight-post', 'preflight-patch', 'preflight-delete', 'auth-preflight'] },
  'no-challenge': { both: ['auth-challenge'] },
  'get-405': { both: ['get-endpoint', 'head-endpoint'] },
  'no-retry-after': { one: ['whep-idle-retry-after'] },
  'bad-turn': { both: ['link-servers'] },
  'bad-link': { both: ['link-form'] },
  'delete-needs-tag': { both: ['delete-if-match'] },
  'delete-keeps': { manyPublishers: true, both: ['delete-gone', 'delete-twice', 'delete-get'], one: ['whep-events-end'] },
  'delete-204': { both: ['delete-200', 'delete-if-match'] },
  'weak-comparison': { both: ['if-match-weak'] },
  'no-428': { both: ['if-match-none'] },
  'no-412': { both: ['if-match-other', 'if-match-weak', 'restart-old-tag'] },
  'no-restart': { both: ['restart'] },
  'no-trickle': { both: ['trickle'] },
  'no-restart 501': { both: ['patch-422', 'restart'] },
  'trickle-200': { both: ['trickle', 'trickle-204', 'trickle-any', 'trickle-end', 'trickle-session-level', 'trickle-again', 'trickle-many', 'if-match-list', 'if-match-star', 'restart-old-tag', 'restart-failed'] },
  'picky': { both: ['trickle-any'] },
  'takes-two-mids': { both: ['bad-two-mids'] },
  'takes-no-fingerprint': { both: ['bad-no-fingerprint'] },
  'takes-directions': { both: ['bad-direction', 'bad-inactive'] },
  'actpass-answer': { both: ['offer-active', 'offer-passive', 'answer-setup'] },
  'short-password': { both: ['answer-ice', 'restart-credentials'] },
  'lf-answer': { both: ['answer-form'] },
  'sendrecv-answer': { both: ['offer-sendrecv', 'answer-direction'], one: ['whep-answer-msid'] },
  'two-streams': { one: ['whep-answer-msid'] },
  'no-mux-only': { both: ['answer-rtcp-mux-only'] },
  'lite-in-media': { both: ['answer-ice-lite', 'restart-same'] },
  'own-extension': { both: ['answer-extensions'] },
  'no-candidates': { both: ['answer-candidates'] },
  'same-credentials': { both: ['restart-credentials'] },
  'restart-without-candidates': { both: ['restart-candidates'] },
  'restart-not-lite': { both: ['restart-same'] },
  'counter-recvonly': { one: ['whep-counter-direction'] },
  'no-layers-event': { one: ['whep-layers-events'] },
  'events-stay': { one: ['whep-events-delete'] },
  'events-all': { one: ['whep-events-chosen'] },
  'two-data-lines': { one: ['whep-events-active'] },
  'any-rid': { one: ['whep-layers-unknown'] },
};

for (const [names, { both = [], one = [], manyPublishers }] of Object.entries(faults)) {
  test(`a server that is wrong: ${names}`, async () => {
    const results = await tryMock({ ...all, manyPublishers, faults: names.split(' ') });
    const expected = [...both.flatMap((id) => [`whip-${id}`, `whep-${id}`]), ...one];
    assert.deepEqual(failed(results).sort(), expected.sort());
  });
}

test('without Location nothing that needs a session’s URL can pass, and the rest does', async () => {
  const results = await tryMock({ only: ['whip-post-*', 'whip-answer-*', 'whip-bad-*', 'whip-delete-200'], faults: ['no-location'], manyPublishers: true });
  assert.deepEqual(failed(results), ['whip-post-location', 'whip-post-location-secret', 'whip-post-etag', 'whip-post-session', 'whip-delete-200']);
});
