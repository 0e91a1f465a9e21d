"""Plays by WHEP with aiortc until it is killed: aiortc_whep.py URL. Prints a JSON line every 15 pictures, and one when
it hears the first sound."""

import asyncio
import json
import sys

import aioice.ice
import numpy
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc_whip import post
from urllib.parse import urlparse

LOUD = 300  # of 32767


def say(**what):
    print(json.dumps(what), flush=True)


async def watch(track):
    frames = 0
    heard = False
    while True:
        frame = await track.recv()
        frames += 1
        if track.kind == "video":
            if frames % 15 == 0:
                say(pictures=frames, width=frame.width)
        elif not heard and numpy.abs(frame.to_ndarray().astype(int)).max() > LOUD:
            heard = True
            say(sound=True)


async def main():
    url = sys.argv[1]
    if urlparse(url).hostname == "127.0.0.1":
        aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]
    connection = RTCPeerConnection()
    tasks = []
    connection.on("track", lambda track: tasks.append(asyncio.ensure_future(watch(track))))
    for kind in ("audio", "video"):
        connection.addTransceiver(kind, direction="recvonly")
    await connection.setLocalDescription(await connection.createOffer())
    answer = await asyncio.to_thread(post, url, connection.localDescription.sdp)
    await connection.setRemoteDescription(RTCSessionDescription(sdp=answer, type="answer"))
    await asyncio.Event().wait()


asyncio.run(main())
