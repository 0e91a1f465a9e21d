// Own upload follows what is wanted.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Publisher } from '../src/session/publish';
import { FakeTrack, fakeBrowser, fakeConnection, fakeMedia, settings, turn } from './fakes';

beforeEach(() => void fakeBrowser());
afterEach(() => vi.unstubAllGlobals());

function setUp() {
  const { connection } = fakeConnection();
  const { made, media } = fakeMedia();
  const publisher = new Publisher(connection, settings(), { refused: () => undefined });
  return { publisher, made, media };
}
const all = { spatialLayer: 0, temporalLayer: 2 };

describe('encodings', () => {
  async function onAir() {
    const room = setUp();
    room.publisher.attach(room.media);
    await room.publisher.set('camera', new FakeTrack('video') as unknown as MediaStreamTrack);
    await turn();
    const camera = room.made[0]!;
    const active = () => camera.encodings.map((each) => each.active);
    return { ...room, camera, active };
  }

  test('that nobody wants are not sent, and sent again when somebody does', async () => {
    const { publisher, camera, active } = await onAir();
    publisher.onWantedLayers(camera.id, [all, { spatialLayer: 0, temporalLayer: 1 }, null]);
    await turn();
    expect(active()).toEqual([true, true, false]);
    publisher.onWantedLayers(camera.id, [all, null, all]);
    await turn();
    expect(active()).toEqual([true, false, true]);
    publisher.onWantedLayers(camera.id, [null, null, null]);
    await turn();
    expect(active()).toEqual([false, false, false]);
    publisher.onWantedLayers(camera.id, [all, all, all]);
    await turn();
    expect([active(), camera.sets]).toEqual([[true, true, true], 4]);
    // The same again costs nothing.
    publisher.onWantedLayers(camera.id, [all, all, all]);
    await turn();
    expect(camera.sets).toBe(4);
  });
  test('of a producer that is only being made: when it is there', async () => {
    const { publisher, made, media } = setUp();
    publisher.attach(media);
    publisher.onWantedLayers('p0', [all, null, null]);
    await publisher.set('camera', new FakeTrack('video') as unknown as MediaStreamTrack);
    await turn();
    expect(made[0]!.encodings.map((each) => each.active)).toEqual([true, false, false]);
  });
  test('all are sent after a connection that went on, as what was wanted meanwhile is not known', async () => {
    const { publisher, camera, active } = await onAir();
    publisher.onWantedLayers(camera.id, [all, null, null]);
    await turn();
    publisher.reattach([{ id: camera.id, paused: false }]);
    await turn();
    expect(active()).toEqual([true, true, true]);
  });
  test('what a server says of others, or wrongly, changes nothing', async () => {
    const { publisher, camera, active } = await onAir();
    for (const encodings of [undefined, null, 'x', {}]) publisher.onWantedLayers(camera.id, encodings);
    publisher.onWantedLayers('other', [null]);
    await turn();
    expect([active(), camera.sets]).toEqual([[true, true, true], 0]);
  });
});
