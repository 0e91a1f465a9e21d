// Runs cases one after the other and keeps what became of each.
import { Failure, Skip } from './expect.mjs';

export const levels = ['must', 'should', 'may'];

/** Whether an id is meant by `pattern`: the id, or with "*" for any text. */
export function matches(pattern, id) {
  const form = pattern.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&')).join('.*');
  return new RegExp(`^${form}$`).test(id);
}

/** The cases that `only` means (all without it) and `skip` does not. */
export function chosen(cases, { only = [], skip = [] } = {}) {
  return cases.filter(({ id }) => (only.length === 0 || only.some((each) => matches(each, id))) && !skip.some((each) => matches(each, id)));
}

/** Why a case cannot be tried with these options; undefined when it can. */
export function missing(test, context) {
  const { options, media } = context;
  for (const protocol of ['whip', 'whep']) if (test.needs.includes(protocol) && !options[protocol]) return `needs --${protocol}`;
  if (test.needs.includes('token') && !options.token) return 'needs --token';
  if (test.needs.includes('weakToken') && !options.weakToken) return 'needs --weak-token';
  if (test.needs.includes('media') && !media) return 'needs a browser';
  return undefined;
}

/** Runs one case: {id, title, section, level, result: "pass" | "fail" | "skip", seen, ms}. */
export async function runCase(test, context) {
  const { id, title, section, level } = test;
  const started = performance.now();
  const outcome = async () => {
    const why = missing(test, context);
    if (why) return { result: 'skip', seen: why };
    try {
      return { result: 'pass', seen: (await test.run(context)) ?? '' };
    } catch (error) {
      if (error instanceof Skip) return { result: 'skip', seen: error.message };
      if (error instanceof Failure) return { result: 'fail', seen: error.message };
      // No response, a connection that is reset: the server's fault. What is ours shows its stack.
      const ours = error instanceof TypeError || error instanceof ReferenceError;
      return { result: 'fail', seen: ours ? error.stack : error.message };
    } finally {
      await context.afterCase();
    }
  };
  const { result, seen } = await outcome();
  return { id, title, section, level, result, seen: String(seen), ms: Math.round(performance.now() - started) };
}

/** Runs all; `tell` gets each result as it comes. */
export async function runCases(cases, context, tell = () => {}) {
  const results = [];
  for (const test of cases) {
    const result = await runCase(test, context);
    results.push(result);
    tell(result);
  }
  return results;
}

/** {pass, fail, skip, failed: {must, should, may}}. */
export function summarize(results) {
  const count = (result) => results.filter((each) => each.result === result).length;
  const failed = Object.fromEntries(levels.map((level) => [level, results.filter((each) => each.result === 'fail' && each.level === level).length]));
  return { pass: count('pass'), fail: count('fail'), skip: count('skip'), failed };
}
