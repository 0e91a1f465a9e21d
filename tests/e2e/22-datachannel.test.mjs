// The door for pages with data channels alone, to which the server makes the offer: requirement 003's page, in
// Chromium and with aiortc, an echo and a room, the old style of SDP and the new one.
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import WebSocket from 'ws';
import { Browser } from './lib/chromium.mjs';
import { root } from './lib/paths.mjs';
import { Child } from './lib/process.mjs';
import { Sluice } from './lib/sluice.mjs';
import { waitFor } from './lib/wait.mjs';

let sluice;
let browser;
const stops = [];

before(async () => {
  sluice = await Sluice.start('datachannel-sluice', { args: ['--numWorkers', '1', '--maxAnnouncementsPerSecondPerIp', '0'] });
  browser = await Browser.launch();
});

afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

after(async () => {
  await browser?.close();
  await sluice?.stop();
});

const address = (query) => `${sluice.url.replace('http', 'ws')}/datachannel?${query}`;

/** What requirement 003's page does: it asks, takes the offer, and answers with all of its candidates. */
function client() {
  window.join = async (url, { start = {}, agreed = [], wait = 0, gather = true } = {}) => {
    const socket = new WebSocket(url);
    const state = { log: [], heard: [], opened: [], shut: [], channels: {}, closed: null };
    window.state = state;
    await new Promise((resolve, reject) => Object.assign(socket, { onopen: resolve, onerror: reject }));
    socket.onclose = ({ code }) => (state.closed = code);
    const send = (message) => socket.send(JSON.stringify(message));
    const pc = new RTCPeerConnection();
    Object.assign(state, { socket, pc, send });
    state.add = (channel) => {
      state.channels[channel.label] = channel;
      channel.onopen = () => state.opened.push(channel.label);
      channel.onclose = () => state.shut.push(channel.label);
      channel.onmessage = ({ data }) => state.heard.push(`${channel.label}: ${data}`);
      if (channel.readyState === 'open') state.opened.push(channel.label);
    };
    pc.ondatachannel = ({ channel }) => state.add(channel);
    for (const { label, id } of agreed) state.add(pc.createDataChannel(label, { negotiated: true, id }));
    socket.onmessage = async ({ data }) => {
      const message = JSON.parse(data);
      state.log.push(message);
      if (message.type !== 'offer') return;
      await pc.setRemoteDescription(message);
      await pc.setLocalDescription();
      if (gather && pc.iceGatheringState !== 'complete') await new Promise((resolve) => (pc.onicegatheringstatechange = () => pc.iceGatheringState === 'complete' && resolve()));
      // Its checks and its handshake are under way meanwhile.
      await new Promise((resolve) => setTimeout(resolve, wait));
      state.answer = pc.localDescription.sdp;
      send({ type: 'answer', sdp: state.answer });
    };
    send({ type: 'msg', text: 'a message of the page itself, of sixty-seven bytes, more or less' });
    if (start) send({ type: 'start', ...start });
  };
  window.look = () => {
    const { pc, log, heard, opened, shut, closed, channels } = window.state;
    return {
      state: pc.connectionState, log: log.map(({ type, reason }) => reason ?? type), heard, opened, shut, closed,
      ids: Object.fromEntries(Object.values(channels).map(({ label, id }) => [label, id])),
    };
  };
}

async function join(query, options = {}) {
  const page = await browser.context.newPage();
  stops.push(() => page.close());
  await page.goto(`${sluice.url}/`);
  await page.evaluate(client);
  await page.evaluate(([url, more]) => window.join(url, more), [address(query), options]);
  const look = () => page.evaluate(() => window.look());
  return {
    page, look,
    opens: (label) => waitFor(`${label} to open`, async () => (await look()).opened.includes(label), { describe: look }),
    hears: (text) => waitFor(`"${text}" to be heard`, async () => (await look()).heard.includes(text), { describe: look }),
    say: (label, text) => page.evaluate(([name, message]) => window.state.channels[name].send(message), [label, text]),
    /** A channel of its own, in which it says something as soon as it is open. */
    create: (label, text) => page.evaluate(([name, message]) => {
      const channel = window.state.pc.createDataChannel(name);
      window.state.add(channel);
      channel.addEventListener('open', () => channel.send(message));
    }, [label, text]),
  };
}

