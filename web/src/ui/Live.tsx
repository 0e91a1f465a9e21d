import { Eye, Maximize, Minimize, PictureInPicture, PictureInPicture2, Volume2, VolumeX } from 'lucide-preact';
import { useEffect, useState } from 'preact/hooks';
import { t, tn } from '../words';
import { toggleFullScreen, togglePictureInPicture } from './Bar';
import { useRoom } from './context';
import { IconButton } from './controls';
import { useBigAndSmall } from './hooks';
import { LiveVolume, QualitySelect, useWatches } from './LiveControls';
import { formatBitrate } from './Tile';

const shownFor = 3000; // ms

/** Whether controls that cover a picture are shown: while the pointer moves, a key was pressed, or a finger tapped. */
export function useAwake(active: boolean): boolean {
  const [awake, setAwake] = useState(true);
  useEffect(() => {
    if (!active) return setAwake(true);
    let timer: ReturnType<typeof setTimeout>;
    const wake = () => {
      setAwake(true);
      clearTimeout(timer);
      timer = setTimeout(() => setAwake(document.querySelector('.bar :focus-visible, .menu, .panel, .live-tools :focus-visible') !== null), shownFor);
    };
    wake();
    const events = ['pointermove', 'pointerdown', 'keydown', 'focusin'];
    for (const name of events) window.addEventListener(name, wake);
    return () => {
      clearTimeout(timer);
      for (const name of events) window.removeEventListener(name, wake);
    };
  }, [active]);
  return awake;
}

/** Of a broadcast: who watches, volume, what is sent. */
export function LiveTools() {
  const { state } = useRoom();
  const { me } = state;
  const onAir = me.publishes.value || state.broadcasters.value.length > 0;
  const stats = me.stats.value;
  const watches = useWatches();
  const { full, inPicture } = useBigAndSmall();
  return (
    <div class="live-tools">
      {onAir && <span class="live-badge">{t('live-badge')}</span>}
      <span class="live-count"><Eye size={16} aria-hidden="true" />{tn('watching', state.viewers.value)}</span>
      {me.publishes.value && stats && stats.width > 0 && (
        <span class="live-sent">{t('sent-quality', { size: `${stats.width}×${stats.height}`, rate: formatBitrate(stats.bitrate) })}</span>
      )}
      {watches && (
        <>
          <IconButton icon={state.deaf.value ? VolumeX : Volume2} label={t(state.deaf.value ? 'sound-on' : 'sound-off')} onClick={() => (state.deaf.value = !state.deaf.value)} />
          <LiveVolume />
          <QualitySelect />
          {document.pictureInPictureEnabled && (
            <IconButton icon={inPicture ? PictureInPicture : PictureInPicture2} label={t(inPicture ? 'picture-in-picture-end' : 'picture-in-picture')} onClick={togglePictureInPicture} />
          )}
          {document.fullscreenEnabled && <IconButton icon={full ? Minimize : Maximize} label={t(full ? 'full-screen-end' : 'full-screen')} onClick={toggleFullScreen} />}
        </>
      )}
    </div>
  );
}
