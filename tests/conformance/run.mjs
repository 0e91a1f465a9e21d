#!/usr/bin/env node
// The conformance suite as a program: see README.md here, or --help.
import { allCases } from './cases/index.mjs';
import { Context } from './lib/context.mjs';
import { Media } from './lib/media.mjs';
import { UsageError, help, parseOptions } from './lib/options.mjs';
import { chosen, runCases, summarize } from './lib/runner.mjs';
import { Table, summaryLine } from './lib/table.mjs';

const nothingTried = 2;

function listCases(cases) {
  for (const { id, section, level, title } of cases) console.log(`${level.padEnd(6)}  ${id}  (${section})\n        ${title}`);
  console.log(`${cases.length} cases`);
}

/** The browser, where it is wanted and there is one; else says why not. */
async function openMedia(options, cases) {
  if (!options.browser || !cases.some(({ needs }) => needs.includes('media') || needs.includes('whep'))) return undefined;
  try {
    return await Media.open(options);
  } catch (error) {
    console.error(`no browser, no media: ${error.message.split('\n')[0]}`);
    return undefined;
  }
}

async function main() {
  const options = parseOptions(process.argv.slice(2));
  if (options.help) return console.log(help.trimEnd());
  const named = chosen(allCases(), options);
  if (named.length === 0) throw new UsageError(`no case is called '${options.only.join(',')}'; --list tells their names`);
  if (options.list) return listCases(named);
  // Of a protocol that is not tried nothing is said.
  const cases = named.filter(({ protocol }) => options[protocol]);
  const context = new Context(options, await openMedia(options, cases));
  const table = new Table(cases, { colour: process.stdout.isTTY, columns: process.stdout.columns });
  try {
    if (!options.json) console.log(table.head());
    const results = await runCases(cases, context, (result) => options.json || console.log(table.row(result)));
    const summary = summarize(results);
    const { whip, whep } = options;
    console.log(options.json ? JSON.stringify({ whip, whep, at: new Date().toISOString(), summary, results }, null, 2) : summaryLine(summary));
    process.exitCode = summary.failed.must > 0 ? 1 : summary.pass + summary.fail === 0 ? nothingTried : 0;
  } finally {
    await context.close();
  }
}

main().catch((error) => {
  console.error(error instanceof UsageError ? `conformance: ${error.message}` : error.stack);
  process.exitCode = nothingTried;
});
