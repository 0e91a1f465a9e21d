/** Bars of a tile, and what the browser's reports say of a stream. */

/** 3 good, 2 fair, 1 bad; 0 not known yet. */
export type Quality = 0 | 1 | 2 | 3;

export interface Link {
  /** Share of packets lost, 0…1. */
  loss: number;
  /** ms; 0 = unknown. */
  roundTrip: number;
  /** Spatial layers that are missing to the one that was asked for. */
  missing: number;
}

const limits = { loss: [0.02, 0.08], roundTrip: [250, 600] } as const;

export function judgeLink({ loss, roundTrip, missing }: Link): Quality {
  const grade = (value: number, [fair, bad]: readonly [number, number]) => (value >= bad ? 1 : value >= fair ? 2 : 3);
  const layers = missing >= 2 ? 1 : missing === 1 ? 2 : 3;
  return Math.min(grade(loss, limits.loss), grade(roundTrip, limits.roundTrip), layers) as Quality;
}

export interface StreamStats {
  codec: string;
  width: number;
  height: number;
  framesPerSecond: number;
  /** bit/s since the last reading. */
  bitrate: number;
  /** Share of packets lost since the last reading, 0…1. */
  loss: number;
  packets: number;
}

interface Reading {
  at: number;
  bytes: number;
  packets: number;
  lost: number;
}

/** Turns the browser's counters of one stream into rates. */
export class StreamReader {
  #last: Reading | undefined;

  /** `entries` are those of one track: one, or one of each encoding. */
  read(entries: any[], report: RTCStatsReport, now: number): StreamStats {
    const stats: StreamStats = { codec: '', width: 0, height: 0, framesPerSecond: 0, bitrate: 0, loss: 0, packets: 0 };
    const reading: Reading = { at: now, bytes: 0, packets: 0, lost: 0 };
    for (const entry of entries) {
      if ((entry.frameWidth ?? 0) >= stats.width) {
        stats.width = entry.frameWidth ?? stats.width;
        stats.height = entry.frameHeight ?? stats.height;
        stats.framesPerSecond = entry.framesPerSecond ?? stats.framesPerSecond;
      }
      reading.bytes += entry.bytesReceived ?? entry.bytesSent ?? 0;
      reading.packets += entry.packetsReceived ?? entry.packetsSent ?? 0;
      reading.lost += entry.packetsLost ?? 0;
      const remote = report.get(entry.remoteId);
      if (entry.type === 'outbound-rtp' && remote?.fractionLost !== undefined) {
        stats.loss = Math.max(stats.loss, remote.fractionLost);
      }
      const codec = report.get(entry.codecId);
      if (codec) stats.codec = String(codec.mimeType).replace(/^(audio|video)\//, '');
    }
    const last = this.#last;
    if (last && now > last.at) {
      stats.bitrate = Math.max(0, ((reading.bytes - last.bytes) * 8000) / (now - last.at));
      const lost = reading.lost - last.lost;
      const expected = reading.packets - last.packets + lost;
      if (expected > 0 && lost > 0) stats.loss = lost / expected;
    }
    stats.packets = reading.packets;
    this.#last = reading;
    return stats;
  }
}
