// DELETE, and sessions that are not there.
import { expectStatus } from '../lib/expect.mjs';
import { makeFragment } from '../lib/offers.mjs';
import { casesOf } from './define.mjs';

/** The URL of a session with another last segment. */
export function strangeUrl(url) {
  const strange = new URL(url);
  strange.pathname = strange.pathname.replace(/[^/]+\/?$/, 'no-such-session-00000000');
  return String(strange);
}

export function endCases(protocol) {
  const list = [];
  const { must, should } = casesOf(protocol, list);
  must('delete-200', 'end', 'DELETE ends the session: 200', async (context) => expectStatus(await (await context.open(protocol)).delete(), 200));
  must('delete-if-match', 'patch', 'an entity-tag with DELETE is ignored', async (context) =>
    expectStatus(await (await context.open(protocol)).delete({ headers: { 'if-match': '"not-this-one"' } }), 200));
  must('delete-gone', 'end', 'afterwards PATCH finds nothing: 404 or 410', async (context) => {
    const session = await context.open(protocol);
    await session.delete();
    return expectStatus(await session.patch(makeFragment(session.offer).body), 404, 410);
  });
  must('delete-twice', 'RFC 9110 §15.5.5', 'a second DELETE finds nothing: 404 or 410', async (context) => {
    const session = await context.open(protocol);
    await session.delete();
    return expectStatus(await session.delete(), 404, 410);
  });
  should('delete-get', 'RFC 9110 §15.5.5', 'nor does GET: 404 or 410', async (context) => {
    const session = await context.open(protocol);
    await session.delete();
    return expectStatus(await context.request('GET', session.needUrl()), 404, 410);
  });
  must('delete-frees', 'end', 'what it had is free at once: the next session is made', async (context) => {
    const seen = [];
    for (let i = 0; i < 3; ++i) {
      const session = await context.open(protocol);
      seen.push(session.response.status);
      await session.delete();
    }
    return seen.join(', ');
  });
  must('unknown-session', 'RFC 9110 §15.5.5', 'a session that never was: PATCH and DELETE find nothing: 404 or 410', async (context) => {
    const session = await context.open(protocol);
    const url = strangeUrl(session.needUrl());
    const headers = { 'content-type': 'application/trickle-ice-sdpfrag', 'if-match': '*' };
    const patched = expectStatus(await context.request('PATCH', url, { headers, body: makeFragment(session.offer).body }), 404, 410);
    return `${patched}; ${expectStatus(await context.request('DELETE', url), 404, 410)}`;
  });
  return list;
}
