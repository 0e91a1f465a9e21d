import { ChevronLeft, ChevronRight } from 'lucide-preact';
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import { cornerRect, nearestCorner, stackedPair } from '../layout/call';
import { bestFit } from '../layout/fit';
import { keepOrder, onPage, pageCount, pageSize, promoteSpeaker, swapEvery, type Seat } from '../layout/paging';
import { nextMain, speakerLayout, type Loud } from '../layout/speaker';
import type { Box, Rect } from '../layout/types';
import type { Corner, RoomState } from '../state/room';
import { t } from '../words';
import { useRoom } from './context';
import { IconButton } from './controls';
import { useMedia, useNow, useSize } from './hooks';
import { Tile, type Span, type TileItem } from './Tile';

const gap = 8;
/** Width by height of a picture that has not come yet. */
const usualRatio = 16 / 9;
const overlay = { top: 64, bottom: 96, side: 12 };

/** What there is to see in this kind of room. */
export function tilesOf(state: RoomState): TileItem[] {
  const { me } = state;
  const live = state.settings.mode === 'live';
  const items: TileItem[] = [];
  if (live ? me.publishes.value : state.takesPart.value) items.push({ id: `${me.id}/camera`, person: me, source: 'camera' });
  if (me.screen.value) items.push({ id: `${me.id}/screen`, person: me, source: 'screen' });
  for (const person of state.people.value) {
    // Of a broadcast's audience there is nothing to see.
    if (live && !person.publishes.value) continue;
    items.push({ id: `${person.id}/camera`, person, source: 'camera' });
    if (person.screen.value) items.push({ id: `${person.id}/screen`, person, source: 'screen' });
  }
  return items;
}

interface Shown {
  item: TileItem;
  rect: Rect;
  caption?: Span;
  bare?: boolean;
  floating?: boolean;
  /** Can be dragged to another corner. */
  movable?: boolean;
}

type LayoutName = 'grid' | 'speaker' | 'call' | 'live';

function layoutOf(state: RoomState, items: readonly TileItem[]): LayoutName {
  const { mode } = state.settings;
  const remotes = new Set(items.filter((item) => !item.person.me).map((item) => item.person)).size;
  const people = new Set(items.map((item) => item.person)).size;
  if (mode === 'call' && remotes <= 1) return 'call';
  if (mode === 'live' && people <= 1) return 'live';
  const screens = items.some((item) => item.source === 'screen');
  const speaker = state.view.value === 'speaker' || (state.view.value === 'auto' && (!!state.pinned.value || screens));
  return speaker && items.length > 1 ? 'speaker' : 'grid';
}

/** Width by height of what is to be seen of a tile; 0 = not known, or nothing. */
function ratioOf({ person, source }: TileItem): number {
  return person[source].value?.off === false ? person.ratio[source].value : 0;
}

