import { X } from 'lucide-preact';
import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { t, type WordKey } from '../words';
import { useRoom } from './context';
import { IconButton } from './controls';
import { useFocusReturn } from './hooks';

export function Dialogs({ onLeave }: { onLeave(): void }) {
  const { state } = useRoom();
  const close = () => (state.dialog.value = null);
  switch (state.dialog.value) {
    case 'help':
      return <Help onClose={close} />;
    case 'leave':
      return (
        <Dialog title={t('leave-question')} onClose={close}>
          <div class="dialog-actions">
            <button type="button" class="button" onClick={close}>{t('stay')}</button>
            <button type="button" class="button danger" onClick={onLeave}>{t('leave')}</button>
          </div>
        </Dialog>
      );
    default:
      return null;
  }
}

function Dialog({ title, onClose, children }: { title: string; onClose(): void; children: ComponentChildren }) {
  const ref = useRef<HTMLDialogElement>(null);
  useFocusReturn();
  useEffect(() => {
    const dialog = ref.current!;
    dialog.showModal();
    return () => dialog.close();
  }, []);
  return (
    <dialog ref={ref} aria-label={title} onCancel={(event) => { event.preventDefault(); onClose(); }} onClick={(event) => event.target === ref.current && onClose()}>
      <div class="dialog-body">
        <header>
          <h2>{title}</h2>
          <IconButton icon={X} label={t('close')} onClick={onClose} />
        </header>
        {children}
      </div>
    </dialog>
  );
}

const keys: [string, WordKey][] = [
  ['M, Ctrl+D', 'key-mic'], ['V, Ctrl+E', 'key-camera'], ['S', 'key-screen'], ['H', 'key-hand'], ['C', 'key-chat'], ['P', 'key-people'],
  ['L', 'key-layout'], ['F', 'key-full'], ['1–9', 'key-pin'], ['← →', 'key-page'], ['␣', 'key-space'], ['?', 'key-help'], ['Esc', 'key-close'],
];

function Help({ onClose }: { onClose(): void }) {
  return (
    <Dialog title={t('shortcuts')} onClose={onClose}>
      <dl class="keys">
        {keys.map(([key, word]) => (
          <div key={key}>
            <dt><kbd>{key}</kbd></dt>
            <dd>{t(word)}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
