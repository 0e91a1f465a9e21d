/** What a camera or a screen is sent as: pure functions of size, codec and choice. */

export type Layers = 'simulcast' | 'svc' | 'off';
export interface Encoding {
  scaleResolutionDownBy?: number;
  maxBitrate: number;
  scalabilityMode?: string;
}

/** 150 kbit/s at 320 × 180, 0.5 Mbit/s at 640 × 360, 1.6 at 1280 × 720, 3.3 at 1920 × 1080. */
const smallest = { pixels: 320 * 180, bitrate: 150_000 };
/** More pixels need fewer bits each. */
const exponent = 0.86;
/** Text on a screen is sharp edges at few frames: more bits per picture. */
const screenFactor = 1.5;

/** bit/s that a picture of that size is worth. */
export function bitrateFor(width: number, height: number): number {
  const pixels = Math.max(1, width * height);
  return Math.round(smallest.bitrate * (pixels / smallest.pixels) ** exponent);
}

/** Chromium sends three encodings from 960 × 540 on, and two from 480 × 270 (simulcast.cc). */
function layerCount(width: number, height: number): number {
  const pixels = width * height;
  if (pixels >= 960 * 540) return 3;
  return pixels >= 480 * 270 ? 2 : 1;
}

/** Whether SVC is the better way to send layers with that codec, e.g. "video/VP9". */
export function prefersSvc(mimeType: string): boolean {
  return /^video\/(vp9|av1)$/i.test(mimeType);
}

export interface CameraFormat {
  width: number;
  height: number;
  mimeType: string;
  layers: Layers;
}

/** Encodings of a camera, smallest first, as simulcast demands. */
export function cameraEncodings({ width, height, mimeType, layers }: CameraFormat): Encoding[] {
  const maxBitrate = bitrateFor(width, height);
  if (layers === 'off') return [{ maxBitrate }];
  if (layers === 'svc' && prefersSvc(mimeType)) return [{ maxBitrate, scalabilityMode: 'L3T3_KEY' }];
  return scales(layerCount(width, height)).map((scale) => ({
    scaleResolutionDownBy: scale,
    maxBitrate: bitrateFor(width / scale, height / scale),
    scalabilityMode: 'L1T3',
  }));
}

/** Encodings of a screen: the whole one, and one of half its size for small tiles and weak links. */
export function screenEncodings({ width, height, mimeType, layers }: CameraFormat): Encoding[] {
  const rate = (scale: number) => Math.round(bitrateFor(width / scale, height / scale) * screenFactor);
  if (layers === 'off') return [{ maxBitrate: rate(1) }];
  if (layers === 'svc' && prefersSvc(mimeType)) return [{ maxBitrate: rate(1), scalabilityMode: 'L3T3' }];
  return scales(Math.min(2, layerCount(width, height))).map((scale) => ({
    scaleResolutionDownBy: scale,
    maxBitrate: rate(scale),
    scalabilityMode: 'L1T3',
  }));
}

/** [4, 2, 1] for three. */
function scales(count: number): number[] {
  return Array.from({ length: count }, (_, i) => 2 ** (count - 1 - i));
}
