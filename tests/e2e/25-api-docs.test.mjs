// The client of docs/api.md, as it is printed there, in Node and in a browser; and the tables of that page
// name what the code has.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Browser } from './lib/chromium.mjs';
import { Child } from './lib/process.mjs';
import { root } from './lib/paths.mjs';
import { Sluice } from './lib/sluice.mjs';
import { waitFor } from './lib/wait.mjs';

const page = readFileSync(path.join(root, 'docs/api.md'), 'utf8');
const printed = (name) => page.match(new RegExp(`<!-- run by [^>]*: ${name} -->\n\`\`\`js\n([^]*?)\`\`\``))[1];

let sluice;
let dir;
before(async () => {
  sluice = await Sluice.start('api-docs', { args: ['--numWorkers', '1'] });
  dir = mkdtempSync(path.join(root, 'tests/e2e/.api-docs-'))  // where Node finds ws;
  writeFileSync(path.join(dir, 'sluice-client.mjs'), printed('sluice-client.mjs'));
});
after(async () => {
  await sluice?.stop();
  if (dir) rmSync(dir, { recursive: true, force: true });
});

const socketUrl = () => sluice.url.replace('http', 'ws');

test('the client has at most 30 lines', () => {
  assert.ok(printed('sluice-client.mjs').trimEnd().split('\n').length <= 30);
});

test('the example sees who comes, and an error with its code', async () => {
  const { connect } = await import(path.join(dir, 'sluice-client.mjs'));
  const ann = await connect(socketUrl(), 'demo', 'ann');
  await ann.request('join', { displayName: 'Ann' });
  writeFileSync(path.join(dir, 'example.mjs'), printed('example').replace('ws://localhost:3000', socketUrl()));
  const example = new Child('api-docs-example', process.execPath, [path.join(dir, 'example.mjs')]);
  await waitFor('the example', () => /not_found/.test(example.output), { describe: () => example.output });
  const bob = await connect(socketUrl(), 'demo', 'bob');
  await bob.request('join');
  await waitFor('Bob to be seen', () => /newPeer bob/.test(example.output), { describe: () => example.output });
  bob.close();
  await waitFor('Bob to be gone', () => /peerClosed bob/.test(example.output), { describe: () => example.output });
  assert.match(example.output, /here: ann\n/);
  assert.match(example.output, /not_found consumer with id "x" not found/);
  await example.stop();
  await assert.rejects(ann.request('join'), { code: 'conflict', message: 'Peer already joined' });
  await assert.rejects(ann.request('restartIce'), { code: 'bad_request', field: 'transportId' });
  ann.close();
});

test('the same client in a browser', async () => {
  const browser = await Browser.launch({ bypassCSP: true });
  try {
    const tab = await browser.context.newPage();
    await tab.goto(`${sluice.url}/`);
    const peers = await tab.evaluate(async ([source, url]) => {
      const { connect } = await import(URL.createObjectURL(new Blob([source], { type: 'text/javascript' })));
      const one = await connect(url, 'browser', 'one');
      await one.request('join', { displayName: 'One' });
      const two = await connect(url, 'browser', 'two');
      const answer = await two.request('join');
      one.close();
      two.close();
      return answer.peers.map(({ id }) => id);
    }, [printed('sluice-client.mjs'), socketUrl()]);
    assert.deepEqual(peers, ['one']);
  } finally {
    await browser.close();
  }
});

test('the page names every method, notification and route of the code', () => {
  const code = (file) => readFileSync(path.join(root, 'controller/signalling', file), 'utf8');
  const methods = [...code('protoo_methods.cpp').matchAll(/\{"(\w+)", \{&/g)].map(([, name]) => name);
  const told = [...code('protoo_events.cpp').matchAll(/return \{"(\w+)",/g)].map(([, name]) => name);
  assert.ok(methods.length >= 23 && told.length >= 12, `${methods.length} ${told.length}`);
  for (const name of [...methods, ...told, 'resume', 'newConsumer', 'newDataConsumer', 'moved']) {
    assert.ok(page.includes(`\`${name}\``), `docs/api.md has ${name}`);
  }
  const routes = [...code('openapi.cpp').matchAll(/\{"(\w+)",\s+"(\/rooms[^"]*)"/g)];
  assert.equal(routes.length, 9);
  const rows = page.split('\n').filter((line) => /^\| `(GET|POST|DELETE) /.test(line));
  assert.equal(rows.length, 9);
});
