import { describe, expect, test } from 'vitest';
import { embedSnippet, readAddress } from '../src/watch/address';
import { portsOf, reasonOf, retryAfterSeconds, retryGap } from '../src/watch/whep';
import { chooseLanguage, languages, sentence, type WordKey } from '../src/watch/words';

describe('the address of the watch page', () => {
  test('room, and the endpoint beside it', () => {
    const { room, endpoint, token, muted, name } = readAddress('https://h.example/watch/demo');
    expect([room, endpoint, token, muted, name]).toEqual(['demo', 'https://h.example/whep/demo', '', false, '']);
  });
  test('below a path of a proxy, with a publisher and a token', () => {
    const { endpoint, token, muted, lang } = readAddress('https://h.example/sfu/watch/a%20b?name=c/d&token=t.k&muted=true&lang=de#x');
    expect([endpoint, token, muted, lang]).toEqual(['https://h.example/sfu/whep/a%20b/c%2Fd', 't.k', true, 'de']);
  });
  test('none, or a wrong one', () => {
    expect(readAddress('https://h.example/watch/').room).toBe('');
    expect(readAddress('https://h.example/watch/%zz').room).toBe('%zz');
  });
  test('the snippet has no token, and no way out of its attributes', () => {
    const snippet = embedSnippet('https://h.example/watch/a%22%3E%3Cb?token=secret&muted=true#there');
    expect(snippet).toContain('src="https://h.example/watch/a%22%3E%3Cb?muted=true"');
    expect(snippet).toContain('title="a&quot;&gt;&lt;b"');
    expect(snippet).not.toContain('secret');
    expect(snippet).toMatch(/^<iframe [^<>]*><\/iframe>$/);
  });
});

describe('coming again', () => {
  const now = Date.parse('2026-01-01T00:00:00Z');
  test('Retry-After: seconds, a date, nothing, nonsense', () => {
    expect(retryAfterSeconds('7', now)).toBe(7);
    expect(retryAfterSeconds('Thu, 01 Jan 2026 00:00:09 GMT', now)).toBe(9);
    expect(retryAfterSeconds('Wed, 31 Dec 2025 00:00:00 GMT', now)).toBe(0);
    expect(retryAfterSeconds(null, now)).toBe(3);
    expect(retryAfterSeconds('soon', now)).toBe(3);
  });
  test('gaps begin with what the server asks for, grow, and end at half a minute', () => {
    expect([1, 2, 3].map((attempt) => retryGap(attempt, 1, 2000))).toEqual([2000, 3000, 4500]);
    expect(retryGap(40, 1, 2000)).toBe(30_000);
    expect(retryGap(1, 0, 2000)).toBe(1600);
    expect(retryGap(1, 1, 0)).toBe(100);
  });
  test('a server that asks for a minute gets it', () => expect(retryGap(5, 1, 60_000)).toBe(60_000));
});

describe('what a server says', () => {
  test('the ports of an answer', () => {
    const sdp = ['v=0', 'a=candidate:1 1 udp 2130706431 203.0.113.7 44444 typ host', 'a=candidate:2 1 tcp 1 203.0.113.7 44444 typ host tcptype passive', 'a=candidate:3 1 UDP 1 2001:db8::1 44445 typ host', ''].join('\r\n');
    expect(portsOf(sdp)).toBe('UDP 44444, TCP 44444 (203.0.113.7), UDP 44445 (2001:db8::1)');
    expect(portsOf('v=0\r\n')).toBe('');
  });
  test('the reason of a refusal', () => {
    expect(reasonOf('{"title":"t","detail":"d"}')).toBe('d');
    expect(reasonOf('{"title":"t"}')).toBe('t');
    expect(reasonOf('<html>')).toBe('');
  });
});

describe('words of the watch page', () => {
  const keys = Object.keys(languages.en) as WordKey[];
  test('each language has the same places', () => {
    const places = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map((match) => match[1]).sort();
    for (const key of keys) expect(places(languages.de[key]), key).toEqual(places(languages.en[key]));
  });
  test('the first language that is known', () => {
    expect(chooseLanguage([null, 'fr', 'DE-at', 'en'])).toBe('de');
    expect(chooseLanguage([null, 'fr'])).toBe('en');
  });
  test('values stand in their places', () => expect(sentence('en', 'silence', { seconds: 3 })).toBe('Connection lost. Trying again (3 s)…'));
});
