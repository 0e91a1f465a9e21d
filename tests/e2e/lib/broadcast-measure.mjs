/**
 * What a viewer's page knows of the one broadcast in its room: statistics of both of its tracks, summed up from the
 * first, and the tile.
 */
export async function statistics(viewer) {
  return await viewer.page.evaluate(async () => {
    const page = window.sluice?.page;
    if (!page) return undefined;
    const mark = (name) => performance.getEntriesByName(name)[0]?.startTime;
    const seen = { joined: mark('sluice:joined'), firstFrame: mark('sluice:first-frame'), now: performance.now(), tiles: page.state.people.value.length };
    for (const { consumer } of page.session.consumers.values()) {
      (await consumer.getStats()).forEach((entry) => {
        if (entry.type !== 'inbound-rtp') return;
        seen[entry.kind] = {
          played: entry.estimatedPlayoutTimestamp, received: entry.totalSamplesReceived ?? 0,
          concealed: entry.concealedSamples ?? 0, energy: entry.totalAudioEnergy ?? 0,
          frames: entry.framesDecoded ?? 0, packets: entry.packetsReceived ?? 0, lost: entry.packetsLost ?? 0,
          width: entry.frameWidth ?? 0, height: entry.frameHeight ?? 0,
        };
      });
    }
    const video = document.querySelector('.tile[data-source="camera"] video');
    seen.shown = [video?.videoWidth ?? 0, video?.videoHeight ?? 0];
    return seen;
  });
}

/** Once both tracks are there: has the page note when it sees a flash and when it hears a beep. */
export async function watchFlashes(viewer) {
  await viewer.page.evaluate(async () => {
    const noted = (window.noted = { flashes: [], beeps: [] });
    const { consumers } = window.sluice.page.session;
    const audio = [...consumers.values()].map(({ consumer }) => consumer).find((c) => c.kind === 'audio');
    const video = document.querySelector('.tile[data-source="camera"] video');
    const canvas = new OffscreenCanvas(4, 4).getContext('2d', { willReadFrequently: true });
    let bright = true;
    const look = (now, frame) => {
      canvas.drawImage(video, 0, 0, 4, 4);
      const is = canvas.getImageData(1, 1, 1, 1).data[1] > 128;
      if (is && !bright) noted.flashes.push(frame.expectedDisplayTime);
      bright = is;
      video.requestVideoFrameCallback(look);
    };
    video.requestVideoFrameCallback(look);
    const context = new AudioContext();
    const code = `registerProcessor('beeps', class extends AudioWorkletProcessor {
      silent = 0;
      process([[samples]]) {
        if (!samples) return true;
        const at = samples.findIndex((sample) => Math.abs(sample) > 0.1);
        if (at >= 0 && this.silent > 0.3 * sampleRate) this.port.postMessage(currentTime + at / sampleRate);
        this.silent = at >= 0 ? 0 : this.silent + samples.length;
        return true;
      }
    })`;
    await context.audioWorklet.addModule(URL.createObjectURL(new Blob([code], { type: 'text/javascript' })));
    const node = new AudioWorkletNode(context, 'beeps');
    node.port.onmessage = ({ data }) => {
      const { contextTime, performanceTime } = context.getOutputTimestamp();
      noted.beeps.push(performanceTime + (data - contextTime) * 1000);
    };
    context.createMediaStreamSource(new MediaStream([audio.track])).connect(node);
    window.beepContext = context;
  });
}

/** By how many ms each beep came before its flash. */
export async function leads(viewer) {
  const { flashes, beeps } = await viewer.page.evaluate(() => window.noted);
  return beeps.map((beep) => {
    const nearest = flashes.reduce((best, flash) => Math.abs(flash - beep) < Math.abs(best - beep) ? flash : best, Infinity);
    return nearest - beep;
  }).filter((lead) => Math.abs(lead) < 450);
}

export const median = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)];
