import { Video } from 'lucide-preact';
import { t } from '../words';
import { useRoom } from './context';
import { Details } from './controls';
import { problemWords, secureAddress } from './devices';

/** What camera and microphone wait for; the room is there meanwhile. */
export function MediaPrompt() {
  const { state, actions } = useRoom();
  const media = state.media.value;
  if (media.kind === 'asking' && !state.micOn.value && !state.cameraOn.value && !state.me.publishes.value) {
    return (
      <div class="prompt" role="status">
        <Video size={20} aria-hidden="true" />
        <p>{t('asking')}</p>
        <button type="button" class="button small" onClick={() => actions.own.goWithout()}>{t('join-without')}</button>
      </div>
    );
  }
  if (media.kind !== 'problem') return null;
  const secure = media.problem === 'insecure' && secureAddress();
  return (
    <div class="prompt" role="alert">
      <Video size={20} aria-hidden="true" />
      <div>
        {problemWords(media.problem).map((word, i) => <p key={word} class={i === 0 ? 'strong' : ''}>{t(word)}</p>)}
        <Details text={media.detail} />
      </div>
      <div class="prompt-actions">
        {secure ? (
          <a class="button small" href={secure}>{t('open-https')}</a>
        ) : (
          <button type="button" class="button small" onClick={() => void actions.own.retryMedia()}>{t('try-again')}</button>
        )}
        <button type="button" class="button small plain" onClick={() => actions.own.goWithout()}>{t('join-without')}</button>
      </div>
    </div>
  );
}
