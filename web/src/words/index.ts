import { signal } from '@preact/signals';
import { kept } from '../state/settings';
import { en } from './en';

export type WordKey = keyof typeof en;
export type Words = Record<WordKey, string>;

export const languages = { en: 'English', de: 'Deutsch' } as const;
export type Language = keyof typeof languages;

export const language = signal<Language>('en');
const words = signal<Words>(en);

/** The sentence of `key` in the language on show. */
export function t(key: WordKey, params: Record<string, string | number> = {}): string {
  return words.value[key].replace(/\{(\w+)\}/g, (whole, name: string) => String(params[name] ?? whole));
}

type Counted<K extends string> = K extends `${infer Base}_one` ? Base : never;

/** The form of `key` for a number. */
export function tn(key: Counted<WordKey>, count: number, params: Record<string, string | number> = {}): string {
  const form = new Intl.PluralRules(language.value).select(count) === 'one' ? 'one' : 'other';
  return t(`${key}_${form}` as WordKey, { count, ...params });
}

/** "a, b and c". */
export function list(items: readonly string[]): string {
  return new Intl.ListFormat(language.value, { type: 'conjunction' }).format(items);
}

/** What the address, an earlier choice or the browser asks for. */
export function wantedLanguage(address: string): Language {
  const wishes = [new URL(address).searchParams.get('lang'), kept.read('language'), ...navigator.languages];
  for (const wish of wishes) {
    const known = (Object.keys(languages) as Language[]).find((each) => wish?.toLowerCase().startsWith(each));
    if (known) return known;
  }
  return 'en';
}

export async function useLanguage(wanted: Language): Promise<void> {
  words.value = wanted === 'de' ? (await import('./de')).de : en;
  language.value = wanted;
  document.documentElement.lang = wanted;
}
