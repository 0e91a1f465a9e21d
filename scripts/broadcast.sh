#!/usr/bin/env bash
# Publishes into a room with ffmpeg, until Ctrl-C or the end: the short name of `sluice broadcast`.
#
#   scripts/broadcast.sh [ROOM] [INPUT] [OPTION…]
#
#   ROOM   room id (default: demo)
#   INPUT  a file, a playlist, - for a pipe, http(s), rtsp, rtmp, srt, a device; without it, a test
#          picture and a tone
#
# Options, such as --loop, --audioTrack 1, --size 640x360: scripts/broadcast.sh --help. Environment:
#   SLUICE_URL       the controller (default: http://127.0.0.1:3000)
#   SLUICE_SIZE      size of the picture, at most; of the test picture: its size (default: 1280x720)
#   SLUICE_RATE      frames per second, likewise (default: 30)
#   SLUICE_BITRATE   video bitrate, such as 1500k
#   SLUICE_CODEC     auto (default), vp8, vp9 or h264
#   SLUICE_NAME      name that viewers see (default: Broadcast)
#   SLUICE_MODE      what the room is for, if nobody is in it: live (default), call, meet
#   SLUICE_TOKEN     token of `sluice token`, for a server with a secret
#   SLUICE_BIN       folder of the program (default: where scripts/run.sh or scripts/test.sh built it)
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
for folder in ${SLUICE_BIN:+"$SLUICE_BIN"} "$root/build/run/bin" "$root/build/ci/bin" "$root"/build/*/bin; do
  if [ -x "$folder/sluice" ]; then exec "$folder/sluice" broadcast "$@"; fi
done
installed=$(command -v sluice) && exec "$installed" broadcast "$@"
echo "broadcast: there is no program sluice yet: scripts/run.sh builds it, SLUICE_BIN names its folder" >&2
exit 1
