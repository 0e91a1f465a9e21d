import type { Box, Rect } from './types';

export interface SpeakerLayout {
  main: Rect;
  /** Of the others; null = scrolled out of sight, which is not played. */
  strip: (Rect | null)[];
  /** How far the strip can be scrolled. */
  scrollMax: number;
  /** Whether the strip is at the right, to be scrolled downwards. */
  vertical: boolean;
}

const shape = 16 / 9;
const stripPart = { wide: 0.2, tall: 0.18 };
const stripSize = { min: 96, max: 240 };

/** One large, the others in a strip: at the right of a wide window, below in a tall one. */
export function speakerLayout(others: number, box: Box, gap: number, scroll: number): SpeakerLayout {
  const vertical = box.width >= box.height * 1.2;
  if (others === 0) {
    return { main: { x: 0, y: 0, ...box }, strip: [], scrollMax: 0, vertical };
  }
  const limit = (size: number) => Math.round(Math.min(Math.max(size, stripSize.min), stripSize.max));
  const tile = vertical
    ? { width: limit(box.width * stripPart.wide), height: 0 }
    : { width: 0, height: limit(box.height * stripPart.tall) };
  if (vertical) tile.height = Math.round(tile.width / shape);
  else tile.width = Math.round(tile.height * shape);
  const main = vertical
    ? { x: 0, y: 0, width: box.width - tile.width - gap, height: box.height }
    : { x: 0, y: 0, width: box.width, height: box.height - tile.height - gap };
  const along = vertical ? box.height : box.width;
  const step = (vertical ? tile.height : tile.width) + gap;
  const length = others * step - gap;
  const scrollMax = Math.max(0, length - along);
  const from = Math.min(Math.max(0, scroll), scrollMax);
  const start = length < along ? (along - length) / 2 : -from;
  const strip = Array.from({ length: others }, (_, i) => {
    const at = Math.round(start + i * step);
    if (at + step - gap <= 0 || at >= along) return null;
    return vertical
      ? { x: main.width + gap, y: at, ...tile }
      : { x: at, y: main.height + gap, ...tile };
  });
  return { main, strip, scrollMax, vertical };
}

export interface Loud {
  id: string;
  speaking: boolean;
  /** Since when they speak without a pause, in ms. */
  since: number;
}

const speaksFor = 1000; // ms until somebody becomes large
const heldFor = 3000; // ms that they stay so

/** Who has spoken for a second becomes the main one; who is it stays for three at least. */
export function nextMain(current: string, chosenAt: number, people: readonly Loud[], now: number): string {
  const stays = people.some((person) => person.id === current);
  if (stays && now - chosenAt < heldFor) return current;
  const candidate = people.find((person) => person.speaking && person.id !== current && now - person.since >= speaksFor);
  if (candidate) return candidate.id;
  return stays ? current : (people[0]?.id ?? '');
}
