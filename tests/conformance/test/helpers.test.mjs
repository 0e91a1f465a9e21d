// The suite's own tools.
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, describe, test } from 'node:test';
import { allCases } from '../cases/index.mjs';
import { differingCharacters } from '../cases/setup.mjs';
import { strangeUrl } from '../cases/end.mjs';
import { answerTo } from '../cases/whep.mjs';
import { Failure, Skip, describe as inWords, expectRefused, expectStatus } from '../lib/expect.mjs';
import { Response, openEvents, parseEvents, send, sendFollowing, tokens } from '../lib/http.mjs';
import { linksOf, parseLinks } from '../lib/link.mjs';
import { candidates, makeFragment, makeOffer } from '../lib/offers.mjs';
import { UsageError, help, parseOptions } from '../lib/options.mjs';
import { chosen, levels, matches, missing, runCase, summarize } from '../lib/runner.mjs';
import { isStrongTag, parseCandidate, parseFragment, parseSdp, sdpProblems } from '../lib/sdp.mjs';
import { cite } from '../lib/sections.mjs';
import { Table, summaryLine } from '../lib/table.mjs';

describe('Link', () => {
  test('several on a line, quoted and not', () => {
    const links = parseLinks(['<stun:s.example>; rel="ice-server", <turn:t.example?transport=udp>; rel=ice-server; username="u\\"v"; credential="a,b;c"', '</x>; REL="a b"']);
    assert.deepEqual(links.map(({ target, rel }) => [target, rel]), [['stun:s.example', ['ice-server']], ['turn:t.example?transport=udp', ['ice-server']], ['/x', ['a', 'b']]]);
    assert.deepEqual(links[1].parameters, { rel: 'ice-server', username: 'u"v', credential: 'a,b;c' });
    assert.equal(linksOf(links, 'Ice-Server').length, 2);
  });
  test('the first of two parameters counts; one may have no value', () => assert.deepEqual(parseLinks(['<a>; rel=x; rel=y; crossorigin'])[0].parameters, { rel: 'x', crossorigin: '' }));
  test('the draft’s example without the semicolon before events', () =>
    assert.deepEqual(parseLinks(['<https://x/sse>; rel="urn:y" events="active,layers"'])[0].parameters, { rel: 'urn:y', events: 'active,layers' }));
  test('empty elements of the list are nothing', () => assert.equal(parseLinks([', <a>; rel=x, , <b>; rel=y ,']).length, 2));
  for (const bad of ['stun:x; rel=a', '<a> rel=x', '<a>; ; rel=x', '<a']) test(`is none: ${bad}`, () => assert.throws(() => parseLinks([bad]), /is expected at character/));
});

describe('descriptions', () => {
  const text = ['v=0', 'o=- 1 1 IN IP4 0.0.0.0', 's=-', 't=0 0', 'a=group:BUNDLE b a', 'a=ice-ufrag:sess', 'a=sendonly', 'm=audio 9 UDP/TLS/RTP/SAVPF 111', 'a=mid:a', 'a=rtpmap:111 OPUS/48000/2',
    'a=recvonly', 'm=video 0 UDP/TLS/RTP/SAVPF 96', 'a=mid:b', 'a=bundle-only', 'a=ice-pwd:pass', 'a=extmap:4/recvonly urn:x y', 'a=mid-other', 'm=audio 0 X 0', ''].join('\r\n');
  const description = parseSdp(text);
  test('sections, bundle and what is rejected', () => {
    assert.deepEqual(description.media.map(({ kind, port, rejected }) => [kind, port, rejected]), [['audio', 9, false], ['video', 0, false], ['audio', 0, true]]);
    assert.deepEqual(description.bundle, ['b', 'a']);
    assert.equal(description.tagged.mid, 'b');
  });
  test('directions of the section, else of the session', () => assert.deepEqual(description.media.map((section) => description.directionOf(section)), ['recvonly', 'sendonly', 'sendonly']));
  test('transport attributes: own, of the session, of the tagged section', () => {
    assert.equal(description.transport('ice-ufrag'), 'sess');
    assert.equal(description.transport('ice-pwd', description.media[0]), 'pass');
    assert.equal(description.transport('setup'), undefined);
  });
  test('codecs in lower case, extensions without direction and parameters', () => {
    assert.equal(description.media[0].codec('111'), 'opus/48000/2');
    assert.equal(parseSdp('m=audio 9 X 0\r\na=rtpmap:0 PCMU/8000/1').media[0].codec('0'), 'pcmu/8000');
    assert.deepEqual(description.media[1].extensions(), [{ id: 4, uri: 'urn:x' }]);
  });
  test('what is wrong with a text', () => {
    assert.deepEqual(sdpProblems(text), []);
    assert.deepEqual(sdpProblems('o=x\nnonsense'), ['does not begin with v=0', 'has lines that do not end with CRLF', 'its last line has no end', 'has the line "nonsense"', 'has no s= line', 'has no t= line']);
  });
  test('candidates', () => {
    for (const each of Object.values(candidates)) assert.ok(parseCandidate(each), each);
    assert.equal(parseCandidate(candidates.tcp).tcptype, 'active');
    assert.equal(parseCandidate('1 1 UDP 1 ::1 5 typ host').transport, 'udp');
    for (const bad of ['', '1 1 udp', '1 1 udp x 127.0.0.1 5 typ host', '1 1 udp 5 127.0.0.1 5 host']) assert.equal(parseCandidate(bad), undefined, bad);
  });
  test('strong tags', () => {
    for (const good of ['"a"', '""', '"a b"'.replace(' ', '-')]) assert.ok(isStrongTag(good), good);
    for (const bad of [undefined, '', 'a', 'W/"a"', '"a', '"a"b"', '"a b"']) assert.ok(!isStrongTag(bad), bad);
  });
});

