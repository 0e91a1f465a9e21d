/** Which layer a tile needs. */

export interface LayerSet {
  spatial: number;
  temporal: number;
}

/** "L3T3_KEY" → 3 and 3; what is no such mode is one layer. */
export function parseScalabilityMode(mode: string | undefined): LayerSet {
  const match = /^[LS]([1-9]\d?)T([1-9]\d?)/.exec(mode ?? '');
  return { spatial: Number(match?.[1] ?? 1), temporal: Number(match?.[2] ?? 1) };
}

/** A layer is good enough for a tile from this part of the tile's height on. */
const enough = 0.8;

/**
 * The lowest spatial layer whose height is at least 0.8 × the tile's; the highest when none is.
 * `fullHeight` is that of the highest layer, each below it has half of the one above. Heights in
 * device pixels.
 */
export function layerForTile(tileHeight: number, fullHeight: number, layers: number): number {
  for (let layer = 0; layer < layers - 1; ++layer) {
    if (fullHeight / 2 ** (layers - 1 - layer) >= enough * tileHeight) return layer;
  }
  return Math.max(0, layers - 1);
}
