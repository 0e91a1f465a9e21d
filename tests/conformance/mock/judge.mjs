// What a server refuses of an offer or a fragment, and why.
import { parseFragment, parseSdp, pwdForm, ufragForm } from '../lib/sdp.mjs';
import { takenFormats } from './text-backend.mjs';

export class Refusal extends Error {
  constructor(status, detail, headers = {}) {
    super(detail);
    this.status = status;
    this.headers = headers;
  }
}

const mostLines = 5000;

/** Throws the Refusal of an offer that cannot be taken. */
export function judgeOffer(protocol, text, faults) {
  const refuse = (status, detail, fault) => {
    if (!faults.has(fault)) throw new Refusal(status, detail);
  };
  if (!text.startsWith('v=0')) throw new Refusal(400, 'the body does not begin with v=0');
  const offer = parseSdp(text);
  if (text.split('\n').length > mostLines) throw new Refusal(400, `more than ${mostLines} lines`);
  if (offer.media.length === 0) throw new Refusal(400, 'no m= line');
  const mids = offer.media.map(({ mid }) => mid);
  if (new Set(mids).size < mids.length) refuse(400, `mid '${mids.find((mid, i) => mids.indexOf(mid) < i)}' stands twice`, 'takes-two-mids');
  if (!offer.transport('ice-ufrag')) throw new Refusal(400, 'no ice-ufrag');
  if (!offer.transport('fingerprint')) refuse(400, 'no fingerprint', 'takes-no-fingerprint');
  const wanted = protocol === 'whip' ? ['sendonly', 'sendrecv'] : ['recvonly', 'sendrecv'];
  const wrong = offer.media.map((section) => offer.directionOf(section)).find((each) => !wanted.includes(each));
  if (wrong) refuse(400, `a section is ${wrong}; it is ${wanted.join(' or ')}`, 'takes-directions');
  for (const kind of ['audio', 'video']) if (offer.media.filter((section) => section.kind === kind).length > 1) throw new Refusal(422, `more than one ${kind} track`);
  const strange = offer.media.find((section) => takenFormats(section).length === 0);
  if (strange) throw new Refusal(422, `no codec of the ${strange.kind} section is known`);
}

/** The fragment of a PATCH, and whether it restarts ICE; throws a Refusal. */
export function judgeFragment(text, remote) {
  const fragment = parseFragment(text);
  if (!fragment.lines.length || !fragment.lines.every((line) => /^[a-z]=/.test(line))) throw new Refusal(400, 'the body is no fragment');
  if (fragment.ufrag === undefined || fragment.pwd === undefined) return { fragment, restart: false };
  if (!ufragForm.test(fragment.ufrag) || !pwdForm.test(fragment.pwd)) throw new Refusal(400, 'ice-ufrag or ice-pwd is too short');
  const [ufrag, pwd] = [fragment.ufrag !== remote.ufrag, fragment.pwd !== remote.pwd];
  if (ufrag !== pwd) throw new Refusal(400, 'only one of ice-ufrag and ice-pwd is new');
  return { fragment, restart: ufrag };
}
