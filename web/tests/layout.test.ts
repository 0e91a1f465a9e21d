import { describe, expect, test } from 'vitest';
import { barItems, fitBar } from '../src/layout/bar';
import { cornerRect, nearestCorner, stackedPair } from '../src/layout/call';
import { bestFit, containIn, fitOf, wantedShapes } from '../src/layout/fit';
import { keepOrder, onPage, pageCount, promoteSpeaker, type Seat } from '../src/layout/paging';
import { nextMain, speakerLayout } from '../src/layout/speaker';
import type { Box, Rect } from '../src/layout/types';

const wide = 16 / 9;
const windows: Box[] = [
  { width: 320, height: 400 }, { width: 390, height: 700 }, { width: 768, height: 900 },
  { width: 1024, height: 680 }, { width: 1440, height: 800 }, { width: 2560, height: 500 },
];
const inside = (rect: Rect, box: Box) =>
  rect.x >= -0.5 && rect.y >= -0.5 && rect.x + rect.width <= box.width + 0.5 && rect.y + rect.height <= box.height + 0.5;
const overlap = (a: Rect, b: Rect) =>
  a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
const shown = (n: number, box: Box) => {
  const { tile } = bestFit(Array(n).fill(wide), box, 8);
  return (n * tile.width * tile.height) / (box.width * box.height);
};

describe('grid', () => {
  test('tiles are inside and apart, in every window, from 1 to 25', () => {
    for (const box of windows) {
      for (let n = 1; n <= 25; ++n) {
        const { rects } = bestFit(Array(n).fill(wide), box, 8);
        expect(rects).toHaveLength(n);
        rects.forEach((rect, i) => {
          expect(inside(rect, box), `${n} in ${box.width}×${box.height}: ${JSON.stringify(rect)}`).toBe(true);
          for (let j = 0; j < i; ++j) expect(overlap(rect, rects[j]!)).toBe(false);
        });
      }
    }
  });

  test('no other number of columns would make larger tiles', () => {
    const box = { width: 1440, height: 800 };
    for (let n = 2; n <= 25; ++n) {
      const { tile } = bestFit(Array(n).fill(wide), box, 8);
      for (let c = 1; c <= n; ++c) {
        const rows = Math.ceil(n / c);
        const width = Math.min((box.width - 8 * (c - 1)) / c, ((box.height - 8 * (rows - 1)) / rows) * wide);
        expect(Math.floor(width)).toBeLessThanOrEqual(tile.width);
      }
    }
  });

  test('two in an upright window are one above the other', () => {
    const { columns, rows } = bestFit([wide, wide], { width: 768, height: 900 }, 8);
    expect([columns, rows]).toEqual([1, 2]);
    expect(shown(2, { width: 768, height: 900 })).toBeGreaterThan(0.7);
  });

  test('two upright pictures on a phone are upright tiles or fill more', () => {
    const { tile } = bestFit([3 / 4, 3 / 4, 3 / 4, 3 / 4], { width: 390, height: 700 }, 8);
    expect(tile.height).toBeGreaterThan(tile.width);
  });

  test('one alone fills the window', () => {
    expect(shown(1, { width: 1440, height: 800 })).toBeGreaterThan(0.95);
    expect(shown(1, { width: 390, height: 520 })).toBeGreaterThan(0.95);
  });

  test('the last row is in the middle', () => {
    const box = { width: 1200, height: 700 };
    const { rects, tile } = bestFit(Array(5).fill(wide), box, 8);
    const last = rects.filter((r) => r.y === rects[4]!.y);
    const left = last[0]!.x;
    const right = box.width - last.at(-1)!.x - tile.width;
    expect(Math.abs(left - right)).toBeLessThanOrEqual(2);
  });

  test('shapes go by the window', () => {
    expect(wantedShapes({ width: 1440, height: 900 }, 4)).toEqual([wide]);
    expect(wantedShapes({ width: 900, height: 900 }, 4)).toEqual([4 / 3]);
    expect(wantedShapes({ width: 390, height: 844 }, 4)).toEqual([3 / 4, 4 / 3]);
  });

  test('nothing is no grid', () => {
    expect(bestFit([], { width: 100, height: 100 }, 8).rects).toEqual([]);
    expect(bestFit([wide], { width: 0, height: 100 }, 8).rects).toEqual([]);
  });
});

describe('pictures in tiles', () => {
  test('a small difference is cropped, a large one and every screen is shown whole', () => {
    expect(fitOf(wide, { width: 400, height: 300 }, false)).toBe('cover');
    expect(fitOf(9 / 16, { width: 400, height: 300 }, false)).toBe('contain');
    expect(fitOf(wide, { width: 160, height: 90 }, true)).toBe('contain');
    expect(fitOf(0, { width: 160, height: 90 }, false)).toBe('cover');
  });
  test('contained in the middle', () => {
    expect(containIn({ x: 0, y: 0, width: 100, height: 100 }, 2)).toEqual({ x: 0, y: 25, width: 100, height: 50 });
  });
});

