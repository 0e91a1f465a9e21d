// Media that really flows, in Chromium.
import { Skip, expect, expectStatus } from '../lib/expect.mjs';
import { makeFragment, makeOffer } from '../lib/offers.mjs';
import { parseFragment } from '../lib/sdp.mjs';
import { casesOf } from './define.mjs';

const needs = { needs: ['media'] };
const someFrames = 10;
const somePackets = 20;
const endsWithin = 15_000; // ms, for a DTLS alert or, of a full ICE agent, the loss of consent

const playing = ({ framesDecoded, audioEnergy }) => framesDecoded >= someFrames && audioEnergy > 0;

/** Restarts ICE of a connection by PATCH, and waits for media that comes after it. */
async function restartIce({ peer, session }, counter) {
  const fresh = await peer.call('restart');
  const response = await session.patch(makeFragment(session.offer, { ...fresh, candidates: [], end: false }).body, { ifMatch: '*' });
  expectStatus(response, 200);
  await peer.call('restarted', parseFragment(response.text));
  const before = counter(await peer.stats());
  const after = await peer.until('media after the restart', (stats) => stats.state === 'connected' && counter(stats) >= before + somePackets);
  return `${counter(after) - before} more`;
}

/** A page of another origin makes a session with fetch alone. */
const byFetch = (protocol) => async (context) => {
  await context.open(protocol); // somebody is live
  await context.afterCase();
  const { token } = context.options;
  const seen = await context.media.page.evaluate(([argument]) => window.tools.fetchSession(0, argument), [{ url: context.endpoint(protocol), token, sdp: makeOffer(protocol).sdp }]);
  expect(seen.status === 201 && seen.location && seen.deleted === 200, JSON.stringify(seen));
  return JSON.stringify(seen);
};

const ended = ({ state, ice }) => ['closed', 'failed', 'disconnected'].includes(state) || ['closed', 'failed', 'disconnected'].includes(ice);

export function publishCases() {
  const list = [];
  const { must, should } = casesOf('whip', list);
  must('media', 'RFC 9725 §3', 'a browser’s audio and video are taken: ICE and DTLS connect, RTP flows, RTCP comes back', async (context) => {
    const { peer } = await context.media.connect(context, 'whip');
    await peer.until('connection', ({ state }) => state === 'connected');
    const stats = await peer.until('media', ({ sent, rtt }) => sent.video >= somePackets && sent.audio >= somePackets && rtt !== undefined);
    return `${stats.sent.video} and ${stats.sent.audio} packets, round trip ${Math.round(stats.rtt * 1000)} ms`;
  }, needs);
  should('media-restart', 'restart', 'media goes on after an ICE restart', async (context) => {
    await context.need('whip', 'restart');
    const connection = await context.media.connect(context, 'whip');
    await connection.peer.until('connection', ({ state }) => state === 'connected');
    return await restartIce(connection, ({ sent }) => sent.video + sent.audio);
  }, needs);
  must('media-end', 'end', 'DELETE ends ICE and DTLS', async (context) => {
    const { peer, session } = await context.media.connect(context, 'whip');
    await peer.until('connection', ({ state }) => state === 'connected');
    expectStatus(await session.delete(), 200);
    const { state } = await peer.until('end of the connection', ended, endsWithin);
    return state;
  }, needs);
  must('fetch', 'cors', 'a page of another origin makes and ends a session with fetch', byFetch('whip'), needs);
  return list;
}

export function playCases() {
  const list = [];
  const { must, should, may } = casesOf('whep', list);
  must('media', 'draft-ietf-wish-whep §3', 'a browser decodes audio and video', async (context) => {
    const { peer, started } = await context.media.connect(context, 'whep');
    await peer.until('picture', ({ framesDecoded }) => framesDecoded > 0);
    const first = Math.round(performance.now() - started);
    const stats = await peer.until('media', playing);
    return `first frame ${first} ms after the POST; ${stats.codec}`;
  }, needs);
  must('media-two', 'draft-ietf-wish-whep §3', 'two players at once', async (context) => {
    const players = [await context.media.connect(context, 'whep'), await context.media.connect(context, 'whep')];
    const stats = await Promise.all(players.map(({ peer }) => peer.until('media', playing)));
    return stats.map(({ framesDecoded }) => `${framesDecoded} frames`).join(', ');
  }, needs);
  should('media-other-stays', 'end', 'the end of one player is nothing to the other', async (context) => {
    const [first, second] = [await context.media.connect(context, 'whep'), await context.media.connect(context, 'whep')];
    const { framesDecoded } = await second.peer.until('media', playing);
    await first.session.delete();
    const stats = await second.peer.until('more frames', (now) => now.framesDecoded >= framesDecoded + someFrames);
    return `${stats.framesDecoded - framesDecoded} more frames`;
  }, needs);
  should('media-restart', 'restart', 'media goes on after an ICE restart', async (context) => {
    await context.need('whep', 'restart');
    const connection = await context.media.connect(context, 'whep');
    await connection.peer.until('media', playing);
    return await restartIce(connection, ({ received }) => received.video + received.audio);
  }, needs);
  must('media-end', 'end', 'DELETE ends ICE and DTLS', async (context) => {
    const { peer, session } = await context.media.connect(context, 'whep');
    await peer.until('media', playing);
    expectStatus(await session.delete(), 200);
    return (await peer.until('end of the connection', ended, endsWithin)).state;
  }, needs);
  may('media-follows', 'practice, players', 'a player that stays sees the publisher that comes back, without a new session', async (context) => {
    if (!context.options.whip) throw new Skip('needs --whip');
    const { peer } = await context.media.connect(context, 'whep');
    await peer.until('media', playing);
    await context.unpublish();
    const { framesDecoded } = await peer.stats();
    await context.publish();
    const stats = await peer.until('picture of the new publisher', (now) => now.framesDecoded >= framesDecoded + someFrames);
    return `${stats.framesDecoded - framesDecoded} more frames`;
  }, needs);
  must('fetch', 'cors', 'a page of another origin makes and ends a session with fetch', byFetch('whep'), needs);
  return list;
}
