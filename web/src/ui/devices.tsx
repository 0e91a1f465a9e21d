import type { MediaProblem } from '../state/room';
import { t, type WordKey } from '../words';
import { Select } from './controls';

export type DeviceKind = 'audioinput' | 'videoinput' | 'audiooutput';
const names: Record<DeviceKind, WordKey> = { audioinput: 'microphone', videoinput: 'camera', audiooutput: 'speaker' };

interface DeviceSelectProps {
  kind: DeviceKind;
  devices: MediaDeviceInfo[];
  chosen: string;
  onChoose(kind: DeviceKind, id: string): void;
}

/** Whether sound can be played by another device than the system's (W3C audio-output). */
const choosesOutput = (): boolean => 'setSinkId' in HTMLMediaElement.prototype;

/** The devices of a kind; nothing where there is no choice. */
export function DeviceSelect({ kind, devices, chosen, onChoose }: DeviceSelectProps) {
  const all = devices.filter((device) => device.kind === kind && device.deviceId !== 'default' && device.deviceId !== '');
  if (all.length === 0 || (kind === 'audiooutput' && !choosesOutput())) return null;
  return (
    <Select
      label={t(names[kind])}
      // One that is not there any more: another was opened in its place.
      value={all.some((d) => d.deviceId === chosen) ? chosen : ''}
      options={[{ value: '', text: t('default-device') }, ...all.map((d) => ({ value: d.deviceId, text: d.label }))]}
      onChange={(id) => onChoose(kind, id)}
    />
  );
}

/** What to do about a block, in the words of this browser. */
function blockedSteps(): WordKey {
  const agent = navigator.userAgent;
  if (/Firefox\//.test(agent)) return 'blocked-steps-firefox';
  if (/Safari\//.test(agent) && !/Chrom(e|ium)\//.test(agent)) return 'blocked-steps-safari';
  return 'blocked-steps-chrome';
}

export function problemWords(problem: MediaProblem): WordKey[] {
  switch (problem) {
    case 'blocked':
      return ['blocked', blockedSteps()];
    case 'blocked-by-system':
      return ['blocked-by-system', 'blocked-by-system-steps'];
    default:
      return [problem];
  }
}

/** This page over https; "" where it is already. */
export function secureAddress(): string {
  const url = new URL(window.location.href);
  if (url.protocol === 'https:') return '';
  url.protocol = 'https:';
  return url.toString();
}
