/** Names and ids as strangers write them, made fit to be shown. */

/** What the server takes as a room id (CheckId): 1 to 64 of these. */
const idCharacter = /[A-Za-z0-9\-_.~@:+]/;
const maxIdLength = 64;

export interface RoomIdProblem {
  /** Characters that are not allowed, each once; empty when only the length is wrong. */
  wrong: string[];
  tooLong: boolean;
  /** The nearest id that is allowed; "" when nothing is left of it. */
  corrected: string;
}

/** null: the id is good. */
export function checkRoomId(id: string): RoomIdProblem | null {
  const characters = [...id];
  const wrong = [...new Set(characters.filter((c) => !idCharacter.test(c)))];
  const tooLong = characters.length > maxIdLength;
  const dots = id === '.' || id === '..';
  if (id && wrong.length === 0 && !tooLong && !dots) return null;
  const corrected = characters
    .map((c) => (idCharacter.test(c) ? c : '-'))
    .join('')
    .replace(/-{2,}/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, maxIdLength);
  return { wrong, tooLong, corrected: /^\.{0,2}$/.test(corrected) ? '' : corrected };
}

export const maxNameLength = 100; // characters

/**
 * A display name without control characters, bidirectional overrides and isolates, line breaks and
 * runs of spaces; cut at 100 characters with an ellipsis. "" when nothing is left.
 */
export function cleanName(name: string): string {
  const text = name
    .slice(0, 20 * maxNameLength)
    .normalize('NFC')
    // Cc, Cf without the joiner that emoji need, Zl, Zp, Co, Cn and lone surrogates.
    .replace(/\u200d/g, '\ue000')
    .replace(/[\p{Cc}\p{Zl}\p{Zp}\s]+/gu, ' ')
    .replace(/(?!\ue000)[\p{Cf}\p{Co}\p{Cn}\p{Cs}]/gu, '')
    .replace(/\ue000/g, '\u200d')
    .trim();
  const characters = [...text];
  if (characters.length <= maxNameLength) return text;
  return `${characters.slice(0, maxNameLength - 1).join('').trimEnd()}…`;
}

/** Whether cleanName() has cut it. */
export function isCut(name: string): boolean {
  return name.endsWith('…') && [...name].length >= maxNameLength - 1;
}

/** One or two letters for a person without a picture. */
export function initials(name: string): string {
  const words = name.split(' ').filter((word) => /[\p{L}\p{N}]/u.test(word));
  const first = (word: string | undefined) => [...(word ?? '')].find((c) => /[\p{L}\p{N}]/u.test(c)) ?? '';
  const letters = words.length > 1 ? first(words[0]) + first(words[words.length - 1]) : first(words[0]);
  return letters.toLocaleUpperCase() || '?';
}

const goldenAngle = 137.508; // degrees: neighbours get hues far apart

/** A hue in degrees that stays the same for a person. */
export function hueOf(id: string): number {
  let hash = 0;
  for (const c of id) hash = (hash * 31 + (c.codePointAt(0) ?? 0)) >>> 0;
  return Math.round(hash * goldenAngle) % 360;
}
