#!/usr/bin/env bash
# Long runs of the randomised tests. Fails with the seeds that failed, each on a line that replays it.
set -eu

usage() {
  cat <<'TEXT'
Usage: scripts/soak.sh layers [SEEDS]
  layers   what a consumer of layers sends can be decoded: SEEDS random worlds of each codec,
           default 10000
Environment:
  SLUICE_BUILD           build directory that has the simulations, default build/release
  SLUICE_LAYERS_FIRST    the first seed, default 1
TEXT
}

case "${1:-}" in
  -h | --help) usage; exit 0 ;;
  layers) ;;
  *) usage >&2; exit 2 ;;
esac
seeds=${2:-10000}
case "$seeds" in
  *[!0-9]* | '') echo "soak.sh: SEEDS is '$seeds'; it must be a number, e.g. 10000" >&2; exit 2 ;;
esac

cd "$(dirname "$0")/.."
build=${SLUICE_BUILD:-build/release}
cmake --build "$build" --target sim
SLUICE_LAYERS_SEEDS=$seeds "$build/bin/sim" '[layers-property]'
