// Methods, CORS, Link and tokens.
import { Failure, Skip, describe, expect, expectStatus } from '../lib/expect.mjs';
import { tokens } from '../lib/http.mjs';
import { linksOf, parseLinks } from '../lib/link.mjs';
import { makeOffer } from '../lib/offers.mjs';
import { sdpType } from '../lib/context.mjs';
import { casesOf } from './define.mjs';

const origin = 'https://page.example';

const preflight = (context, url, method, headers) => context.request('OPTIONS', url, {
  token: null, // browsers send none (RFC 9725 §4.7.1)
  headers: { origin, 'access-control-request-method': method, 'access-control-request-headers': headers },
});

/** Fails unless the preflight lets a page of `origin` use `method` with these header fields. */
function expectAllowed(response, method, headers) {
  expect(response.ok, describe(response));
  const who = response.header('access-control-allow-origin');
  expect(who === '*' || who === origin, `Access-Control-Allow-Origin is ${who}`);
  const methods = tokens(response.header('access-control-allow-methods'));
  expect(['get', 'head', 'post'].includes(method) || methods.includes(method) || methods.includes('*'), `Access-Control-Allow-Methods is ${methods.join(', ')}`);
  const fields = tokens(response.header('access-control-allow-headers'));
  // "*" does not stand for Authorization (Fetch, CORS-preflight fetch).
  const absent = headers.find((name) => !fields.includes(name) && !(fields.includes('*') && name !== 'authorization'));
  expect(absent === undefined, `Access-Control-Allow-Headers is ${fields.join(', ')}; ${absent} is not there`);
  return `${response.status}, ${methods.join(', ')}`;
}

function methods(protocol, { must, should }) {
  const emptyGet = (response) => {
    expect(response.ok && response.body.length === 0, `${describe(response)}, ${response.body.length} bytes`);
    return `${response.status}, empty`;
  };
  must('get-endpoint', 'http', 'GET at the endpoint is a 2xx without content', async (context) => emptyGet(await context.request('GET', context.endpoint(protocol), { follow: true })));
  must('get-session', 'http', 'GET at a session is a 2xx without content', async (context) => emptyGet(await context.request('GET', (await context.open(protocol)).needUrl())));
  should('head-endpoint', 'RFC 9110 §9.3.2', 'HEAD is as GET', async (context) => expectStatus(await context.request('HEAD', context.endpoint(protocol)), 200, 204));
  must('put-405', 'RFC 9110 §15.5.6', 'a method that is not there is refused: 405 with Allow, or 501', async (context) => {
    const response = await context.request('PUT', context.endpoint(protocol), { headers: { 'content-type': sdpType }, body: makeOffer(protocol).sdp });
    expectStatus(response, 405, 501);
    expect(response.status !== 405 || response.header('allow') !== undefined, '405 without Allow');
    return `${response.status}, Allow: ${response.header('allow')}`;
  });
  should('patch-endpoint', 'RFC 9110 §15.5.6', 'PATCH and DELETE at the endpoint are refused: 405 (or 404)', async (context) => {
    const seen = [];
    for (const method of ['PATCH', 'DELETE']) seen.push(expectStatus(await context.request(method, context.endpoint(protocol)), 405, 404));
    return seen.join(', ');
  });
  should('post-session', 'RFC 9110 §15.5.6', 'POST at a session is refused: 405 (or 404)', async (context) => {
    const session = await context.open(protocol);
    return expectStatus(await context.request('POST', session.needUrl(), { headers: { 'content-type': sdpType }, body: makeOffer(protocol).sdp }), 405, 404);
  });
}

function cors(protocol, { must, should }) {
  must('options', 'cors', 'OPTIONS at the endpoint works', async (context) => expectStatus(await context.request('OPTIONS', context.endpoint(protocol)), 200, 204));
  should('options-accept-post', 'cors', 'and tells Accept-Post: application/sdp', async (context) => {
    const response = await context.request('OPTIONS', context.endpoint(protocol));
    const value = response.header('accept-post');
    expect(tokens(value).some((each) => each.split(';')[0] === sdpType), `Accept-Post is ${value}`);
    return `Accept-Post: ${value}`;
  });
  must('preflight-post', 'cors', 'a page of another origin may POST, with Content-Type and Authorization', async (context) =>
    expectAllowed(await preflight(context, context.endpoint(protocol), 'POST', 'authorization,content-type'), 'post', ['authorization', 'content-type']));
  must('preflight-patch', 'cors', 'it may PATCH a session, with If-Match', async (context) => {
    const session = await context.open(protocol);
    return expectAllowed(await preflight(context, session.needUrl(), 'PATCH', 'authorization,content-type,if-match'), 'patch', ['authorization', 'content-type', 'if-match']);
  });
  must('preflight-delete', 'cors', 'it may DELETE a session', async (context) => {
    const session = await context.open(protocol);
    return expectAllowed(await preflight(context, session.needUrl(), 'DELETE', 'authorization'), 'delete', ['authorization']);
  });
  must('cors-expose', 'Fetch, CORS', 'it may read Location, ETag and Link of the 201', async (context) => {
    const { response } = await context.open(protocol, {}, { headers: { origin } });
    const who = response.header('access-control-allow-origin');
    expect(who === '*' || who === origin, `Access-Control-Allow-Origin is ${who}`);
    const exposed = tokens(response.header('access-control-expose-headers'));
    const absent = ['location', 'etag', 'link'].find((name) => !exposed.includes(name) && !(exposed.includes('*') && !response.header('access-control-allow-credentials')));
    expect(absent === undefined, `Access-Control-Expose-Headers is ${exposed.join(', ')}; ${absent} is not there`);
    return exposed.join(', ');
  });
  should('cors-refusal', 'Fetch, CORS', 'it may read why it is refused, too', async (context) => {
    const response = await context.post(protocol, 'Never gonna run around\r\n', { headers: { origin } });
    const who = response.header('access-control-allow-origin');
    expect(who === '*' || who === origin, `${response.status}, Access-Control-Allow-Origin is ${who}`);
    return `${response.status}, ${who}`;
  });
}

