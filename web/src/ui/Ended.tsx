import { useEffect, useRef } from 'preact/hooks';
import { checkRoomId, cleanName } from '../session/names';
import type { Ending, EndingKind } from '../session/ending';
import type { Settings } from '../state/settings';
import { inviteLink } from '../state/settings';
import { t, type WordKey } from '../words';
import { Card, Details, Logo } from './controls';
import { describeProblem } from './Form';

/** The one next step of each ending. */
const nextStep: Partial<Record<EndingKind, WordKey>> = {
  left: 'join-again',
  'room-full': 'ask-again',
  'room-locked': 'ask-again',
  'call-full': 'ask-again',
  replaced: 'use-here',
  'id-in-use': 'join-again',
  closed: 'join-again',
  refused: 'join-again',
};

interface EndedProps {
  ending: Ending;
  settings: Settings;
  onAgain(): void;
  onStart(): void;
}

export function Ended({ ending, settings, onAgain, onStart }: EndedProps) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus(), []);
  const { kind } = ending;
  const problem = kind === 'bad-room' ? checkRoomId(settings.roomId) : null;
  const more = kind === 'bad-room' ? (problem ? describeProblem(problem) : '') : kind === 'left' ? '' : t(`end-${kind}-more`);
  const step = nextStep[kind];
  return (
    <main class="center-page">
      <Card class="ended">
        <Logo />
        <h1 ref={heading} tabIndex={-1}>{t(`end-${kind}`)}</h1>
        {kind !== 'bad-room' && <p class="room-line"><bdi class="ellipsis" title={settings.roomId}>{settings.roomId}</bdi></p>}
        {ending.said && <p dir="auto">{cleanName(ending.said)}</p>}
        {more && <p>{more}</p>}
        {problem?.corrected && (
          <a class="button primary wide" href={inviteLink({ ...settings, roomId: problem.corrected }, window.location.href)}>
            <span class="ellipsis">{t('use-instead', { room: problem.corrected })}</span>
          </a>
        )}
        {step && <button type="button" class="button primary wide" onClick={onAgain}>{t(step)}</button>}
        <button type="button" class="button plain wide" onClick={onStart}>{t('to-start')}</button>
        <Details text={ending.detail} />
      </Card>
    </main>
  );
}

/** A part of the page did not come: the network is gone, or the server has another version by now. */
export function NotLoaded({ onAgain }: { onAgain(): void }) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus(), []);
  return (
    <main class="center-page">
      <Card class="ended">
        <Logo />
        <h1 ref={heading} tabIndex={-1}>{t('not-loaded')}</h1>
        <p>{t('not-loaded-more')}</p>
        <button type="button" class="button primary wide" onClick={onAgain}>{t('try-again')}</button>
        <button type="button" class="button plain wide" onClick={() => window.location.reload()}>{t('reload')}</button>
      </Card>
    </main>
  );
}
