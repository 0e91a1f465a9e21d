import {
  ChartColumn, Copy, Ellipsis, Hand, Headphones, Keyboard, LayoutGrid, Lock, LockOpen, LogOut, Maximize, MessageSquare, Mic, MicOff,
  Minimize, MonitorUp, PictureInPicture, PictureInPicture2, Presentation, ScreenShareOff, Settings, SmilePlus, Users, Video, VideoOff, type LucideIcon,
} from 'lucide-preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { barItems, fitBar, type BarItem } from '../layout/bar';
import { reactions } from '../session/data';
import type { PanelName, RoomState } from '../state/room';
import { inviteLink } from '../state/settings';
import { t, tn } from '../words';
import { useRoom, type Actions } from './context';
import { IconButton } from './controls';
import { useFocusReturn, useMedia, useSize } from './hooks';
import { LiveVolume, QualitySelect, useWatches } from './LiveControls';

const sizes = { item: 48, gap: 8, leave: 64, padding: 12 };

export const canShare = (): boolean => !!navigator.mediaDevices?.getDisplayMedia;

/** What this person may use here, in order. */
function offeredItems(state: RoomState): BarItem[] {
  const takesPart = state.takesPart.value;
  return barItems.filter((item) => {
    if (item === 'mic' || item === 'camera') return takesPart;
    if (item === 'screen') return takesPart && canShare();
    if (item === 'hand' || item === 'react') return state.mayTalk.value;
    if (item === 'chat') return state.data.value;
    return true;
  });
}

export function togglePanel(state: RoomState, name: PanelName): void {
  state.panel.value = state.panel.value === name ? null : name;
  if (state.panel.value === 'chat') state.unread.value = 0;
}

interface Entry {
  icon: LucideIcon;
  label: string;
  run(): void;
}

export function Bar({ onLeave }: { onLeave(): void }) {
  const { state, actions } = useRoom();
  const [ref, box] = useSize<HTMLElement>();
  const phone = useMedia('(max-width: 600px)');
  const watches = useWatches();
  const [open, setOpen] = useState<'more' | 'react' | null>(null);
  const offered = offeredItems(state);
  const shown = fitBar(box.width || window.innerWidth, offered, sizes);
  const hidden = offered.filter((item) => !shown.includes(item));
  const toggleMore = () => {
    // Another moderator may have locked the room meanwhile.
    if (open !== 'more' && state.moderation.value.size > 0) void actions.refreshModeration();
    setOpen(open === 'more' ? null : 'more');
  };
  const item = (name: BarItem): Entry & { off?: boolean; expanded?: boolean; badge?: number } => {
    switch (name) {
      case 'mic': {
        const on = state.micOn.value;
        return { icon: on ? Mic : MicOff, label: t(on ? 'mute' : 'unmute'), off: !on, run: () => void actions.own.setMic(!on) };
      }
      case 'camera': {
        const on = state.cameraOn.value;
        return { icon: on ? Video : VideoOff, label: t(on ? 'camera-off' : 'camera-on'), off: !on, run: () => void actions.own.setCamera(!on) };
      }
      case 'screen': {
        const on = state.sharing.value;
        return { icon: on ? ScreenShareOff : MonitorUp, label: t(on ? 'share-stop' : 'share'), expanded: on || undefined, run: () => void actions.own.setSharing(!on) };
      }
      case 'hand': {
        const up = state.me.hand.value > 0;
        return { icon: Hand, label: t(up ? 'hand-down' : 'hand-up'), run: () => actions.talk.setHand(!up) };
      }
      case 'react':
        return { icon: SmilePlus, label: t('reactions'), expanded: open === 'react', run: () => setOpen(open === 'react' ? null : 'react') };
      case 'people':
        return { icon: Users, label: t('people'), expanded: state.panel.value === 'people', run: () => togglePanel(state, 'people') };
      case 'chat':
        return {
          icon: MessageSquare,
          label: state.unread.value > 0 ? `${t('chat')}, ${tn('chat-unread', state.unread.value)}` : t('chat'),
          expanded: state.panel.value === 'chat',
          badge: state.unread.value,
          run: () => togglePanel(state, 'chat'),
        };
    }
  };
  const reactionRow = (
    <div class="reactions" role="group" aria-label={t('reactions')}>
      {reactions.map((reaction) => (
        <button key={reaction} type="button" aria-label={reaction} onClick={() => { actions.talk.react(reaction); setOpen(null); }}>{reaction}</button>
      ))}
    </div>
  );
  return (
    <nav class="bar" aria-label={t('controls')} ref={ref}>
      <div class="bar-items">
        {shown.map((name) => {
          const { run, ...entry } = item(name);
          const button = <IconButton key={name} {...entry} class={`bar-${name} ${name === 'hand' && state.me.hand.value ? 'active' : ''}`} onClick={run} />;
          if (name !== 'react') return button;
          return (
            <div key={name} class="menu-place">
              {button}
              {open === 'react' && <Menu name="menu-react" label={t('reactions')} onClose={() => setOpen(null)}>{reactionRow}</Menu>}
            </div>
          );
        })}
        <div class="menu-place">
          <IconButton icon={Ellipsis} label={t('more')} expanded={open === 'more'} onClick={toggleMore} />
          {open === 'more' && (
            <Menu label={t('more')} onClose={() => setOpen(null)}>
              {hidden.includes('react') && reactionRow}
              {phone && watches && (
                <div class="menu-live">
                  <label class="field"><span aria-hidden="true">{t('volume')}</span><LiveVolume /></label>
                  {state.qualities.value > 1 && <label class="field"><span aria-hidden="true">{t('quality')}</span><QualitySelect /></label>}
                </div>
              )}
              {[...hidden.filter((name) => name !== 'react').map(item), ...moreEntries(state, actions)].map(({ icon: Icon, label, run }) => (
                <button key={label} type="button" class="menu-item" onClick={() => { setOpen(null); run(); }}>
                  <Icon size={20} aria-hidden="true" />
                  <span>{label}</span>
                </button>
              ))}
            </Menu>
          )}
        </div>
        <button type="button" class="leave" title={t('leave')} aria-label={t('leave')} onClick={onLeave}>
          <LogOut size={22} aria-hidden="true" />
        </button>
      </div>
    </nav>
  );
}

