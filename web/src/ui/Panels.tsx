import { ArrowDownFromLine, ArrowUpFromLine, Hand, Mic, MicOff, Send, UserX, Volume2, VolumeX, X } from 'lucide-preact';
import type { ComponentChildren } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { maxChatBytes } from '../session/data';
import { cleanName, hueOf, initials } from '../session/names';
import type { Layers } from '../session/encodings';
import type { ChatMessage, Person } from '../state/room';
import { kept, resolutions, type Resolution } from '../state/settings';
import { chooseTheme, theme, type Theme } from '../state/theme';
import { language, languages, t, tn, useLanguage, type Language } from '../words';
import { moderate } from './Bar';
import { useRoom } from './context';
import { IconButton, NameField, Select } from './controls';
import { DeviceSelect } from './devices';
import { useFocusReturn } from './hooks';
import { Meter } from './Meter';

export function Panels() {
  const { state } = useRoom();
  switch (state.panel.value) {
    case 'people':
      return <People />;
    case 'chat':
      return <Chat />;
    case 'settings':
      return <SettingsPanel />;
    default:
      return null;
  }
}

function Panel({ title, name, children, focus = true }: { title: string; name: string; children: ComponentChildren; focus?: boolean }) {
  const { state } = useRoom();
  const heading = useRef<HTMLHeadingElement>(null);
  useFocusReturn();
  useEffect(() => {
    if (focus) heading.current?.focus();
  }, []);
  return (
    <aside class={`panel panel-${name}`} aria-label={title}>
      <header>
        <h2 ref={heading} tabIndex={-1}>{title}</h2>
        <IconButton icon={X} label={t('close')} onClick={() => (state.panel.value = null)} />
      </header>
      {children}
    </aside>
  );
}

const mostRows = 200;

function People() {
  const { state, actions } = useRoom();
  useEffect(() => {
    if (state.moderation.value.size > 0) void actions.refreshModeration();
  }, []);
  const all = [state.me, ...state.people.value];
  const hands = new Set(state.handsUp.value);
  const sorted = [...hands, ...all.filter((person) => !hands.has(person))];
  return (
    <Panel title={`${t('people')} (${all.length})`} name="people">
      <ul class="people">
        {sorted.slice(0, mostRows).map((person) => <PersonRow key={person.id} person={person} />)}
        {all.length > mostRows && <li class="dim">{tn('people-more', all.length - mostRows)}</li>}
      </ul>
    </Panel>
  );
}

function PersonRow({ person }: { person: Person }) {
  const { state, actions } = useRoom();
  const name = person.name.value || t('guest');
  const heard = !person.me && !!person.voice.value;
  const volume = person.volume.value;
  const offered = state.moderation.value;
  // The button stays, and the focus on it, while the server is asked: the silence is there before its answer.
  const [asked, setAsked] = useState(false);
  const hold = (muted: boolean) => moderate(state, async () => {
    setAsked(true);
    try {
      await (muted ? actions.moderation.mute(person) : actions.moderation.unmute(person));
      person.heldMuted.value = muted;
    } finally {
      setAsked(false);
    }
  });
  return (
    <li class={offered.size > 0 ? 'moderated' : ''}>
      <span class="avatar" style={{ '--hue': hueOf(person.id) }} aria-hidden="true">{initials(name)}</span>
      <span class="person-name">
        <bdi class="ellipsis" dir="auto" title={name}>{name}</bdi>
        {person.me && <small>{t('you-marker')}</small>}
        {person.lost.value && <small>{t('tile-lost')}</small>}
      </span>
      {person.hand.value > 0 && <span class="mark hand" role="img" aria-label={t('tile-hand')}><Hand size={18} aria-hidden="true" /></span>}
      {person.muted.value && <span class="mark" role="img" aria-label={t('tile-muted')}><MicOff size={18} aria-hidden="true" /></span>}
      {heard && (
        <label class="volume">
          {volume > 0 ? <Volume2 size={18} aria-hidden="true" /> : <VolumeX size={18} aria-hidden="true" />}
          <input type="range" min="0" max="1" step="0.05" value={volume} aria-label={t('volume-of', { name })} onInput={(event) => (person.volume.value = Number(event.currentTarget.value))} />
        </label>
      )}
      {!person.me && offered.has('mute') && (person.heldMuted.value ? (
        <IconButton icon={Mic} label={t('unmute-person', { name })} onClick={() => hold(false)} />
      ) : (asked || (person.voice.value && !person.muted.value)) && (
        <IconButton icon={MicOff} label={t('mute-person', { name })} onClick={() => hold(true)} />
      ))}
      {!person.me && offered.has('stage') && (
        <IconButton
          icon={person.onStage.value ? ArrowDownFromLine : ArrowUpFromLine}
          label={t(person.onStage.value ? 'take-down-person' : 'let-up-person', { name })}
          onClick={() => moderate(state, async () => {
            const up = !person.onStage.value;
            await actions.moderation.setStage(person, up);
            person.onStage.value = up;
          })}
        />
      )}
      {!person.me && offered.has('kick') && (
        <IconButton icon={UserX} label={t('kick-person', { name })} onClick={() => moderate(state, () => actions.moderation.kick(person))} />
      )}
    </li>
  );
}

