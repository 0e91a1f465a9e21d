#!/usr/bin/env bash
# Long runs of tests that CI runs for a short time. The randomised ones fail with the seeds that failed,
# each on a line that replays it.
set -eu

usage() {
  cat <<'TEXT'
Usage: scripts/soak.sh layers [SEEDS] | browsers [SECONDS] | objects [CYCLES] | resume [SECONDS] |
                       joins [COUNT] | crowd [VIEWERS] | nine [PACKETS] |
                       sessions [COUNT]
  layers     what a consumer of layers sends can be decoded: SEEDS random worlds of each codec,
             default 10000
  browsers   Chromium switches through the layers of another Chromium for SECONDS in each shape
             (simulcast and SVC of VP8, VP9, H264, AV1), default 120
  objects    objects of each kind are made and closed CYCLES times in one worker, whose memory must
             not grow; default 100000
  resume     WebSockets that are lost for a sixth, five sixths and four thirds of a grace of SECONDS,
             default 30: 5, 25 and 40 s
  joins      COUNT people join a room with data channels, chat and leave, default 10000: the memory
             of controller and worker must not grow with them
  crowd      a message of one reaches VIEWERS in the chat of a room within 100 ms, default 300
  nine       nine people send three layers each; what forwarding PACKETS costs is printed, default
             200000
  sessions   COUNT sessions by WHIP, WHEP, SDP over WebSocket and data channels are opened and closed,
             default 10000: the memory of controller and worker must not grow with them
Environment:
  SLUICE_BUILD           build directory, default build/release
  SLUICE_LAYERS_FIRST    the first seed, default 1
TEXT
}

case "${1:-}" in
  -h | --help) usage; exit 0 ;;
  layers) name=SEEDS count=${2:-10000} ;;
  browsers) name=SECONDS count=${2:-120} ;;
  objects) name=CYCLES count=${2:-100000} ;;
  resume) name=SECONDS count=${2:-30} ;;
  joins) name=COUNT count=${2:-10000} ;;
  crowd) name=VIEWERS count=${2:-300} ;;
  nine) name=PACKETS count=${2:-200000} ;;
  sessions) name=COUNT count=${2:-10000} ;;
  *) usage >&2; exit 2 ;;
esac
case "$count" in
  *[!0-9]* | '') echo "soak.sh: $name is '$count'; it must be a number, e.g. 120" >&2; exit 2 ;;
esac

cd "$(dirname "$0")/.."
build=${SLUICE_BUILD:-build/release}

# Builds these targets; the build directory is configured where it is not, or was without tests.
build_targets() {
  if [ -f "$build/CMakeCache.txt" ]; then
    cmake -DSLUICE_TESTS=ON "$build" >/dev/null
  else
    cmake --preset release -B "$build" >/dev/null
  fi
  cmake --build "$build" --target "$@"
}

# A test of real clients, for longer or with more of them.
run_e2e() {
  file=$1
  shift
  build_targets "$@"
  SLUICE_BIN=$(realpath "$build")/bin
  export SLUICE_BIN
  cd tests/e2e
  exec node --test --test-reporter=spec "$file"
}

case "$1" in
  browsers)
    export SLUICE_LAYER_SECONDS=$count
    run_e2e 13-layers.test.mjs sluice-worker
    ;;
  resume)
    export SLUICE_RESUME_GRACE=$count
    run_e2e 16-resume.test.mjs sluice sluice-worker
    ;;
  joins)
    export SLUICE_JOINS=$count
    run_e2e 19-joins.test.mjs sluice sluice-worker
    ;;
  crowd)
    export SLUICE_CROWD=$count
    run_e2e 18-crowd.test.mjs sluice sluice-worker
    ;;
  nine)
    export SLUICE_NINE_PACKETS=$count
    run_e2e 14-room-nine.test.mjs sluice sluice-worker
    ;;
  sessions)
    export SLUICE_SESSIONS=$count
    run_e2e 22-sessions.test.mjs sluice sluice-worker
    ;;
  objects)
    build_targets integration_worker
    SLUICE_OBJECT_CYCLES=$count exec "$build/bin/integration_worker" 'objects of each kind*'
    ;;
  layers)
    build_targets sim
    SLUICE_LAYERS_SEEDS=$count exec "$build/bin/sim" '[layers-property]'
    ;;
esac