function Menu({ name = '', label, onClose, children }: { name?: string; label: string; onClose(): void; children: preact.ComponentChildren }) {
  const ref = useRef<HTMLDivElement>(null);
  useFocusReturn();
  useEffect(() => {
    ref.current?.querySelector('button')?.focus();
    const outside = (event: PointerEvent) => {
      if (!ref.current?.parentElement?.contains(event.target as Node)) onClose();
    };
    document.addEventListener('pointerdown', outside);
    return () => document.removeEventListener('pointerdown', outside);
  }, []);
  const onKeyDown = (event: KeyboardEvent) => {
    const buttons = [...(ref.current?.querySelectorAll<HTMLButtonElement>('button') ?? [])];
    const at = buttons.indexOf(document.activeElement as HTMLButtonElement);
    const by = event.key === 'ArrowDown' || event.key === 'ArrowRight' ? 1 : event.key === 'ArrowUp' || event.key === 'ArrowLeft' ? -1 : 0;
    if (event.key === 'Escape' || event.key === 'Tab') onClose();
    if (by) buttons[(at + by + buttons.length) % buttons.length]?.focus();
    if (event.key === 'Escape' || by) {
      event.preventDefault();
      event.stopPropagation();
    }
  };
  return (
    <div class={`menu ${name}`} role="dialog" aria-label={label} ref={ref} onKeyDown={onKeyDown}>
      {children}
    </div>
  );
}

function moreEntries(state: RoomState, actions: Actions): Entry[] {
  const speaker = document.querySelector('.stage-speaker') !== null;
  const stats = state.statsShown.value;
  const audioOnly = state.audioOnly.value;
  const entries: Entry[] = [];
  if (state.settings.mode === 'meet') {
    entries.push({
      icon: speaker ? LayoutGrid : Presentation,
      label: t(speaker ? 'layout-grid' : 'layout-speaker'),
      run: () => toggleLayout(state),
    });
  }
  entries.push({ icon: Headphones, label: t(audioOnly ? 'audio-only-off' : 'audio-only'), run: () => actions.setAudioOnly(!audioOnly) });
  if (document.fullscreenEnabled) {
    const full = !!document.fullscreenElement;
    entries.push({ icon: full ? Minimize : Maximize, label: t(full ? 'full-screen-end' : 'full-screen'), run: toggleFullScreen });
  }
  if (document.pictureInPictureEnabled && mainVideo()) {
    const small = !!document.pictureInPictureElement;
    entries.push({ icon: small ? PictureInPicture : PictureInPicture2, label: t(small ? 'picture-in-picture-end' : 'picture-in-picture'), run: togglePictureInPicture });
  }
  entries.push(
    { icon: ChartColumn, label: t(stats ? 'statistics-hide' : 'statistics'), run: () => (state.statsShown.value = !stats) },
    { icon: Settings, label: t('settings'), run: () => togglePanel(state, 'settings') },
    { icon: Copy, label: t('copy-link'), run: () => void copyLink(state) },
  );
  // Of no use to who has fingers only.
  if (window.matchMedia('(any-pointer: fine)').matches) entries.push({ icon: Keyboard, label: t('shortcuts'), run: () => (state.dialog.value = 'help') });
  if (state.moderation.value.has('lock')) {
    const locked = state.locked.value;
    entries.push({
      icon: locked ? LockOpen : Lock,
      label: t(locked ? 'unlock-room' : 'lock-room'),
      run: () => moderate(state, () => actions.moderation.lock(!locked).then(() => void (state.locked.value = !locked))),
    });
  }
  return entries;
}

/** Runs what a moderator asked for, and says when the server did not do it. */
export function moderate(state: RoomState, action: () => Promise<void>): void {
  action().catch((error: unknown) => state.notify('action-failed', { tone: 'error', detail: String(error) }));
}

export function toggleLayout(state: RoomState): void {
  const speaker = document.querySelector('.stage-speaker') !== null;
  if (speaker) state.pinned.value = '';
  state.view.value = speaker ? 'grid' : 'speaker';
}

export function toggleFullScreen(): void {
  if (document.fullscreenElement) void document.exitFullscreen().catch(() => undefined);
  else void document.documentElement.requestFullscreen?.().catch(() => undefined);
}

/** The largest remote picture on screen. */
function mainVideo(): HTMLVideoElement | undefined {
  const videos = [...document.querySelectorAll<HTMLVideoElement>('.tile:not(.local) video')];
  const area = (video: HTMLVideoElement) => video.clientWidth * video.clientHeight;
  return videos.sort((a, b) => area(b) - area(a))[0];
}

export function togglePictureInPicture(): void {
  if (document.pictureInPictureElement) void document.exitPictureInPicture().catch(() => undefined);
  else void mainVideo()?.requestPictureInPicture().catch(() => undefined);
}

export async function copyLink(state: RoomState): Promise<void> {
  const link = inviteLink(state.settings, window.location.href);
  try {
    await navigator.clipboard.writeText(link);
    state.notify('link-copied');
  } catch {
    state.notify('link-here', { params: { link }, stays: true });
  }
}
