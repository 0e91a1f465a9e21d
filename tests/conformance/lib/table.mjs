// The table that is printed.

const widths = { result: 4, level: 6 };
const marks = { pass: 'pass', fail: 'FAIL', skip: 'skip' };
const colours = { pass: 32, fail: 31, skip: 90 };

/** Prints rows as they come: columns are as wide as the longest of `cases`. */
export class Table {
  constructor(cases, { colour = false, columns } = {}) {
    this.colour = colour;
    this.columns = columns;
    this.id = Math.max(4, ...cases.map(({ id }) => id.length));
    this.section = Math.max(7, ...cases.map(({ section }) => section.length));
  }

  head() {
    return this.#line('', 'level', 'case', 'section', 'what was seen');
  }

  /** One line; a failure has a second one that says what the case wants. */
  row({ result, level, id, section, seen, title }) {
    const line = this.#line(marks[result], level, id, section, seen.replace(/\s*\n\s*/g, ' '));
    if (result !== 'fail') return this.#paint(line, result);
    return `${this.#paint(line, result)}\n${' '.repeat(widths.result + widths.level + 4)}${title}`;
  }

  #line(result, level, id, section, seen) {
    const start = [result.padEnd(widths.result), level.padEnd(widths.level), id.padEnd(this.id), section.padEnd(this.section)].join('  ');
    const line = `${start}  ${seen}`;
    if (!this.columns || line.length <= this.columns || result === marks.fail) return line.trimEnd();
    return `${line.slice(0, this.columns - 1)}…`;
  }

  #paint(line, result) {
    if (!this.colour) return line;
    return `\x1b[${colours[result]}m${line.slice(0, widths.result)}\x1b[0m${line.slice(widths.result)}`;
  }
}

/** "80 passed, 2 failed (1 must, 1 should), 6 skipped". */
export function summaryLine({ pass, fail, skip, failed }) {
  const parts = Object.entries(failed).filter(([, count]) => count > 0).map(([level, count]) => `${count} ${level}`);
  return `${pass} passed, ${fail} failed${parts.length ? ` (${parts.join(', ')})` : ''}, ${skip} skipped`;
}
