import { X } from 'lucide-preact';
import { useEffect, useState } from 'preact/hooks';
import type { Notice } from '../state/room';
import { t } from '../words';
import { useRoom } from './context';
import { Details } from './controls';

const shownFor = 4000; // ms

/** Short words above the bar. */
export function Toasts() {
  const { state } = useRoom();
  return (
    <div class="toasts" role="status">
      {state.notices.value.map((notice) => <Toast key={notice.id} notice={notice} />)}
    </div>
  );
}

function Toast({ notice }: { notice: Notice }) {
  const { state } = useRoom();
  const [held, setHeld] = useState(false);
  const stays = notice.stays || notice.tone === 'error';
  useEffect(() => {
    if (stays || held) return;
    const timer = setTimeout(() => state.dismiss(notice.id), shownFor);
    return () => clearTimeout(timer);
  }, [held, stays]);
  const { action } = notice;
  return (
    <div
      class={`toast ${notice.tone}`}
      onFocusCapture={() => setHeld(true)}
      onBlurCapture={() => setHeld(false)}
      onPointerEnter={() => setHeld(true)}
      onPointerLeave={() => setHeld(false)}
    >
      <div class="toast-text">
        <p>{t(notice.text, notice.params)}</p>
        <Details text={notice.detail} />
      </div>
      {action && (
        <button type="button" class="button small" onClick={() => { state.dismiss(notice.id); action.run(); }}>{t(action.label)}</button>
      )}
      <button type="button" class="toast-close" aria-label={t('close')} onClick={() => state.dismiss(notice.id)}><X size={18} aria-hidden="true" /></button>
    </div>
  );
}
