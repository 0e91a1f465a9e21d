/** Thrown by a probe: waiting longer is of no use. */
export class Hopeless extends Error {}

/**
 * Polls `probe` until it returns something truthy, and returns that. Fails with `what` and the last
 * value that `describe` gives after `timeout` ms, or at once where `probe` throws Hopeless: the only
 * clock in these tests.
 */
export async function waitFor(what, probe, { timeout = 30_000, interval = 50, describe } = {}) {
  const end = Date.now() + timeout;
  let last;
  for (;;) {
    try {
      last = await probe();
      if (last) return last;
    } catch (error) {
      if (error instanceof Hopeless) throw error;
      last = error;
    }
    if (Date.now() > end) {
      const seen = describe ? await describe() : last;
      throw new Error(`waited ${timeout} ms for ${what}; last: ${seen instanceof Error ? seen.stack : JSON.stringify(seen)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, interval));
  }
}