describe('pages', () => {
  const seats = (all: Partial<Seat>[]): Map<string, Seat> =>
    new Map(all.map((seat, i) => {
      const full = { id: String(i), spokeAt: 0, speaking: false, fixed: false, ...seat };
      return [full.id, full];
    }));

  test('count and content', () => {
    expect(pageCount(0, 25)).toBe(1);
    expect(pageCount(26, 25)).toBe(2);
    expect(onPage([1, 2, 3, 4], 1, 3)).toEqual([4]);
    expect(onPage([1, 2, 3], 9, 3)).toEqual([1, 2, 3]);
  });

  test('who speaks comes to the first page, the one silent for longest goes', () => {
    const all = seats([{ fixed: true }, { spokeAt: 50 }, { spokeAt: 10 }, {}, { speaking: true }]);
    expect(promoteSpeaker(['0', '1', '2', '3', '4'], all, 3)).toEqual(['0', '1', '4', '3', '2']);
  });

  test('nobody is moved when the speaker is there already, or all there speak', () => {
    const order = ['0', '1', '2'];
    expect(promoteSpeaker(order, seats([{ speaking: true }, {}, {}]), 2)).toEqual(order);
    expect(promoteSpeaker(order, seats([{ fixed: true }, { speaking: true }, { speaking: true }]), 2)).toEqual(order);
  });

  test('order is kept', () => {
    expect(keepOrder(['c', 'a', 'b'], ['a', 'b', 'd', 'c'])).toEqual(['c', 'a', 'b', 'd']);
    expect(keepOrder(['c', 'a'], ['a'])).toEqual(['a']);
  });
});

describe('speaker view', () => {
  test('the strip is at the right of wide windows and below in tall ones', () => {
    const right = speakerLayout(4, { width: 1440, height: 800 }, 8, 0);
    expect(right.vertical).toBe(true);
    expect(right.strip[0]!.x).toBeGreaterThanOrEqual(right.main.width);
    const below = speakerLayout(4, { width: 390, height: 700 }, 8, 0);
    expect(below.vertical).toBe(false);
    expect(below.strip[0]!.y).toBeGreaterThanOrEqual(below.main.height);
  });

  test('what is scrolled out of sight is not played', () => {
    const box = { width: 1440, height: 800 };
    const top = speakerLayout(24, box, 8, 0);
    expect(top.strip.filter(Boolean).length).toBeLessThan(8);
    expect(top.scrollMax).toBeGreaterThan(0);
    const end = speakerLayout(24, box, 8, 1e9);
    expect(end.strip[0]).toBeNull();
    const last = end.strip[23]!;
    expect(last.y + last.height).toBe(800);
  });

  test('alone is large', () => {
    expect(speakerLayout(0, { width: 500, height: 400 }, 8, 0).main).toEqual({ x: 0, y: 0, width: 500, height: 400 });
  });

  test('a second of speech makes large, for three seconds at least', () => {
    const person = (id: string, speaking: boolean, since: number) => ({ id, speaking, since });
    expect(nextMain('a', 0, [person('a', false, 0), person('b', true, 9500)], 10_000)).toBe('a');
    expect(nextMain('a', 0, [person('a', false, 0), person('b', true, 9000)], 10_000)).toBe('b');
    expect(nextMain('a', 8000, [person('a', false, 0), person('b', true, 0)], 10_000)).toBe('a');
    expect(nextMain('gone', 9999, [person('b', false, 0)], 10_000)).toBe('b');
    expect(nextMain('gone', 0, [], 10_000)).toBe('');
  });
});

describe('call', () => {
  const margins = { top: 56, bottom: 88, side: 12 };
  test('the own picture is in its corner, above the bar, in every window', () => {
    for (const box of [...windows, { width: 320, height: 480 }]) {
      for (const corner of ['top-left', 'top-right', 'bottom-left', 'bottom-right'] as const) {
        for (const ratio of [wide, 3 / 4, 0]) {
          const rect = cornerRect(corner, box, ratio, margins);
          expect(inside(rect, box)).toBe(true);
          expect(rect.y + rect.height).toBeLessThanOrEqual(box.height - margins.bottom + 1);
          expect(rect.y).toBeGreaterThanOrEqual(margins.top - 1);
        }
      }
    }
  });
  test('it snaps to the next corner', () => {
    expect(nearestCorner(10, 10, { width: 100, height: 100 })).toBe('top-left');
    expect(nearestCorner(90, 60, { width: 100, height: 100 })).toBe('bottom-right');
  });
});

describe('a call in an upright window', () => {
  const inner = { x: 8, y: 64, width: 374, height: 844 - 64 - 72 };
  test('wide pictures stand one above the other, and more is seen of each', () => {
    const box = { width: 390, height: 844 };
    const [remote, own] = stackedPair(wide, wide, box, inner, 8)!;
    expect(overlap(remote, own)).toBe(false);
    expect(remote.y).toBeGreaterThanOrEqual(inner.y);
    expect(own.y + own.height).toBeLessThanOrEqual(inner.y + inner.height);
    for (const rect of [remote, own]) {
      expect(fitOf(wide, rect, false)).toBe('cover');
      expect(rect.width * rect.height).toBeGreaterThan((390 * 390) / wide);
    }
  });
  test.each<[string, number, Box, Rect]>([
    ['an upright picture fills the window', 9 / 16, { width: 390, height: 844 }, inner],
    ['so does one that is not known', 0, { width: 390, height: 844 }, inner],
    ['a wide window has the other large', wide, { width: 1440, height: 900 }, { x: 8, y: 64, width: 1424, height: 764 }],
    ['where little is left it would be smaller than alone', wide, { width: 320, height: 480 }, { x: 8, y: 64, width: 304, height: 300 }],
  ])('%s', (_, ratio, box, area) => {
    expect(stackedPair(ratio, wide, box, area, 8)).toBeNull();
  });
});

describe('the bar', () => {
  const sizes = { item: 48, gap: 8, leave: 64, padding: 12 };
  test('reactions have their place after the hand, and are the first but two to go', () => {
    expect(fitBar(1440, barItems, sizes)).toEqual(['mic', 'camera', 'screen', 'hand', 'react', 'people', 'chat']);
    expect(fitBar(390, barItems, sizes)).toEqual(['mic', 'camera', 'screen', 'hand']);
    expect(fitBar(320, barItems, sizes)).toEqual(['mic', 'camera', 'screen']);
  });
});
