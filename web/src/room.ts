import type { types } from 'mediasoup-client';
import { el, icon } from './dom';
import { openLocalMedia } from './media';
import { Session, type RemotePeer, type SessionView } from './session';
import { inviteLink, type Settings } from './settings';
import { Tile, type StatsSource } from './tile';

const statsInterval = 1000; // ms

/** The page of a room: tiles, controls, banners. */
export class RoomPage implements SessionView {
  readonly root: HTMLElement;
  readonly tiles = new Map<string, Tile>();
  session: Session | undefined;

  #grid = el('section', { class: 'grid' });
  #banner = el('div', { class: 'banner', role: 'status', hidden: true });
  #notice = el('div', { class: 'notice', role: 'alert', hidden: true });
  #empty = el('p', { class: 'empty' }, 'Nobody else is here yet.');
  #mic: HTMLButtonElement;
  #camera: HTMLButtonElement;
  #statsShown: boolean;
  #timer: number | undefined;

  constructor(
    private readonly settings: Settings,
    private readonly onLeave: (message?: string) => void,
  ) {
    this.#statsShown = settings.info;
    this.#mic = this.#control('mic', 'Mute', () => this.#toggle('audio'));
    this.#camera = this.#control('camera', 'Camera off', () => this.#toggle('video'));
    const controls = el(
      'nav',
      { class: 'controls', 'aria-label': 'call controls' },
      this.#mic,
      this.#camera,
      this.#control('stats', 'Statistics', () => this.#toggleStats()),
      this.#control('copy', 'Copy invite link', () => void this.#copyLink()),
      this.#control('leave', 'Leave', () => this.leave(), 'danger'),
    );
    this.root = el(
      'main',
      { class: `room mode-${settings.mode}` },
      el('header', {}, el('strong', {}, settings.roomId), el('span', { class: 'badge' }, settings.mode)),
      this.#banner,
      this.#notice,
      this.#grid,
      controls,
    );
    this.#layout();
  }

  async start(): Promise<void> {
    let tracks: MediaStreamTrack[] = [];
    if (this.settings.publish) {
      const media = await openLocalMedia();
      tracks = media.tracks;
      if (media.problem) this.#showNotice(media.problem);
    }
    if (tracks.length > 0) {
      const tile = this.#addTile(this.settings.peerId, this.settings.displayName, true);
      for (const track of tracks) tile.addTrack(track);
    }
    this.session = new Session(this.settings, this, tracks);
    this.#mic.hidden = !this.session.has('audio');
    this.#camera.hidden = !this.session.has('video');
    this.session.start();
    this.#timer = window.setInterval(() => void this.#refreshStats(), statsInterval);
  }

  leave(): void {
    this.session?.leave();
    this.#stop();
    this.onLeave();
  }

  // SessionView

  joined(): void {
    this.#banner.hidden = true;
    // After a reconnection the server names everyone again.
    for (const tile of [...this.tiles.values()]) if (!tile.local) this.#removeTile(tile.peerId);
  }

  peerJoined(peer: RemotePeer): void {
    this.#addTile(peer.id, peer.displayName, false);
  }

  peerLeft(peerId: string): void {
    this.#removeTile(peerId);
  }

  peerRenamed(peerId: string, displayName: string): void {
    this.tiles.get(peerId)?.rename(displayName);
  }

  consumerAdded(peerId: string, consumer: types.Consumer, paused: boolean): void {
    const tile = this.tiles.get(peerId) ?? this.#addTile(peerId, peerId, false);
    tile.addTrack(consumer.track);
    this.consumerPaused(peerId, consumer, paused);
    this.#layout();
  }

  consumerRemoved(peerId: string, consumer: types.Consumer): void {
    this.tiles.get(peerId)?.removeTrack(consumer.track);
    this.#layout();
  }

  consumerPaused(peerId: string, consumer: types.Consumer, paused: boolean): void {
    const tile = this.tiles.get(peerId);
    if (consumer.kind === 'audio') tile?.setMuted(paused);
    else tile?.setVideoShown(!paused);
  }

  activeSpeaker(peerId: string | null): void {
    for (const tile of this.tiles.values()) tile.setSpeaking(tile.peerId === peerId);
  }

