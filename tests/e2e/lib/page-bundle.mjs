import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

/** Packages that replace files for browsers: {"./a.js": "./b.js"} in their package.json. */
function forBrowsers(file) {
  for (let directory = path.dirname(file); directory !== path.dirname(directory); directory = path.dirname(directory)) {
    let description;
    try {
      description = JSON.parse(readFileSync(path.join(directory, 'package.json'), 'utf8'));
    } catch {
      continue;
    }
    const { browser } = description;
    if (typeof browser === 'string') {
      const main = path.join(directory, description.main ?? 'index.js');
      return file === main ? path.join(directory, browser) : file;
    }
    const other = browser?.[`./${path.relative(directory, file)}`];
    return typeof other === 'string' ? path.join(directory, other) : file;
  }
  return file;
}

/**
 * The CommonJS package `name`, with all that it requires, as one script that makes it the global
 * variable `global` of a page.
 */
export function bundle(name, global) {
  const files = new Map();  // path → {id, source}
  const add = (specifier, from) => {
    const file = forBrowsers(createRequire(from).resolve(specifier));
    const known = files.get(file);
    if (known) return known.id;
    const entry = { id: files.size };
    files.set(file, entry);
    const source = readFileSync(file, 'utf8');
    entry.source = file.endsWith('.json')
      ? `module.exports = ${source};`
      : source.replace(/(?<![.\w])require\(\s*['"]([^'"]+)['"]\s*\)/g, (_, wanted) => `require(${add(wanted, file)})`);
    return entry.id;
  };
  const main = add(name, import.meta.url);
  const modules = [...files.values()].map(({ id, source }) => `${id}(module, exports, require) {\n${source}\n}`);
  return `{
const modules = {\n${modules.join(',\n')}\n};
const loaded = {};
const require = (id) => {
  if (!loaded[id]) {
    loaded[id] = { exports: {} };
    modules[id](loaded[id], loaded[id].exports, require);
  }
  return loaded[id].exports;
};
globalThis.${global} = require(${main});
}`;
}