function Chat() {
  const { state, actions } = useRoom();
  const [text, setText] = useState('');
  const log = useRef<HTMLOListElement>(null);
  const input = useRef<HTMLTextAreaElement>(null);
  const messages = state.chat.value;
  const muted = state.dataMuted.value;
  const label = t(muted ? 'chat-muted' : 'chat-placeholder');
  useEffect(() => {
    actions.data.prepare('chat');
    state.unread.value = 0;
    input.current?.focus();
  }, []);
  useLayoutEffect(() => {
    if (log.current) log.current.scrollTop = log.current.scrollHeight;
  }, [messages.length]);
  const send = (event?: Event) => {
    event?.preventDefault();
    const said = text.trim();
    if (!said) return;
    if (new TextEncoder().encode(said).length > maxChatBytes) state.notify('message-too-long', { tone: 'error' });
    else if (actions.talk.say(said)) {
      setText('');
      // The button has nothing to send any more, and one that is disabled has no focus: the next letter would be a key of the room.
      input.current?.focus();
    } else state.notify('message-not-sent', { tone: 'error' });
  };
  return (
    <Panel title={t('chat')} name="chat" focus={false}>
      {messages.length === 0 && <p class="panel-empty">{t('chat-empty')}</p>}
      <ol class="messages" ref={log} tabIndex={0} aria-label={t('chat')}>
        {messages.map((message, i) => <Message key={message.id} message={message} before={messages[i - 1]} />)}
      </ol>
      <form class="write" onSubmit={send}>
        <textarea
          ref={input}
          rows={1}
          dir="auto"
          value={text}
          aria-label={label}
          placeholder={label}
          // Not disabled: that would take the focus away from who is writing, and the next letter would be a key of the room.
          readOnly={muted}
          aria-disabled={muted}
          onInput={(event) => setText(event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) send(event);
          }}
        />
        <button type="submit" class="icon-button send" aria-label={t('send')} title={t('send')} disabled={muted || !text.trim()}><Send size={20} aria-hidden="true" /></button>
      </form>
    </Panel>
  );
}

const oneTurn = 120_000; // ms: what one says within it is under one name

function Message({ message, before }: { message: ChatMessage; before: ChatMessage | undefined }) {
  const goesOn = before && before.peerId === message.peerId && before.mine === message.mine && message.at - before.at < oneTurn;
  const name = message.mine ? t('you-marker') : message.peerId === '' ? t('bot') : message.name || t('guest');
  return (
    <li class={message.mine ? 'mine' : ''}>
      {!goesOn && (
        <p class="message-head">
          <bdi class="ellipsis" dir="auto">{name}</bdi>
          <time dateTime={new Date(message.at).toISOString()}>{new Date(message.at).toLocaleTimeString(language.value, { hour: '2-digit', minute: '2-digit' })}</time>
        </p>
      )}
      <p class="message-text" dir="auto">{linked(message.text)}</p>
      {message.lost && <p class="message-lost" role="alert">{t('chat-lost')}</p>}
    </li>
  );
}

