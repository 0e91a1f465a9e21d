import { readFileSync } from 'node:fs';
import path from 'node:path';
import { MockServer } from '../../conformance/mock/server.mjs';
import { policy } from './page-fixtures.mjs';
import { root } from './paths.mjs';

const dist = path.join(root, 'web/dist');
const types = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css' };
/** As the controller's page, except that it may stand in pages of others. */
const watchPolicy = policy.replace("frame-ancestors 'none'", 'frame-ancestors *');

/** The watch page as the controller has it: /watch/ROOM is watch/index.html, everything else is its file. */
function files(request) {
  const name = /^\/watch\/[^/]*$/.test(request) ? 'watch/index.html' : request.slice(1);
  if (!/^(watch\/index\.html|assets\/[\w.-]+)$/.test(name)) return undefined;
  return { type: types[path.extname(name)], headers: { 'content-security-policy': watchPolicy }, body: readFileSync(path.join(dist, name)) };
}

/** A WHIP and WHEP server with the watch page; options as MockServer's. */
export async function startWatchServer(options = {}) {
  const server = await MockServer.start({ files, ...options });
  server.watch = (room = 'room', query = '') => `${server.url}/watch/${room}${query}`;
  return server;
}
