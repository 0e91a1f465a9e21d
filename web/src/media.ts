/** Camera and microphone, and what to tell a person who has none or has refused them. */

export interface LocalMedia {
  tracks: MediaStreamTrack[];
  /** Set when something is missing: what happened and what to do about it. */
  problem?: string;
}

const video: MediaTrackConstraints = {
  width: { ideal: 1280 },
  height: { ideal: 720 },
  frameRate: { ideal: 30 },
};

export async function openLocalMedia(): Promise<LocalMedia> {
  if (!navigator.mediaDevices) {
    return {
      tracks: [],
      problem:
        'This page may not use camera or microphone: open it over https, or on localhost.',
    };
  }
  try {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video });
    return { tracks: stream.getTracks() };
  } catch (error) {
    const first = explain(error as DOMException);
    // Perhaps one of the two is there.
    for (const constraints of [{ audio: true }, { video }]) {
      try {
        const stream = await navigator.mediaDevices.getUserMedia(constraints);
        return {
          tracks: stream.getTracks(),
          problem: 'audio' in constraints ? 'No camera was found: you are heard, not seen.' : 'No microphone was found: you are seen, not heard.',
        };
      } catch {
        // Try the other one.
      }
    }
    return { tracks: [], problem: first };
  }
}

function explain(error: DOMException): string {
  switch (error.name) {
    case 'NotAllowedError':
      return 'Camera and microphone are blocked. Allow them in the address bar, then join again.';
    case 'NotFoundError':
      return 'No camera or microphone was found on this device.';
    case 'NotReadableError':
      return 'The camera or microphone is in use by another program.';
    default:
      return `Camera and microphone cannot be opened: ${error.message}`;
  }
}
