// The command line.
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

export const help = `usage: node run.mjs --whip URL [--whep URL] [options]

Tries a WHIP server (RFC 9725), a WHEP server (draft-ietf-wish-whep) or both, case by case, and prints
a table. With both, the cases of WHEP watch what this program publishes by WHIP; with --whep alone
something must be live there.

  --whip URL          WHIP endpoint, to which an offer is POSTed
  --whep URL          WHEP endpoint
  --token TOKEN       bearer token for all requests; - reads it from the standard input,
                      $CONFORMANCE_TOKEN works, too
  --weak-token TOKEN  a token that the server knows but that does not allow this: 403 is expected
  --only IDS          only these cases: ids, with * for any text, separated by commas
  --skip IDS          all but these
  --list              print the cases and end
  --json              print one JSON object in the place of the table
  --no-browser        no Chromium: cases that need media are skipped
  --chromium PATH     the browser (default: $CHROMIUM or /usr/bin/chromium)
  --timeout SECONDS   the longest wait for a response (default: 10)
  --media-timeout SECONDS   the longest wait for media (default: 20)
  --insecure          take any TLS certificate
  --help              this text

Exit code: 0 when no MUST failed, 1 when one did, 2 when nothing could be tried.
`;

const flags = {
  whip: { type: 'string' }, whep: { type: 'string' }, token: { type: 'string' }, 'weak-token': { type: 'string' },
  only: { type: 'string', multiple: true }, skip: { type: 'string', multiple: true }, list: { type: 'boolean' }, json: { type: 'boolean' },
  'no-browser': { type: 'boolean' }, chromium: { type: 'string' }, timeout: { type: 'string' }, 'media-timeout': { type: 'string' },
  insecure: { type: 'boolean' }, help: { type: 'boolean', short: 'h' },
};

/** Thrown for a command line that makes no sense; the message says what would. */
export class UsageError extends Error {}

function endpoint(name, value) {
  if (value === undefined) return undefined;
  let url;
  try {
    url = new URL(value);
  } catch {
    throw new UsageError(`--${name} is '${value}'; it is a URL, such as http://127.0.0.1:3000/${name}/room`);
  }
  if (!['http:', 'https:'].includes(url.protocol)) throw new UsageError(`--${name} is '${value}'; it begins with http:// or https://`);
  return String(url);
}

function seconds(name, value, fallback) {
  const number = value === undefined ? fallback : Number(value);
  if (!(number > 0)) throw new UsageError(`--${name} is '${value}'; it is a number of seconds above 0`);
  return number * 1000;
}

const list = (values = []) => values.flatMap((value) => value.split(',')).map((each) => each.trim()).filter(Boolean);

/** The options of a command line. Times are in milliseconds. */
export function parseOptions(argv, env = process.env) {
  let values;
  try {
    ({ values } = parseArgs({ args: argv, options: flags }));
  } catch (error) {
    throw new UsageError(error.message);
  }
  if (values.help) return { help: true };
  const options = {
    whip: endpoint('whip', values.whip),
    whep: endpoint('whep', values.whep),
    token: values.token === '-' ? readFileSync(0, 'utf8').trim() : values.token ?? (env.CONFORMANCE_TOKEN || undefined),
    weakToken: values['weak-token'],
    only: list(values.only),
    skip: list(values.skip),
    list: Boolean(values.list),
    json: Boolean(values.json),
    browser: !values['no-browser'],
    chromium: values.chromium ?? env.CHROMIUM ?? '/usr/bin/chromium',
    timeout: seconds('timeout', values.timeout, 10),
    mediaTimeout: seconds('media-timeout', values['media-timeout'], 20),
    insecure: Boolean(values.insecure),
  };
  if (!options.list && !options.whip && !options.whep) throw new UsageError('name --whip URL, --whep URL or both; --help tells more');
  return options;
}
