// How cases are written: one call each, which reads as its row in the table.
import { cite } from '../lib/sections.mjs';

/**
 * Gives {must, should, may} for a protocol: each takes the name, the section (a subject of lib/sections.mjs, or the
 * name of another document), what the server does when it is right, and what tries it. `run(context)` returns what
 * it saw, or throws Failure or Skip.
 */
export function casesOf(protocol, list) {
  const add = (level) => (name, section, title, run, { needs = [] } = {}) => {
    const where = /[ ]/.test(section) ? section : cite(protocol, section);
    list.push({ id: `${protocol}-${name}`, protocol, level, section: where, title, run, needs: [protocol, ...needs] });
  };
  return { must: add('must'), should: add('should'), may: add('may') };
}
