import { useEffect, useRef } from 'preact/hooks';
import type { Person, Sound } from '../state/room';
import { useRoom } from './context';

/** What is heard: one element for each sound, apart from the tiles. */
export function Sounds() {
  const { state } = useRoom();
  return (
    <div hidden>
      {state.audible.value.map((person) => (
        <SoundsOf key={person.id} person={person} />
      ))}
    </div>
  );
}

function SoundsOf({ person }: { person: Person }) {
  return (
    <div>
      <OneSound person={person} sound={person.voice.value} />
      <OneSound person={person} sound={person.screenSound.value} />
    </div>
  );
}

type Output = HTMLAudioElement & { setSinkId?(id: string): Promise<void> };

function OneSound({ person, sound }: { person: Person; sound: Sound | null }) {
  const { state } = useRoom();
  const ref = useRef<Output>(null);
  const output = state.chosen.value.audiooutput;
  const refused = state.soundRefused.value;
  const volume = person.volume.value;
  const deaf = state.deaf.value;
  useEffect(() => {
    const audio = ref.current;
    if (!audio || !sound) return;
    if (audio.srcObject !== sound.stream) audio.srcObject = sound.stream;
    // Before the page was touched a browser may refuse to play sound: a click is asked for.
    audio.play().catch((error: DOMException) => {
      if (error.name === 'NotAllowedError') state.soundRefused.value = true;
    });
  }, [sound, refused]);
  useEffect(() => {
    if (!ref.current) return;
    ref.current.volume = volume;
    ref.current.muted = deaf;
  }, [sound, volume, deaf]);
  useEffect(() => {
    void ref.current?.setSinkId?.(output).catch(() => undefined);
  }, [sound, output]);
  return sound ? <audio ref={ref} autoplay /> : null;
}
