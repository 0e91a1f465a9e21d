// The recipes of docs/deploy.md, as they are printed there: a reverse proxy with TLS in front, at / and at
// /sfu/. The page, a call, a broadcast, WHIP's addresses, and whom requests count for.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import https from 'node:https';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Browser } from './lib/chromium.mjs';
import { root } from './lib/paths.mjs';
import { Child, freePort } from './lib/process.mjs';
import { Sluice } from './lib/sluice.mjs';
import { waitFor } from './lib/wait.mjs';

const deploy = readFileSync(path.join(root, 'docs/deploy.md'), 'utf8');
const recipe = (name) => deploy.match(new RegExp(`<!-- tested: ${name} -->\n\`\`\`\\w*\n([^]*?)\`\`\``))[1];

/** The program, of the variable, along PATH or where Debian has it; "" when it is not here. */
function program(name) {
  const given = process.env[`SLUICE_${name.toUpperCase()}`];
  if (given) return given;
  const found = spawnSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).stdout.trim();
  return found || [`/usr/sbin/${name}`, `/usr/bin/${name}`].find(existsSync) || '';
}

let dir;
let sluice;
let browser;

before(async () => {
  dir = mkdtempSync(path.join(os.tmpdir(), 'sluice-proxy-'));
  const file = (name) => path.join(dir, name);
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2',
    '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1',
    '-keyout', file('privkey.pem'), '-out', file('fullchain.pem')], { stdio: 'ignore' });
  writeFileSync(file('sluice.pem'), readFileSync(file('fullchain.pem'), 'utf8') + readFileSync(file('privkey.pem'), 'utf8'));
  sluice = await Sluice.start('proxied-controller', {
    args: ['--numWorkers', '1', '--trustedProxies', '127.0.0.1,::1', '--maxConnectionsPerIp', '40'],
  });
  browser = await Browser.launch();
});
after(async () => {
  await browser?.close();
  await sluice?.stop();
  if (dir) rmSync(dir, { recursive: true, force: true });
});

