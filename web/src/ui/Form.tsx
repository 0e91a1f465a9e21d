import { useEffect, useRef, useState } from 'preact/hooks';
import { Eye, Phone, Radio, Users, Video, type LucideIcon } from 'lucide-preact';
import { checkRoomId, cleanName, type RoomIdProblem } from '../session/names';
import { kept, randomRoom, type Mode, type Settings } from '../state/settings';
import { list, t } from '../words';
import { Card, Logo, NameField } from './controls';

const kinds: { mode: Mode; icon: LucideIcon }[] = [
  { mode: 'meet', icon: Users },
  { mode: 'call', icon: Phone },
  { mode: 'live', icon: Radio },
];

/** Which characters of a room id are wrong, in words. */
export function describeProblem({ wrong, tooLong }: RoomIdProblem): string {
  if (wrong.length > 0) {
    const shown = wrong.slice(0, 8).map((c) => (/\s/.test(c) ? t('space') : /[\p{C}\p{Z}]/u.test(c) ? `U+${c.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}` : c));
    return t('bad-room-characters', { characters: list([...new Set(shown)]) });
  }
  return t(tooLong ? 'bad-room-long' : 'bad-room-empty');
}

interface FormProps {
  settings: Settings;
  /** Shown again: who reads the screen is led here. */
  focus?: boolean;
  onSubmit(settings: Settings): void;
}

/** The first page: which room, under which name, in which way. */
export function Form({ settings, focus, onSubmit }: FormProps) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    if (focus) heading.current?.focus();
    else field.current?.focus({ preventScroll: true });
  }, []);
  // A name that nobody guesses is there already: Enter starts a meeting.
  const suggested = useRef('');
  suggested.current ||= settings.roomId || randomRoom();
  const [room, setRoom] = useState(suggested.current);
  const field = useRef<HTMLInputElement>(null);
  const [name, setName] = useState(settings.displayName);
  const [mode, setMode] = useState(settings.mode);
  const [publish, setPublish] = useState(settings.publish);
  const [problem, setProblem] = useState<RoomIdProblem | null>(null);
  const submit = (event: Event) => {
    event.preventDefault();
    const wrong = checkRoomId(room.trim());
    setProblem(wrong);
    if (wrong) {
      document.querySelector<HTMLInputElement>('input[name=room]')?.focus();
      return;
    }
    const displayName = cleanName(name);
    if (displayName) kept.write('name', displayName);
    onSubmit({ ...settings, roomId: room.trim(), displayName, mode, publish });
  };
  return (
    <main class="center-page">
      <Card class="start">
        <header class="brand">
          <Logo />
          <div>
            <h1 ref={heading} tabIndex={-1}>{t('app-name')}</h1>
            <p>{t('tagline')}</p>
          </div>
        </header>
        <form onSubmit={submit} noValidate>
          <label class="field">
            <span>{t('room')}</span>
            <input
              ref={field}
              name="room"
              value={room}
              onInput={(event) => {
                setRoom(event.currentTarget.value);
                setProblem(null);
              }}
              onFocus={(event) => room === suggested.current && event.currentTarget.select()}
              placeholder="demo"
              autocomplete="off"
              autocapitalize="none"
              spellcheck={false}
              aria-invalid={problem ? 'true' : undefined}
              aria-describedby="room-hint"
            />
            <small id="room-hint" class={problem ? 'wrong' : ''} role={problem ? 'alert' : undefined}>
              {problem ? describeProblem(problem) : t('room-hint')}
            </small>
          </label>
          {problem?.corrected && (
            <button type="button" class="button small" onClick={() => { setRoom(problem.corrected); setProblem(null); }}>
              <span class="ellipsis">{t('use-instead', { room: problem.corrected })}</span>
            </button>
          )}
          <NameField value={name} onInput={setName} />
          <fieldset class="choices three">
            <legend>{t('kind')}</legend>
            {kinds.map(({ mode: each, icon: Icon }) => (
              <label class="choice" key={each}>
                <input type="radio" name="mode" value={each} checked={mode === each} onChange={() => { setMode(each); setPublish(each !== 'live'); }} />
                <Icon size={20} aria-hidden="true" />
                <b>{t(each)}</b>
                <small>{t(`${each}-hint`)}</small>
              </label>
            ))}
          </fieldset>
          <fieldset class="choices two">
            <legend>{t('you')}</legend>
            <label class="choice">
              <input type="radio" name="role" value="publish" checked={publish} onChange={() => setPublish(true)} />
              <Video size={20} aria-hidden="true" />
              <b>{t(mode === 'live' ? 'broadcast' : 'publish')}</b>
              <small>{t('publish-hint')}</small>
            </label>
            <label class="choice">
              <input type="radio" name="role" value="watch" checked={!publish} onChange={() => setPublish(false)} />
              <Eye size={20} aria-hidden="true" />
              <b>{t('watch')}</b>
              <small>{t('watch-hint')}</small>
            </label>
          </fieldset>
          <button class="button primary wide" type="submit">{t(publish ? 'continue' : 'join')}</button>
        </form>
      </Card>
    </main>
  );
}
