import { bestFit, fitOf } from './fit';
import type { Box, Rect } from './types';

export type Corner = 'top-left' | 'top-right' | 'bottom-left' | 'bottom-right';

/** What must stay free above and below: header and bar. */
export interface Margins {
  top: number;
  bottom: number;
  side: number;
}

const part = 0.24;
const size = { min: 96, max: 280 };

/** A small picture in a corner, of that ratio, never below the bar. */
export function cornerRect(corner: Corner, box: Box, ratio: number, margins: Margins): Rect {
  const shape = Math.min(Math.max(ratio || 16 / 9, 3 / 4), 16 / 9);
  const room = Math.max(size.min, Math.min(box.width, box.height) * part * 1.4);
  let width = Math.min(Math.max(room, size.min), size.max);
  let height = width / shape;
  const most = Math.max(40, (box.height - margins.top - margins.bottom) / 2);
  if (height > most) {
    height = most;
    width = height * shape;
  }
  width = Math.round(Math.min(width, box.width - 2 * margins.side));
  height = Math.round(height);
  const x = corner.endsWith('left') ? margins.side : box.width - width - margins.side;
  const y = corner.startsWith('top') ? margins.top : box.height - height - margins.bottom;
  return { x: Math.round(x), y: Math.round(y), width, height };
}

/** The corner that is next to where a dragged picture's middle was let go. */
export function nearestCorner(x: number, y: number, box: Box): Corner {
  const vertical = y < box.height / 2 ? 'top' : 'bottom';
  const horizontal = x < box.width / 2 ? 'left' : 'right';
  return `${vertical}-${horizontal}`;
}

/**
 * Of a call in an upright window, whose pictures are wide: both one above the other in `inner`, first the
 * other's, where that shows more of it than alone in `box`, with much black; else null. Ratios are width by
 * height, 0 = unknown.
 */
export function stackedPair(remote: number, own: number, box: Box, inner: Rect, gap: number): [Rect, Rect] | null {
  if (remote <= 1 || box.height <= box.width || fitOf(remote, box, false) === 'cover') return null;
  const { rects, columns, tile } = bestFit([remote, own], inner, gap);
  const [first, second] = rects.map((rect) => ({ ...rect, x: rect.x + inner.x, y: rect.y + inner.y }));
  const alone = (box.width * box.width) / remote;
  if (!first || !second || columns !== 1 || tile.width * tile.height < alone) return null;
  return [first, second];
}
