import { isDeepStrictEqual } from 'node:util';

/** Thrown by a probe: waiting longer is of no use. */
export class Hopeless extends Error {}

const unanswered = new Error('the probe does not answer');
const patience = 5000;  // ms: a probe asks a browser or a server, which may have stopped answering

/**
 * Polls `probe` until it returns something truthy, and returns that. Fails with `what` and the last
 * value that `describe` gives after `timeout` ms, or at once where `probe` throws Hopeless: the only
 * clock in these tests.
 */
export async function waitFor(what, probe, { timeout = 30_000, interval = 50, describe } = {}) {
  const end = Date.now() + timeout;
  let timer;
  const late = new Promise((resolve) => {
    timer = setTimeout(() => resolve(unanswered), timeout + patience);
  });
  try {
    let last;
    for (;;) {
      try {
        last = await Promise.race([probe(), late]);
        if (last && last !== unanswered) return last;
      } catch (error) {
        if (error instanceof Hopeless) throw error;
        last = error;
      }
      if (Date.now() > end) {
        const seen = describe ? await Promise.race([describe(), late]) : last;
        throw new Error(`waited ${timeout} ms for ${what}; last: ${seen instanceof Error ? seen.stack : JSON.stringify(seen)}`);
      }
      await new Promise((resolve) => setTimeout(resolve, interval));
    }
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Polls `probe` until it gives the same value `times` times one after the other, and returns that: once may be a
 * machine that stood still. Fails as waitFor() does.
 */
export async function waitForRest(what, probe, { times = 3, interval = 500, ...options } = {}) {
  let last;
  let count = 0;
  const { value } = await waitFor(what, async () => {
    const now = await probe();
    count = last && isDeepStrictEqual(now, last.value) ? count + 1 : 1;
    last = { value: now };
    return count >= times && last;
  }, { interval, describe: () => last?.value, ...options });
  return value;
}
