"""Publishes pictures by WHIP with aiortc until it is killed: aiortc_whip.py URL [passive].

passive: the offer says setup:passive, as ffmpeg's does. Prints "connected" when it is.
"""

import asyncio
import sys
import urllib.request

import aioice.ice
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import VideoStreamTrack


def post(url, offer):
    request = urllib.request.Request(
        url, data=offer.encode(), headers={"Content-Type": "application/sdp"}, method="POST"
    )
    with urllib.request.urlopen(request) as response:
        return response.read().decode()


async def main():
    aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]
    connection = RTCPeerConnection()
    connection.addTransceiver(VideoStreamTrack(), direction="sendonly")
    await connection.setLocalDescription(await connection.createOffer())
    offer = connection.localDescription.sdp
    if "passive" in sys.argv[2:]:
        offer = offer.replace("a=setup:actpass", "a=setup:passive")
    answer = await asyncio.to_thread(post, sys.argv[1], offer)
    await connection.setRemoteDescription(RTCSessionDescription(sdp=answer, type="answer"))
    while connection.connectionState != "connected":
        await asyncio.sleep(0.05)
    print("connected", flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