/** Addresses in a text as links. */
function linked(text: string): ComponentChildren[] {
  return text.split(/(https?:\/\/[^\s<>"]+)/g).map((part, i) =>
    i % 2 === 1 ? <a key={i} href={part} target="_blank" rel="noreferrer noopener">{part}</a> : part);
}

const codecs = ['', 'vp8', 'h264', 'vp9', 'av1'];

function SettingsPanel() {
  const { state, actions } = useRoom();
  const { settings } = state;
  const [name, setName] = useState(settings.displayName);
  const [, redraw] = useState(0);
  const change = (what: Parameters<typeof actions.own.changeQuality>[0]) => {
    void actions.own.changeQuality(what);
    redraw((n) => n + 1);
  };
  const devices = state.inputs.value;
  const chosen = state.chosen.value;
  const saveName = () => {
    const clean = cleanName(name);
    if (clean && clean !== settings.displayName) {
      kept.write('name', clean);
      void actions.changeName(clean);
    }
  };
  const choose = (kind: 'audioinput' | 'videoinput' | 'audiooutput', id: string) => void actions.own.chooseDevice(kind, id);
  return (
    <Panel title={t('settings')} name="settings">
      <div class="settings">
        <NameField value={name} onInput={setName} onBlur={saveName} onEnter={saveName} />
        {devices.length > 0 && (
          <fieldset>
            <legend>{t('devices')}</legend>
            {(settings.publish || state.letUp.value) && <DeviceSelect kind="audioinput" devices={devices} chosen={chosen.audioinput} onChoose={choose} />}
            {state.micOn.value && <Meter level={() => actions.own.level} />}
            {(settings.publish || state.letUp.value) && <DeviceSelect kind="videoinput" devices={devices} chosen={chosen.videoinput} onChoose={choose} />}
            <DeviceSelect kind="audiooutput" devices={devices} chosen={chosen.audiooutput} onChoose={choose} />
          </fieldset>
        )}
        {(settings.publish || state.letUp.value) && (
          <fieldset>
            <legend>{t('picture')}</legend>
            <Select label={t('resolution')} value={String(settings.resolution)} options={resolutions.map((r) => ({ value: String(r), text: `${r}p` }))} onChange={(value) => change({ resolution: Number(value) as Resolution })} />
            <Select
              label={t('codec')}
              value={settings.codec}
              options={codecs.map((codec) => ({ value: codec, text: codec ? codec.toUpperCase() : t('codec-auto') }))}
              onChange={(codec) => change({ codec, layers: /^(vp9|av1)$/.test(codec) ? 'svc' : 'simulcast' })}
            />
            <Select
              label={t('layers')}
              value={settings.layers}
              options={(['simulcast', 'svc', 'off'] as Layers[]).map((value) => ({ value, text: t(`layers-${value}`) }))}
              onChange={(layers) => change({ layers: layers as Layers })}
            />
          </fieldset>
        )}
        <fieldset>
          <legend>{t('appearance')}</legend>
          <Select
            label={t('theme')}
            value={theme.value}
            options={(['system', 'light', 'dark'] as Theme[]).map((value) => ({ value, text: t(`theme-${value}`) }))}
            onChange={(value) => chooseTheme(value as Theme)}
          />
          <Select
            label={t('language')}
            value={language.value}
            options={Object.entries(languages).map(([value, text]) => ({ value, text }))}
            onChange={(value) => {
              kept.write('language', value);
              void useLanguage(value as Language);
            }}
          />
        </fieldset>
      </div>
    </Panel>
  );
}
