#!/usr/bin/env bash
# Long runs of tests that CI runs for a short time. The randomised ones fail with the seeds that failed,
# each on a line that replays it.
set -eu

usage() {
  cat <<'TEXT'
Usage: scripts/soak.sh layers [SEEDS] | browsers [SECONDS]
  layers     what a consumer of layers sends can be decoded: SEEDS random worlds of each codec,
             default 10000
  browsers   Chromium switches through the layers of another Chromium for SECONDS in each shape
             (simulcast and SVC of VP8, VP9, H264, AV1), default 120
Environment:
  SLUICE_BUILD           build directory, default build/release
  SLUICE_LAYERS_FIRST    the first seed, default 1
TEXT
}

case "${1:-}" in
  -h | --help) usage; exit 0 ;;
  layers) name=SEEDS count=${2:-10000} ;;
  browsers) name=SECONDS count=${2:-120} ;;
  *) usage >&2; exit 2 ;;
esac
case "$count" in
  *[!0-9]* | '') echo "soak.sh: $name is '$count'; it must be a number, e.g. 120" >&2; exit 2 ;;
esac

cd "$(dirname "$0")/.."
build=${SLUICE_BUILD:-build/release}
if [ "$1" = browsers ]; then
  cmake --build "$build" --target sluice-worker
  SLUICE_BIN=$(realpath "$build")/bin
  export SLUICE_BIN SLUICE_LAYER_SECONDS=$count
  cd tests/e2e
  exec node --test --test-reporter=spec 13-layers.test.mjs
fi
cmake --build "$build" --target sim
SLUICE_LAYERS_SEEDS=$count "$build/bin/sim" '[layers-property]'
