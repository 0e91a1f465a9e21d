"""Data channels of aiortc to which the server makes the offer, step by step. One JSON object a line:

  in  {"offer": SDP, "channels": [{"label", "id"}]}   agreed channels, made before the answer
  out {"answer": SDP}
  out {"open": label}                                 of each channel, agreed or opened by the server
  in  {"create": label}                               a channel that aiortc opens
  in  {"text": label, "message": text}
  out {"received": label, "text": text}
  out {"closed": label}

It ends with its standard input.
"""

import asyncio
import json
import sys

import aioice.ice
from aiortc import RTCPeerConnection, RTCSessionDescription


def say(**message):
    print(json.dumps(message), flush=True)


async def main():
    aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]
    reader = asyncio.StreamReader(limit=1 << 20)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    connection = RTCPeerConnection()
    channels = {}

    def add(channel):
        channels[channel.label] = channel
        channel.on("open", lambda: say(open=channel.label))
        channel.on("message", lambda text: say(received=channel.label, text=str(text)))
        channel.on("close", lambda: say(closed=channel.label))
        if channel.readyState == "open":
            say(open=channel.label)

    connection.on("datachannel", add)
    while line := await reader.readline():
        command = json.loads(line)
        if "offer" in command:
            await connection.setRemoteDescription(
                RTCSessionDescription(sdp=command["offer"], type="offer")
            )
            for options in command["channels"]:
                add(connection.createDataChannel(options["label"], negotiated=True, id=options["id"]))
            await connection.setLocalDescription(await connection.createAnswer())
            say(answer=connection.localDescription.sdp)
        elif "create" in command:
            add(connection.createDataChannel(command["create"]))
        elif "text" in command:
            channels[command["text"]].send(command["message"])
    await connection.close()


asyncio.run(main())