  reconnecting(attempt: number): void {
    this.#banner.textContent =
      attempt === 0 ? 'Connection lost. Reconnecting…' : `Reconnecting… (attempt ${attempt})`;
    this.#banner.hidden = false;
  }

  closed(reason: string): void {
    this.#stop();
    this.onLeave(reason);
  }

  mediaFailed(error: Error): void {
    this.#showNotice(error.message);
  }

  #stop(): void {
    window.clearInterval(this.#timer);
  }

  #addTile(peerId: string, displayName: string, local: boolean): Tile {
    const existing = this.tiles.get(peerId);
    if (existing) {
      existing.rename(displayName);
      return existing;
    }
    const tile = new Tile(peerId, displayName, local);
    tile.setStatsShown(this.#statsShown);
    this.tiles.set(peerId, tile);
    this.#grid.append(tile.root);
    this.#layout();
    return tile;
  }

  #removeTile(peerId: string): void {
    const tile = this.tiles.get(peerId);
    if (!tile) return;
    tile.root.remove();
    tile.video.srcObject = null;
    this.tiles.delete(peerId);
    this.#layout();
  }

  /** Columns that keep tiles near 16:9 whatever their number; peers without media stay small. */
  #layout(): void {
    const live = this.settings.mode === 'live';
    for (const tile of this.tiles.values()) {
      // Of a broadcast's audience there is nothing to see.
      tile.root.hidden = live && !tile.local && tile.stream.getTracks().length === 0;
    }
    const shown = [...this.tiles.values()].filter((tile) => !tile.root.hidden);
    this.#grid.style.setProperty('--columns', String(Math.ceil(Math.sqrt(shown.length || 1))));
    const others = shown.some((tile) => !tile.local);
    if (others) this.#empty.remove();
    else if (!this.#empty.isConnected) this.#grid.append(this.#empty);
  }

  #control(
    name: Parameters<typeof icon>[0],
    label: string,
    onclick: () => void,
    extra = '',
  ): HTMLButtonElement {
    return el(
      'button',
      { type: 'button', class: `control ${extra}`, title: label, 'aria-label': label, onclick },
      icon(name),
    );
  }

  #toggle(kind: 'audio' | 'video'): void {
    const session = this.session;
    if (!session) return;
    const muted = !session.isMuted(kind);
    session.setMuted(kind, muted).catch((error: Error) => this.#showNotice(error.message));
    const own = this.tiles.get(this.settings.peerId);
    const button = kind === 'audio' ? this.#mic : this.#camera;
    const on = kind === 'audio' ? 'mic' : 'camera';
    const off = kind === 'audio' ? 'micOff' : 'cameraOff';
    button.replaceChildren(icon(muted ? off : on));
    button.classList.toggle('off', muted);
    button.setAttribute('aria-pressed', String(muted));
    if (kind === 'audio') own?.setMuted(muted);
    else own?.setVideoShown(!muted);
  }

  #toggleStats(): void {
    this.#statsShown = !this.#statsShown;
    for (const tile of this.tiles.values()) tile.setStatsShown(this.#statsShown);
  }

  async #copyLink(): Promise<void> {
    const link = inviteLink(this.settings);
    try {
      await navigator.clipboard.writeText(link);
      this.#showNotice('Invite link copied.');
    } catch {
      this.#showNotice(link);
    }
  }

  #statsSource(tile: Tile): StatsSource | undefined {
    if (tile.local) {
      return this.session?.producers.get('video') ?? this.session?.producers.get('audio');
    }
    const own = [...(this.session?.consumers.values() ?? [])].filter((c) => c.peerId === tile.peerId);
    return (own.find((c) => c.consumer.kind === 'video') ?? own[0])?.consumer;
  }

  async #refreshStats(): Promise<void> {
    await Promise.all([...this.tiles.values()].map((tile) => tile.refreshStats(this.#statsSource(tile))));
  }

  #showNotice(text: string): void {
    this.#notice.replaceChildren(
      el('span', {}, text),
      el('button', { type: 'button', class: 'plain', 'aria-label': 'dismiss', onclick: () => (this.#notice.hidden = true) }, '×'),
    );
    this.#notice.hidden = false;
  }
}
