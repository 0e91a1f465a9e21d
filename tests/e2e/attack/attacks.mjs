// What a stranger may try, each with nothing but the addresses of a server. Every attack is
// {name, run(server, sinks)}: runs for server.seconds where it goes on for some time, with the sizes
// that were seen to hurt where server.long is set, and with smaller ones otherwise; leaves nothing
// behind but what the server keeps, and returns words for the report (or nothing). The honest come
// from 127.0.0.1, attackers from other loopback addresses.
import { readFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import tls from 'node:tls';
import WebSocket from 'ws';
import { bindingRequest, checkOverTcp } from './ice.mjs';
import { LightClient } from './light_client.mjs';
import { rest, socketOn } from './plain_peer.mjs';
import { ProtooClient, capabilities, enter } from './protoo.mjs';
import { usage } from './watch.mjs';

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const until = async (seconds, step) => {
  const end = performance.now() + seconds * 1000;
  while (performance.now() < end) await step();
};
const settle = (promises) => Promise.allSettled(promises);

/** One request from `from`; resolves with {status, headers, text}, or with {error}. */
function ask(url, method, path, { from, body, headers = {} } = {}) {
  return new Promise((resolve) => {
    const request = http.request(url + path, { method, localAddress: from, agent: false, headers }, (reply) => {
      let text = '';
      reply.on('data', (chunk) => (text += chunk));
      reply.on('end', () => resolve({ status: reply.statusCode, headers: reply.headers, text }));
    });
    request.on('error', (error) => resolve({ error }));
    request.end(body);
  });
}

const post = (url, path, body, options = {}) => ask(url, 'POST', path, {
  ...options, body: JSON.stringify(body), headers: { 'content-type': 'application/json' },
});

/** `count` TCP connections from `from`, each told `bytes` once it stands. */
function connections(count, { host = '127.0.0.1', port, from, bytes }) {
  const sockets = [];
  for (let i = 0; i < count; i += 1) {
    const socket = net.connect({ host, port, localAddress: from });
    socket.on('error', () => {});
    socket.on('connect', () => bytes && socket.write(bytes));
    sockets.push(socket);
  }
  return { sockets, end: () => sockets.forEach((socket) => socket.destroy()) };
}

const enterAt = async (url, room, peer, from) => {
  const client = new ProtooClient(url, { room, peer, from });
  await enter(client);
  return client;
};

/** People in a big room. */
const crowdOf = (server) => (server.long ? 300 : 60);

/** Viewers of a room, each with a transport to receive; of several addresses that begin with `from`. */
async function audience(url, room, count, from) {
  const kOfOneAddress = 100;  // below maxConnectionsPerIp
  const { hostname, port } = new URL(url);
  const place = (n) => (n < kOfOneAddress ? from : `127.0.${60 + Math.floor(n / kOfOneAddress)}.${from.split('.').at(-1)}`);
  const clients = Array.from({ length: count }, (_, n) => new LightClient({ host: hostname, port: Number(port), room, peer: `viewer-${n}`, from: place(n) }));
  await Promise.all(clients.map(async (client) => {
    await client.opened;
    await client.request('createWebRtcTransport', { producing: false, consuming: true });
    await client.request('join', { displayName: 'viewer', device: { name: 'x' }, rtpCapabilities: capabilities });
  }));
  return { clients, end: () => clients.forEach((client) => client.destroy()) };
}

/** One HTTP connection after another is cheap for who attacks: this one is kept. */
function keptAlive(from) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 4, localAddress: from });
  const send = (url, method, path, body) => new Promise((resolve) => {
    const request = http.request(url + path, { method, agent, headers: { 'content-type': 'application/json' } }, (reply) => {
      reply.resume();
      reply.on('end', () => resolve(reply.statusCode));
    });
    request.on('error', () => resolve(0));
    request.end(body && JSON.stringify(body));
  });
  return { send, end: () => agent.destroy() };
}

/** A share of one core that the server took since `before` (watch.mjs), over `seconds`. */
const share = (server, before, seconds) => (usage(server.pid).cpu - before.cpu) / seconds;

