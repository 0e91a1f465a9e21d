import { useEffect, useRef, useState } from 'preact/hooks';
import type { Box } from '../layout/types';

/** The size of an element, from when it is there. */
export function useSize<E extends HTMLElement>(): [{ current: E | null }, Box] {
  const ref = useRef<E>(null);
  const [size, setSize] = useState<Box>({ width: 0, height: 0 });
  useEffect(() => {
    const element = ref.current;
    if (!element) return;
    const measure = () => {
      const { clientWidth: width, clientHeight: height } = element;
      setSize((old) => (old.width === width && old.height === height ? old : { width, height }));
    };
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return [ref, size];
}

/** Date.now(), again each `interval` ms while `active`. */
export function useNow(interval: number, active = true): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    if (!active) return;
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), interval);
    return () => clearInterval(timer);
  }, [interval, active]);
  return now;
}

/** Whether a media query holds. */
export function useMedia(query: string): boolean {
  const [holds, setHolds] = useState(() => window.matchMedia(query).matches);
  useEffect(() => {
    const list = window.matchMedia(query);
    const listen = () => setHolds(list.matches);
    listen();
    list.addEventListener('change', listen);
    return () => list.removeEventListener('change', listen);
  }, [query]);
  return holds;
}

/** Whether the page has the whole screen, and a picture of it its own window. */
export function useBigAndSmall(): { full: boolean; inPicture: boolean } {
  const now = () => ({ full: !!document.fullscreenElement, inPicture: !!document.pictureInPictureElement });
  const [state, setState] = useState(now);
  useEffect(() => {
    const events = ['fullscreenchange', 'enterpictureinpicture', 'leavepictureinpicture'];
    const listen = () => setState(now());
    for (const name of events) document.addEventListener(name, listen);
    return () => events.forEach((name) => document.removeEventListener(name, listen));
  }, []);
  return state;
}

/** Gives the focus back to who had it when the component came. */
export function useFocusReturn(): void {
  useEffect(() => {
    const before = document.activeElement as HTMLElement | null;
    return () => {
      if (before?.isConnected && document.activeElement !== before) before.focus({ preventScroll: true });
    };
  }, []);
}