for (const style of ['new', 'old']) {
  test(`an agreed channel and one that the page opens give back, ${style} style`, async () => {
    const page = await join(`roomId=echo-${style}&peerId=ann&echo=true&label=cat-noises&id=0&sdp=${style}`, {
      agreed: [{ label: 'cat-noises', id: 0 }],
    });
    await page.opens('cat-noises');
    await page.say('cat-noises', 'Hello, meow');
    await page.hears('cat-noises: Hello, meow');
    // Its first message comes right behind the request to open it.
    await page.create('dinosaur-noises', 'Roar');
    await page.hears('dinosaur-noises: Roar');
    const seen = await page.look();
    assert.deepEqual(seen.log, ['offer']);
    assert.equal(seen.ids['cat-noises'], 0);
    assert.equal(seen.ids['dinosaur-noises'] % 2, 0);
    const { offer, answer } = await page.page.evaluate(() => ({ offer: window.state.log[0].sdp, answer: window.state.answer }));
    const line = style === 'old' ? /m=application 9 DTLS\/SCTP 5000\r\n/ : /m=application 9 UDP\/DTLS\/SCTP webrtc-datachannel\r\n/;
    assert.match(offer, line);
    assert.match(answer, /^m=application \d+ (UDP\/)?DTLS\/SCTP /m);
    assert.match(offer, style === 'old' ? /a=sctpmap:5000 webrtc-datachannel \d+\r\n/ : /a=sctp-port:5000\r\n/);
    assert.match(offer, /a=candidate:.* typ host/);
    assert.match(offer, /a=end-of-candidates\r\n/);
  });
}

test('channels that the server opens, asked for by the start message, and how they end', async () => {
  const page = await join('roomId=opened&peerId=ann', {
    start: { echo: true, channels: [{ label: 'agreed', id: 4, ordered: false, maxRetransmits: 0 }], open: ['bear-noises', 'owl-noises'] },
    agreed: [{ label: 'agreed', id: 4 }],
  });
  for (const label of ['agreed', 'bear-noises', 'owl-noises']) {
    await page.opens(label);
    await page.say(label, 'Growl');
    await page.hears(`${label}: Growl`);
  }
  const { ids } = await page.look();
  assert.equal(ids['bear-noises'] % 2, 1);
  await page.page.evaluate(() => window.state.channels['bear-noises'].close());
  await waitFor('it to be closed', async () => (await page.look()).shut.includes('bear-noises'), { describe: page.look });
  await page.say('owl-noises', 'Hoot');
  await page.hears('owl-noises: Hoot');
  await page.page.evaluate(() => window.state.send({ type: 'bye' }));
  await waitFor('the end of all', async () => {
    const { shut, closed } = await page.look();
    return closed === 1000 && ['agreed', 'bear-noises', 'owl-noises'].every((label) => shut.includes(label));
  }, { describe: page.look });
});

test('the server begins DTLS', async () => {
  const page = await join('roomId=active&peerId=ann&echo=true&label=cat-noises&setup=active&open=bear-noises', { agreed: [{ label: 'cat-noises', id: 0 }] });
  await page.opens('bear-noises');
  await page.create('dinosaur-noises', 'Roar');
  await page.hears('dinosaur-noises: Roar');
  const { ids } = await page.look();
  assert.deepEqual([ids['bear-noises'] % 2, ids['dinosaur-noises'] % 2], [0, 1]);
});

test('an answer that comes late, and one without any candidate', async () => {
  const late = await join('roomId=late&peerId=ann&echo=true&label=cat-noises', { agreed: [{ label: 'cat-noises', id: 0 }], wait: 1500 });
  const bare = await join('roomId=late&peerId=bob&echo=true&label=cat-noises&start=now', { start: null, agreed: [{ label: 'cat-noises', id: 0 }], gather: false });
  for (const page of [late, bare]) {
    await page.opens('cat-noises');
    await page.say('cat-noises', 'in time');
    await page.hears('cat-noises: in time');
  }
});

test('in a room a channel is heard by the others in theirs of the same label', async () => {
  const agreed = [{ label: 'chat', id: 0 }];
  const ann = await join('roomId=talk&peerId=ann&label=chat', { agreed });
  const bob = await join('roomId=talk&peerId=bob&label=chat', { agreed });
  const eve = await join('roomId=talk&peerId=eve&label=chat&sdp=old', { agreed });
  const all = { ann, bob, eve };
  for (const page of Object.values(all)) await page.opens('chat');
  for (const [name, page] of Object.entries(all)) {
    await waitFor(`${name} to be heard`, async () => {
      await page.say('chat', `I am ${name}`);
      const heard = await Promise.all(Object.entries(all).filter(([other]) => other !== name).map(([, other]) => other.look()));
      return heard.every((each) => each.heard.includes(`chat: I am ${name}`));
    });
  }
  assert.ok(!(await ann.look()).heard.includes('chat: I am ann'));
  // Who has no channel of that label is opened one.
  await ann.create('more', 'to begin with');
  for (const page of [bob, eve]) await page.opens('more');
  await waitFor('the new channel', async () => {
    await ann.say('more', 'news');
    return (await Promise.all([bob.look(), eve.look()])).every(({ heard }) => heard.includes('more: news'));
  });
  // One leaves, the channel of the others stays.
  await ann.page.evaluate(() => window.state.send({ type: 'bye' }));
  await waitFor('her channels to close', async () => (await bob.look()).shut.includes('more'), { describe: bob.look });
  assert.ok(!(await bob.look()).shut.includes('chat'));
  await bob.say('chat', 'still here');
  await eve.hears('chat: still here');
});

