import { execFileSync } from 'node:child_process';
import { createServer } from 'node:http';
import { mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { root } from './paths.mjs';

const web = path.join(root, 'web');
export const shots = path.join(root, 'tests/e2e/shots');
mkdirSync(shots, { recursive: true });

const types = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css' };
/** The policy of the controller's page (controller/http/http_types.cpp), so that what it refuses shows here. */
export const policy = /kPagePolicy =\s*((?:"[^"]*"\s*)+);/.exec(readFileSync(path.join(root, 'controller/http/http_types.cpp'), 'utf8'))[1]
  .match(/"([^"]*)"/g).map((part) => part.slice(1, -1)).join('');

/** The states of the page that web/tests/fixtures makes, built and served. */
export class PageFixtures {
  static async start() {
    execFileSync('npm', ['run', '--silent', 'fixtures'], { cwd: web, stdio: ['ignore', 'pipe', 'inherit'] });
    const files = new Map();
    const server = createServer((request, response) => {
      const name = new URL(request.url, 'http://x').pathname.slice(1) || 'fixtures.html';
      try {
        if (!files.has(name)) files.set(name, readFileSync(path.join(web, 'dist-fixtures', path.normalize(`/${name}`))));
        response.writeHead(200, { 'content-type': types[path.extname(name)] ?? 'application/octet-stream', 'content-security-policy': policy });
        response.end(files.get(name));
      } catch {
        response.writeHead(404).end();
      }
    });
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new PageFixtures(server);
  }

  constructor(server) {
    this.server = server;
    this.url = `http://127.0.0.1:${server.address().port}/`;
  }

  close() {
    this.server.close();
  }
}

/** The rules of axe-core that a page breaks: one line each. */
export async function axeViolations(page) {
  // By the debugger: the page's policy lets no script in.
  await page.evaluate(readFileSync(path.join(root, 'tests/e2e/node_modules/axe-core/axe.min.js'), 'utf8'));
  return await page.evaluate(async () => {
    const { violations } = await window.axe.run(document, { resultTypes: ['violations'] });
    return violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.target.join(' ')}: ${node.any[0]?.message ?? node.all[0]?.message ?? node.none[0]?.message ?? ''}`));
  });
}

/** What reaches beyond the window, or beyond what cannot be scrolled: one line each; of what is in `root`. */
export async function overflows(page, root = '#app') {
  return await page.evaluate((root) => {
    const found = [];
    const { innerWidth: width, innerHeight: height } = window;
    const describe = (element) => `${element.tagName.toLowerCase()}.${String(element.className.baseVal ?? element.className).replaceAll(' ', '.')}`;
    const page = document.scrollingElement;
    if (page.scrollWidth > width || page.scrollHeight > height) found.push(`page: ${page.scrollWidth}×${page.scrollHeight} in ${width}×${height}`);
    const scrolls = (element) => /auto|scroll/.test(getComputedStyle(element).overflowY);
    for (const element of document.querySelectorAll(`${root} *`)) {
      if (!element.checkVisibility() || element.closest('.visually-hidden, .self-tools')) continue;
      const rect = element.getBoundingClientRect();
      if (rect.width === 0 || rect.height === 0) continue;
      if (/auto|scroll/.test(getComputedStyle(element).overflowX) && element.scrollWidth > element.clientWidth + 1 && element.tagName !== 'CODE') {
        found.push(`${describe(element)} scrolls sideways: ${element.scrollWidth} in ${element.clientWidth}`);
      }
      if (element.closest('svg, video')) continue;
      let inScroller = false;
      let clipped = false;
      for (let up = element.parentElement; up && !up.matches(root); up = up.parentElement) {
        inScroller ||= scrolls(up);
        // A strip of tiles is scrolled, and what is half out of it is cut by the stage.
        clipped ||= up.matches('.ellipsis, .tile-name, .tile, .tile-stats, .stage-speaker');
      }
      if (clipped) continue;
      if (rect.left < -0.5 || rect.right > width + 0.5) found.push(`${describe(element)}: ${rect.left.toFixed()}…${rect.right.toFixed()} of ${width}`);
      if (!inScroller && (rect.top < -0.5 || rect.bottom > height + 0.5)) found.push(`${describe(element)}: ${rect.top.toFixed()}…${rect.bottom.toFixed()} of height ${height}`);
    }
    return [...new Set(found)].slice(0, 12);
  }, root);
}

/** What may lie over pictures. A panel covers them on phones, where it is all there is to see. */
const covers = '.bar-items > *, .toast, .room-head > *, .banner, .prompt, .hear, .empty';

/** Tiles whose middle the bar, a notice or a panel covers. */
export async function coveredFaces(page) {
  return await page.evaluate((covers) => {
    const covered = [];
    const all = window.innerWidth < 700 ? covers : `${covers}, .panel`;
    for (const tile of document.querySelectorAll('.tile')) {
      const { left, top, width, height } = tile.getBoundingClientRect();
      const [x, y] = [left + width / 2, top + height / 2];
      for (const over of document.querySelectorAll(all)) {
        const rect = over.getBoundingClientRect();
        const scroller = over.closest('.room-notices')?.getBoundingClientRect();
        const bottom = Math.min(rect.bottom, scroller?.bottom ?? Infinity);
        if (x >= rect.left && x <= rect.right && y >= rect.top && y <= bottom) covered.push(`${tile.dataset.peer} by ${over.className}`);
      }
    }
    return covered;
  }, covers);
}

/** Names on tiles that something which stays lies upon: all but toasts, which go. */
export async function coveredNames(page) {
  return await page.evaluate((covers) => {
    const covered = [];
    const over = [...document.querySelectorAll(covers)].filter((element) => !element.matches('.toast') && element.checkVisibility());
    for (const name of document.querySelectorAll('.tile figcaption')) {
      const a = name.getBoundingClientRect();
      const stage = name.closest('.stage').getBoundingClientRect();
      const tile = name.closest('.tile');
      // In a strip, beyond its end.
      const end = stage.bottom - Number(/inset\(\S+ \S+ ([\d.]+)px/.exec(name.closest('.tiles').style.clipPath)?.[1] ?? 0);
      if (a.left >= stage.right || a.bottom >= end + 1 || a.right <= stage.left || a.bottom <= stage.top) continue;
      const floating = [...document.querySelectorAll('.tile.floating')].filter((each) => each !== tile);
      for (const each of [...over, ...floating]) {
        const b = each.getBoundingClientRect();
        // What is wrong lies above the stage, and is scrolled where it is long.
        if (each.closest('.room-notices') && each.closest('.room-notices').getBoundingClientRect().bottom <= stage.top + 1) continue;
        const [width, height] = [Math.min(a.right, b.right) - Math.max(a.left, b.left), Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top)];
        if (width > 1 && height > 1) covered.push(`the name of ${tile.dataset.peer} by ${each.className}`);
      }
    }
    return covered;
  }, covers);
}
