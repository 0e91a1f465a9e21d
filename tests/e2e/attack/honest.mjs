// The honest users, in a process of their own so that the attackers do not take their time: a call of
// two with audio and video, and one newcomer a second who enters a room of three and leaves. The parent
// says {mark: NAME} and gets what happened since the mark before.
import { PlainPeer } from './plain_peer.mjs';
import { ProtooClient, enter } from './protoo.mjs';

const url = process.argv[2];
const kPatience = 10_000;  // ms: a newcomer who waits longer has gone away

const [ann, bob] = [await PlainPeer.create(url, 'call', 'ann'), await PlainPeer.create(url, 'call', 'bob')];
await ann.watch(bob);
await bob.watch(ann);
ann.start();
bob.start();

let joins = [];
let refused = [];
let newcomer = 0;
let busy = 0;
async function arrive() {
  const peer = `newcomer-${newcomer++}`;
  const began = performance.now();
  busy += 1;
  const client = new ProtooClient(url, { room: 'lobby', peer });
  try {
    await Promise.race([
      enter(client),
      new Promise((resolve, reject) => setTimeout(reject, kPatience, new Error('waited too long'))),
    ]);
    joins.push(performance.now() - began);
  } catch (error) {
    refused.push(error.message);
  } finally {
    busy -= 1;
    setTimeout(() => client.close(), 3_000);
  }
}
setInterval(arrive, 1_000);
arrive();

const kOnItsWay = 500;  // ms that a packet may take: later is lost
process.on('message', async ({ mark, stop }) => {
  if (stop) {
    await Promise.all([ann.stop(), bob.stop()]);
    process.exit(0);
  }
  if (mark) {
    const period = PlainPeer.period++;
    const sent = ann.sentIn(period) + bob.sentIn(period);
    const received = () => ann.receivedIn(period) + bob.receivedIn(period);
    for (const end = performance.now() + kOnItsWay; received() < sent && performance.now() < end;) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    process.send({ mark, sent, received: received(), joins, refused, waiting: busy });
    joins = [];
    refused = [];
  }
});
process.send({ ready: true });
