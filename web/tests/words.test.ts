import { expect, test } from 'vitest';
import { de } from '../src/words/de';
import { en } from '../src/words/en';

const sources = import.meta.glob('../src/**/*.{ts,tsx}', { query: '?raw', import: 'default', eager: true }) as Record<string, string>;
const code = Object.entries(sources).filter(([path]) => !path.includes('/words/')).map(([, text]) => text).join('\n');
const keys = Object.keys(en) as (keyof typeof en)[];

test('every sentence is used', () => {
  // Some keys are put together: end-…, …-hint, quality-…, layers-…, theme-… and the forms of numbers.
  const made = /^(end-|quality-\d|layers-|theme-|blocked-steps-)|-hint$|_(one|other)$/;
  const unused = keys.filter((key) => !made.test(key) && !code.includes(`'${key}'`));
  expect(unused).toEqual([]);
});

test('each language has the same places for names', () => {
  const places = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map((match) => match[1]).sort();
  for (const key of keys) expect(places(de[key]), key).toEqual(places(en[key]));
});

test('no sentence is left in English', () => {
  const same = keys.filter((key) => en[key] === de[key] && en[key].length > 12 && !/^\{/.test(en[key]));
  expect(same).toEqual(['layers-svc']);
});

test('nothing that others say becomes markup: texts are only ever set as texts', () => {
  const ways = /innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment|srcdoc|javascript:/i;
  expect(Object.keys(sources).length).toBeGreaterThan(50);
  expect(Object.entries(sources).filter(([, text]) => ways.test(text)).map(([path]) => path)).toEqual([]);
});
