/** What a tile's overlay shows, taken from the browser's own WebRTC statistics. */

export interface TileStats {
  codec: string;
  width: number;
  height: number;
  framesPerSecond: number;
  framesDecoded: number;
  /** bit/s of video since the last reading. */
  bitrate: number;
  /** Share of packets lost since the last reading, 0…1. */
  loss: number;
  /** ms; 0 while unknown. */
  roundTripTime: number;
  audioEnergy: number;
}

interface Reading {
  at: number;
  bytes: number;
  packets: number;
  lost: number;
}

/** Turns reports into rates; keep one for each stream. */
export class StatsReader {
  #last: Reading | undefined;

  read(report: RTCStatsReport): TileStats {
    const stats: TileStats = {
      codec: '',
      width: 0,
      height: 0,
      framesPerSecond: 0,
      framesDecoded: 0,
      bitrate: 0,
      loss: 0,
      roundTripTime: 0,
      audioEnergy: 0,
    };
    const now: Reading = { at: performance.now(), bytes: 0, packets: 0, lost: 0 };
    report.forEach((entry) => {
      if (entry.type === 'inbound-rtp' || entry.type === 'outbound-rtp') {
        stats.width = entry.frameWidth ?? stats.width;
        stats.height = entry.frameHeight ?? stats.height;
        stats.framesPerSecond = entry.framesPerSecond ?? stats.framesPerSecond;
        stats.framesDecoded = entry.framesDecoded ?? entry.framesEncoded ?? stats.framesDecoded;
        stats.audioEnergy = entry.totalAudioEnergy ?? stats.audioEnergy;
        now.bytes += entry.bytesReceived ?? entry.bytesSent ?? 0;
        now.packets += entry.packetsReceived ?? entry.packetsSent ?? 0;
        now.lost += entry.packetsLost ?? 0;
        const codec = report.get(entry.codecId);
        if (codec) stats.codec = codec.mimeType.replace(/^(audio|video)\//, '');
      } else if (entry.type === 'candidate-pair' && entry.currentRoundTripTime !== undefined) {
        if (entry.nominated) stats.roundTripTime = entry.currentRoundTripTime * 1000;
      } else if (entry.type === 'remote-inbound-rtp' && entry.fractionLost !== undefined) {
        stats.loss = entry.fractionLost;
      }
    });
    if (this.#last && now.at > this.#last.at) {
      stats.bitrate = ((now.bytes - this.#last.bytes) * 8000) / (now.at - this.#last.at);
      const lost = now.lost - this.#last.lost;
      const expected = now.packets - this.#last.packets + lost;
      if (expected > 0 && lost > 0) stats.loss = lost / expected;
    }
    this.#last = now;
    return stats;
  }
}

export function describe(stats: TileStats): string[] {
  const lines: string[] = [];
  if (stats.width > 0) {
    lines.push(`${stats.width}×${stats.height} · ${Math.round(stats.framesPerSecond)} fps`);
  }
  lines.push(`${stats.codec || '–'} · ${formatBitrate(stats.bitrate)}`);
  lines.push(
    `loss ${(stats.loss * 100).toFixed(1)} % · RTT ${
      stats.roundTripTime > 0 ? `${Math.round(stats.roundTripTime)} ms` : '–'
    }`,
  );
  return lines;
}

function formatBitrate(bps: number): string {
  if (bps >= 1e6) return `${(bps / 1e6).toFixed(1)} Mbit/s`;
  return `${Math.max(0, Math.round(bps / 1e3))} kbit/s`;
}