test('doors meet: an SDP page and a data-channel page hear each other', async () => {
  const sdp = await browser.context.newPage();
  stops.push(() => sdp.close());
  await sdp.goto(`${sluice.url}/`);
  await sdp.evaluate(async (url) => {
    const socket = new WebSocket(url);
    await new Promise((resolve) => (socket.onopen = resolve));
    const pc = new RTCPeerConnection();
    window.heard = [];
    window.channel = pc.createDataChannel('chat');
    pc.ondatachannel = ({ channel }) => (channel.onmessage = ({ data }) => window.heard.push(`${channel.label}: ${data}`));
    socket.onmessage = ({ data }) => {
      const { type, sdp: text } = JSON.parse(data);
      if (type === 'answer') pc.setRemoteDescription({ type, sdp: text });
    };
    await pc.setLocalDescription();
    socket.send(JSON.stringify({ sessionId: 'x', type: 'offer', sdp: pc.localDescription.sdp }));
  }, `${sluice.url.replace('http', 'ws')}/sdp?roomId=meet&peerId=sdp`);
  const page = await join('roomId=meet&peerId=data&label=chat', { agreed: [{ label: 'chat', id: 0 }] });
  await page.opens('chat');
  await waitFor('both to hear', async () => {
    await page.say('chat', 'from data');
    await sdp.evaluate(() => window.channel.readyState === 'open' && window.channel.send('from sdp'));
    return (await page.look()).heard.includes('chat: from sdp') && (await sdp.evaluate(() => window.heard)).includes('chat: from data');
  }, { describe: page.look });
});

test('an ICE restart by a second start', async () => {
  const page = await join('roomId=restart&peerId=ann&echo=true&label=cat-noises', { agreed: [{ label: 'cat-noises', id: 0 }] });
  await page.opens('cat-noises');
  const answer = await page.page.evaluate(() => window.state.answer);
  await page.page.evaluate(() => window.state.send({ type: 'start' }));
  await waitFor('a second offer', async () => (await page.look()).log.filter((type) => type === 'offer').length === 2, { describe: page.look });
  await waitFor('its answer', () => page.page.evaluate((first) => window.state.answer !== first && window.state.pc.signalingState === 'stable', answer));
  await page.say('cat-noises', 'again');
  await page.hears('cat-noises: again');
  const [first, second] = await page.page.evaluate(() => window.state.log.map(({ sdp }) => sdp.match(/a=ice-ufrag:(.*)\r\n/)[1]));
  assert.notEqual(first, second);
  assert.deepEqual((await page.look()).log, ['offer', 'offer']);
});

for (const style of ['new', 'old']) {
  test(`aiortc, ${style} style`, async () => {
    const socket = new WebSocket(address(`roomId=aiortc-${style}&peerId=ann&echo=true&label=cat-noises&id=0&open=bear-noises&sdp=${style}`));
    const python = new Child(`aiortc-answer-${style}`, '/usr/bin/python3', [path.join(root, 'tests/e2e/clients/aiortc_answer.py')], { stdio: ['pipe', 'pipe', 'pipe'] });
    const write = (command) => python.process.stdin.write(`${JSON.stringify(command)}\n`);
    const lines = () => python.output.split('\n').slice(0, -1).filter((line) => line.startsWith('{')).map((line) => JSON.parse(line));
    const says = (what, judge) => waitFor(what, () => lines().find(judge), { describe: () => python.output });
    stops.push(async () => {
      socket.close();
      python.process.stdin.end();
      await python.stop();
    });
    const errors = [];
    socket.on('message', (data) => {
      const message = JSON.parse(data);
      if (message.type === 'offer') write({ offer: message.sdp, channels: [{ label: 'cat-noises', id: 0 }] });
      else errors.push(message);
    });
    await new Promise((resolve, reject) => socket.on('open', resolve).on('error', reject));
    socket.send(JSON.stringify({ type: 'start' }));
    const { answer } = await says('an answer', (line) => line.answer);
    socket.send(JSON.stringify({ type: 'answer', sdp: answer }));
    for (const label of ['cat-noises', 'bear-noises']) {
      await says(`${label} to open`, (line) => line.open === label);
      write({ text: label, message: `hello ${label}` });
      await says(`${label} to be heard`, (line) => line.received === label && line.text === `hello ${label}`);
    }
    write({ create: 'dinosaur-noises' });
    await says('its own to open', (line) => line.open === 'dinosaur-noises');
    write({ text: 'dinosaur-noises', message: 'Roar' });
    await says('its own to be heard', (line) => line.received === 'dinosaur-noises' && line.text === 'Roar');
    assert.deepEqual(errors, []);
  });
}

