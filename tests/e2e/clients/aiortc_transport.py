"""One ICE and DTLS transport of aiortc against an ICE-lite server on 127.0.0.1, step by step, so that
a test decides the order of events. One JSON object a line:

  out {"certificate": PEM, "fingerprint": hex}
  in  {"usernameFragment", "password", "port"}    connectivity checks start, without nomination
  out {"checked": true}                           the server has answered one
  in  {"nominate": true}                          the pair is nominated
  in  {"fingerprint": hex of the server}          DTLS starts, as client
  out {"dtls": state}                             what became of it

It ends with its standard input.
"""

import asyncio
import json
import sys

import aioice.ice
from aiortc import (
    RTCCertificate,
    RTCDtlsFingerprint,
    RTCDtlsParameters,
    RTCDtlsTransport,
    RTCIceCandidate,
    RTCIceGatherer,
    RTCIceParameters,
    RTCIceTransport,
)
from OpenSSL import crypto

nominated = asyncio.Event()


def say(**message):
    print(json.dumps(message), flush=True)


def hold_nominations():
    """Makes requests with USE-CANDIDATE wait for `nominated`, and this host have one address."""
    request = aioice.ice.StunProtocol.request

    async def held_request(self, message, *args, **kwargs):
        if "USE-CANDIDATE" in message.attributes:
            say(checked=True)
            await nominated.wait()
        return await request(self, message, *args, **kwargs)

    aioice.ice.StunProtocol.request = held_request
    aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]


def with_colons(digest):
    return ":".join(digest[i : i + 2] for i in range(0, len(digest), 2)).upper()


async def main():
    hold_nominations()
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)

    async def command():
        return json.loads(await reader.readline())

    certificate = RTCCertificate.generateCertificate()
    pem = crypto.dump_certificate(crypto.FILETYPE_PEM, certificate._cert).decode()
    fingerprint = certificate.getFingerprints()[0].value.replace(":", "").lower()
    say(certificate=pem, fingerprint=fingerprint)

    remote = await command()
    gatherer = RTCIceGatherer(iceServers=[])
    await gatherer.gather()
    ice = RTCIceTransport(gatherer)
    ice._connection.ice_controlling = True
    await ice.addRemoteCandidate(
        RTCIceCandidate(
            component=1,
            foundation="1",
            ip="127.0.0.1",
            port=remote["port"],
            priority=1,
            protocol="udp",
            type="host",
        )
    )
    await ice.addRemoteCandidate(None)
    parameters = RTCIceParameters(
        usernameFragment=remote["usernameFragment"], password=remote["password"], iceLite=True
    )
    checks = asyncio.ensure_future(ice.start(parameters))
    await command()
    nominated.set()
    await checks

    digest = with_colons((await command())["fingerprint"])
    dtls = RTCDtlsTransport(ice, [certificate])
    dtls._set_role("client")
    await dtls.start(RTCDtlsParameters([RTCDtlsFingerprint("sha-256", digest)], "server"))
    say(dtls=dtls.state)
    await reader.read()


asyncio.run(main())
