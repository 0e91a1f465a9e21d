"""Publishes a picture and a tone with aiortc through the REST broadcaster API, over a WebRTC
transport: create broadcaster, create transport, connect, produce. Runs until SIGTERM.

usage: aiortc_broadcaster.py URL ROOM
"""

import asyncio
import signal
import sys

import requests
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc_tracks import Picture, Tone


class Rest:
    def __init__(self, url):
        self.url = url

    def __call__(self, method, path, body=None):
        reply = requests.request(method, self.url + path, json=body, timeout=10)
        if reply.status_code != 200:
            raise RuntimeError(f"{method} {path}: {reply.status_code} {reply.text}")
        return reply.json() if reply.text.startswith(("{", "[")) else reply.text


def codec_parameters(section):
    """The first codec of an m= section of our offer, with its RTX where it has one."""
    first = section.rtp.codecs[0]
    codecs = []
    for codec in section.rtp.codecs:
        rtx = codec.name.lower() == "rtx" and codec.parameters.get("apt") == first.payloadType
        if codec is not first and not rtx:
            continue
        entry = {
            "mimeType": codec.mimeType,
            "payloadType": codec.payloadType,
            "clockRate": codec.clockRate,
            "parameters": {k: v for k, v in codec.parameters.items() if v is not None},
            "rtcpFeedback": [
                {"type": f.type, "parameter": f.parameter or ""} for f in codec.rtcpFeedback
            ],
        }
        if codec.channels:
            entry["channels"] = codec.channels
        codecs.append(entry)
    return codecs


def rtp_parameters(section):
    encoding = {"ssrc": section.ssrc[0].ssrc}
    group = next((g for g in section.ssrc_group if g.semantic == "FID"), None)
    if group:
        encoding["rtx"] = {"ssrc": group.items[1]}
    return {
        "mid": section.rtp.muxId,
        "codecs": codec_parameters(section),
        "headerExtensions": [{"uri": e.uri, "id": e.id} for e in section.rtp.headerExtensions],
        "encodings": [encoding],
        "rtcp": {"cname": section.ssrc[0].cname},
    }


def answer_for(offer, transport):
    """Our half of the session as the server would say it in SDP."""
    ice = transport["iceParameters"]
    fingerprint = next(
        f for f in transport["dtlsParameters"]["fingerprints"] if f["algorithm"] == "sha-256"
    )
    lines = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0", "a=ice-lite"]
    mids = " ".join(section.rtp.muxId for section in offer.media)
    lines.append(f"a=group:BUNDLE {mids}")
    lines.append("a=msid-semantic:WMS *")
    for section in offer.media:
        codecs = codec_parameters(section)
        types = " ".join(str(c["payloadType"]) for c in codecs)
        lines += [f"m={section.kind} 9 UDP/TLS/RTP/SAVPF {types}", "c=IN IP4 0.0.0.0", "a=recvonly"]
        lines += [f"a=mid:{section.rtp.muxId}", "a=rtcp-mux"]
        for extension in section.rtp.headerExtensions:
            lines.append(f"a=extmap:{extension.id} {extension.uri}")
        for codec in codecs:
            name = codec["mimeType"].split("/")[1]
            channels = f"/{codec['channels']}" if codec.get("channels", 1) > 1 else ""
            lines.append(f"a=rtpmap:{codec['payloadType']} {name}/{codec['clockRate']}{channels}")
            for feedback in codec["rtcpFeedback"]:
                words = f"{feedback['type']} {feedback['parameter']}".strip()
                lines.append(f"a=rtcp-fb:{codec['payloadType']} {words}")
            if codec["parameters"]:
                fmtp = ";".join(f"{k}={v}" for k, v in codec["parameters"].items())
                lines.append(f"a=fmtp:{codec['payloadType']} {fmtp}")
        for candidate in transport["iceCandidates"]:
            if candidate["protocol"] != "udp":
                continue
            address = candidate.get("address") or candidate["ip"]
            lines.append(
                f"a=candidate:{candidate['foundation']} 1 udp {candidate['priority']} "
                f"{address} {candidate['port']} typ host"
            )
        lines += [
            "a=end-of-candidates",
            f"a=ice-ufrag:{ice['usernameFragment']}",
            f"a=ice-pwd:{ice['password']}",
            f"a=fingerprint:{fingerprint['algorithm']} {fingerprint['value']}",
            "a=setup:passive",
        ]
    return RTCSessionDescription(sdp="\r\n".join(lines) + "\r\n", type="answer")


async def main():
    from aiortc import sdp

    url, room = sys.argv[1:3]
    rest = Rest(url)
    broadcaster = "aiortc"
    base = f"/rooms/{room}/broadcasters/{broadcaster}"
    rest("GET", f"/rooms/{room}")
    rest(
        "POST",
        f"/rooms/{room}/broadcasters",
        {"id": broadcaster, "displayName": "aiortc", "device": {"name": "aiortc"}},
    )
    transport = rest("POST", f"{base}/transports", {"type": "webrtc"})

    connection = RTCPeerConnection()
    connection.addTrack(Tone())
    connection.addTrack(Picture())
    await connection.setLocalDescription(await connection.createOffer())
    offer = sdp.SessionDescription.parse(connection.localDescription.sdp)
    fingerprint = offer.media[0].dtls.fingerprints[0]
    rest(
        "POST",
        f"{base}/transports/{transport['id']}/connect",
        {
            "dtlsParameters": {
                "role": "client",
                "fingerprints": [
                    {"algorithm": fingerprint.algorithm, "value": fingerprint.value}
                ],
            }
        },
    )
    for section in offer.media:
        rest(
            "POST",
            f"{base}/transports/{transport['id']}/producers",
            {"kind": section.kind, "rtpParameters": rtp_parameters(section)},
        )
    await connection.setRemoteDescription(answer_for(offer, transport))

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await stop.wait()
    rest("DELETE", base)
    await connection.close()


asyncio.run(main())
