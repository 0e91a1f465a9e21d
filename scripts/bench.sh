#!/usr/bin/env bash
# Builds the benchmarks and runs those that check something: ratios in one run, so that another machine,
# or a busy one, changes little. Not part of the tests, which judge no times. bench/README.md says what
# is measured.
set -eu

usage() {
  cat <<'TEXT'
Usage: scripts/bench.sh [NAME...]
  Runs NAME_bench --check of each NAME; default: layers audio sctp teardown pipe pipe-srtp
  consumer forward. pipe-srtp is pipe_bench --srtp --check: the same, encrypted.
  What is over its limit is named at the end, with exit code 1.
Environment:
  SLUICE_BUILD           build directory, default build/release
TEXT
}

case "${1:-}" in
  -h | --help) usage; exit 0 ;;
  -*) usage >&2; exit 2 ;;
esac
all='layers audio sctp teardown pipe pipe-srtp consumer forward'
names=${*:-$all}
for name in $names; do
  case " $all " in
    *" $name "*) ;;
    *) echo "bench.sh: there is no $name benchmark that checks anything; there are: $all" >&2; exit 2 ;;
  esac
done

cd "$(dirname "$0")/.."
build=${SLUICE_BUILD:-build/release}
[ -f "$build/CMakeCache.txt" ] || cmake --preset "$(basename "$build")"
targets=
for name in $names; do targets="$targets ${name%-srtp}_bench"; done
# shellcheck disable=SC2086 # names of targets
cmake --build "$build" --target $targets

over=
for name in $names; do
  encrypt=
  [ "$name" = "${name%-srtp}" ] || encrypt='--srtp '
  printf '\n== %s_bench %s--check\n' "${name%-srtp}" "$encrypt"
  # shellcheck disable=SC2086 # an option or none
  "$build/bin/${name%-srtp}_bench" $encrypt--check || over="$over $name"
done
echo
[ -z "$over" ] || { echo "bench.sh: over the limit:$over" >&2; exit 1; }
echo "bench.sh: all within their limits"
