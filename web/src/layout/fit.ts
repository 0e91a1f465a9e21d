import type { Box, Rect } from './types';

/** Pictures that differ from their tile's shape by no more than this are cropped, others are shown whole. */
const cropLimit = (4 / 3) * 1.03; // tiles are whole pixels
const wide = 16 / 9;

/** How a picture is put into its tile. `ratio` is width by height, 0 = not known. */
export function fitOf(ratio: number, tile: Box, screen: boolean): 'contain' | 'cover' {
  if (screen) return 'contain';
  if (ratio <= 0 || tile.width <= 0 || tile.height <= 0) return 'cover';
  return difference(ratio, tile.width / tile.height) <= cropLimit ? 'cover' : 'contain';
}

/** How much of the tile a picture fills, 0…1. */
export function filledPart(ratio: number, shape: number): number {
  const differs = difference(ratio, shape);
  return differs <= cropLimit ? 1 : 1 / differs;
}

function difference(a: number, b: number): number {
  return Math.max(a, b) / Math.min(a, b);
}

/** The largest box of that ratio inside `box`, in its middle. */
export function containIn(box: Rect, ratio: number): Rect {
  const width = Math.min(box.width, box.height * ratio);
  const height = width / ratio;
  return { x: box.x + (box.width - width) / 2, y: box.y + (box.height - height) / 2, width, height };
}

/** The shapes that tiles may have in a window of that size: wide, upright or between. */
export function wantedShapes(box: Box, count: number): number[] {
  const ratio = box.width / Math.max(1, box.height);
  // One alone has the window, as far as a picture can follow it.
  if (count === 1) return [Math.min(Math.max(ratio, 3 / 4), wide * (4 / 3))];
  if (ratio >= 1.2) return [wide];
  if (ratio >= 0.85) return [4 / 3];
  return [3 / 4, 4 / 3];
}

export interface Grid {
  columns: number;
  rows: number;
  tile: Box;
  /** One for each tile, in order. */
  rects: Rect[];
}

/**
 * The best fit of `ratios.length` tiles to the window: of every number of columns, and of the shapes
 * that suit the window, the one that shows most of the pictures; ties go to fewer empty cells. The
 * last row is centred. A ratio of 0 is taken as 16:9.
 */
export function bestFit(ratios: readonly number[], box: Box, gap: number): Grid {
  const count = ratios.length;
  if (count === 0 || box.width <= 0 || box.height <= 0) return { columns: 0, rows: 0, tile: { width: 0, height: 0 }, rects: [] };
  let best: { columns: number; rows: number; tile: Box; shown: number; empty: number } | undefined;
  for (const shape of wantedShapes(box, count)) {
    const part = ratios.reduce((sum, ratio) => sum + filledPart(ratio || wide, shape), 0) / count;
    for (let columns = 1; columns <= count; ++columns) {
      const rows = Math.ceil(count / columns);
      const tile = largest(shape, (box.width - gap * (columns - 1)) / columns, (box.height - gap * (rows - 1)) / rows);
      const shown = tile.width * tile.height * part;
      const empty = columns * rows - count;
      const more = !best || shown > best.shown + 1;
      const same = best && Math.abs(shown - best.shown) <= 1 && empty < best.empty;
      if (more || same) best = { columns, rows, tile, shown, empty };
    }
  }
  const { columns, rows, tile } = best!;
  return { columns, rows, tile, rects: place(count, columns, rows, tile, box, gap) };
}

function largest(shape: number, width: number, height: number): Box {
  const fitting = Math.max(0, Math.min(width, height * shape));
  return { width: Math.floor(fitting), height: Math.floor(fitting / shape) };
}

function place(count: number, columns: number, rows: number, tile: Box, box: Box, gap: number): Rect[] {
  const top = (box.height - rows * tile.height - gap * (rows - 1)) / 2;
  return Array.from({ length: count }, (_, i) => {
    const row = Math.floor(i / columns);
    const inRow = row === rows - 1 ? count - columns * (rows - 1) : columns;
    const left = (box.width - inRow * tile.width - gap * (inRow - 1)) / 2;
    return {
      x: Math.round(left + (i % columns) * (tile.width + gap)),
      y: Math.round(top + row * (tile.height + gap)),
      ...tile,
    };
  });
}
