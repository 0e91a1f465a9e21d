/** How long to wait before trying again: gaps that grow, and differ from client to client. */

const firstGap = 500; // ms
const largestGap = 30_000; // ms
const growth = 2;
/** The shortest that chance makes of a gap. A server that comes back meets its clients one by one. */
const leastPart = 0.5;

/**
 * The wait in ms before attempt number `attempt` (1 = the first after the loss). `random` is 0…1.
 * Never ends: from the seventh attempt on it stays at the largest gap.
 */
export function retryGap(attempt: number, random: number): number {
  const gap = Math.min(largestGap, firstGap * growth ** Math.max(0, attempt - 1));
  return Math.round(gap * (leastPart + (1 - leastPart) * random));
}