/** What a recipe of the page is here: other ports and files. */
const adapted = (text, port) =>
  text.replaceAll('127.0.0.1:3000', new URL(sluice.url).host).replaceAll('/etc/ssl/sluice', dir)
    .replace('listen 443 ssl', `listen 127.0.0.1:${port} ssl`).replace('bind :443', `bind 127.0.0.1:${port}`)
    .replace(/^sluice\.example\.com \{/m, `https://localhost:${port} {`).replace('sluice.example.com', 'localhost');

/** How each proxy is started: its file and its command. */
const proxies = {
  nginx: (binary, port, subPath) => {
    let server = recipe('nginx');
    if (subPath) server = server.replace(/ {2}location \/ \{[^}]*\}\n/, recipe('nginx at /sfu/'));
    const file = path.join(dir, `nginx-${port}.conf`);
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${dir}/${kind}-${port};`);
    writeFileSync(file, `daemon off; pid ${dir}/nginx-${port}.pid; error_log stderr; events {}\nhttp {\naccess_log off; ${temporary.join(' ')}\n${adapted(server, port)}}\n`);
    return [binary, ['-p', dir, '-e', 'stderr', '-c', file]];
  },
  caddy: (binary, port, subPath) => {
    let site = recipe('caddy');
    if (subPath) site = site.replace(/\treverse_proxy 127.0.0.1:3000\n/, recipe('caddy at /sfu/'));
    const file = path.join(dir, `Caddyfile-${port}`);
    writeFileSync(file, `{\n\tadmin off\n\tauto_https disable_redirects\n\tstorage file_system ${dir}/caddy\n}\n${adapted(site, port)}`);
    return [binary, ['run', '--config', file, '--adapter', 'caddyfile']];
  },
  haproxy: (binary, port, subPath) => {
    const file = path.join(dir, `haproxy-${port}.cfg`);
    writeFileSync(file, adapted(recipe('haproxy') + (subPath ? recipe('haproxy at /sfu/') : ''), port));
    return [binary, ['-db', '-f', file]];
  },
};

/** A request over TLS from an address of this machine, over a connection of its own. */
const ask = (url, { method = 'GET', headers = {}, body, from } = {}) =>
  new Promise((resolve, reject) => {
    const options = { method, headers, rejectUnauthorized: false, localAddress: from, family: 4, agent: false };
    https.request(url, options, (reply) => {
      let text = '';
      reply.setEncoding('utf8').on('data', (chunk) => (text += chunk));
      reply.on('end', () => resolve({ status: reply.statusCode, headers: reply.headers, text }));
    }).on('error', reject).end(body);
  });

for (const name of Object.keys(proxies)) {
  const binary = program(name);
  for (const subPath of ['', '/sfu']) {
    describe(`${name} at ${subPath}/`, { skip: binary ? false : `${name} is not here` }, () => {
      let proxy;
      let url;
      const room = `${name}${subPath.replace('/', '-')}`;
      before(async () => {
        const port = await freePort();
        const [file, args] = proxies[name](binary, port, subPath);
        proxy = new Child(`proxy-${room}`, file, args, { env: { ...process.env, HOME: dir } });
        url = `https://localhost:${port}${subPath}`;
        await waitFor('the proxy', async () => (await ask(`${url}/`)).status === 200, { describe: () => proxy.output });
      });
      after(() => proxy?.stop());

      test('a page, and a call between two', { timeout: 120_000 }, async () => {
        const ann = await browser.join(url, { roomId: room, peerId: 'ann', displayName: 'Ann' });
        const bob = await browser.join(url, { roomId: room, peerId: 'bob', displayName: 'Bob' });
        for (const [member, other] of [[ann, 'bob'], [bob, 'ann']]) {
          await waitFor(`a picture of ${other}`, async () => (await member.remotes())[other]?.framesDecoded > 10,
            { timeout: 60_000, describe: () => member.remotes() });
        }
        for (const member of [ann, bob]) await member.page.close();
      });

      test('a broadcast is seen', { timeout: 120_000 }, async () => {
        const sender = sluice.broadcast(`${room}-live`, { name: `broadcast-${room}`, env: { SLUICE_URL: url } });
        const viewer = await browser.join(url, { roomId: `${room}-live`, peerId: 'viewer', mode: 'live' });
        await waitFor('the picture', async () => Object.values(await viewer.remotes()).some((tile) => tile.framesDecoded > 10),
          { timeout: 60_000, describe: async () => JSON.stringify(await viewer.remotes()) + sender.output });
        await viewer.page.close();
        await sender.stop();
      });

      test('what a server names as an address is one behind the proxy', async () => {
        const page = await ask(`${url}/api/v1/`);
        assert.equal(page.status, 200);
        const folder = await ask(`${url}/api/v1`);
        assert.equal(new URL(folder.headers.location, `${url}/api/v1`).pathname, `${subPath}/api/v1/`);
        const offer = readFileSync(path.join(root, 'fuzzers/corpus/sdp/ffmpeg-offer'), 'utf8');
        const made = await ask(`${url}/whip/${room}-whip`, { method: 'POST', headers: { 'content-type': 'application/sdp' }, body: offer });
        assert.equal(made.status, 201, made.text);
        const session = new URL(made.headers.location, `${url}/whip/${room}-whip`);
        assert.ok(session.pathname.startsWith(`${subPath}/whip/`), session.pathname);
        assert.equal((await ask(session, { method: 'DELETE' })).status, 200);
      });

      test('limits and ownership go by the client, not by the proxy', async () => {
        const body = JSON.stringify({ id: 'b', displayName: 'B', device: { name: 'test' } });
        const headers = { 'content-type': 'application/json' };
        const target = `${url}/rooms/${room}-owner/broadcasters`;
        assert.equal((await ask(target, { method: 'POST', headers, body, from: '127.0.0.2' })).status, 200);
        const { body: listed } = await sluice.rest('GET', `/api/v1/rooms/${room}-owner/broadcasters`);
        assert.equal(listed.broadcasters[0].address, '127.0.0.2');
        const other = await ask(`${target}/b`, { method: 'DELETE', from: '127.0.0.3' });
        assert.equal(other.status, 403, other.text);
        assert.equal((await ask(`${target}/b`, { method: 'DELETE', from: '127.0.0.2' })).status, 200);
        // More than one address may have, of as many clients.
        for (let i = 0; i < 60; ++i) {
          const reply = await ask(`${url}/rooms/${room}-owner`, { from: `127.0.1.${i + 1}` });
          assert.equal(reply.status, 200, reply.text);
        }
      });

      test('the management API is not opened by it', async () => {
        const reply = await ask(`${url}/api/v1/rooms`);
        assert.equal(reply.status, 403, reply.text);
      });
    });
  }
}