/** Tiles in the layout of the room: one list for all layouts, so that a tile that moves is the same element. */
export function Stage() {
  const { state } = useRoom();
  const [ref, box] = useSize<HTMLDivElement>();
  const phone = useMedia('(max-width: 600px), (max-height: 420px)');
  const size = phone ? pageSize.phone : pageSize.wide;
  const [scroll, setScroll] = useState(0);
  const items = tilesOf(state);
  const name = layoutOf(state, items);
  const ordered = useSpeakersFirst(items, size);
  const main = useMain(items, name === 'speaker');
  const drag = useDrag(box);
  const covered = state.settings.mode !== 'meet' && name !== 'live';
  const inner = innerOf(box, ref.current, covered, state.soundRefused.value ? footHeight : 0);

  const pages = name === 'grid' ? pageCount(ordered.length, size) : 1;
  const page = Math.min(state.page.value, pages - 1);
  useEffect(() => void (state.pages.value = pages), [pages]);
  const turn = (by: number) => (state.page.value = Math.min(Math.max(0, page + by), pages - 1));
  const swipe = useSwipe(turn);
  const strip = name === 'speaker' ? speakerLayout(items.length - 1, inner, gap, scroll) : null;
  const scrollMax = strip?.scrollMax ?? 0;
  const scrollTo = (to: number) => setScroll(Math.min(Math.max(0, to), scrollMax));

  let shown: Shown[] = [];
  const measured = box.width > 0 && box.height > 0;
  if (measured) {
    if (name === 'grid') shown = gridPlaces(onPage(ordered, page, size), inner, pages > 1);
    else if (strip) shown = speakerPlaces(items, main, strip, inner);
    else shown = pairPlaces(items, box, inner, state, drag.at);
  }
  useWanted(items, shown, measured);
  const movable = shown.find((each) => each.movable);
  const swap = () => (state.swapped.value = !state.swapped.value);
  const touch = useRef(0);
  const along = (event: TouchEvent) => (strip?.vertical ? event.touches[0]!.clientY : event.touches[0]!.clientX);
  const gestures = strip
    ? {
        onWheel: (event: WheelEvent) => scrollTo(Math.min(scroll, scrollMax) + event.deltaY + event.deltaX),
        onTouchStart: (event: TouchEvent) => void (touch.current = along(event)),
        onTouchMove: (event: TouchEvent) => {
          scrollTo(scroll + touch.current - along(event));
          touch.current = along(event);
        },
      }
    : pages > 1 ? swipe : {};
  const step = (strip?.vertical ? inner.height : inner.width) * 0.8;
  return (
    <div class={`stage stage-${name} ${shown.some(({ bare }) => bare) ? 'filled' : ''}`} data-box={`${box.width}×${box.height}`} ref={ref} {...gestures}>
      <ul class="tiles" style={strip && covered ? { clipPath: `inset(${inner.y}px 0 ${box.height - inner.y - inner.height}px)` } : undefined} aria-label={t('participants')}>
        {shown.map(({ item, rect, bare, caption, floating, movable: moves }) => (
          <Tile
            key={item.id}
            {...item}
            rect={rect}
            bare={bare}
            caption={caption}
            floating={floating}
            dragging={moves && !!drag.at}
            handlers={moves ? drag.handlers(rect, swap) : undefined}
          />
        ))}
      </ul>
      {pages > 1 && (
        <>
          {page > 0 && <IconButton class="page-turn previous" icon={ChevronLeft} label={t('page-previous')} onClick={() => turn(-1)} />}
          {page < pages - 1 && <IconButton class="page-turn next" icon={ChevronRight} label={t('page-next')} onClick={() => turn(1)} />}
          <div class="page-dots">
            {Array.from({ length: pages }, (_, i) => (
              <button key={i} type="button" aria-current={i === page ? 'page' : undefined} aria-label={t('page-of', { page: i + 1, pages })} onClick={() => (state.page.value = i)} />
            ))}
          </div>
        </>
      )}
      {strip && scroll > 0 && scrollMax > 0 && (
        <IconButton class={`page-turn ${strip.vertical ? 'up' : 'left'}`} icon={ChevronLeft} label={t('page-previous')} onClick={() => scrollTo(Math.min(scroll, scrollMax) - step)} />
      )}
      {strip && scroll < scrollMax && (
        <IconButton class={`page-turn ${strip.vertical ? 'down' : 'right'}`} icon={ChevronRight} label={t('page-next')} onClick={() => scrollTo(scroll + step)} />
      )}
      {movable && (
        <div class="self-tools">
          <button type="button" class="button small" onClick={swap}>{t('swap')}</button>
          <button type="button" class="button small" onClick={() => (state.corner.value = nextCorner(state.corner.value))}>{t('self-move')}</button>
        </div>
      )}
    </div>
  );
}

const usualBar = 72; // pixels
const footHeight = 56; // pixels, of the button for sound above the bar

/** Where tiles go that are not to lie under what covers a stage: head and bar. */
function innerOf(box: Box, stage: HTMLElement | null, covered: boolean, foot: number): Rect {
  // Below a notice the head is above the stage already.
  const top = covered ? Math.max(0, overlay.top - (stage?.getBoundingClientRect().top ?? 0)) : gap;
  const bottom = covered ? (document.querySelector<HTMLElement>('.bar')?.offsetHeight || usualBar) + foot : gap;
  return { x: gap, y: top, width: box.width - 2 * gap, height: Math.max(0, box.height - top - bottom) };
}

const dots = 28; // pixels below a grid of several pages

function gridPlaces(visible: TileItem[], inner: Rect, paged: boolean): Shown[] {
  const { rects } = bestFit(visible.map(ratioOf), { ...inner, height: inner.height - (paged ? dots : 0) }, gap);
  return visible.flatMap((item, i) => (rects[i] ? [{ item, rect: shift(rects[i], inner) }] : []));
}

