// How a case says what became of it: it returns what it saw, or throws one of these.

/** The server did not do what it should. The message is what was seen. */
export class Failure extends Error {}

/** The case says nothing of this server: why. */
export class Skip extends Error {}

/** Fails with `seen` unless `condition`. */
export function expect(condition, seen) {
  if (!condition) throw new Failure(seen);
}

/** Fails unless the response has one of `statuses`; gives what was seen. */
export function expectStatus(response, ...statuses) {
  expect(statuses.includes(response.status), `${describe(response)}; ${statuses.join(' or ')} is expected`);
  return describe(response);
}

/** Fails unless it was refused with a 4xx. */
export function expectRefused(response) {
  expect(response.refused, `${describe(response)}; a 4xx is expected`);
  return describe(response);
}

/** Fails unless the session was made. */
export function expectCreated(response) {
  return expectStatus(response, 201);
}

const longest = 100;

/** A response in a few words: its status and, of a refusal, what it says. */
export function describe(response) {
  const said = response.ok ? '' : reason(response);
  return said ? `${response.status}: ${said}` : String(response);
}

function reason(response) {
  let text = response.text;
  try {
    const body = JSON.parse(text);
    text = body.detail ?? body.title ?? body.reason ?? text;
  } catch {
    // no JSON: its own words
  }
  text = String(text).replace(/\s+/g, ' ').trim();
  return text.length > longest ? `${text.slice(0, longest)}…` : text;
}
