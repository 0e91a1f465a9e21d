#!/usr/bin/env bash
# Builds the fuzz targets and runs each one over its corpus for a fixed number of inputs.
# Fails on any crash, leak, timeout or excess of memory; the input that did it is kept in the build
# directory (its path is printed) and can be given to the target as its only argument.
set -eu

usage() {
  cat <<'TEXT'
Usage: scripts/fuzz.sh [RUNS] [TARGET…]
  RUNS     inputs per target, default 20000; a tenth where one input is a whole conversation (sctp)
  TARGET   only these, e.g. stun rtcp; default all of fuzzers/fuzzers.sources
Environment:
  SLUICE_FUZZ_BUILD  build directory, default build/fuzz
  SLUICE_FUZZ_SEED   seed of the mutations, default 1: the same inputs each time
TEXT
}

runs=20000
case "${1:-}" in
  -h | --help) usage; exit 0 ;;
  '') ;;
  *[!0-9]*) echo "fuzz.sh: RUNS is '$1'; it must be a number of inputs, e.g. 20000" >&2; exit 2 ;;
  *) runs=$1; shift ;;
esac

cd "$(dirname "$0")/.."
build=${SLUICE_FUZZ_BUILD:-build/fuzz}
max_len=2048  # bytes: above any datagram that these parsers meet on the wire
if [ $# -gt 0 ]; then
  names=("$@")
else
  mapfile -t names < <(sed -nE 's#^ *fuzzers/([a-z0-9_]+)_fuzzer\.cpp.*#\1#p' fuzzers/fuzzers.sources)
fi

for corpus in fuzzers/corpus/*/; do
  name=$(basename "$corpus")
  if [ ! -f "fuzzers/${name}_fuzzer.cpp" ]; then
    echo "fuzz.sh: no target reads fuzzers/corpus/$name" >&2
    exit 1
  fi
done

targets=()
for name in "${names[@]}"; do
  if [ ! -f "fuzzers/${name}_fuzzer.cpp" ]; then
    echo "fuzz.sh: TARGET is '$name'; there is no fuzzers/${name}_fuzzer.cpp" >&2
    exit 2
  fi
  targets+=("${name}_fuzzer")
done

[ -f "$build/build.ninja" ] || cmake --preset fuzz -B "$build" >/dev/null
cmake --build "$build" --target "${targets[@]}"

# Addresses seed the order of hash tables, which decides what a mutation finds: with fixed ones, the
# same binary meets the same inputs each time.
fixed=()
if setarch --addr-no-randomize true 2>/dev/null; then fixed=(setarch --addr-no-randomize); fi

failed=()
for name in "${names[@]}"; do
  found=$build/fuzz/$name
  rm -rf "$found/corpus"  # each run starts from the seeds alone
  mkdir -p "$found/corpus"
  corpora=("$found/corpus")  # the first one receives new inputs: never the repository's
  [ -d "fuzzers/corpus/$name" ] && corpora+=("fuzzers/corpus/$name")
  count=$runs
  [ "$name" != sctp ] || count=$((runs / 10))
  options=(-runs="$count" -seed="${SLUICE_FUZZ_SEED:-1}" -max_len="$max_len" -timeout=10
           -rss_limit_mb=1024 -artifact_prefix="$found/" -print_final_stats=0)
  if "${fixed[@]}" "$build/bin/${name}_fuzzer" "${options[@]}" "${corpora[@]}" >"$found/log" 2>&1; then
    echo "fuzz: $name: $count runs, ok"
  else
    tail -n 60 "$found/log" >&2
    echo "fuzz: $name: FAILED (log in $found/log)" >&2
    failed+=("$name")
  fi
done
if [ ${#failed[@]} -gt 0 ]; then
  echo "fuzz: failed: ${failed[*]}" >&2
  exit 1
fi
