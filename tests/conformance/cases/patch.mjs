// PATCH: trickle ICE and ICE restarts.
import { Skip, describe, expect, expectRefused, expectStatus } from '../lib/expect.mjs';
import { tokens } from '../lib/http.mjs';
import { candidates, makeFragment } from '../lib/offers.mjs';
import { isStrongTag, parseCandidate, parseFragment, pwdForm, ufragForm } from '../lib/sdp.mjs';
import { fragmentType } from '../lib/context.mjs';
import { casesOf } from './define.mjs';

function trickleCases(protocol, { must, should }) {
  /** A case with a session at a server that trickles. */
  const trickling = (run) => async (context) => {
    await context.need(protocol, 'trickle');
    return await run(await context.open(protocol), context);
  };
  should('trickle', 'ice', 'trickle ICE is supported: PATCH with a candidate is a 204', async (context) => expectStatus((await context.support(protocol)).trickle, 204));
  must('trickle-204', 'trickle', 'the 204 has no body and no ETag', trickling(async (session) => {
    const response = await session.trickle();
    expectStatus(response, 204);
    expect(response.body.length === 0, `${response.body.length} bytes`);
    expect(response.header('etag') === undefined, `ETag: ${response.header('etag')}`);
    return '204';
  }));
  must('trickle-any', 'trickle', 'candidates of no use are dropped in silence: names, TCP, scopes, unknown transports', trickling(async (session) =>
    expectStatus(await session.trickle({ candidates: Object.values(candidates) }), 204)));
  must('trickle-end', 'RFC 8840 §4.4', 'the end of candidates alone is taken', trickling(async (session) => expectStatus(await session.trickle({ candidates: [] }), 204)));
  must('trickle-session-level', 'RFC 8840 §9', 'credentials may stand before the m= line', trickling(async (session) => expectStatus(await session.trickle({ atSession: true }), 204)));
  should('trickle-again', 'trickle', 'the same candidates again are no error', trickling(async (session) => {
    await session.trickle();
    return expectStatus(await session.trickle(), 204);
  }));
  should('trickle-many', 'patch', 'overlapping PATCHes are all taken', trickling(async (session) => {
    const responses = await Promise.all([0, 1, 2, 3].map((i) => session.trickle({ candidates: [`candidate:${i} 1 udp 2122260223 192.0.2.${i + 1} 61764 typ host`], end: false })));
    const wrong = responses.find(({ status }) => status !== 204);
    expect(!wrong, wrong && describe(wrong));
    return '4 × 204';
  }));
}

function conditions(protocol, { must, should }) {
  const tagged = (run) => async (context) => {
    await context.need(protocol, 'trickle');
    const session = await context.open(protocol);
    if (!session.etag) throw new Skip('no ETag');
    return await run(session);
  };
  must('if-match-none', 'patch', 'PATCH without If-Match is refused: 428', tagged(async (session) => expectStatus(await session.trickle({ ifMatch: null }), 428)));
  must('if-match-other', 'patch', 'PATCH with another entity-tag is refused: 412', tagged(async (session) => expectStatus(await session.trickle({ ifMatch: '"not-this-one"' }), 412)));
  must('if-match-weak', 'RFC 9110 §13.1.1', 'tags are compared strongly: W/ never matches: 412', tagged(async (session) => expectStatus(await session.trickle({ ifMatch: `W/${session.etag}` }), 412)));
  must('if-match-list', 'RFC 9110 §13.1.1', 'one of a list of tags is enough', tagged(async (session) => expectStatus(await session.trickle({ ifMatch: `"not-this-one", ${session.etag}` }), 204)));
  should('if-match-star', 'RFC 9110 §13.1.1', '* matches whatever is there, for candidates, too', tagged(async (session) => expectStatus(await session.trickle({ ifMatch: '*' }), 204)));
}

function malformed(protocol, { must, should }) {
  const patching = (run) => async (context) => {
    const { trickle, restart } = await context.support(protocol);
    if (!trickle.ok && !restart.ok) throw new Skip('PATCH is not supported');
    return await run(await context.open(protocol));
  };
  must('patch-type', 'patch', 'PATCH of another media type is refused: 4xx', patching(async (session) => expectRefused(await session.patch('{}', { type: 'application/json' }))));
  must('patch-no-type', 'patch', 'PATCH without a media type is refused: 4xx', patching(async (session) => expectRefused(await session.patch(makeFragment(session.offer).body, { type: null }))));
  should('patch-accept-patch', 'RFC 5789 §2.2', 'the 415 tells the media type in Accept-Patch', patching(async (session) => {
    const response = await session.patch('{}', { type: 'application/json' });
    expectStatus(response, 415);
    const value = response.header('accept-patch');
    expect(tokens(value).includes(fragmentType), `Accept-Patch is ${value}`);
    return `Accept-Patch: ${value}`;
  }));
  must('patch-text', 'patch', 'PATCH of what is no fragment is refused: 4xx', patching(async (session) => expectRefused(await session.patch('Never gonna make you cry\r\n'))));
  should('patch-empty', 'patch', 'PATCH of nothing is refused: 4xx', patching(async (session) => expectRefused(await session.patch(''))));
  must('patch-422', 'patch', 'where only one of trickle ICE and restarts is supported, the other is refused with 422', async (context) => {
    const { trickle, restart } = await context.support(protocol);
    if (trickle.ok && restart.ok) return 'both are supported';
    if (!trickle.ok && !restart.ok) throw new Skip('none is supported');
    return expectStatus(trickle.ok ? restart : trickle, 422);
  });
}