/** A plain transport of the broadcaster at `base` with one video producer. */
async function plainProducer(url, base, ssrc) {
  const out = await rest(url, 'POST', `${base}/transports`, { type: 'plain', comedia: true, rtcpMux: true });
  const { id: producer } = await rest(url, 'POST', `${base}/transports/${out.id}/producers`, {
    kind: 'video',
    rtpParameters: {
      codecs: [{ mimeType: 'video/VP8', payloadType: 101, clockRate: 90000, parameters: {} }],
      encodings: [{ ssrc }],
    },
  });
  return { out, producer };
}

/** A broadcaster with one video producer and the socket to send on. */
async function publish(url, room, id) {
  const base = `/rooms/${room}/broadcasters`;
  await rest(url, 'GET', `/rooms/${room}`);
  const made = await rest(url, 'POST', base, {
    id, displayName: id, device: { name: 'x' }, rtpCapabilities: capabilities,
  });
  return { base: `${base}/${id}`, ...await plainProducer(url, `${base}/${id}`, 0x7000), made };
}

/** 150 clients ask for statistics, which only the worker has, as fast as they are let. */
async function askTheWorker(server, from, roomOf) {
  const { hostname, port } = new URL(server.url);
  const crowd = Array.from({ length: 150 }, (_, n) => new LightClient({ host: hostname, port: Number(port), room: roomOf(n), peer: `c${n}`, from }));
  const transports = await Promise.all(crowd.map(async (client) => {
    await client.opened;
    return (await client.request('createWebRtcTransport', { producing: true, consuming: false })).id;
  }));
  const before = usage(server.pid);
  let answered = 0;
  let refused = 0;
  await until(server.seconds, async () => {
    crowd.forEach((client, n) => client.request('getTransportStats', { transportId: transports[n] })
      .then(() => (answered += 1), () => (refused += 1)));
    await sleep(11);
  });
  const taken = share(server, before, server.seconds);
  for (const client of crowd) client.destroy();
  return `${answered} answered, ${refused} refused, ${(taken * 100).toFixed(0)} % of a core`;
}

/** An offer of the corpus (fuzzers/corpus/sdp). */
const offerOf = (name) => readFileSync(new URL(`../../../fuzzers/corpus/sdp/${name}`, import.meta.url), 'utf8');

/** The same with lines that mean nothing, so that it has about so many bytes. */
const padded = (offer, bytes) => offer + `a=x-nothing:${'y'.repeat(1_000)}\r\n`.repeat(Math.floor((bytes - offer.length) / 1_014));

