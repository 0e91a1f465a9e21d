import type { ComponentChildren, JSX } from 'preact';
import type { LucideIcon } from 'lucide-preact';
import { useId, useState } from 'preact/hooks';
import { isCut, maxNameLength } from '../session/names';
import { t } from '../words';

interface IconButtonProps {
  icon: LucideIcon;
  /** Says what pressing it does. */
  label: string;
  onClick(event: MouseEvent): void;
  class?: string;
  /** A state that is off is shown in reverse. */
  off?: boolean;
  expanded?: boolean;
  badge?: number;
  disabled?: boolean;
}

/** A button with an icon and no text: its name is its label, shown on hovering as well. */
export function IconButton({ icon: Icon, label, onClick, off, expanded, badge, disabled, ...rest }: IconButtonProps) {
  return (
    <button
      type="button"
      class={`icon-button ${off ? 'off' : ''} ${expanded ? 'active' : ''} ${rest.class ?? ''}`}
      title={label}
      aria-label={label}
      aria-expanded={expanded}
      disabled={disabled}
      onClick={onClick}
    >
      <Icon size={22} aria-hidden="true" />
      {badge ? <span class="badge-count" aria-hidden="true">{badge > 99 ? '99+' : badge}</span> : null}
    </button>
  );
}

/** A technical reason that need not be read: behind a word, with a way to take it along. */
export function Details({ text }: { text: string }) {
  const [copied, setCopied] = useState(false);
  if (!text) return null;
  const copy = () => void navigator.clipboard?.writeText(text).then(() => setCopied(true)).catch(() => undefined);
  return (
    <details class="details">
      <summary>{t('details')}</summary>
      <code>{text}</code>
      <button type="button" class="button small" onClick={copy}>{t(copied ? 'copied' : 'copy')}</button>
    </details>
  );
}

interface NameFieldProps {
  value: string;
  onInput(name: string): void;
  onBlur?(): void;
  onEnter?(): void;
}

/** One's own name. What is too long is cut, and that is said. */
export function NameField({ value, onInput, onBlur, onEnter }: NameFieldProps) {
  // One that came in the address may have been cut before.
  const [cut, setCut] = useState(isCut(value));
  const hint = useId();
  return (
    <label class="field">
      <span>{t('name')}</span>
      <input
        name="name"
        dir="auto"
        value={value}
        placeholder={t('name-placeholder')}
        autocomplete="name"
        aria-describedby={cut ? hint : undefined}
        onInput={(event) => {
          const characters = [...event.currentTarget.value];
          const name = characters.slice(0, maxNameLength).join('');
          event.currentTarget.value = name;
          setCut(characters.length > maxNameLength);
          onInput(name);
        }}
        onBlur={onBlur}
        onKeyDown={onEnter && ((event) => event.key === 'Enter' && onEnter())}
      />
      {cut && <small id={hint} class="wrong" role="status">{t('name-cut')}</small>}
    </label>
  );
}

interface SelectProps {
  label: string;
  value: string;
  options: { value: string; text: string }[];
  onChange(value: string): void;
}

export function Select({ label, value, options, onChange }: SelectProps) {
  return (
    <label class="field">
      <span>{label}</span>
      <select value={value} onChange={(event) => onChange(event.currentTarget.value)}>
        {options.map((option) => (
          <option key={option.value} value={option.value}>{option.text}</option>
        ))}
      </select>
    </label>
  );
}

export function Card({ children, ...rest }: { children: ComponentChildren } & JSX.HTMLAttributes<HTMLElement>) {
  return <section {...rest} class={`card ${rest.class ?? ''}`}>{children}</section>;
}

/** The mark of the page. */
export function Logo() {
  return (
    <svg class="logo" viewBox="0 0 32 32" width="32" height="32" aria-hidden="true">
      <rect width="32" height="32" rx="8" fill="var(--accent)" />
      <path d="M7 11h18M7 16h12M7 21h6" stroke="#fff" stroke-width="3" stroke-linecap="round" />
    </svg>
  );
}
