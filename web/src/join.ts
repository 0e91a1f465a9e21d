import { el } from './dom';
import type { Mode, Settings } from './settings';

const modes: { value: Mode; title: string; hint: string }[] = [
  { value: 'live', title: 'Live', hint: 'one speaks, many watch' },
  { value: 'call', title: 'Call', hint: 'two people' },
  { value: 'meet', title: 'Meet', hint: 'everyone sees everyone' },
];

const roomPattern = '[A-Za-z0-9_.\\-]{1,64}';

/** The first page: which room, under which name, in which way. */
export function joinPage(settings: Settings, onJoin: (settings: Settings) => void): HTMLElement {
  const room = el('input', {
    name: 'room',
    value: settings.roomId,
    required: true,
    pattern: roomPattern,
    title: 'letters, digits, dot, dash and underscore; 64 at most',
    placeholder: 'demo',
    autocomplete: 'off',
    autocapitalize: 'none',
  });
  const name = el('input', {
    name: 'name',
    value: settings.displayName,
    maxlength: '64',
    placeholder: 'Your name',
    autocomplete: 'name',
  });
  const publish = el('input', { type: 'radio', name: 'role', value: 'publish' });
  const watch = el('input', { type: 'radio', name: 'role', value: 'watch' });
  (settings.publish ? publish : watch).checked = true;

  const modeInputs = modes.map(({ value, title, hint }) => {
    const input = el('input', {
      type: 'radio',
      name: 'mode',
      value,
      onchange: () => ((value === 'live' ? watch : publish).checked = true),
    });
    input.checked = settings.mode === value;
    return el('label', { class: 'choice' }, input, el('b', {}, title), el('small', {}, hint));
  });

  const form = el(
    'form',
    {
      class: 'join',
      onsubmit: (event) => {
        event.preventDefault();
        const data = new FormData(form);
        const displayName = String(data.get('name') ?? '').trim() || 'Guest';
        localStorage.setItem('sluice.name', displayName);
        onJoin({
          ...settings,
          roomId: String(data.get('room')).trim(),
          displayName,
          mode: data.get('mode') as Mode,
          publish: data.get('role') === 'publish',
        });
      },
    },
    el('h1', {}, 'Sluice'),
    el('label', {}, 'Room', room),
    el('label', {}, 'Name', name),
    el('fieldset', {}, el('legend', {}, 'Kind of room'), ...modeInputs),
    el(
      'fieldset',
      { class: 'roles' },
      el('legend', {}, 'You'),
      el('label', { class: 'choice' }, publish, el('b', {}, 'Publish'), el('small', {}, 'camera and microphone')),
      el('label', { class: 'choice' }, watch, el('b', {}, 'Watch'), el('small', {}, 'see and hear only')),
    ),
    el('button', { class: 'primary', type: 'submit' }, 'Join'),
  );
  return el('main', { class: 'join-page' }, form);
}
