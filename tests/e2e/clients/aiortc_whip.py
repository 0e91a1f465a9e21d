"""Publishes by WHIP with aiortc until it is killed: aiortc_whip.py URL [passive | SHAPE].

Without more, pictures alone; passive: the offer says setup:passive, as ffmpeg's does. SHAPE is a file with the offer
of another client, of audio and video in this order: a tone and pictures are offered in its words, with nothing of ours
but the ICE credentials, fingerprint and SSRCs. Prints "connected" when it is.
"""

import asyncio
import re
import sys
import urllib.request
from urllib.parse import urlparse

import aioice.ice
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import VideoStreamTrack
from aiortc_tracks import Picture, Tone


def post(url, offer):
    request = urllib.request.Request(
        url, data=offer.encode(), headers={"Content-Type": "application/sdp"}, method="POST"
    )
    with urllib.request.urlopen(request) as response:
        return response.read().decode()


def in_the_words_of(shape, offer):
    """`shape` with what the server needs to know of the sender of `offer`."""
    for name in ("ice-ufrag", "ice-pwd", "fingerprint"):
        value = re.search(rf"a={name}:(.*)\r\n", offer)[1]
        shape = re.sub(rf"a={name}:.*", f"a={name}:{value}", shape)
    # The first of each section: what is behind belongs to RTX.
    sections = offer.split("m=")[1:]
    ours = [re.search(r"a=ssrc:(\d+) ", section)[1] for section in sections]
    theirs = [re.search(r"a=ssrc:(\d+) ", section)[1] for section in shape.split("m=")[1:]]
    for old, new in zip(theirs, ours):
        shape = shape.replace(f"a=ssrc:{old} ", f"a=ssrc:{new} ")
    return "".join(f"{line}\r\n" for line in shape.splitlines())


async def main():
    url, how = sys.argv[1], (sys.argv[2:] or [""])[0]
    if urlparse(url).hostname == "127.0.0.1":
        aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]
    connection = RTCPeerConnection()
    shape = None
    if how in ("", "passive"):
        connection.addTransceiver(VideoStreamTrack(), direction="sendonly")
    else:
        with open(how) as file:
            shape = file.read()
        for track in (Tone(), Picture()):
            connection.addTransceiver(track, direction="sendonly")
    await connection.setLocalDescription(await connection.createOffer())
    offer = connection.localDescription.sdp
    if shape:
        offer = in_the_words_of(shape, offer)
    if how == "passive":
        offer = offer.replace("a=setup:actpass", "a=setup:passive")
    answer = await asyncio.to_thread(post, url, offer)
    await connection.setRemoteDescription(RTCSessionDescription(sdp=answer, type="answer"))
    while connection.connectionState != "connected":
        await asyncio.sleep(0.05)
    print("connected", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
