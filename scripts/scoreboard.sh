#!/usr/bin/env bash
# Builds the scoreboard of bandwidth estimation and prints it: scenarios in virtual time, the same on
# every machine. docs/congestion-control.md says what the columns mean and how to add a scenario.
set -eu

usage() {
  cat <<'TEXT'
Usage: scripts/scoreboard.sh [--seeds N] [--write]
  --seeds N   seeds of each scenario; default 20, of a nightly run 100
  --write     also writes bench/scoreboard/baseline.txt
  Prints the table with estimation, then the one without, then what differs from the baseline.
Environment:
  SLUICE_BUILD           build directory, default build/release
TEXT
}

seeds=20
write=no
while [ $# -gt 0 ]; do
  case "$1" in
    -h | --help) usage; exit 0 ;;
    --seeds) seeds=${2:?--seeds needs a number}; shift ;;
    --write) write=yes ;;
    *) usage >&2; exit 2 ;;
  esac
  shift
done

cd "$(dirname "$0")/.."
build=${SLUICE_BUILD:-build/release}
if [ ! -f "$build/CMakeCache.txt" ]; then
  cmake --preset release -B "$build" > /dev/null
fi
cmake --build "$build" --target scoreboard > /dev/null
table=$(mktemp)
trap 'rm -f "$table"' EXIT
{
  echo "With estimation, $seeds seeds"
  "$build/bin/scoreboard" --seeds "$seeds"
  echo
  echo "Without: media at its full rate, $seeds seeds"
  "$build/bin/scoreboard" --seeds "$seeds" --before
} | tee "$table"
baseline=bench/scoreboard/baseline.txt
if [ "$write" = yes ]; then
  mkdir -p "$(dirname "$baseline")"
  cp "$table" "$baseline"
elif [ -f "$baseline" ]; then
  echo
  echo "Against $baseline:"
  diff "$baseline" "$table" && echo "nothing differs"
fi
