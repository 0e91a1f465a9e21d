"""Data channels of aiortc against a server, step by step. One JSON object a line:

  in  {"channels": [{"label", "id", "ordered", "maxRetransmits"?}]}   all of them negotiated
  out {"offer": SDP}
  in  {"answer": SDP}
  out {"open": label}                       for each channel
  in  {"send": label, "sizes": [bytes…]}    messages of these sizes
  in  {"text": label, "message": text}
  out {"received": label, "size": n, "sum": sum of bytes, "text": text or null}

It ends with its standard input. Its argument is the address that it has, 127.0.0.1 if none is given.
"""

import asyncio
import json
import sys

import aioice.ice
from aiortc import RTCPeerConnection, RTCSessionDescription


def say(**message):
    print(json.dumps(message), flush=True)


def pattern(size):
    return bytes((i * 31 + size) & 255 for i in range(size))


async def main():
    address = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1"
    aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: [address]
    reader = asyncio.StreamReader(limit=1 << 20)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    connection = RTCPeerConnection()
    channels = {}

    def add(options):
        label = options["label"]
        channel = connection.createDataChannel(
            label,
            negotiated=True,
            id=options["id"],
            ordered=options.get("ordered", True),
            maxRetransmits=options.get("maxRetransmits"),
        )
        channels[label] = channel

        @channel.on("open")
        def opened():
            say(open=label)

        @channel.on("message")
        def received(message):
            text = message if isinstance(message, str) else None
            data = message.encode() if text is not None else message
            say(received=label, size=len(data), sum=sum(data), text=text)

        if channel.readyState == "open":
            say(open=label)

    while line := await reader.readline():
        command = json.loads(line)
        if "channels" in command:
            for options in command["channels"]:
                add(options)
            await connection.setLocalDescription(await connection.createOffer())
            say(offer=connection.localDescription.sdp)
        elif "answer" in command:
            await connection.setRemoteDescription(
                RTCSessionDescription(sdp=command["answer"], type="answer")
            )
        elif "send" in command:
            for size in command["sizes"]:
                channels[command["send"]].send(pattern(size))
        elif "text" in command:
            channels[command["text"]].send(command["message"])
    await connection.close()


asyncio.run(main())