/** A socket that keeps what comes. */
async function plain(query) {
  const socket = new WebSocket(address(query));
  const seen = { messages: [], code: undefined };
  socket.on('message', (data) => seen.messages.push(JSON.parse(data)));
  socket.on('close', (code) => (seen.code = code));
  socket.on('error', () => {});
  await new Promise((resolve, reject) => socket.on('open', resolve).on('error', reject));
  stops.push(() => socket.terminate());
  const counts = (type) => seen.messages.filter((message) => message.type === type).length;
  return { socket, seen, counts, send: (message) => socket.send(typeof message === 'string' ? message : JSON.stringify(message)) };
}

const metric = async (name) => {
  const text = await (await fetch(`${sluice.url}/metrics`)).text();
  return Number(text.split('\n').find((line) => line.startsWith(`${name} `))?.split(' ')[1]);
};

test('what makes no sense is an error in the dialect, counted, and disturbs nobody', async () => {
  const honest = await join('roomId=bad&peerId=ann&echo=true&label=cat-noises', { agreed: [{ label: 'cat-noises', id: 0 }] });
  await honest.opens('cat-noises');
  const malformed = await metric('sluice_datachannel_messages_refused_total{reason="malformed"}');
  const answers = await metric('sluice_datachannel_messages_refused_total{reason="answer"}');
  const bad = await plain('roomId=bad&peerId=bob');
  const answer = await honest.page.evaluate(() => window.state.answer);
  bad.send({ type: 'answer', sdp: answer });
  bad.send('no json');
  bad.send({ type: 'what' });
  bad.send({ type: 'offer', sdp: answer });
  bad.send({ type: 'start', channels: [{ id: 70_000 }] });
  bad.send({ type: 'start' });
  await waitFor('an offer', () => bad.counts('offer') === 1, { describe: () => bad.seen.messages });
  bad.send({ type: 'answer', sdp: 'nonsense' });
  bad.send({ type: 'answer', sdp: 'x'.repeat(200_000) });
  bad.send({ type: 'answer', sdp: answer.replace('a=setup:active', 'a=setup:actpass') });
  await waitFor('errors', () => bad.counts('error') === 8, { describe: () => bad.seen.messages });
  const counted = async () => [await metric('sluice_datachannel_messages_refused_total{reason="malformed"}'), await metric('sluice_datachannel_messages_refused_total{reason="answer"}')];
  await waitFor('them to be counted', async () => (await counted()).join() === [malformed + 4, answers + 4].join(), { describe: counted });
  assert.ok(bad.seen.messages.every(({ type, reason }) => type === 'offer' || (type === 'error' && reason.length > 0)));
  // After its end nothing is answered.
  bad.send({ type: 'bye' });
  bad.send({ type: 'start' });
  bad.send('no json');
  await waitFor('the end', () => bad.seen.code === 1000);
  assert.equal(bad.counts('error'), 8);

  const flooder = await plain('roomId=bad&peerId=eve');
  for (let i = 0; i < 300; ++i) flooder.send({ type: 'answer', sdp: answer });
  await waitFor('the flooder to be cut off', () => flooder.seen.code === 1008);
  const giant = await plain('roomId=bad&peerId=joe');
  giant.send('x'.repeat(1_000_000));
  await waitFor('the giant to be cut off', () => giant.seen.code === 1009);
  for (const query of ['roomId=bad', 'roomId=bad&peerId=p&sdp=odd', 'roomId=bad&peerId=p&label=a&id=-1']) {
    const refused = new WebSocket(address(query));
    const status = await new Promise((resolve) => refused.on('unexpected-response', (_, response) => resolve(response.statusCode)).on('error', () => {}));
    refused.terminate();
    assert.equal(status, 400);
  }
  await honest.say('cat-noises', 'unharmed');
  await honest.hears('cat-noises: unharmed');
  await waitFor('their ends', async () => (await metric('sluice_datachannel_sessions')) === 1);
});

test('a page that goes without a word is forgotten', async () => {
  const page = await join('roomId=gone&peerId=ann&label=chat', { agreed: [{ label: 'chat', id: 0 }] });
  await page.opens('chat');
  await page.page.close();
  stops.pop();
  await waitFor('the end of the room', async () => (await fetch(`${sluice.url}/api/v1/rooms/gone`)).status === 404);
});
