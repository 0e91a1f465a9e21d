"""Publishes by WHIP as GStreamer's whipsink does, until SIGTERM: webrtcbin of one codec each, H264 as 97 and Opus as
96, all candidates in the offer. Prints "connected" when it is.

usage: gst_whip.py URL
"""

import os
import signal
import sys
import urllib.error
import urllib.request

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstWebRTC", "1.0")
gi.require_version("GstSdp", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402

PIPELINE = (
    "webrtcbin name=bin bundle-policy=max-bundle "
    "videotestsrc is-live=true ! video/x-raw,width=320,height=180,framerate=15/1 ! "
    "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=30 bitrate=300 ! "
    "video/x-h264,profile=constrained-baseline ! rtph264pay config-interval=-1 aggregate-mode=zero-latency ! "
    "application/x-rtp,media=video,encoding-name=H264,payload=97,clock-rate=90000 ! bin. "
    "audiotestsrc is-live=true ! audio/x-raw,rate=48000,channels=2 ! opusenc ! rtpopuspay pt=96 ! "
    "application/x-rtp,media=audio,encoding-name=OPUS,payload=96 ! bin."
)


def fatal(why):
    print(why, flush=True)
    os._exit(3)


def post(url, offer):
    request = urllib.request.Request(url, data=offer.encode(), headers={"Content-Type": "application/sdp"}, method="POST")
    try:
        with urllib.request.urlopen(request) as response:
            return response.read().decode()
    except urllib.error.HTTPError as error:
        fatal(f"{error}: {error.read().decode()}")


def main():
    Gst.init(None)
    loop = GLib.MainLoop()
    for number in (signal.SIGTERM, signal.SIGINT):
        GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, number, loop.quit)
    pipeline = Gst.parse_launch(PIPELINE)
    webrtc = pipeline.get_by_name("bin")
    bus = pipeline.get_bus()
    bus.add_signal_watch()
    bus.connect("message::error", lambda _, message: fatal(str(message.parse_error())))

    def on_offer(promise, _):
        reply = promise.get_reply()  # owns what follows
        offer = reply.get_value("offer")
        webrtc.emit("set-local-description", offer, Gst.Promise.new())

    def on_gathered(*_):
        if webrtc.get_property("ice-gathering-state") != GstWebRTC.WebRTCICEGatheringState.COMPLETE:
            return
        answer = post(sys.argv[1], webrtc.get_property("local-description").sdp.as_text())
        result, sdp = GstSdp.SDPMessage.new_from_text(answer)
        if result != GstSdp.SDPResult.OK:
            fatal(f"the answer cannot be parsed: {answer}")
        described = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER, sdp)
        webrtc.emit("set-remote-description", described, Gst.Promise.new())

    def on_state(*_):
        state = webrtc.get_property("connection-state").value_nick
        if state == "failed":
            fatal("the connection has failed")
        print(state, flush=True)

    webrtc.connect("on-negotiation-needed", lambda _: webrtc.emit("create-offer", None, Gst.Promise.new_with_change_func(on_offer, None)))
    webrtc.connect("notify::ice-gathering-state", on_gathered)
    webrtc.connect("notify::connection-state", on_state)
    pipeline.set_state(Gst.State.PLAYING)
    loop.run()
    pipeline.set_state(Gst.State.NULL)


main()