describe('offers', () => {
  for (const protocol of ['whip', 'whep']) {
    test(`${protocol}: good descriptions with the right directions`, () => {
      const offer = makeOffer(protocol);
      assert.deepEqual(sdpProblems(offer.sdp), []);
      const description = parseSdp(offer.sdp);
      assert.deepEqual(description.media.map(({ kind, direction }) => `${kind} ${direction}`), [`audio ${protocol === 'whip' ? 'sendonly' : 'recvonly'}`, `video ${protocol === 'whip' ? 'sendonly' : 'recvonly'}`]);
      assert.equal(description.transport('ice-ufrag'), offer.ufrag);
      assert.equal(description.media[0].has('msid'), protocol === 'whip');
    });
  }
  test('two are never the same', () => assert.notEqual(makeOffer('whip').ufrag + makeOffer('whip').pwd, makeOffer('whip').ufrag + makeOffer('whip').pwd));
  test('bundle-only as in RFC 9725: port 0 and no transport', () => {
    const [audio, video] = parseSdp(makeOffer('whip', { bundleOnly: true }).sdp).media;
    assert.deepEqual([audio.port, video.port, video.has('ice-ufrag'), video.has('setup'), video.rejected], [9, 0, false, false, false]);
  });
  test('one payload type means one codec', () => {
    const formats = parseSdp(makeOffer('whip').sdp).media.flatMap((section) => section.formats);
    assert.equal(new Set(formats).size, formats.length);
  });
  test('fragments have the credentials of the offer, or new ones', () => {
    const offer = makeOffer('whip');
    for (const atSession of [false, true]) {
      const fragment = parseFragment(makeFragment(offer, { atSession }).body);
      assert.deepEqual([fragment.ufrag, fragment.pwd, fragment.mids, fragment.candidates.length, fragment.ended], [offer.ufrag, offer.pwd, ['0'], 1, true]);
    }
    const fresh = makeFragment(offer, { restart: true });
    assert.notEqual(fresh.ufrag, offer.ufrag);
    assert.equal(parseFragment(fresh.body).pwd, fresh.pwd);
  });
  test('an answer to a server’s offer takes each section', () => {
    const answer = parseSdp(answerTo(parseSdp(makeOffer('whip').sdp)));
    assert.deepEqual(answer.media.map(({ mid, direction }) => `${mid} ${direction}`), ['0 recvonly', '1 recvonly']);
  });
});

