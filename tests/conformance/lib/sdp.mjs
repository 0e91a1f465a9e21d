// Session descriptions (RFC 8866) and fragments of them (RFC 8840 §9), as far as the cases look at them.

/** A part of a description: the session's or one of a medium. */
class Section {
  lines = [];

  /** The values of the attributes `name`: "" for one without a value. */
  all(name) {
    return this.lines
      .filter((line) => line === `a=${name}` || line.startsWith(`a=${name}:`))
      .map((line) => line.slice(name.length + 3));
  }

  /** The first value, or undefined. */
  get(name) {
    return this.all(name)[0];
  }

  has(name) {
    return this.all(name).length > 0;
  }
}

class Media extends Section {
  constructor(line) {
    super();
    const [kind, port, proto, ...formats] = line.slice(2).split(' ').filter(Boolean);
    Object.assign(this, { kind, port: Number(port), proto, formats });
  }

  get mid() {
    return this.get('mid');
  }

  /** Port 0 rejects a section, except where it is bundle-only (RFC 9143 §6). */
  get rejected() {
    return this.port === 0 && !this.has('bundle-only');
  }

  /** The direction, "" where none is told. */
  get direction() {
    return ['sendrecv', 'sendonly', 'recvonly', 'inactive'].find((each) => this.has(each)) ?? '';
  }

  /** "name/clock[/channels]" of a format, in lower case, with one channel as the default. */
  codec(format) {
    const map = this.all('rtpmap').find((value) => value.split(' ')[0] === format)?.split(' ')[1];
    return map?.toLowerCase().replace(/^([^/]+\/\d+)\/1$/, '$1');
  }

  extensions() {
    return this.all('extmap').map((value) => {
      const [id, uri] = value.split(' ');
      return { id: Number(id.split('/')[0]), uri };
    });
  }
}

export class Description {
  constructor(text) {
    this.text = text;
    this.session = new Section();
    this.media = [];
    let at = this.session;
    for (const line of text.split(/\r?\n/)) {
      if (line.startsWith('m=')) this.media.push((at = new Media(line)));
      if (line) at.lines.push(line);
    }
  }

  /** The mids of the first BUNDLE group; undefined without one. */
  get bundle() {
    const group = this.session.all('group').map((value) => value.split(' ')).find(([kind]) => kind === 'BUNDLE');
    return group?.slice(1);
  }

  /** The section whose transport all of the bundle uses (RFC 9143 §7.3.1): the first of the group. */
  get tagged() {
    const [first] = this.bundle ?? [];
    return this.media.find((section) => section.mid === first) ?? this.media[0];
  }

  /** A transport attribute of a section: its own, the session's, or that of the tagged section. */
  transport(name, section = this.tagged) {
    return section?.get(name) ?? this.session.get(name) ?? this.tagged?.get(name);
  }

  directionOf(section) {
    if (section.direction) return section.direction;
    return ['sendrecv', 'sendonly', 'recvonly', 'inactive'].find((each) => this.session.has(each)) ?? 'sendrecv';
  }
}

export function parseSdp(text) {
  return new Description(text);
}

/** What makes a text no description: [] for a good one. Only what every description has (RFC 8866 §5). */
export function sdpProblems(text) {
  const problems = [];
  if (!text.startsWith('v=0')) problems.push('does not begin with v=0');
  if (/(^|[^\r])\n/.test(text)) problems.push('has lines that do not end with CRLF');
  if (!text.endsWith('\n')) problems.push('its last line has no end');
  const lines = text.split(/\r?\n/).filter(Boolean);
  const odd = lines.find((line) => !/^[a-z]=/.test(line));
  if (odd !== undefined) problems.push(`has the line ${JSON.stringify(odd.slice(0, 40))}`);
  for (const letter of ['o', 's', 't']) if (!lines.some((line) => line.startsWith(`${letter}=`))) problems.push(`has no ${letter}= line`);
  return problems;
}

const candidateForm = /^candidate:([A-Za-z0-9+/]{1,32}) (\d{1,5}) (\S+) (\d{1,10}) (\S+) (\d{1,5}) typ (\S+)( .*)?$/;

/** A candidate (RFC 8839 §5.1); undefined where it is none. `value` is the attribute's, with or without its name. */
export function parseCandidate(value) {
  const found = candidateForm.exec(value.startsWith('candidate:') ? value : `candidate:${value}`);
  if (!found) return undefined;
  const [, foundation, component, transport, priority, address, port, type, rest = ''] = found;
  const extensions = rest.trim().split(/\s+/);
  return {
    foundation, component: Number(component), transport: transport.toLowerCase(), priority: Number(priority), address,
    port: Number(port), type, tcptype: extensions[extensions.indexOf('tcptype') + 1],
  };
}

export const fingerprintForm = /^(sha-1|sha-224|sha-256|sha-384|sha-512) [0-9A-F]{2}(:[0-9A-F]{2})+$/i;
export const ufragForm = /^[A-Za-z0-9+/]{4,256}$/; // RFC 8839 §5.4
export const pwdForm = /^[A-Za-z0-9+/]{22,256}$/;

/** A fragment (RFC 8840 §9): the credentials may stand before the m= line or in its section. */
export function parseFragment(text) {
  const description = new Description(text);
  const sections = [description.session, ...description.media];
  const first = (name) => sections.map((section) => section.get(name)).find((value) => value !== undefined);
  return {
    lines: sections.flatMap((section) => section.lines),
    ufrag: first('ice-ufrag'),
    pwd: first('ice-pwd'),
    lite: description.session.has('ice-lite'),
    options: first('ice-options'),
    mids: description.media.map((section) => section.mid),
    candidates: sections.flatMap((section) => section.all('candidate')),
    ended: sections.some((section) => section.has('end-of-candidates')),
  };
}

/** A strong entity-tag (RFC 9110 §8.8.3): quoted, without W/. */
export function isStrongTag(tag) {
  return /^"[\x21\x23-\x7e\x80-\xff]*"$/.test(tag ?? '');
}