function speakerPlaces(items: TileItem[], main: TileItem | undefined, layout: ReturnType<typeof speakerLayout>, inner: Rect): Shown[] {
  const places = items.filter((item) => item !== main).map((item, i) => [item, layout.strip[i]] as const);
  const placed = new Map<TileItem, Rect | null | undefined>(places);
  if (main) placed.set(main, layout.main);
  // In the order of the room, so that moving to the main place moves no element.
  return items.flatMap((item) => {
    const rect = placed.get(item);
    return rect ? [{ item, rect: shift(rect, inner) }] : [];
  });
}

const shift = (rect: Rect, by: Rect): Rect => ({ ...rect, x: rect.x + by.x, y: rect.y + by.y });

/** What the small pictures in the lower corners leave for the name of the large one. */
function beside(small: (Rect | undefined)[], box: Box): Span {
  let [left, right] = [overlay.side, box.width - overlay.side];
  for (const rect of small) {
    if (!rect || rect.y + rect.height / 2 < box.height / 2) continue;
    if (rect.x < box.width / 2) left = rect.x + rect.width + gap;
    else right = rect.x - gap;
  }
  return { left, width: right - left };
}

/** A call, and a broadcast: one picture fills the window, others float in corners. */
function pairPlaces(items: TileItem[], box: Box, inner: Rect, state: RoomState, dragged: Rect | null): Shown[] {
  const remote = items.filter((item) => !item.person.me);
  const own = items.find((item) => item.person.me && item.source === 'camera');
  const ownScreen = items.find((item) => item.person.me && item.source === 'screen');
  const screen = remote.find((item) => item.source === 'screen');
  const camera = remote.find((item) => item.source === 'camera');
  let main = screen ?? camera;
  let floating = own;
  if (!main) {
    // Nobody else: our own picture is the large one; of a broadcaster the screen, if one is shared.
    main = state.settings.mode === 'live' ? (ownScreen ?? own) : own;
    floating = main === own ? undefined : own;
  }
  if (state.settings.mode === 'call' && main && floating && main === camera && !ownScreen) {
    const [first, second] = state.swapped.value ? [floating, main] : [main, floating];
    const pair = stackedPair(ratioOf(main), ratioOf(floating), box, inner, gap);
    if (pair) return items.flatMap((item) => (item === first ? [{ item, rect: pair[0] }] : item === second ? [{ item, rect: pair[1] }] : []));
  }
  if (state.swapped.value && main && floating) [main, floating] = [floating, main];
  const second = screen && camera && camera !== main && camera !== floating ? camera : undefined;
  const margins = { ...overlay, bottom: box.height < 420 ? 76 : overlay.bottom };
  const corner = state.corner.value;
  const small = floating && cornerRect(corner, box, ratioOf(floating), margins);
  const other = second && cornerRect(floating ? opposite(corner) : corner, box, ratioOf(second), margins);
  return items.flatMap((item): Shown[] => {
    if (item === main) return [{ item, rect: { x: 0, y: 0, ...box }, bare: true, caption: beside([small, other], box) }];
    if (item === floating) return [{ item, rect: dragged ?? small!, floating: true, movable: true }];
    if (item === second) return [{ item, rect: other!, floating: true }];
    return [];
  });
}

/**
 * Tells the session what is on screen, and how large; before the browser paints, as a new picture is
 * accepted only then.
 */
function useWanted(items: readonly TileItem[], shown: readonly Shown[], measured: boolean): void {
  const { actions } = useRoom();
  const wanted = new Map<string, number>();
  for (const { item, rect } of shown) {
    const picture = item.person[item.source].value;
    if (!picture?.consumerId) continue;
    const ratio = item.person.ratio[item.source].value || usualRatio;
    // What is shown whole may be lower than its tile.
    const height = Math.min(rect.height, Math.max(rect.width / ratio, 1));
    wanted.set(picture.consumerId, Math.round(height * window.devicePixelRatio));
  }
  // A new one that is not on screen is news as well.
  const all = items.map((item) => item.person[item.source].value?.consumerId ?? '').sort();
  const key = [...wanted].map(([id, height]) => `${id}=${height}`).sort().join();
  useLayoutEffect(() => {
    if (measured) actions.subscriber.want(wanted);
  }, [measured, key, all.join()]);
}

