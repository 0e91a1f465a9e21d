/** Small typed helpers to build the page without a framework. */

type Child = Node | string | null | undefined | false;

export function el<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Record<string, string | boolean | ((event: Event) => void)> = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') node.addEventListener(name.replace(/^on/, ''), value);
    else if (value === true) node.setAttribute(name, '');
    else if (value !== false) node.setAttribute(name, value);
  }
  for (const child of children) if (child) node.append(child);
  return node;
}

/** One of the stroke icons below, drawn inline so that the page needs no other file. */
export function icon(name: keyof typeof paths): HTMLElement {
  const span = el('span', { class: 'icon', 'aria-hidden': 'true' });
  span.innerHTML = `<svg viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.8" stroke-linecap="round" stroke-linejoin="round">${paths[name]}</svg>`;
  return span;
}

const paths = {
  mic: '<rect x="9" y="3" width="6" height="11" rx="3"/><path d="M5 11a7 7 0 0 0 14 0M12 18v3"/>',
  micOff: '<path d="M4 4l16 16M9 9v2a3 3 0 0 0 5 2.2M15 10V6a3 3 0 0 0-5.9-.8M5 11a7 7 0 0 0 11 5.7M19 11a7 7 0 0 1-.6 2.8M12 18v3"/>',
  camera: '<rect x="3" y="6" width="12" height="12" rx="2"/><path d="M15 10l6-3v10l-6-3"/>',
  cameraOff: '<path d="M3 4l18 17M15 11V8a2 2 0 0 0-2-2H9M4 6.5A2 2 0 0 0 3 8v8a2 2 0 0 0 2 2h8a2 2 0 0 0 2-1.5M15 10l6-3v10l-2.6-1.3"/>',
  leave: '<path d="M3 14c5-4.500 13-4.500 18 0l-2.500 2.500-3.500-1.500v-2.500c-2-.7-4-.7-6 0V15l-3.500 1.500z"/>',
  stats: '<path d="M4 20V10M10 20V4M16 20v-8M21 20H3"/>',
  copy: '<rect x="8" y="8" width="12" height="12" rx="2"/><path d="M16 8V6a2 2 0 0 0-2-2H6a2 2 0 0 0-2 2v8a2 2 0 0 0 2 2h2"/>',
};