function restarts(protocol, { must, should }) {
  const restarting = (run) => async (context) => {
    await context.need(protocol, 'restart');
    return await run(await context.open(protocol));
  };
  const fragmentOf = (response) => {
    expectStatus(response, 200);
    return parseFragment(response.text);
  };
  should('restart', 'ice', 'ICE restarts are supported: PATCH with new credentials and If-Match: * is a 200', async (context) => expectStatus((await context.support(protocol)).restart, 200));
  must('restart-type', 'restart', 'the 200 is a fragment: application/trickle-ice-sdpfrag', restarting(async (session) => {
    const response = await session.restart();
    expectStatus(response, 200);
    expect(response.type === fragmentType, `Content-Type is ${response.header('content-type')}`);
    return response.type;
  }));
  must('restart-credentials', 'restart', 'it has a new ufrag and a new password', restarting(async (session) => {
    const before = { ufrag: session.answer.transport('ice-ufrag'), pwd: session.answer.transport('ice-pwd') };
    const { ufrag, pwd } = fragmentOf(await session.restart());
    expect(ufragForm.test(ufrag ?? '') && pwdForm.test(pwd ?? ''), `ice-ufrag '${ufrag}', ice-pwd '${pwd}'`);
    expect(ufrag !== before.ufrag && pwd !== before.pwd, 'they are those of the answer');
    return `${before.ufrag} → ${ufrag}`;
  }));
  must('restart-candidates', 'restart', 'it has the candidates of the server', restarting(async (session) => {
    const found = fragmentOf(await session.restart()).candidates;
    expect(found.length > 0, 'no candidate');
    expect(found.every((each) => parseCandidate(each)), `no candidate by RFC 8839: ${found.join(', ')}`);
    return `${found.length} candidates`;
  }));
  must('restart-same', 'restart', 'it has the ice-lite and ice-options of the answer', restarting(async (session) => {
    const fragment = fragmentOf(await session.restart());
    const lite = session.answer.session.has('ice-lite');
    const options = session.answer.session.get('ice-options') ?? session.answer.tagged.get('ice-options');
    expect(fragment.lite === lite, `ice-lite: ${fragment.lite} after ${lite}`);
    expect(fragment.options === options, `ice-options: ${fragment.options} after ${options}`);
    return `ice-lite: ${lite}, ice-options: ${options}`;
  }));
  must('restart-etag', 'restart', 'the 200 has a new ETag, a strong one', restarting(async (session) => {
    const { etag } = session;
    const response = await session.restart();
    expectStatus(response, 200);
    const now = response.header('etag');
    expect(isStrongTag(now) && now !== etag, `ETag: ${now} after ${etag}`);
    return `${etag} → ${now}`;
  }));
  must('restart-unique', 'patch', 'entity-tags of two restarts differ', restarting(async (session) => {
    const tags = [session.etag];
    for (let i = 0; i < 2; ++i) tags.push((await session.restart()).header('etag'));
    expect(new Set(tags).size === tags.length, tags.join(', '));
    return tags.join(', ');
  }));
  must('restart-old-tag', 'patch', 'after it the old entity-tag is refused with 412, and the new one taken', restarting(async (session) => {
    const { etag } = session;
    expectStatus(await session.restart(), 200);
    const old = expectStatus(await session.trickle({ ifMatch: etag }), 412);
    return `${old}; ${expectStatus(await session.trickle(), 204, 422)}`;
  }));
  should('restart-quoted-star', 'restart', 'If-Match: "*", as the document’s example has it, is taken', restarting(async (session) => expectStatus(await session.restart({ ifMatch: '"*"' }), 200)));
  should('restart-tag', 'restart', 'new credentials with the current entity-tag are a restart, too', restarting(async (session) => expectStatus(await session.restart({ ifMatch: session.etag }), 200)));
  should('restart-half', 'RFC 8839 §4.4.1.1.1', 'a new ufrag with the old password is no restart: 4xx', restarting(async (session) =>
    expectRefused(await session.patch(makeFragment(session.offer, { ufrag: 'newUfrag' }).body, { ifMatch: '*' }))));
  must('restart-failed', 'restart', 'a restart that fails leaves the session as it was', restarting(async (session) => {
    const { etag } = session;
    const refusal = await session.patch('a=ice-ufrag:x\r\na=ice-pwd:short\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\n', { ifMatch: '*' });
    expectRefused(refusal);
    return `${describe(refusal)}; then ${expectStatus(await session.trickle({ ifMatch: etag }), 204, 422)}`;
  }));
}

export function patchCases(protocol) {
  const list = [];
  const levels = casesOf(protocol, list);
  trickleCases(protocol, levels);
  conditions(protocol, levels);
  malformed(protocol, levels);
  restarts(protocol, levels);
  return list;
}