export const attacks = [
  {
    name: 'reflection: media to a forged source',
    async run(server, sinks) {
      const { base, out, producer } = await publish(server.url, 'reflect', 'mallory');
      const inward = await rest(server.url, 'POST', `${base}/transports`, { type: 'plain', comedia: true, rtcpMux: true });
      let consumers = 0;
      // Of the address that the broadcaster belongs to, whose new connections have a rate.
      const door = keptAlive('127.0.0.1');
      for (let i = 0; i < (server.long ? 2_048 : 300); i += 1) {
        const status = await door.send(server.url, 'POST', `${base}/transports/${inward.id}/consume?producerId=${producer}`, {});
        if (status === 200) consumers += 1;
      }
      door.end();
      // The victim is the address that the datagram claims to come from.
      const victim = await sinks.open('127.0.0.66');
      victim.send(Buffer.alloc(8, 0x80), inward.port, '127.0.0.1');
      // The same where the transport has a producer, which takes a packet from anybody: one of its
      // stream, and reports would follow.
      const both = await plainProducer(server.url, base, 0x7001);
      await post(server.url, `${base}/transports/${both.out.id}/consume?producerId=${producer}`, {});
      const bait = Buffer.from('80650001000000010000700110000000ff', 'hex');
      victim.send(bait, both.out.port, '127.0.0.1');
      const media = await socketOn('127.0.0.1');
      const packet = Buffer.alloc(1100);
      let number = 0;
      await until(server.seconds, async () => {
        for (let i = 0; i < 20; i += 1) {
          packet.writeUInt32BE((0x80650000 | (number++ & 0xffff)) >>> 0, 0);
          packet.writeUInt32BE(number * 300, 4);
          packet.writeUInt32BE(0x7000, 8);
          packet[12] = 0x10;
          media.send(packet, out.port, '127.0.0.1');
        }
        await sleep(20);
      });
      media.close();
      return `${consumers} consumers of one producer on one transport`;
    },
  },
  {
    name: 'script in an error',
    async run(server) {
      const worse = [];
      for (const path of ['/rooms/<script>alert(1)<%2Fscript>x'.padEnd(400, 'x'), '/rooms/a/broadcasters/%3Cimg%20src=x%3E/transports', '/<svg onload=alert(1)>']) {
        const reply = await ask(server.url, path.includes('broadcasters') ? 'POST' : 'GET', path.replaceAll(' ', '%20'));
        if (!reply.headers) continue;
        if (/html/.test(reply.headers['content-type'] ?? '') && /<(script|img|svg)/i.test(reply.text)) worse.push(`${path.slice(0, 30)}: markup as HTML`);
        if (reply.headers['x-content-type-options'] !== 'nosniff') worse.push(`${path.slice(0, 30)}: no nosniff`);
      }
      if (worse.length > 0) throw new Error(worse.join('; '));
    },
  },
  {
    name: 'fields of 900 KB, told to everybody',
    async run(server) {
      const clients = await Promise.all([1, 2, 3].map((n) => enterAt(server.url, 'lobby', `big-watcher-${n}`, '127.0.0.7')));
      const liars = [];
      for (let i = 0; i < 12; i += 1) {
        const client = new ProtooClient(server.url, { room: 'lobby', peer: `big-${i}`, from: '127.0.0.8' });
        liars.push(client);
        await client.opened;
        client.request('join', { displayName: 'x', device: { name: 'y'.repeat(900_000) }, rtpCapabilities: capabilities }).catch(() => {});
      }
      await sleep(2_000);
      const cut = clients.filter((client) => client.socket.readyState !== 1).length;
      for (const client of [...clients, ...liars]) client.close();
      if (cut > 0) throw new Error(`${cut} of 3 bystanders were cut off`);
    },
  },
  {
    name: 'capabilities of 52 KB, 800 times, each other ones, over many rooms',
    async run(server) {
      const answers = {};
      const before = usage(server.pid).rss;
      for (let i = 0; i < 800; i += 1) {
        const padding = Object.fromEntries(Array.from({ length: 60 }, (_, n) => [`p${n}`, `${i}-`.padEnd(800, 'x')]));
        const reply = await post(server.url, `/rooms/caps-${i % 40}/broadcasters`, {
          id: `caps-${i}`, displayName: 'x', device: { name: 'x' },
          rtpCapabilities: { ...capabilities, codecs: [{ ...capabilities.codecs[0], parameters: padding }, capabilities.codecs[1]] },
        }, { from: `127.0.5.${1 + (i % 4)}` });
        answers[reply.status ?? 'error'] = (answers[reply.status ?? 'error'] ?? 0) + 1;
      }
      const grown = usage(server.pid).rss - before;
      if (grown > 100) throw new Error(`${grown.toFixed(0)} MB more`);
      return `${JSON.stringify(answers)}, ${grown.toFixed(0)} MB more`;
    },
  },
  {
    name: 'producers with 32 KB of parameters and appData, by 190 sockets',
    async run(server) {
      const { hostname, port } = new URL(server.url);
      const crowd = Array.from({ length: 190 }, (_, n) => new LightClient({ host: hostname, port: Number(port), room: `stored-${n}`, peer: 'p', from: '127.0.0.26' }));
      let made = 0;
      let refused = 0;
      await settle(crowd.map(async (client, n) => {
        await client.opened;
        const transport = await client.request('createWebRtcTransport', { producing: true, consuming: false });
        await client.request('join', { displayName: 'x', device: { name: 'x' }, rtpCapabilities: capabilities });
        await settle(Array.from({ length: 30 }, async (_, k) => {
          const text = `${n}-${k}-`.padEnd(14_000, 'x');
          await client.request('produce', {
            transportId: transport.id, kind: 'audio', appData: { text },
            rtpParameters: {
              codecs: [{ mimeType: 'audio/opus', payloadType: 100, clockRate: 48000, channels: 2, parameters: { text } }],
              encodings: [{ ssrc: 1000 + k }],
            },
          }).then(() => (made += 1), () => (refused += 1));
        }));
      }));
      for (const client of crowd) client.destroy();
      if (made > 400) throw new Error(`${made} were made: what they say of themselves is not bounded`);
      return `${made} made, ${refused} refused`;
    },
  },
  {
    name: 'two that join, change their name 32 times and go, again and again',
    async run(server) {
      const { hostname, port } = new URL(server.url);
      const viewers = await audience(server.url, 'again', 5, '127.0.0.27');
      const viewer = viewers.clients[0];
      const before = { ...viewer.notified };
      let rounds = 0;
      await Promise.all([1, 2].map((n) => until(server.seconds, async () => {
        const client = new LightClient({ host: hostname, port: Number(port), room: 'again', peer: `mallory-${n}`, from: '127.0.0.28' });
        await Promise.race([client.opened, sleep(500)]).catch(() => sleep(5));
        const asked = client.request('join', { displayName: 'x', device: { name: 'x' }, rtpCapabilities: capabilities }).catch(() => {});
        for (let i = 0; i < 32; i += 1) client.request('changeDisplayName', { displayName: `${i}` }).catch(() => {});
        await Promise.race([asked, sleep(500)]);
        await sleep(5);
        client.destroy();
        rounds += 1;
      })));
      const told = (method) => (viewer.notified[method] ?? 0) - (before[method] ?? 0);
      const counts = { arrivals: told('newPeer'), names: told('peerDisplayNameChanged'), ends: told('peerClosed') };
      viewers.end();
      const sum = counts.arrivals + counts.names + counts.ends;
      const most = 32 + 8 + 5.5 * (server.seconds + 1) + 4;
      if (sum > most) throw new Error(`a viewer was told ${sum} times in ${server.seconds} s: ${JSON.stringify(counts)}`);
      return `${rounds} rounds, a viewer was told ${JSON.stringify(counts)}`;
    },
  },
  {
    name: 'messages of 900 KB, as fast as they go',
    async run(server) {
      const clients = Array.from({ length: 20 }, (_, n) => new ProtooClient(server.url, { room: 'bytes', peer: `b${n}`, from: '127.0.0.29' }));
      await settle(clients.map((client) => client.opened));
      const before = usage(server.pid);
      const text = JSON.stringify({ request: true, id: 1, method: 'getRouterRtpCapabilities', data: { x: Array.from({ length: 90_000 }, (_, i) => i + 1e8) } });
      let sent = 0;
      await until(server.seconds, async () => {
        for (const { socket } of clients) {
          if (socket.readyState !== 1 || socket.bufferedAmount > 2_000_000) continue;
          socket.send(text);
          sent += text.length;
        }
        await sleep(10);
      });
      const taken = share(server, before, server.seconds);
      for (const client of clients) client.socket.terminate();
      return `${(sent / 1e6).toFixed(0)} MB offered, ${(taken * 100).toFixed(0)} % of a core`;
    },
  },
  {
    name: 'requests by the thousand, without waiting for an answer',
    async run(server) {
      const client = await enterAt(server.url, 'pending', 'mallory', '127.0.0.30');
      let closedWith = 0;
      client.socket.on('close', (code) => (closedWith = code));
      const most = server.long ? 100_000 : 10_000;
      let sent = 0;
      while (sent < most && client.socket.readyState === WebSocket.OPEN) {
        for (let i = 0; i < 1_000; i += 1) client.send({ request: true, id: sent++, method: 'getRouterRtpCapabilities', data: {} });
        await sleep(1);
      }
      for (let i = 0; i < 100 && closedWith === 0; i += 1) await sleep(20);
      client.socket.terminate();
      if (closedWith !== 1008) throw new Error(`${sent} requests sent, the socket is closed with ${closedWith}`);
      return `${sent} sent`;
    },
  },
  {
    name: 'sockets that read nothing',
    async run(server) {
      const clients = [];
      for (let i = 0; i < 190; i += 1) {
        const client = new ProtooClient(server.url, { room: 'deaf', peer: `deaf-${i}`, from: '127.0.0.9' });
        client.opened.then(() => client.socket.pause?.(), () => {});
        clients.push(client);
      }
      await settle(clients.map((client) => client.opened));
      for (const client of clients) {
        client.send({ request: true, id: 1, method: 'join', data: { displayName: 'd', device: { name: 'd' }, rtpCapabilities: capabilities } });
      }
      await until(server.seconds, async () => {
        for (const client of clients) {
          client.send({ request: true, id: 2, method: 'changeDisplayName', data: { displayName: 'n'.repeat(250) } });
        }
        await sleep(100);
      });
      for (const client of clients) client.socket.terminate();
    },
  },
  {
    name: 'joining and leaving one room, 150 at a time',
    maxJoinMs: 100,
    async run(server) {
      let rounds = 0;
      await until(server.seconds, async () => {
        const clients = Array.from({ length: 150 }, (_, i) => new ProtooClient(server.url, { room: 'storm', peer: `storm-${i}`, from: '127.0.0.10' }));
        await Promise.race([settle(clients.map((client) => enter(client))), sleep(3_000)]);
        for (const client of clients) client.socket.terminate();
        rounds += 1;
      });
      return `${rounds} rounds`;
    },
  },
  {
    name: 'rooms by GET',
    async run(server) {
      let n = 0;
      const answers = {};
      await until(server.seconds, async () => {
        const replies = await Promise.all(Array.from({ length: 50 }, () => ask(server.url, 'GET', `/rooms/flood-${n++}`, { from: '127.0.0.11' })));
        for (const reply of replies) answers[reply.status ?? 'error'] = (answers[reply.status ?? 'error'] ?? 0) + 1;
      });
      return JSON.stringify(answers);
    },
  },
  {
    name: 'ports of the plain range',
    async run(server) {
      let made = 0;
      for (let b = 0; b < 40; b += 1) {
        const base = '/rooms/ports/broadcasters';
        await post(server.url, base, { id: `p${b}`, displayName: 'x', device: { name: 'x' } }, { from: '127.0.0.12' });
        const replies = await Promise.all(Array.from({ length: 16 }, () => post(server.url, `${base}/p${b}/transports`, { type: 'plain', comedia: true, rtcpMux: false }, { from: '127.0.0.12' })));
        made += replies.filter((reply) => reply.status === 200).length;
      }
      return `${made} transports of one address`;
    },
  },
  {
    name: 'half-sent headers and bodies, 52 addresses',
    async run(server) {
      const { port } = new URL(server.url);
      const groups = [];
      for (let i = 0; i < 52; i += 1) {
        groups.push(connections(10, { port: Number(port), from: `127.0.1.${i + 1}`, bytes: 'GET /rooms/slow HTTP/1.1\r\nHost: localhost\r\nX-A: ' }));
      }
      for (let i = 0; i < (server.long ? 6 : 1); i += 1) {
        groups.push(connections(100, {
          port: Number(port), from: `127.0.11.${i + 1}`,
          bytes: `POST /rooms/slow/broadcasters HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n${'x'.repeat(600_000)}`,
        }));
      }
      await sleep(server.seconds * 1000);
      for (const group of groups) group.end();
    },
  },
  {
    name: 'idle sockets until descriptors end',
    async run(server) {
      const { port } = new URL(server.url);
      const groups = [];
      for (let i = 0; i < 12; i += 1) groups.push(connections(190, { port: Number(port), from: `127.0.2.${i + 1}` }));
      await sleep(server.seconds * 1000);
      for (const group of groups) group.end();
    },
  },
  {
    name: 'ICE-TCP connections with one byte',
    async run(server) {
      const each = server.long ? 4_500 : 1_500;
      const groups = [1, 2].map((n) => connections(each, { port: server.rtcPort, from: `127.0.3.${n}`, bytes: Buffer.from([0, 1, 0]) }));
      const checks = [];
      await until(server.seconds, async () => {
        // A transport each: it ends with its connection.
        const honest = new ProtooClient(server.url, { room: 'ice-tcp', peer: `honest-${checks.length}` });
        await honest.opened;
        const { data } = await honest.request('createWebRtcTransport', { forceTcp: true, producing: true, consuming: false });
        checks.push(await checkOverTcp({ port: server.rtcPort, iceParameters: data.iceParameters }));
        honest.close();
        await sleep(200);
      });
      const open = groups.flatMap((group) => group.sockets).filter((socket) => socket.readyState === 'open').length;
      for (const group of groups) group.end();
      return `${open} of ${2 * each} still open at the end, honest checks answered in ${Math.max(...checks).toFixed(0)} ms`;
    },
  },
  {
    name: 'datagrams of every kind to the media port',
    async run(server, sinks) {
      const socket = await sinks.open('127.0.0.67');
      const kinds = [0x00, 0x01, 0x16, 0x17, 0x80, 0x90, 0xbf, 0xff];
      let sent = 0;
      await until(server.seconds, async () => {
        for (let i = 0; i < 300; i += 1) {
          const size = 1 + Math.floor(Math.random() * 1400);
          const packet = Buffer.alloc(size, Math.floor(Math.random() * 256));
          packet[0] = kinds[i % kinds.length];
          if (i % 8 === 0 && size >= 20) packet.writeUInt32BE(0x2112a442, 4);
          socket.send(packet, server.rtcPort, '127.0.0.1');
          sent += 1;
        }
        await sleep(10);
      });
      return `${sent} datagrams`;
    },
  },
  {
    name: 'lines for the log',
    async run(server) {
      const clients = [];
      for (let i = 0; i < 2; i += 1) {
        const client = new ProtooClient(server.url, { room: 'log', peer: `log-${i}`, from: '127.0.0.14' });
        await client.opened.catch(() => {});
        clients.push(client);
      }
      await until(server.seconds, async () => {
        for (const client of clients) {
          for (let i = 0; i < 200; i += 1) {
            client.send({ response: true, id: i, ok: false, errorCode: 500, errorReason: `\n[error] forged\u001b[31m ${'z'.repeat(200)}` });
            client.send({ notification: true, method: `\u001b]0;x\u0007${i}`, data: {} });
          }
        }
        await sleep(20);
      });
      for (const client of clients) client.close();
    },
  },
  {
    name: 'connectivity checks with a known user name and a wrong password',
    async run(server, sinks) {
      const client = new ProtooClient(server.url, { room: 'checks', peer: 'mallory', from: '127.0.0.16' });
      await client.opened;
      const { data } = await client.request('createWebRtcTransport', { producing: true, consuming: false });
      const victim = await sinks.open('127.0.0.68');
      let sent = 0;
      await until(server.seconds, async () => {
        for (let i = 0; i < 50; i += 1) {
          victim.send(bindingRequest({ ...data.iceParameters, password: `wrong-${sent++}` }), server.rtcPort, '127.0.0.1');
        }
        await sleep(10);
      });
      client.close();
      return `${sent} checks`;
    },
  },
  {
    name: 'ClientHellos from addresses without a check',
    async run(server, sinks) {
      const victim = await sinks.open('127.0.0.69');
      // Record (RFC 6347 §4.1) and handshake header of a ClientHello; what follows need not be read.
      const hello = Buffer.alloc(300);
      hello.set([22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 1, 31, 1, 0, 1, 19, 0, 0, 0, 0, 0, 0, 1, 19, 0xfe, 0xfd]);
      let sent = 0;
      await until(server.seconds, async () => {
        for (let i = 0; i < 200; i += 1) {
          victim.send(hello, server.rtcPort, '127.0.0.1');
          sent += 1;
        }
        await sleep(10);
      });
      return `${sent} datagrams`;
    },
  },
  {
    name: 'false sender reports in a big room',
    async run(server) {
      const viewers = await audience(server.url, 'scores', crowdOf(server), '127.0.0.17');
      const { out } = await publish(server.url, 'scores', 'mallory');
      const media = await socketOn('127.0.0.1');
      const packet = Buffer.alloc(40);
      const report = Buffer.alloc(28);
      report.set([0x80, 200, 0, 6]);
      report.writeUInt32BE(0x7000, 4);
      const before = usage(server.pid);
      let number = 0;
      let reports = 0;
      await until(server.seconds, async () => {
        for (let i = 0; i < 30; i += 1) {
          number += reports % 1000 < 500 ? 1 : 9;  // no loss, then nothing else
          packet.writeUInt32BE((0x80650000 | (number & 0xffff)) >>> 0, 0);
          packet.writeUInt32BE(number * 3000, 4);
          packet.writeUInt32BE(0x7000, 8);
          media.send(packet, out.port, '127.0.0.1');
          report.writeUInt32BE(0x80000000 + reports, 8);
          media.send(report, out.port, '127.0.0.1');
          reports += 1;
        }
        await sleep(10);
      });
      const taken = share(server, before, server.seconds);
      media.close();
      const told = Math.max(...viewers.clients.map((client) => client.notified.consumerScore ?? 0));
      viewers.end();
      if (told === 0) throw new Error('no viewer heard of a score');
      if (told > server.seconds + 3) throw new Error(`one viewer got ${told} scores of one consumer in ${server.seconds} s`);
      return `${reports} reports, ${told} scores to each viewer, ${(taken * 100).toFixed(0)} % of a core`;
    },
  },
  {
    name: 'a producer that comes and goes in a big room',
    async run(server) {
      const viewers = await audience(server.url, 'flicker', crowdOf(server), '127.0.0.18');
      const client = await enterAt(server.url, 'flicker', 'mallory', '127.0.0.19');
      const { data: out } = await client.request('createWebRtcTransport', { producing: true, consuming: false });
      const before = usage(server.pid);
      let rounds = 0;
      let refused = 0;
      await until(server.seconds, async () => {
        const made = await client.request('produce', {
          transportId: out.id, kind: 'video', appData: {},
          rtpParameters: { codecs: [{ mimeType: 'video/VP8', payloadType: 96, clockRate: 90000 }], encodings: [{ ssrc: 1000 + rounds }] },
        });
        rounds += 1;
        if (made.ok) await client.request('closeProducer', { producerId: made.data.id });
        else {
          refused += 1;
          await sleep(5);
        }
      });
      const taken = share(server, before, server.seconds);
      const offers = Math.max(...viewers.clients.map((viewer) => viewer.offers));
      client.close();
      viewers.end();
      return `${rounds - refused} of ${rounds} made, ${offers} offers to each viewer, ${(taken * 100).toFixed(0)} % of a core`;
    },
  },
  {
    name: 'names that change in a big room',
    async run(server) {
      const viewers = await audience(server.url, 'names', crowdOf(server), '127.0.0.20');
      const loud = await Promise.all(Array.from({ length: 20 }, (_, n) => enterAt(server.url, 'names', `mallory-${n}`, '127.0.0.21')));
      const before = usage(server.pid);
      await until(server.seconds, async () => {
        for (const client of loud) {
          for (let i = 0; i < 2; i += 1) client.send({ request: true, id: 5, method: 'changeDisplayName', data: { displayName: 'n'.repeat(250) } });
        }
        await sleep(20);
      });
      const taken = share(server, before, server.seconds);
      const told = Math.max(...viewers.clients.map((viewer) => viewer.notified.peerDisplayNameChanged ?? 0));
      for (const client of loud) client.close();
      viewers.end();
      return `${told} notifications to each, ${(taken * 100).toFixed(0)} % of a core`;
    },
  },
  {
    name: 'broadcasters that come and go in a big room',
    async run(server) {
      const viewers = await audience(server.url, 'visits', crowdOf(server), '127.0.0.22');
      const door = keptAlive('127.0.0.23');
      const before = usage(server.pid);
      const answers = {};
      let n = 0;
      await until(server.seconds, async () => {
        await Promise.all([1, 2, 3, 4].map(async () => {
          const id = `b${n++}`;
          const made = await door.send(server.url, 'POST', '/rooms/visits/broadcasters', { id, displayName: 'x', device: { name: 'x' } });
          answers[made] = (answers[made] ?? 0) + 1;
          if (made === 200) await door.send(server.url, 'DELETE', `/rooms/visits/broadcasters/${id}`);
          else await sleep(5);
        }));
      });
      const taken = share(server, before, server.seconds);
      door.end();
      const told = Math.max(...viewers.clients.map((viewer) => (viewer.notified.newPeer ?? 0)));
      viewers.end();
      return `${JSON.stringify(answers)}, ${told} arrivals told to each viewer, ${(taken * 100).toFixed(0)} % of a core`;
    },
  },
  {
    name: 'requests to the worker by 150 in one room, as many as they may',
    maxJoinMs: 100,
    run: (server) => askTheWorker(server, '127.0.0.24', () => 'curious'),
  },
  {
    name: 'requests to the worker by 150 in a room each, as many as they may',
    maxJoinMs: 100,
    run: (server) => askTheWorker(server, '127.0.0.25', (n) => `curious-${n}`),
  },
  {
    name: 'bytes that are no text: names, labels and descriptions',
    async run(server) {
      // One who is told of everybody: such a client must fail its connection (RFC 6455 §8.1).
      const bystander = await enterAt(server.url, 'bytes', 'bystander', '127.0.0.26');
      let closed = false;
      bystander.socket.on('close', () => (closed = true));
      const from = '127.0.0.27';
      const upgrade = { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13', 'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==' };
      const answers = [
        await ask(server.url, 'GET', '/sdp?roomId=bytes&peerId=a&displayName=%FF', { from, headers: upgrade }),
        await ask(server.url, 'GET', `/sdp?roomId=bytes&peerId=b&displayName=${'%C3%A9'.repeat(150)}`, { from, headers: upgrade }),
      ];
      for (const [what, by] of [['cname:', 'cname:\xff'], ['cname:', 'cname:\r a=inactive'], ['sprop', 'x\xff']]) {
        const body = Buffer.from(offerOf('obs-offer').replaceAll(what, by), 'latin1');
        answers.push(await ask(server.url, 'POST', '/whip/bytes/mallory', { from, body, headers: { 'content-type': 'application/sdp' } }));
      }
      await sleep(300);
      const pong = await bystander.request('changeDisplayName', { displayName: 'still here' });
      bystander.close();
      if (closed || !pong.ok) throw new Error('who was in the room lost its connection');
      const taken = answers.filter(({ status }) => status !== 400);
      if (taken.length > 0) throw new Error(`answered ${taken.map(({ status, text }) => `${status} ${text}`).join('; ')}`);
    },
  },
  {
    name: 'offers of 60 KB to every door that takes them',
    async run(server) {
      const from = '127.0.0.28';
      const offer = padded(offerOf('chrome-av-dc-offer'), 60_000);
      const sockets = Array.from({ length: 150 }, (_, n) => {
        const socket = new WebSocket(`${server.url.replace('http', 'ws')}/sdp?roomId=offers-${n % 10}&peerId=p${n}`, { localAddress: from });
        socket.on('error', () => {});
        return socket;
      });
      const answers = {};
      const count = (what) => (answers[what] = (answers[what] ?? 0) + 1);
      for (const socket of sockets) socket.on('message', (text) => count(JSON.parse(text).type));
      const before = usage(server.pid);
      await until(server.seconds, async () => {
        for (const socket of sockets) {
          if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ type: 'offer', sdp: offer }));
        }
        await Promise.all([1, 2, 3, 4].map(async (n) => {
          const made = await ask(server.url, 'POST', `/whip/offers-${n}`, { from, body: offer, headers: { 'content-type': 'application/sdp' } });
          count(made.status ?? 'lost');
          if (made.status === 201) await ask(server.url, 'DELETE', made.headers.location, { from });
        }));
      });
      const taken = share(server, before, server.seconds);
      for (const socket of sockets) socket.terminate();
      return `${JSON.stringify(answers)}, ${(taken * 100).toFixed(0)} % of a core`;
    },
  },
  {
    name: 'TLS handshakes that never end',
    async run(server) {
      const { port } = new URL(server.secureUrl);
      const groups = Array.from({ length: 10 }, (_, i) => connections(100, { port: Number(port), from: `127.0.4.${i + 1}`, bytes: Buffer.from([22, 3, 1, 2, 0, 1]) }));
      let handshakes = 0;
      await until(server.seconds, () => new Promise((resolve) => {
        const socket = tls.connect({ host: '127.0.0.1', port: Number(port), localAddress: '127.0.0.15', rejectUnauthorized: false });
        const end = () => { socket.destroy(); resolve(); };
        socket.on('secureConnect', () => { handshakes += 1; end(); }).on('error', end).on('close', resolve);
        setTimeout(end, 1_000);
      }));
      for (const group of groups) group.end();
      return `${handshakes} whole handshakes beside them`;
    },
  },
];
