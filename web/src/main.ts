import './style.css';
import { el } from './dom';
import { joinPage } from './join';
import { RoomPage } from './room';
import { readSettings, type Settings } from './settings';

declare global {
  interface Window {
    /** The page on show, for browser tests and the console. */
    sluice?: { page?: RoomPage };
  }
}

const app = document.getElementById('app')!;
window.sluice = {};

function showJoin(settings: Settings, message?: string): void {
  delete window.sluice!.page;
  const page = joinPage(settings, showRoom);
  if (message) page.prepend(el('div', { class: 'notice', role: 'alert' }, message));
  app.replaceChildren(page);
}

function showRoom(settings: Settings): void {
  const url = new URL(window.location.href);
  url.searchParams.set('roomId', settings.roomId);
  url.searchParams.set('mode', settings.mode);
  window.history.replaceState(null, '', url);
  const page = new RoomPage(settings, (message) => showJoin(settings, message));
  window.sluice!.page = page;
  app.replaceChildren(page.root);
  void page.start();
}

const settings = readSettings();
if (settings.join && settings.roomId) {
  showRoom({ ...settings, displayName: settings.displayName || 'Guest' });
} else {
  showJoin(settings);
}
window.addEventListener('pagehide', () => window.sluice?.page?.session?.leave());
