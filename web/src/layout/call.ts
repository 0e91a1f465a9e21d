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
