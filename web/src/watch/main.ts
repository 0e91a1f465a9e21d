import { embedSnippet, readAddress } from './address';
import { Player, type State } from './player';
import { chooseLanguage, sentence, type WordKey } from './words';

const find = <T extends HTMLElement>(id: string) => document.getElementById(id) as T;

const address = readAddress(location.href);
const language = chooseLanguage([address.lang, ...navigator.languages]);
const t = (key: WordKey, values?: Record<string, string | number>) => sentence(language, key, values);

const root = find('player');
const video = find<HTMLVideoElement>('video');
const [status, detail] = [find('status'), find('detail')];
const [sound, unmute, full, embed, retry] = ['sound', 'unmute', 'full', 'embed', 'retry'].map((id) => find<HTMLButtonElement>(id)) as [HTMLButtonElement, HTMLButtonElement, HTMLButtonElement, HTMLButtonElement, HTMLButtonElement];
const box = find('snippet-box');
let counting: number | undefined;
/** The browser plays without sound until somebody clicks. */
let silenced = false;
/** The focus was on the button to try again, which is gone while that is done. */
let retrying = false;

/** Says `key` now, and each second anew while `until` is to come. */
function say(key: WordKey, values: Record<string, string | number> = {}, until?: number): void {
  clearInterval(counting);
  const write = () => {
    const seconds = until === undefined ? 0 : Math.max(0, Math.ceil((until - Date.now()) / 1000));
    const text = t(key, { ...values, seconds });
    if (status.textContent !== text) status.textContent = text;
  };
  write();
  // A reader is told once, not each second.
  status.setAttribute('aria-live', 'polite');
  if (until !== undefined && t(key).includes('{seconds}')) {
    counting = window.setInterval(() => {
      status.setAttribute('aria-live', 'off');
      write();
    }, 1000);
  }
}

function show(state: State): void {
  if (root.dataset.state === 'live' && state.kind === 'live') return;
  root.dataset.state = state.kind;
  detail.textContent = '';
  retrying = document.activeElement === retry || (retrying && document.activeElement === document.body);
  retry.hidden = !['waiting', 'lost', 'refused'].includes(state.kind);
  find('live').hidden = state.kind !== 'live';
  sound.disabled = state.kind !== 'live';
  if (retrying) (retry.hidden ? sound : retry).focus();
  if (state.kind !== 'live') unmute.hidden = true;
  switch (state.kind) {
    case 'live':
      say('is-live');
      showSound();
      break;
    case 'waiting':
      say('waiting');
      break;
    case 'lost':
      say(state.why === 'blocked' && !state.ports ? 'blocked-somewhere' : state.why, { ports: state.ports }, state.retryAt);
      break;
    case 'refused':
      say([401, 403].includes(state.status) ? 'needs-token' : 'refused');
      detail.textContent = [state.status === 201 ? '' : state.status, state.detail].filter(Boolean).join(': ');
      break;
    default:
      say(state.kind);
  }
}

function showSound(): void {
  const key = video.muted ? 'unmute' : 'mute';
  sound.textContent = t(key);
  unmute.hidden = !silenced || root.dataset.state !== 'live';
}

/** With sound where the browser allows it; without, and a button for it, where it wants a click first. */
async function play(stream: MediaStream): Promise<void> {
  video.srcObject = stream;
  try {
    await video.play();
  } catch {
    silenced = true;
    video.muted = true;
    await video.play().catch(() => {});
  }
  showSound();
}

function toggleSound(): void {
  video.muted = !video.muted;
  silenced = false;
  video.play().catch(() => {});
  const hadFocus = document.activeElement === unmute;
  showSound();
  if (hadFocus && unmute.hidden) sound.focus();
}

type OldVideo = HTMLVideoElement & { webkitEnterFullscreen?: () => void };

function toggleFull(): void {
  if (document.fullscreenElement) void document.exitFullscreen();
  else if (root.requestFullscreen) root.requestFullscreen().catch(() => {});
  else (video as OldVideo).webkitEnterFullscreen?.(); // iPhones know full screen of videos only
}

