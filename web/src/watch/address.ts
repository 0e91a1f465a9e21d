/** What the page's address says, and what is made of it. */

export interface Address {
  /** "" when the address names none. */
  room: string;
  /** Whose broadcast in the room; "" for whoever is there. */
  name: string;
  token: string;
  muted: boolean;
  lang: string | null;
  /** Where offers are POSTed: beside the folder of this page, so that it works below a path of a proxy. */
  endpoint: string;
}

/** Reads an address like https://host/path/watch/ROOM?name=…&token=…&muted=true&lang=de. */
export function readAddress(href: string): Address {
  const url = new URL(href);
  const segment = url.pathname.split('/').pop() ?? '';
  const query = url.searchParams;
  const name = query.get('name') ?? '';
  const endpoint = new URL(`../whep/${segment}${name ? `/${encodeURIComponent(name)}` : ''}`, url);
  return {
    room: decode(segment), name, endpoint: endpoint.href,
    token: query.get('token') ?? '', muted: query.get('muted') === 'true', lang: query.get('lang'),
  };
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

function escape(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/"/g, '&quot;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
}

/** The HTML that shows this broadcast on another page: without the token, which is this viewer's. */
export function embedSnippet(href: string): string {
  const { room } = readAddress(href);
  const url = new URL(href);
  url.searchParams.delete('token');
  url.hash = '';
  return `<iframe src="${escape(url.href)}" title="${escape(room)}" width="640" height="360" allow="autoplay; fullscreen" allowfullscreen style="border: 0; max-width: 100%"></iframe>`;
}
