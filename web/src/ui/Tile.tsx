import { Hand, MicOff, Pin, PinOff, WifiOff } from 'lucide-preact';
import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { fitOf } from '../layout/fit';
import type { Rect } from '../layout/types';
import { hueOf, initials } from '../session/names';
import type { StreamStats } from '../session/quality';
import type { Person, Source } from '../state/room';
import { t } from '../words';
import { useRoom } from './context';

export interface TileItem {
  id: string;
  person: Person;
  source: Source;
}

/** Pixels from the left, and how many. */
export interface Span {
  left: number;
  width: number;
}

interface TileProps extends TileItem {
  rect: Rect;
  /** Where the name goes, if not wherever there is room. */
  caption?: Span;
  /** Fills the window: no frame, no round corners. */
  bare?: boolean;
  /** A small picture above a large one. */
  floating?: boolean;
  dragging?: boolean;
  handlers?: JSX.HTMLAttributes<HTMLLIElement>;
}

/** One picture of one person, with what is to be known of them. */
export function Tile({ id, person, source, rect, caption, bare, floating, dragging, handlers }: TileProps) {
  const { state } = useRoom();
  const screen = source === 'screen';
  const picture = person[source].value;
  const shown = !!picture && !picture.off && !(state.audioOnly.value && !person.me);
  const name = person.name.value || t('guest');
  const label = screen ? (person.me ? t('own-screen') : t('screen-of', { name })) : name;
  const lost = !person.me && (person.lost.value || state.outage.value);
  const speaking = person.speaking.value && !screen;
  const muted = person.muted.value && !screen;
  const quality = person.quality.value;
  const pinned = state.pinned.value === id;
  const classes = ['tile'];
  if (!shown) classes.push('no-video');
  if (person.me) classes.push('local');
  if (screen) classes.push('screen');
  if (speaking) classes.push('speaking');
  if (lost) classes.push('lost');
  if (bare) classes.push('bare');
  if (floating) classes.push('floating');
  if (rect.width < 150 || rect.height < 100) classes.push('small');
  if (rect.width >= 640) classes.push('large');
  const facts = [label, muted && t('tile-muted'), speaking && t('tile-speaking'), lost && t('tile-lost'), person.hand.value > 0 && !screen && t('tile-hand')];
  return (
    <li
      {...handlers}
      class={`place ${dragging ? 'dragging' : ''}`}
      style={{ transform: `translate(${rect.x}px, ${rect.y}px)`, width: `${rect.width}px`, height: `${rect.height}px`, zIndex: floating ? 2 : 1 }}
    >
      <figure class={classes.join(' ')} data-peer={person.id} data-source={source} aria-label={facts.filter(Boolean).join(', ')}>
        {!shown && (
          <div class="tile-empty" aria-hidden="true">
            <span class="avatar" style={{ '--hue': hueOf(person.id) }}>{initials(name)}</span>
          </div>
        )}
        {picture && <Video person={person} source={source} stream={picture.stream} track={picture.track} fit={fitOf(person.ratio[source].value, rect, screen)} />}
        {person.reaction.value && !screen && <span class="tile-reaction" aria-hidden="true">{person.reaction.value}</span>}
        {state.statsShown.value && <Stats stats={person.stats.value} />}
        {lost && (
          <div class="tile-lost">
            <WifiOff size={18} aria-hidden="true" />
            <span>{t('tile-lost')}</span>
          </div>
        )}
        <figcaption style={caption && { left: `${caption.left}px`, maxWidth: `${caption.width}px` }}>
          {person.hand.value > 0 && !screen && <span class="tile-hand"><Hand size={15} aria-hidden="true" /></span>}
          <span class="tile-muted" hidden={!muted}><MicOff size={15} aria-hidden="true" /></span>
          {(quality === 1 || quality === 2) && !lost && !(person.me && screen) && <Bars quality={quality} />}
          <bdi class="tile-name" dir="auto">{label}</bdi>
          {person.me && !screen && <span class="tile-you">{t('you-marker')}</span>}
        </figcaption>
        {!bare && !floating && state.settings.mode === 'meet' && (
          <button
            type="button"
            class="tile-pin"
            aria-pressed={pinned}
            aria-label={t(pinned ? 'unpin' : 'pin', { name: label })}
            title={t(pinned ? 'unpin' : 'pin', { name: label })}
            onClick={() => (state.pinned.value = pinned ? '' : id)}
          >
            {pinned ? <PinOff size={18} aria-hidden="true" /> : <Pin size={18} aria-hidden="true" />}
          </button>
        )}
      </figure>
    </li>
  );
}

interface VideoProps {
  person: Person;
  source: Source;
  stream: MediaStream;
  track: string;
  fit: 'contain' | 'cover';
}

/** The element that plays; its sound is elsewhere, so that it goes on when the tile is not on screen. */
function Video({ person, source, stream, track, fit }: VideoProps) {
  const ref = useRef<HTMLVideoElement>(null);
  useEffect(() => {
    const video = ref.current!;
    video.muted = true;
    if (video.srcObject !== stream) video.srcObject = stream;
    void video.play().catch(() => undefined);
    if (!person.me) video.requestVideoFrameCallback?.(() => performance.mark('sluice:first-frame'));
  }, [stream, track]);
  const measure = () => {
    const { videoWidth, videoHeight } = ref.current!;
    if (videoWidth > 0 && videoHeight > 0) person.ratio[source].value = videoWidth / videoHeight;
  };
  return <video ref={ref} class={fit} autoplay playsinline muted disablePictureInPicture={person.me} onResize={measure} onLoadedMetadata={measure} />;
}

function Bars({ quality }: { quality: 1 | 2 }) {
  return (
    <span class={`tile-bars bars-${quality}`} role="img" aria-label={t(`quality-${quality}`)} title={t(`quality-${quality}`)}>
      <i /><i /><i />
    </span>
  );
}

function Stats({ stats }: { stats: StreamStats | null }) {
  const { state } = useRoom();
  if (!stats) return null;
  const lines = [];
  if (stats.width > 0) lines.push(`${stats.width}×${stats.height} · ${Math.round(stats.framesPerSecond)} fps`);
  lines.push(`${stats.codec || '–'} · ${formatBitrate(stats.bitrate)}`);
  const trip = state.roundTrip.value;
  lines.push(`loss ${(stats.loss * 100).toFixed(1)} %${trip > 0 ? ` · RTT ${Math.round(trip)} ms` : ''}`);
  return <pre class="tile-stats">{lines.join('\n')}</pre>;
}

export function formatBitrate(bps: number): string {
  if (bps >= 1e6) return `${(bps / 1e6).toFixed(1)} Mbit/s`;
  return `${Math.max(0, Math.round(bps / 1e3))} kbit/s`;
}
