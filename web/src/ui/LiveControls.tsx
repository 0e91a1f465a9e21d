import { t, type WordKey } from '../words';
import { useRoom } from './context';

/** Whether we watch a broadcast that is on air. */
export function useWatches(): boolean {
  const { state } = useRoom();
  return state.settings.mode === 'live' && !state.me.publishes.value && state.broadcasters.value.length > 0;
}

/** How loud the broadcast is, here. */
export function LiveVolume() {
  const { state } = useRoom();
  const volume = state.broadcasters.value[0]?.volume;
  if (!volume) return null;
  return <input class="live-volume" type="range" min="0" max="1" step="0.05" value={volume.value} aria-label={t('volume')} onInput={(event) => (volume.value = Number(event.currentTarget.value))} />;
}

const qualityNames: WordKey[][] = [['layer-high'], ['layer-high', 'layer-low'], ['layer-high', 'layer-medium', 'layer-low']];

/** Which layer of the broadcast is wanted; nothing where there is one. */
export function QualitySelect() {
  const { state, actions } = useRoom();
  if (state.qualities.value < 2) return null;
  const names = qualityNames[Math.min(state.qualities.value, qualityNames.length) - 1]!;
  return (
    <select
      class="live-quality"
      aria-label={t('quality')}
      value={state.quality.value === null ? '' : String(state.quality.value)}
      onChange={(event) => actions.setQuality(event.currentTarget.value === '' ? null : Number(event.currentTarget.value))}
    >
      <option value="">{t('auto-quality')}</option>
      {names.map((name, i) => <option key={name} value={String(i)}>{t(name)}</option>)}
    </select>
  );
}
