// Link header fields (RFC 8288 §3).

/**
 * The links of the field lines `values`: [{target, rel: [...], parameters: {name: value}}]. Throws with what is wrong
 * where a line is not a list of links.
 */
export function parseLinks(values) {
  return values.flatMap((value) => new LinkReader(value).links());
}

class LinkReader {
  constructor(text) {
    this.text = text;
    this.at = 0;
  }

  links() {
    const found = [];
    for (;;) {
      this.#match(/[\s,]*/y);
      if (this.at === this.text.length) return found;
      found.push(this.#link());
      this.#match(/\s*/y);
      if (this.at < this.text.length && this.text[this.at] !== ',') this.#fail('a comma or a semicolon');
    }
  }

  #link() {
    const target = this.#match(/<([^<>]*)>/y)?.[1];
    if (target === undefined) this.#fail('<a URI>');
    const parameters = {};
    while (this.#match(/\s*;\s*/y)) {
      const name = this.#match(/[!#$%&'*+.^_`|~A-Za-z0-9-]+/y)?.[0].toLowerCase();
      if (!name) this.#fail('the name of a parameter');
      const text = this.#match(/\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([!#$%&'*+.^_`|~A-Za-z0-9:/?-]+))/y);
      const quoted = text?.[1]?.replace(/\\(.)/g, '$1');
      // The first of two counts (RFC 8288 §3.3).
      parameters[name] ??= quoted ?? text?.[2] ?? '';
      // draft-ietf-wish-whep's own example leaves out the semicolon before `events`.
      this.#match(/\s+(?=events\s*=)/y) && this.#pushSemicolon();
    }
    return { target, rel: (parameters.rel ?? '').split(/\s+/).filter(Boolean), parameters };
  }

  #pushSemicolon() {
    this.text = `${this.text.slice(0, this.at)};${this.text.slice(this.at)}`;
  }

  #match(pattern) {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text);
    if (found) this.at = pattern.lastIndex;
    return found;
  }

  #fail(wanted) {
    throw new Error(`Link: ${wanted} is expected at character ${this.at} of ${JSON.stringify(this.text)}`);
  }
}

/** The links that have the relation `rel`. */
export function linksOf(links, rel) {
  return links.filter((link) => link.rel.some((each) => each.toLowerCase() === rel.toLowerCase()));
}
