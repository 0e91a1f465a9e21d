#!/usr/bin/env bash
# Builds everything and runs every test. Stages, in order; name some to run only those:
#   format   clang-format of all C++ files
#   unit     g++ release build with warnings as errors; unit, simulation and integration tests
#   asan     clang build with warnings as errors; the worker's tests under AddressSanitizer and
#            UndefinedBehaviorSanitizer
#   fuzz     every fuzz target for a fixed number of runs
#   tidy     clang-tidy of all sources
#   meson    the Meson build of the same source lists
#   web      type check, unit tests and build of the web app
#   e2e      real clients: Chromium, ffmpeg, GStreamer, aiortc, the Node library; the WHIP and WHEP suite's own tests
#   attack   what a stranger may try, beside a call and newcomers (scripts/attack.sh)
set -euo pipefail
cd "$(dirname "$0")/.."

all_stages=(format unit asan fuzz tidy meson web e2e attack)
case "${1:-}" in
  -h | --help) sed -n '2,13s/^# \{0,1\}//p' "$0"; exit 0 ;;
esac
stages=("$@")
[ ${#stages[@]} -gt 0 ] || stages=("${all_stages[@]}")
for stage in "${stages[@]}"; do
  [[ " ${all_stages[*]} " == *" $stage "* ]] || {
    echo "test: unknown stage '$stage'; one of: ${all_stages[*]}" >&2
    exit 2
  }
done

jobs=$(nproc)

sources() { git ls-files -co --exclude-standard -- '*.h' '*.cpp'; }

stage_format() { sources | xargs clang-format-14 --dry-run -Werror; }

# Whether this process may make network namespaces and shape their links: CAP_NET_ADMIN (bit 12) and
# CAP_SYS_ADMIN (bit 21).
may_make_networks() {
  local capabilities
  capabilities=$(awk '/^CapEff:/ {print $2}' /proc/self/status)
  [ $((0x${capabilities:-0} >> 12 & 0x${capabilities:-0} >> 21 & 1)) -eq 1 ]
}

stage_unit() {
  cmake --preset ci >/dev/null
  cmake --build --preset ci -j "$jobs"
  # Tests that need a network of their own fail, then, instead of being skipped.
  if may_make_networks; then export SLUICE_REQUIRE_NAMESPACES=${SLUICE_REQUIRE_NAMESPACES:-1}; fi
  ctest --test-dir build/ci --output-on-failure -j "$jobs"
}

# The fuzz build has the sanitizers and is clang's: the worker's tests and the fuzz targets share its
# libraries. Not the controller: clang 14 cannot compile coroutines with AddressSanitizer (it stops with
# "Cannot represent a difference across sections"); the g++ preset `asan` can.
stage_asan() {
  local tests=(unit_common unit_wire unit_ice unit_dtls unit_srtp unit_rtp unit_bwe unit_sdp
    unit_producer unit_consumer unit_media unit_channel unit_io sim sim_bandwidth integration_worker)
  local chosen
  chosen=$(IFS='|' && echo "${tests[*]}")
  cmake --preset fuzz -DSLUICE_WERROR=ON -DSLUICE_TESTS=ON >/dev/null
  cmake --build --preset fuzz -j "$jobs" --target "${tests[@]}"
  SLUICE_LAYERS_SEEDS=30 SLUICE_SCTP_RUNS=20 ctest --test-dir build/fuzz --output-on-failure -j "$jobs" \
    -R "^($chosen)\$"
}

stage_fuzz() { scripts/fuzz.sh; }

stage_tidy() { scripts/tidy.sh; }

# The programs, not optimised and in batches: that the lists and the options of the second build hold is
# what it shows.
stage_meson() {
  [ -f build/meson/build.ninja ] ||
    meson setup build/meson --buildtype=plain --unity=on -Dunity_size=12 >/dev/null
  meson compile -C build/meson sluice-worker sluice
  build/meson/sluice-worker --version
  build/meson/sluice --version
}

stage_web() { (cd web && npm run --silent check && npm run --silent build); }

programs() {
  cmake --preset ci >/dev/null
  cmake --build --preset ci -j "$jobs" --target sluice sluice-worker
  export SLUICE_BIN=$PWD/build/ci/bin
}

stage_e2e() {
  programs
  [ -f web/dist/index.html ] || stage_web
  (cd tests/conformance && npm --silent test)
  (cd tests/e2e && npm test)
}

stage_attack() {
  programs
  scripts/attack.sh
}

scripts/bootstrap.sh
passed=0
for stage in "${stages[@]}"; do
  echo "=== $stage"
  start=$SECONDS
  set +e # not `||`: inside one, bash ignores the errors of the stage's own commands
  (set -e; "stage_$stage")
  status=$?
  set -e
  if [ $status -ne 0 ]; then
    echo "test: stage $stage failed"
    echo "$passed passed, 1 failed"
    exit 1
  fi
  echo "=== $stage: $((SECONDS - start)) s"
  passed=$((passed + 1))
done
echo "test: every stage passed (${stages[*]}), $SECONDS s"
echo "$passed passed, 0 failed"