function showSnippet(open: boolean): void {
  box.hidden = !open;
  embed.setAttribute('aria-expanded', String(open));
  find('copied').textContent = '';
  if (!open) return embed.focus();
  const text = find<HTMLTextAreaElement>('snippet');
  text.setSelectionRange(0, 0);
  text.focus();
}

async function copy(): Promise<void> {
  const text = find<HTMLTextAreaElement>('snippet');
  text.select();
  const done = await navigator.clipboard?.writeText(text.value).then(() => true, () => false);
  find('copied').textContent = t(done ? 'copied' : 'copy-yourself');
}

/** Controls go after 3 s without a movement, while there is something to see. */
function hideControlsWhenIdle(): void {
  let timer: number | undefined;
  const wake = () => {
    root.classList.remove('idle');
    clearTimeout(timer);
    timer = window.setTimeout(() => root.classList.add('idle'), 3000);
  };
  for (const event of ['pointermove', 'pointerdown', 'keydown', 'focusin']) root.addEventListener(event, wake);
  wake();
}

function keys(event: KeyboardEvent): void {
  if (event.key === 'Escape' && !box.hidden) return showSnippet(false);
  if (event.ctrlKey || event.metaKey || event.altKey || (event.target as HTMLElement).matches('textarea')) return;
  const onButton = (event.target as HTMLElement).matches('button');
  if (event.key.toLowerCase() === 'm' || (event.key === ' ' && !onButton)) {
    event.preventDefault();
    if (!sound.disabled) toggleSound();
  } else if (event.key.toLowerCase() === 'f') {
    toggleFull();
  }
}

function write(): void {
  document.documentElement.lang = language;
  document.title = address.room ? `${address.room} · Sluice` : 'Sluice';
  find('room').textContent = address.room || 'Sluice';
  find('live').textContent = t('live');
  full.textContent = t('full');
  const words: [HTMLElement, WordKey][] = [[embed, 'embed'], [retry, 'try-again'], [unmute, 'unmute'], [sound, 'mute'], [find('copy'), 'copy'], [find('close'), 'close'], [find('snippet-title'), 'embed-title'], [find('snippet-token'), 'embed-token']];
  for (const [element, key] of words) element.textContent = t(key);
  find<HTMLTextAreaElement>('snippet').value = embedSnippet(location.href);
  find('snippet-token').hidden = !address.token;
  // Who embeds it has the text already.
  embed.hidden = window.top !== window;
  full.hidden = !document.fullscreenEnabled && !(video as OldVideo).webkitEnterFullscreen;
  video.setAttribute('aria-label', address.room);
  video.muted = address.muted;
}

function start(): void {
  write();
  if (!address.room) return fail('no-room');
  if (!('RTCPeerConnection' in window)) return fail('no-webrtc');
  const player = new Player(address.endpoint, address.token);
  player.onState = show;
  player.onStream = (stream) => void play(stream);
  retry.onclick = () => void player.start();
  sound.onclick = unmute.onclick = toggleSound;
  full.onclick = toggleFull;
  embed.onclick = () => showSnippet(Boolean(box.hidden));
  find('close').onclick = () => showSnippet(false);
  find('copy').onclick = () => void copy();
  video.onclick = () => {
    if (video.muted && !sound.disabled) toggleSound();
  };
  document.addEventListener('keydown', keys);
  document.addEventListener('fullscreenchange', () => { full.textContent = t(document.fullscreenElement ? 'leave-full' : 'full'); });
  window.addEventListener('pagehide', () => player.stop());
  // A page that the browser kept and shows again begins anew.
  window.addEventListener('pageshow', (event) => { if (event.persisted) void player.start(); });
  hideControlsWhenIdle();
  void player.start();
}

function fail(key: WordKey): void {
  root.dataset.state = 'refused';
  say(key);
}

start();