function links(protocol, { must, should }) {
  const parsed = (session, Wrong) => {
    try {
      return parseLinks(session.response.all('link'));
    } catch (error) {
      throw new Wrong(error.message);
    }
  };
  must('link-form', 'RFC 8288 §3', 'Link fields of the 201 are well-formed', async (context) => {
    const found = parsed(await context.answered(protocol), Failure);
    return found.length ? found.map(({ rel }) => rel.join(' ')).join(', ') : 'none';
  });
  must('link-servers', 'servers', 'each ice-server is a stun: or turn: URI, a turn: one with username and credential', async (context) => {
    const servers = linksOf(parsed(await context.answered(protocol), Skip), 'ice-server');
    if (servers.length === 0) throw new Skip('no ice-server');
    for (const { target, parameters } of servers) {
      expect(/^(stun|turn)s?:[^/]/.test(target), `the URI is ${target}`);
      expect(!/^turn/.test(target) || (parameters.username && parameters.credential), `${target} has no username or no credential`);
    }
    return servers.map(({ target }) => target).join(', ');
  });
  must('link-extensions', 'extensions', `an extension is called urn:ietf:params:${protocol}:ext:… and has a URL`, async (context) => {
    const session = await context.answered(protocol);
    const found = parsed(session, Skip).filter(({ rel }) => rel.some((each) => each.startsWith('urn:')));
    if (found.length === 0) throw new Skip('no extension');
    for (const { target, rel } of found) {
      expect(rel.some((each) => each.startsWith(`urn:ietf:params:${protocol}:ext`)), `rel is ${rel.join(' ')}`);
      expect(/^https?:$/.test(new URL(target, session.response.url).protocol), `the URL is ${target}`);
    }
    return found.map(({ rel }) => rel[0]).join(', ');
  });
  if (protocol !== 'whip') return;
  should('preflight-no-servers', 'servers', 'a preflight is not answered with ice-servers', async (context) => {
    const response = await preflight(context, context.endpoint('whip'), 'POST', 'content-type');
    const servers = linksOf(parseLinks(response.all('link')), 'ice-server');
    expect(servers.length === 0, servers.map(({ target }) => target).join(', '));
    return 'none';
  });
}

function auth(protocol, { must, should, may }) {
  const needs = { needs: ['token'] };
  const bare = (context, token) => context.post(protocol, makeOffer(protocol).sdp, { token });
  must('auth-none', 'bearer', 'a POST without a token is refused: 401', async (context) => expectStatus(await bare(context, null), 401), needs);
  must('auth-challenge', 'RFC 6750 §3', 'the 401 asks for a Bearer token in WWW-Authenticate', async (context) => {
    const value = (await bare(context, null)).header('www-authenticate');
    expect(/(^|,\s*)bearer\b/i.test(value ?? ''), `WWW-Authenticate is ${value}`);
    return value;
  }, needs);
  must('auth-wrong', 'RFC 6750 §3.1', 'a token that nobody gave is refused: 401', async (context) => expectStatus(await bare(context, 'not.a.token'), 401), needs);
  must('auth-weak', 'RFC 6750 §3.1', 'a token that does not allow it is refused: 403', async (context) => expectStatus(await bare(context, context.options.weakToken), 403), { needs: ['token', 'weakToken'] });
  must('auth-scheme-case', 'RFC 9110 §11.1', 'the scheme is compared without regard to case', async (context) => {
    const { response } = await context.open(protocol, {}, { token: null, headers: { authorization: `bearer ${context.options.token}` } });
    return describe(response);
  }, needs);
  must('auth-preflight', 'bearer', 'a preflight needs no token', async (context) => {
    const response = await preflight(context, context.endpoint(protocol), 'POST', 'authorization,content-type');
    expect(response.ok, describe(response));
    return describe(response);
  }, needs);
  should('auth-refusal-cors', 'Fetch, CORS', 'a page of another origin may read a 401', async (context) => {
    const response = await context.post(protocol, makeOffer(protocol).sdp, { token: null, headers: { origin } });
    expectStatus(response, 401);
    expect(response.header('access-control-allow-origin'), 'no Access-Control-Allow-Origin');
    return describe(response);
  }, needs);
  may('auth-session', 'bearer', 'DELETE at a session without a token is refused: 401', async (context) => {
    const session = await context.open(protocol);
    return expectStatus(await context.request('DELETE', session.needUrl(), { token: null }), 401);
  }, needs);
}

export function httpCases(protocol) {
  const list = [];
  const levels = casesOf(protocol, list);
  methods(protocol, levels);
  cors(protocol, levels);
  links(protocol, levels);
  auth(protocol, levels);
  return list;
}
