#!/usr/bin/env bash
# Publishes into a room with ffmpeg through the REST broadcaster API, until Ctrl-C or the end.
#
#   scripts/broadcast.sh [ROOM] [FILE]
#
#   ROOM   room id (default: demo)
#   FILE   media file, played in a loop; without it, a test picture and a tone
#
# Environment:
#   SLUICE_URL       the controller (default: http://127.0.0.1:3000)
#   SLUICE_SIZE      size of the test picture (default: 1280x720)
#   SLUICE_RATE      frames per second of the test picture (default: 30)
#   SLUICE_BITRATE   video bitrate (default: 1500k)
#   SLUICE_CODEC     vp8 (default) or h264
#   SLUICE_NAME      name that viewers see (default: Broadcast)
#   SLUICE_MODE      what the room is for, if nobody is in it: live (default), call, meet
#   SLUICE_TOKEN     token of `sluice token`, for a server with a secret
set -euo pipefail

case "${1:-}" in -h | --help) sed -n '2,18s/^# \{0,1\}//p' "$0"; exit 0 ;; esac
room=${1:-demo}
file=${2:-}
url=${SLUICE_URL:-http://127.0.0.1:3000}
size=${SLUICE_SIZE:-1280x720}
rate=${SLUICE_RATE:-30}
bitrate=${SLUICE_BITRATE:-1500k}
codec=${SLUICE_CODEC:-vp8}
name=${SLUICE_NAME:-Broadcast}
mode=${SLUICE_MODE:-live}

for tool in curl jq ffmpeg; do
  command -v "$tool" >/dev/null || { echo "broadcast: $tool is missing: run scripts/bootstrap.sh" >&2; exit 1; }
done
[ -z "$file" ] || [ -r "$file" ] || { echo "broadcast: cannot read '$file'" >&2; exit 1; }

audio_ssrc=$((RANDOM * 32768 + RANDOM + 1))
video_ssrc=$((audio_ssrc + 1))
case "$codec" in
  vp8)
    video_codec='{"mimeType":"video/vp8","payloadType":101,"clockRate":90000}'
    encoder=(-c:v libvpx -deadline realtime -cpu-used 8 -lag-in-frames 0 -error-resilient 1)
    ;;
  h264)
    video_codec='{"mimeType":"video/h264","payloadType":101,"clockRate":90000,"parameters":{"packetization-mode":1,"profile-level-id":"42e01f","level-asymmetry-allowed":1}}'
    encoder=(-c:v libx264 -preset ultrafast -tune zerolatency -profile:v baseline -bsf:v dump_extra)
    ;;
  *) echo "broadcast: SLUICE_CODEC is '$codec'; it is vp8 or h264" >&2; exit 2 ;;
esac

# curl with the token, which no list of processes shows.
ask() {
  if [ -n "${SLUICE_TOKEN:-}" ]; then
    curl -sk -H @<(printf 'Authorization: Bearer %s' "$SLUICE_TOKEN") "$@"
  else
    curl -sk "$@"
  fi
}

# call METHOD PATH [JSON]: prints the body; stops with the server's words on an error.
call() {
  local reply status
  reply=$(ask -X "$1" "$url$2" -H 'Content-Type: application/json' ${3:+-d "$3"} -w '\n%{http_code}') || {
    echo "broadcast: no answer from $url: is scripts/run.sh running?" >&2
    exit 1
  }
  status=${reply##*$'\n'}
  reply=${reply%$'\n'*}
  if [ "$status" != 200 ]; then
    echo "broadcast: $1 $2: $status $(jq -r .error.message <<<"$reply" 2>/dev/null || printf '%s' "$reply")" >&2
    exit 1
  fi
  printf '%s' "$reply"
}

broadcaster="broadcast-$$-$RANDOM"
base="/rooms/$room/broadcasters/$broadcaster"
call GET "/rooms/$room" >/dev/null
call POST "/rooms/$room/broadcasters" \
  "$(jq -nc --arg id "$broadcaster" --arg name "$name" --arg mode "$mode" '{id: $id, displayName: $name, mode: $mode, device: {name: "FFmpeg"}}')" >/dev/null
ffmpeg_pid=
cleanup() {
  [ -z "$ffmpeg_pid" ] || kill "$ffmpeg_pid" 2>/dev/null || true
  ask -X DELETE "$url$base" >/dev/null 2>&1 || true
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

plain='{"type":"plain","comedia":true,"rtcpMux":false}'
audio=$(call POST "$base/transports" "$plain")
video=$(call POST "$base/transports" "$plain")

# rtp_url TRANSPORT: where ffmpeg sends it. 1200-byte packets pass every network once encrypted.
rtp_url() { jq -r '"rtp://\(.ip):\(.port)?rtcpport=\(.rtcpPort)&pkt_size=1200"' <<<"$1"; }

call POST "$base/transports/$(jq -r .id <<<"$audio")/producers" \
  '{"kind":"audio","rtpParameters":{"codecs":[{"mimeType":"audio/opus","payloadType":100,"clockRate":48000,"channels":2,"parameters":{"sprop-stereo":1}}],"encodings":[{"ssrc":'$audio_ssrc'}]}}' >/dev/null
call POST "$base/transports/$(jq -r .id <<<"$video")/producers" \
  '{"kind":"video","rtpParameters":{"codecs":['"$video_codec"'],"encodings":[{"ssrc":'$video_ssrc'}]}}' >/dev/null

if [ -n "$file" ]; then
  input=(-re -stream_loop -1 -i "$file")
  echo "broadcast: '$file' into room '$room'"
else
  input=(-re -f lavfi -i "testsrc2=size=$size:rate=$rate" -f lavfi -i "sine=frequency=440:sample_rate=48000")
  echo "broadcast: test picture $size at $rate fps and a tone into room '$room'"
fi

# ffmpeg does not act on key-frame requests, so it makes one every second: what a late viewer waits
# at most.
common=(-hide_banner -loglevel error -nostdin)
audio_map=$([ -n "$file" ] && echo 0:a:0 || echo 1:a:0)
ffmpeg "${common[@]}" "${input[@]}" \
  -map "$audio_map" -c:a libopus -ab 96k -ac 2 -ar 48000 \
  -f rtp -ssrc "$audio_ssrc" -payload_type 100 "$(rtp_url "$audio")" \
  -map 0:v:0 "${encoder[@]}" -pix_fmt yuv420p -b:v "$bitrate" -maxrate "$bitrate" -bufsize "$bitrate" \
  -g "$rate" -threads 2 \
  -f rtp -ssrc "$video_ssrc" -payload_type 101 "$(rtp_url "$video")" >/dev/null &
ffmpeg_pid=$!
wait "$ffmpeg_pid"