describe('requests', () => {
  let server;
  let url;
  before(async () => {
    server = http.createServer((request, response) => {
      const parts = [];
      request.on('data', (part) => parts.push(part));
      request.on('end', () => {
        const { pathname } = new URL(request.url, 'http://x');
        if (pathname === '/slow') return;
        if (pathname === '/moved') return response.writeHead(307, { location: 'here' }).end();
        if (pathname === '/round') return response.writeHead(308, { location: '/round' }).end();
        if (pathname === '/events') return response.writeHead(200, { 'content-type': 'text/event-stream' }).end('event: a\ndata: 1\n\n');
        response.writeHead(200, [['Link', '<a>; rel=x'], ['Link', '<b>; rel=x'], ['Content-Type', 'Text/Plain; charset=x']].flat());
        response.end(JSON.stringify({ method: request.method, path: pathname, headers: request.headers, body: Buffer.concat(parts).toString() }));
      });
    });
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${server.address().port}`;
  });
  after(() => { server.closeAllConnections(); server.close(); });

  test('no header that was not asked for', async () => {
    const { headers } = JSON.parse((await send('POST', `${url}/`, { body: 'x' })).text);
    assert.deepEqual(Object.keys(headers).sort(), ['connection', 'content-length', 'host']);
  });
  test('chunks', async () => {
    const seen = JSON.parse((await send('POST', `${url}/`, { body: ['a', 'b'] })).text);
    assert.deepEqual([seen.headers['transfer-encoding'], seen.body], ['chunked', 'ab']);
  });
  test('header lines stay apart, the media type is without parameters', async () => {
    const response = await send('GET', `${url}/`);
    assert.deepEqual([response.all('LINK'), response.header('link'), response.type, response.header('etag')], [['<a>; rel=x', '<b>; rel=x'], '<a>; rel=x, <b>; rel=x', 'text/plain', undefined]);
  });
  test('redirections: same method and body, at most ten', async () => {
    const response = await sendFollowing('POST', `${url}/moved`, { body: 'x' });
    assert.deepEqual([JSON.parse(response.text).path, JSON.parse(response.text).body, response.redirects.map(({ status }) => status)], ['/here', 'x', [307]]);
    assert.equal((await sendFollowing('POST', `${url}/round`, {})).redirects.length, 10);
  });
  test('silence and closed ports are errors that name the request', async () => {
    await assert.rejects(send('GET', `${url}/slow`, { timeout: 50 }), /no response to GET .*slow within 50 ms/);
    await assert.rejects(send('GET', 'http://127.0.0.1:1/', {}), /GET http:\/\/127.0.0.1:1\/: .*ECONNREFUSED/);
  });
  test('streams of events', async () => {
    const stream = await openEvents(`${url}/events`);
    assert.ok(await stream.until(({ events }) => events.length > 0, 5000));
    assert.ok(await stream.until(({ ended }) => ended, 5000));
    assert.equal(await stream.until(() => false, 10), undefined);
    assert.deepEqual(stream.events, [{ event: 'a', data: '1', dataLines: 1 }]);
  });
  test('events in pieces, with comments, without a name', () => {
    const { events, rest } = parseEvents(': hello\n\nevent: a\r\ndata: {\r\ndata: }\r\n\r\ndata:x\n\nevent: b');
    assert.deepEqual(events, [{ event: 'a', data: '{\n}', dataLines: 2 }, { event: 'message', data: 'x', dataLines: 1 }]);
    assert.equal(rest, 'event: b');
  });
  test('lists of tokens', () => assert.deepEqual(tokens(' POST,get , '), ['post', 'get']));
});

describe('judgement', () => {
  const response = (status, body = '', headers = []) => new Response('http://x', status, headers, Buffer.from(body));
  test('in words, with what a refusal says', () => {
    assert.equal(inWords(response(201, 'v=0', ['Content-Type', 'application/sdp'])), '201 application/sdp');
    assert.equal(inWords(response(400, '{"detail":"no  mid"}')), '400: no mid');
    assert.equal(inWords(response(500, 'x'.repeat(300))).length, '500: '.length + 101);
  });
  test('statuses', () => {
    assert.equal(expectStatus(response(204), 204, 200), '204');
    assert.throws(() => expectStatus(response(500, 'oh'), 204, 200), new Failure('500: oh; 204 or 200 is expected'));
    assert.equal(expectRefused(response(404)), '404');
    assert.throws(() => expectRefused(response(500)), Failure);
    assert.throws(() => expectRefused(response(201)), Failure);
  });
  test('URLs', () => {
    assert.equal(differingCharacters('abc', 'axcde'), 3);
    assert.equal(strangeUrl('http://x/a/b?c=1'), 'http://x/a/no-such-session-00000000?c=1');
  });
});

describe('running', () => {
  const context = { options: { whip: 'http://x/' }, media: undefined, cleaned: 0, async afterCase() { this.cleaned += 1; } };
  const make = (run, needs = ['whip']) => ({ id: 'whip-x', protocol: 'whip', title: 't', section: 's', level: 'must', needs, run });
  test('passes, fails, skips; what it made is ended each time', async () => {
    assert.deepEqual((({ result, seen }) => [result, seen])(await runCase(make(async () => 'yes'), context)), ['pass', 'yes']);
    assert.equal((await runCase(make(() => { throw new Failure('no'); }), context)).result, 'fail');
    assert.equal((await runCase(make(() => { throw new Skip('not here'); }), context)).result, 'skip');
    assert.deepEqual((({ result, seen }) => [result, seen])(await runCase(make(() => { throw new Error('reset'); }), context)), ['fail', 'reset']);
    assert.equal(context.cleaned, 4);
  });
  test('what is missing', () => {
    assert.equal(missing(make(undefined, ['whep']), context), 'needs --whep');
    assert.equal(missing(make(undefined, ['whip', 'token']), context), 'needs --token');
    assert.equal(missing(make(undefined, ['whip', 'media']), context), 'needs a browser');
    assert.equal(missing(make(undefined), context), undefined);
  });
  test('patterns', () => {
    assert.ok(matches('whip-*', 'whip-a') && matches('*a', 'whip-a') && matches('w.p', 'w.p'));
    assert.ok(!matches('whip', 'whip-a') && !matches('w.p', 'wap'));
    assert.deepEqual(chosen([{ id: 'a-1' }, { id: 'a-2' }, { id: 'b' }], { only: ['a-*'], skip: ['*2'] }), [{ id: 'a-1' }]);
  });
  test('sums', () => {
    const results = [{ result: 'pass', level: 'must' }, { result: 'fail', level: 'must' }, { result: 'fail', level: 'may' }, { result: 'skip', level: 'must' }];
    const summary = summarize(results);
    assert.deepEqual(summary, { pass: 1, fail: 2, skip: 1, failed: { must: 1, should: 0, may: 1 } });
    assert.equal(summaryLine(summary), '1 passed, 2 failed (1 must, 1 may), 1 skipped');
  });
  test('the table: columns, and a second line for what fails', () => {
    const table = new Table([{ id: 'whip-x', section: 'RFC 9725 §4' }], { columns: 47 });
    assert.equal(table.row({ result: 'pass', level: 'must', id: 'whip-x', section: 'RFC 9725 §4', seen: '201 application/sdp', title: 't' }), 'pass  must    whip-x  RFC 9725 §4  201 applica…');
    assert.equal(table.row({ result: 'fail', level: 'must', id: 'whip-x', section: 'RFC 9725 §4', seen: '500 and a long story of why', title: 'a session is made' }),
      'FAIL  must    whip-x  RFC 9725 §4  500 and a long story of why\n              a session is made');
  });
});

describe('the command line', () => {
  test('what is asked for', () => {
    const options = parseOptions(['--whip', 'http://x/whip/a', '--only', 'a,b', '--only', 'c*', '--timeout', '2.5', '--no-browser'], { CONFORMANCE_TOKEN: 't' });
    assert.deepEqual([options.whip, options.whep, options.only, options.timeout, options.browser, options.token], ['http://x/whip/a', undefined, ['a', 'b', 'c*'], 2500, false, 't']);
  });
  for (const [argv, said] of [[[], /--whip URL, --whep URL or both/], [['--whip', 'x'], /--whip is 'x'/], [['--whep', 'ftp://x'], /begins with http/], [['--whip', 'http://x', '--timeout', 'no'], /--timeout is 'no'/], [['--nonsense'], /nonsense/]]) {
    test(`refused: ${argv.join(' ') || 'nothing'}`, () => assert.throws(() => parseOptions(argv, {}), (error) => error instanceof UsageError && said.test(error.message)));
  }
  test('the help tells every flag', () => {
    for (const name of ['whip', 'whep', 'token', 'weak-token', 'only', 'skip', 'list', 'json', 'no-browser', 'chromium', 'timeout', 'media-timeout', 'insecure', 'help']) assert.ok(help.includes(`--${name}`), name);
  });
});

describe('the list of cases', () => {
  const cases = allCases();
  test('sixty or more for each protocol, each with its own name', () => {
    assert.equal(new Set(cases.map(({ id }) => id)).size, cases.length);
    for (const protocol of ['whip', 'whep']) assert.ok(cases.filter((each) => each.protocol === protocol).length >= 60);
  });
  test('each has a section, a level and a sentence', () => {
    for (const { id, section, level, title, protocol } of cases) {
      assert.ok(levels.includes(level), id);
      assert.match(section, /^(RFC \d+ \u00a7[\d.]+|draft-ietf-wish-whep \u00a7[\d.]+|WHEP core extensions, .+|practice, .+|Fetch, CORS)$/, id);
      assert.ok(title.length > 10 && !title.endsWith('.'), id);
      assert.ok(id.startsWith(`${protocol}-`));
    }
  });
  test('a subject without a section is no subject', () => {
    assert.equal(cite('whip', 'restart'), 'RFC 9725 §4.3.3');
    assert.throws(() => cite('whip', 'counter'));
  });
});
