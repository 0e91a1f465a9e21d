import { effect, signal } from '@preact/signals';
import { kept } from './settings';

export type Theme = 'system' | 'light' | 'dark';
const known: Theme[] = ['system', 'light', 'dark'];

export const theme = signal<Theme>(known.find((each) => each === kept.read('theme')) ?? 'system');

effect(() => {
  if (theme.value === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme.value;
});

export function chooseTheme(next: Theme): void {
  theme.value = next;
  kept.write('theme', next);
}
