/** Where one is in the page. */
import { signal } from '@preact/signals';
import type { Ending } from '../session/ending';
import { readSettings, type Settings } from './settings';

export type Place = 'form' | 'prejoin' | 'room' | 'ended';

export class AppState {
  readonly place = signal<Place>('form');
  readonly settings;
  readonly ending = signal<Ending | null>(null);

  constructor(address: string) {
    this.settings = signal<Settings>(readSettings(address));
  }
}
