"""A client of GStreamer's WebRTC signalling with webrtcbin in the place of webrtcsink and webrtcsrc,
as strict as those: an `error` or a message that its generation does not know ends it with exit code
3. Prints what happens as JSON lines. Runs until SIGTERM.

usage: gst_signalling.py URL produce|consume [GENERATION [PRODUCER]]
  GENERATION  0.13, 0.15 or head
  PRODUCER    of whom to consume: an id, a name, or "first"; without: waits as a consumer
"""

import array
import base64
import json
import os
import signal
import socket
import ssl
import struct
import sys
import threading
from urllib.parse import urlparse

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstWebRTC", "1.0")
gi.require_version("GstSdp", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402

# Types of the server's messages by the generation that knows them.
KNOWN = {
    "0.13": {"welcome", "peerStatusChanged", "list", "sessionStarted", "startSession", "peer", "endSession", "error"},
    "0.15": {"listConsumers"},
    "head": {"endSessionV1_1"},
}
GENERATIONS = list(KNOWN)
# Looked up here, on one thread: two that look up the first value of an enumeration at once find none.
SOURCE = Gst.PadDirection.SRC
FAILED = GstWebRTC.WebRTCPeerConnectionState.FAILED
LOUD = 300  # of 32767: sound, and no noise of a decoder


writing = threading.Lock()


def say(what, **more):
    # It is called on the threads of all pipelines; a line longer than a pipe takes at once is not torn.
    with writing:
        os.write(1, (json.dumps({"what": what, **more}) + "\n").encode())


def fatal(error, **more):
    say("fatal", error=error, **more)
    os._exit(3)


class WebSocket:
    """As much of RFC 6455 as a client needs; `on_text` is called on the main loop."""

    def __init__(self, url, on_text, on_closed):
        where = urlparse(url)
        secure = where.scheme == "wss"
        port = where.port or (443 if secure else 80)
        self.socket = socket.create_connection((where.hostname, port), timeout=20)
        if secure:
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            self.socket = context.wrap_socket(self.socket)
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall(
            f"GET {where.path or '/'} HTTP/1.1\r\nHost: {where.hostname}:{port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        self.stream = self.socket.makefile("rb")
        status = self.stream.readline().decode()
        if " 101 " not in status:
            fatal("no WebSocket", status=status.strip())
        while self.stream.readline().strip():
            pass
        self.socket.settimeout(None)
        self.on_text, self.on_closed = on_text, on_closed
        self.lock = threading.Lock()
        threading.Thread(target=self.read, daemon=True).start()

    def send(self, text, opcode=1):
        payload = text.encode() if isinstance(text, str) else text
        size = len(payload)
        head = bytes([0x80 | opcode])
        if size < 126:
            head += bytes([0x80 | size])
        elif size < 65536:
            head += bytes([0x80 | 126]) + struct.pack(">H", size)
        else:
            head += bytes([0x80 | 127]) + struct.pack(">Q", size)
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
        with self.lock:
            self.socket.sendall(head + mask + masked)

    def frame(self):
        first, second = self.stream.read(2)
        size = second & 127
        if size == 126:
            (size,) = struct.unpack(">H", self.stream.read(2))
        elif size == 127:
            (size,) = struct.unpack(">Q", self.stream.read(8))
        return first & 15, self.stream.read(size)

    def read(self):
        try:
            while True:
                opcode, payload = self.frame()
                if opcode == 1:
                    GLib.idle_add(self.on_text, payload.decode())
                elif opcode == 9:
                    self.send(payload, 10)
                elif opcode == 8:
                    raise ValueError(f"closed {payload[2:].decode()}")
        except (OSError, ValueError) as error:
            GLib.idle_add(self.on_closed, str(error))


class Session:
    """One session and its pipeline."""

    def __init__(self, client, session_id, peer_id):
        self.client, self.id, self.peer_id = client, session_id, peer_id
        self.frames = {}
        self.heard = False
        if client.produces:
            self.pipeline = Gst.parse_launch(PRODUCER)
            self.bin = self.pipeline.get_by_name("bin")
        else:
            self.pipeline = Gst.Pipeline.new(None)
            self.bin = Gst.ElementFactory.make("webrtcbin", None)
            self.bin.set_property("bundle-policy", GstWebRTC.WebRTCBundlePolicy.MAX_BUNDLE)
            self.pipeline.add(self.bin)
        bus = self.pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect("message::error", self.on_error)
        self.bin.connect("on-ice-candidate", self.on_candidate)
        self.bin.connect("notify::connection-state", self.on_state)
        self.bin.connect("on-data-channel", lambda _, channel: self.take_channel(channel))
        self.bin.connect("pad-added", self.on_pad)
        if client.produces:
            # As webrtcsink, before the offer, so that it has an m=application.
            self.bin.set_state(Gst.State.READY)
            label = "input" if client.generation == "0.13" else "control"
            self.take_channel(self.bin.emit("create-data-channel", label, None))
        self.pipeline.set_state(Gst.State.PLAYING)
        if client.produces:
            self.bin.connect("on-negotiation-needed", lambda _: self.offer())

    def on_candidate(self, _, line, candidate):
        # Like webrtcsink's tasks: it may overtake its description.
        self.client.send({"type": "peer", "sessionId": self.id, "ice": {"candidate": candidate, "sdpMLineIndex": line}})

    def on_state(self, *_):
        state = self.bin.get_property("connection-state")
        say("connection", session=self.id, state=state.value_nick)
        if state == FAILED:
            fatal("connection failed")

    def offer(self):
        self.bin.emit("create-offer", None, Gst.Promise.new_with_change_func(self.on_local, "offer"))

    def on_local(self, promise, kind):
        reply = promise.get_reply()  # owns what follows
        description = reply.get_value(kind)
        text = description.sdp.as_text()
        self.bin.emit("set-local-description", description, Gst.Promise.new())
        say("sdp", session=self.id, of=self.peer_id, type=kind, text=text)
        self.client.send({"type": "peer", "sessionId": self.id, "sdp": {"type": kind, "sdp": text}})

    def take(self, message):
        if "ice" in message:
            self.bin.emit("add-ice-candidate", message["ice"]["sdpMLineIndex"], message["ice"]["candidate"])
            return
        kind, text = message["sdp"]["type"], message["sdp"]["sdp"]
        say("sdp", session=self.id, of=self.peer_id, type=kind, text=text)
        result, sdp = GstSdp.SDPMessage.new_from_text(text)
        if result != GstSdp.SDPResult.OK:
            fatal("SDP cannot be parsed", sdp=text)
        types = GstWebRTC.WebRTCSDPType
        description = GstWebRTC.WebRTCSessionDescription.new(types.OFFER if kind == "offer" else types.ANSWER, sdp)
        if kind == "offer":
            then = Gst.Promise.new_with_change_func(self.on_remote)
        else:
            then = Gst.Promise.new()
        self.bin.emit("set-remote-description", description, then)

    def on_remote(self, promise):
        reply = promise.get_reply()
        if reply is not None and reply.has_field("error"):
            fatal("offer refused", why=str(reply.get_value("error")))
        self.bin.emit("create-answer", None, Gst.Promise.new_with_change_func(self.on_local, "answer"))

    def on_pad(self, _, pad):
        if pad.direction != SOURCE:
            return
        kind = pad.get_current_caps().get_structure(0).get_string("media")
        plain = "audioconvert ! audio/x-raw,format=S16LE !" if kind == "audio" else ""
        decode = Gst.parse_bin_from_description(f"decodebin name=decode ! {plain} identity name=count silent=true ! fakesink sync=false", False)
        decode.add_pad(Gst.GhostPad.new("sink", decode.get_by_name("decode").get_static_pad("sink")))
        count = decode.get_by_name("count")
        count.set_property("signal-handoffs", True)
        count.connect("handoff", self.on_frame, kind)
        self.pipeline.add(decode)
        decode.sync_state_with_parent()
        pad.link(decode.get_static_pad("sink"))

    def on_frame(self, _element, buffer, kind):
        self.frames[kind] = self.frames.get(kind, 0) + 1
        if kind == "audio" and not self.heard:
            samples = array.array("h", buffer.extract_dup(0, buffer.get_size()))
            if max(map(abs, samples), default=0) > LOUD:
                self.heard = True
                say("sound", session=self.id, of=self.peer_id)
        if self.frames[kind] % 15 == 0:
            say("frames", session=self.id, of=self.peer_id, kind=kind, count=self.frames[kind])

    def take_channel(self, channel):
        self.channel = channel
        label = channel.get_property("label")
        channel.connect("on-open", lambda _: say("channel", session=self.id, label=label))
        channel.connect("on-message-string", self.on_message)

    def on_message(self, channel, text):
        say("message", session=self.id, text=text)
        message = json.loads(text)
        if self.client.produces and "id" in message:
            channel.emit("send-string", json.dumps({"type": "ControlResponseMessage", "id": message["id"], "error": None}))

    def on_error(self, _, message):
        # An element has stopped for good, such as the source of all packets at one that nobody takes.
        error, debug = message.parse_error()
        if message.src.get_name().startswith("sctp"):
            say("channels lost", session=self.id, why=error.message)  # the server ends the session
        elif self.id in self.client.sessions:
            fatal("pipeline", of=self.peer_id, element=message.src.get_path_string(), why=error.message, debug=debug)

    def end(self):
        self.pipeline.get_bus().remove_signal_watch()
        self.pipeline.set_state(Gst.State.NULL)


PRODUCER = (
    "webrtcbin name=bin bundle-policy=max-bundle "
    "audiotestsrc is-live=true ! audio/x-raw,rate=48000,channels=2 ! opusenc ! rtpopuspay pt=101 ! "
    "application/x-rtp,media=audio,encoding-name=OPUS,payload=101 ! bin. "
    "videotestsrc is-live=true ! video/x-raw,width=320,height=180,framerate=15/1 ! "
    "vp8enc deadline=1 cpu-used=8 keyframe-max-dist=30 target-bitrate=300000 ! rtpvp8pay pt=96 picture-id-mode=2 ! "
    "application/x-rtp,media=video,encoding-name=VP8,payload=96 ! bin."
)


class Client:
    def __init__(self, url, what, generation, wanted):
        self.produces = what == "produce"
        self.generation, self.wanted = generation, wanted
        self.known = set().union(*(KNOWN[each] for each in GENERATIONS[: GENERATIONS.index(generation) + 1]))
        self.sessions = {}
        self.started = set()
        self.socket = WebSocket(url, self.on_text, lambda why: fatal("closed", why=why))
        if generation == "head":
            # The very first, before the welcome.
            self.send({"type": "setProtocolVersion", "version": "v1_1"})

    def send(self, message):
        self.socket.send(json.dumps(message))

    def on_text(self, text):
        message = json.loads(text)
        kind = message["type"]
        if kind not in self.known:
            fatal("unknown message", text=text)
        say("received", type=kind)
        getattr(self, f"on_{kind}")(message)

    def on_error(self, message):
        fatal("error message", details=message["details"])

    def on_welcome(self, message):
        self.id = message["peerId"]
        say("welcome", id=self.id)
        if self.produces:
            roles = ["producer"]
        else:
            roles = [] if self.wanted == "first" else ["listener"] if self.wanted else ["consumer"]
        status = {"type": "setPeerStatus", "roles": roles, "meta": {"name": f"gst-{self.generation}"}, "peerId": self.id}
        # Neighbouring messages swap: these came so in the log of requirement 001.
        before = {"type": "list"} if self.wanted or (self.produces and self.generation == "0.13") else None
        if before:
            self.send(before)
        self.send(status)

    def see(self, peer_id):
        if peer_id in self.started or peer_id == self.id:
            return
        self.started.add(peer_id)
        self.send({"type": "startSession", "peerId": peer_id})

    def wants(self, peer_id, meta):
        return self.wanted in ("all", peer_id) or (isinstance(meta, dict) and meta.get("name") == self.wanted)

    def on_list(self, message):
        for entry in message["producers"]:
            if self.produces:
                break
            if self.wanted == "first":
                self.see(entry["id"])
                break
            if self.wants(entry["id"], entry["meta"]):
                self.see(entry["id"])

    def on_peerStatusChanged(self, message):
        if not self.produces and "producer" in message["roles"] and self.wants(message["peerId"], message["meta"]):
            self.see(message["peerId"])
        if not message["roles"]:
            self.started.discard(message["peerId"])

    def on_sessionStarted(self, message):
        self.sessions[message["sessionId"]] = Session(self, message["sessionId"], message["peerId"])

    def on_startSession(self, message):
        if not self.produces:
            fatal("startSession for a consumer")  # a panic in Rust
        self.sessions[message["sessionId"]] = Session(self, message["sessionId"], message["peerId"])

    def on_peer(self, message):
        session = self.sessions.get(message["sessionId"])
        if session:
            session.take(message)

    def on_endSession(self, message):
        say("ended", session=message["sessionId"], error=message.get("error"))
        session = self.sessions.pop(message["sessionId"], None)
        if session:
            session.end()

    on_endSessionV1_1 = on_endSession


def main():
    arguments = sys.argv[1:] + [""] * 4
    Gst.init(None)
    loop = GLib.MainLoop()
    for number in (signal.SIGTERM, signal.SIGINT):
        GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, number, loop.quit)
    client = Client(arguments[0], arguments[1], arguments[2] or "head", arguments[3])
    loop.run()
    for session in client.sessions.values():
        session.end()
    os._exit(0)


main()
