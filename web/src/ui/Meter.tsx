import { useEffect, useRef } from 'preact/hooks';
import { t } from '../words';

const bars = 12;
const loud = 0.25;

/** A row of bars that follows the level of a microphone. */
export function Meter({ level }: { level(): number }) {
  const ref = useRef<HTMLDivElement>(null);
  useEffect(() => {
    let frame = 0;
    let last = 0;
    const draw = (now: number) => {
      frame = requestAnimationFrame(draw);
      if (now - last < 60) return;
      last = now;
      const lit = Math.round(Math.min(1, Math.sqrt(level() / loud)) * bars);
      [...(ref.current?.children ?? [])].forEach((bar, i) => bar.classList.toggle('lit', i < lit));
    };
    frame = requestAnimationFrame(draw);
    return () => cancelAnimationFrame(frame);
  }, [level]);
  return (
    <div class="meter" ref={ref} role="img" aria-label={t('level')}>
      {Array.from({ length: bars }, (_, i) => <i key={i} />)}
    </div>
  );
}
