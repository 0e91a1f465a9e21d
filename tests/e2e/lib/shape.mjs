/**
 * What is wrong with `value` as one of `shape`, with the way to it; undefined when nothing is. A shape is
 * a type ("string", "number", "boolean", "object", "null", several with "|"), [shape] of an array's
 * elements, an object of the members that there must be, and those that may be, with a "?" behind their
 * name, a predicate, or {is: value}.
 */
export function misfit(shape, value, at = '') {
  const here = at || 'it';
  if (typeof shape === 'function') return shape(value) ? undefined : `${here} is ${JSON.stringify(value)}`;
  if (typeof shape === 'string') {
    const type = value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value;
    return shape.split('|').includes(type) ? undefined : `${here} is ${type}, not ${shape}: ${JSON.stringify(value)}`;
  }
  if (Array.isArray(shape)) {
    if (!Array.isArray(value)) return `${here} is no array: ${JSON.stringify(value)}`;
    return value.map((each, i) => misfit(shape[0], each, `${at}[${i}]`)).find(Boolean);
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return `${here} is no object: ${JSON.stringify(value)}`;
  const known = new Map(Object.entries(shape).map(([name, of]) => [name.replace('?', ''), { of, needed: !name.endsWith('?') }]));
  for (const name of Object.keys(value)) {
    if (!known.has(name)) return `${at}.${name} is unknown: ${JSON.stringify(value[name])}`;
  }
  for (const [name, { of, needed }] of known) {
    if (!(name in value)) {
      if (needed) return `${at}.${name} is missing`;
      continue;
    }
    const wrong = misfit(of, value[name], `${at}.${name}`);
    if (wrong) return wrong;
  }
  return undefined;
}

export const oneOf = (...values) => (value) => values.includes(value);
