/** Which tiles are on which page, and who comes to the first one. */

export const pageSize = { wide: 25, phone: 9 };
/** So often at most somebody is moved to the first page. */
export const swapEvery = 2000; // ms

export function pageCount(tiles: number, size: number): number {
  return Math.max(1, Math.ceil(tiles / size));
}

export function onPage<T>(tiles: readonly T[], page: number, size: number): T[] {
  const last = pageCount(tiles.length, size) - 1;
  const shown = Math.min(Math.max(0, page), last);
  return tiles.slice(shown * size, (shown + 1) * size);
}

export interface Seat {
  id: string;
  /** When they last spoke, in ms; 0 = never. */
  spokeAt: number;
  speaking: boolean;
  /** Never gives up its place: our own tile, what is pinned. */
  fixed: boolean;
}

/**
 * The order after those who speak came to the first page: each in the place of the one there that is
 * silent for longest. The others stay where they are. One swap at a time.
 */
export function promoteSpeaker(order: readonly string[], seats: ReadonlyMap<string, Seat>, size: number): string[] {
  const next = [...order];
  const speaker = next.findIndex((id, i) => i >= size && seats.get(id)?.speaking);
  if (speaker < 0) return next;
  let silent = -1;
  for (let i = 0; i < Math.min(size, next.length); ++i) {
    const seat = seats.get(next[i]!);
    if (!seat || seat.fixed || seat.speaking) continue;
    if (silent < 0 || seat.spokeAt < seats.get(next[silent]!)!.spokeAt) silent = i;
  }
  if (silent < 0) return next;
  [next[silent], next[speaker]] = [next[speaker]!, next[silent]!];
  return next;
}

/** Keeps the order of those who stay, and puts who is new at the end. */
export function keepOrder(order: readonly string[], ids: readonly string[]): string[] {
  const present = new Set(ids);
  const kept = order.filter((id) => present.has(id));
  const known = new Set(kept);
  return [...kept, ...ids.filter((id) => !known.has(id))];
}