/** Keeps everybody's place; who speaks comes to the first page, one at most in 2 s. */
function useSpeakersFirst(items: TileItem[], size: number): TileItem[] {
  const { me } = useRoom().state;
  const order = useRef<string[]>([]);
  const swappedAt = useRef(-Infinity);
  useNow(swapEvery, items.length > size);
  order.current = keepOrder(order.current, items.map((item) => item.id));
  const now = performance.now();
  if (items.length > size && now - swappedAt.current >= swapEvery) {
    const seats = new Map<string, Seat>(items.map(({ id, person, source }) => [
      id,
      { id, spokeAt: person.spokeAt.value, speaking: source === 'camera' && person.speaking.value, fixed: person === me || source === 'screen' },
    ]));
    const next = promoteSpeaker(order.current, seats, size);
    if (next.some((id, i) => id !== order.current[i])) {
      order.current = next;
      swappedAt.current = now;
    }
  }
  const byId = new Map(items.map((item) => [item.id, item]));
  return order.current.map((id) => byId.get(id)!);
}

function useSwipe(turn: (by: number) => void) {
  const start = useRef<{ x: number; y: number } | null>(null);
  const least = 60;
  return {
    onTouchStart: (event: TouchEvent) => {
      const touch = event.touches[0];
      start.current = touch && event.touches.length === 1 ? { x: touch.clientX, y: touch.clientY } : null;
    },
    onTouchEnd: (event: TouchEvent) => {
      const touch = event.changedTouches[0];
      if (!start.current || !touch) return;
      const across = touch.clientX - start.current.x;
      if (Math.abs(across) > least && Math.abs(across) > 2 * Math.abs(touch.clientY - start.current.y)) turn(across < 0 ? 1 : -1);
      start.current = null;
    },
  };
}

/** The large one: pinned, else a screen, else who speaks. */
function useMain(items: TileItem[], active: boolean): TileItem | undefined {
  const { state } = useRoom();
  const chosen = useRef({ id: '', at: 0 });
  const since = useRef(new Map<string, number>());
  const now = useNow(500, active);
  if (!active) return undefined;
  const pinned = items.find((item) => item.id === state.pinned.value);
  const screen = items.find((item) => item.source === 'screen' && !item.person.me) ?? items.find((item) => item.source === 'screen');
  const people = items.filter((item) => item.source === 'camera');
  for (const { id, person } of people) {
    if (!person.speaking.value) since.current.delete(id);
    else if (!since.current.has(id)) since.current.set(id, now);
  }
  // Others first: nobody wants to look at themselves.
  const loud: Loud[] = [...people.filter((p) => !p.person.me), ...people.filter((p) => p.person.me)].map(({ id, person }) => ({
    id,
    speaking: person.speaking.value && !person.me,
    since: since.current.get(id) ?? now,
  }));
  const id = nextMain(chosen.current.id, chosen.current.at, loud, now);
  if (id !== chosen.current.id) chosen.current = { id, at: now };
  return pinned ?? screen ?? items.find((item) => item.id === id);
}

const corners: Corner[] = ['bottom-right', 'bottom-left', 'top-left', 'top-right'];
const nextCorner = (corner: Corner): Corner => corners[(corners.indexOf(corner) + 1) % corners.length]!;
const opposite = (corner: Corner): Corner =>
  `${corner.startsWith('top') ? 'bottom' : 'top'}-${corner.endsWith('left') ? 'left' : 'right'}`;

/** Dragging the small picture to another corner; a tap without moving swaps both. */
function useDrag(box: Box) {
  const { state } = useRoom();
  const [at, setAt] = useState<Rect | null>(null);
  const start = useRef<{ x: number; y: number; rect: Rect; moved: boolean } | null>(null);
  const least = 6;
  const handlers = useMemo(() => (rect: Rect, tap: () => void) => ({
    onPointerDown: (event: PointerEvent) => {
      (event.currentTarget as Element).setPointerCapture(event.pointerId);
      start.current = { x: event.clientX, y: event.clientY, rect, moved: false };
    },
    onPointerMove: (event: PointerEvent) => {
      const from = start.current;
      if (!from) return;
      const [x, y] = [event.clientX - from.x, event.clientY - from.y];
      if (!from.moved && Math.hypot(x, y) < least) return;
      from.moved = true;
      setAt({ ...from.rect, x: from.rect.x + x, y: from.rect.y + y });
    },
    onPointerUp: (event: PointerEvent) => {
      const from = start.current;
      start.current = null;
      setAt(null);
      if (!from) return;
      if (!from.moved) tap();
      else state.corner.value = nearestCorner(from.rect.x + event.clientX - from.x + from.rect.width / 2, from.rect.y + event.clientY - from.y + from.rect.height / 2, box);
    },
    onPointerCancel: () => {
      start.current = null;
      setAt(null);
    },
  }), [box.width, box.height]);
  return { at, handlers };
}
