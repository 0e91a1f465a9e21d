// Runs the suite against a mock server, in this process.
import { allCases } from '../cases/index.mjs';
import { Context } from '../lib/context.mjs';
import { parseOptions } from '../lib/options.mjs';
import { chosen, runCases } from '../lib/runner.mjs';
import { MockServer } from '../mock/server.mjs';

/**
 * The results of the cases that `only` means against a mock with `options`; `media` opens a browser by the suite's
 * options. `token` and the rest go to both; `whip(mock)` and `whep(mock)` give other URLs, or none.
 */
export async function tryMock({ only = [], whip, whep, openMedia, ...options } = {}) {
  const mock = await MockServer.start(options);
  const urls = { whip: whip ? whip(mock) : mock.whip(), whep: whep ? whep(mock) : mock.whep() };
  const argv = Object.entries(urls).flatMap(([name, url]) => (url ? [`--${name}`, url] : []));
  if (options.token) argv.push('--token', options.token);
  if (options.weakToken) argv.push('--weak-token', options.weakToken);
  const parsed = parseOptions(argv, {});
  const context = new Context(parsed, await openMedia?.(parsed));
  try {
    return await runCases(chosen(allCases(), { only }), context);
  } finally {
    await context.close();
    await mock.close();
  }
}

export const failed = (results) => results.filter(({ result }) => result === 'fail').map(({ id }) => id);
