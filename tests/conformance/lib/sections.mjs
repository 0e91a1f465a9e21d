// Where each rule stands. WHEP's numbers are those of the draft of August 2025 (-03), which the later ones keep.

const numbers = {
  whip: {
    http: '4.1', setup: '4.2', wrongOffer: '4.2', direction: '4.2', end: '4.2', cors: '4.2', ice: '4.3', patch: '4.3.1',
    trickle: '4.3.2', restart: '4.3.3', bundle: '4.4.1', stream: '4.4.2', partial: '4.4.3', role: '4.4.4', lite: '4.4.5',
    redirect: '4.5', servers: '4.6', auth: '4.7', bearer: '4.7.1', simulcast: '4.8', extensions: '4.9', security: '5',
  },
  whep: {
    http: '4.1', setup: '4.2.1', counter: '4.2.2', wrongOffer: '4.2.4', direction: '4.2.5', session: '4.2.8', end: '4.3', cors: '4.3',
    ice: '4.4', patch: '4.4.1', trickle: '4.4.2', restart: '4.4.3', bundle: '4.5.1', stream: '4.5.2', lite: '4.5.3',
    redirect: '4.6', servers: '4.7', auth: '4.8', bearer: '4.8.1', extensions: '4.9', security: '5',
  },
};

const sign = '\u00a7';

/** The section of `protocol`'s document on `subject`, as the table cites it. Throws on a subject that it has not. */
export function cite(protocol, subject) {
  const number = numbers[protocol][subject];
  if (!number) throw new Error(`${protocol} has no section on ${subject}`);
  return protocol === 'whip' ? `RFC 9725 ${sign}${number}` : `draft-ietf-wish-whep ${sign}${number}`;
}

/** The extensions left the WHEP draft with -03: their document has no number yet. */
export const events = 'WHEP core extensions, Server Sent Events';
export const layers = 'WHEP core extensions, Video Layer Selection';
