"""A tone and a picture that moves, for aiortc."""

import asyncio
import fractions
import math

import numpy
from aiortc import VideoStreamTrack
from aiortc.mediastreams import MediaStreamTrack
from av import AudioFrame, VideoFrame

SAMPLE_RATE = 48000
SAMPLES = 960  # 20 ms


class Tone(MediaStreamTrack):
    kind = "audio"

    def __init__(self):
        super().__init__()
        self.position = 0
        self.start = None

    async def recv(self):
        loop = asyncio.get_event_loop()
        if self.start is None:
            self.start = loop.time()
        wait = self.start + self.position / SAMPLE_RATE - loop.time()
        if wait > 0:
            await asyncio.sleep(wait)
        t = (numpy.arange(SAMPLES) + self.position) / SAMPLE_RATE
        wave = (numpy.sin(2 * math.pi * 440 * t) * 12000).astype(numpy.int16)
        frame = AudioFrame.from_ndarray(wave.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        frame.pts = self.position
        frame.time_base = fractions.Fraction(1, SAMPLE_RATE)
        self.position += SAMPLES
        return frame


class Picture(VideoStreamTrack):
    def __init__(self):
        super().__init__()
        self.count = 0

    async def recv(self):
        pts, time_base = await self.next_timestamp()
        image = numpy.zeros((240, 320, 3), numpy.uint8)
        image[:, :, 1] = 128
        x = (self.count * 4) % 280
        image[100:140, x : x + 40, 0] = 255
        self.count += 1
        frame = VideoFrame.from_ndarray(image, format="bgr24")
        frame.pts = pts
        frame.time_base = time_base
        return frame
