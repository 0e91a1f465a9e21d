#!/usr/bin/env bash
# Builds Sluice and its web app and starts the controller with its workers. Arguments go to the
# controller: `scripts/run.sh --help` lists them. Stop it with Ctrl-C.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { echo "run: $*"; }
build=build/run

scripts/bootstrap.sh --run

# The page is built beside the programs; what it says is shown when it fails.
page_log=$(mktemp)
trap 'rm -f "$page_log"' EXIT
page=
if [ -z "$(find web/dist -name index.html -newer web/package-lock.json 2>/dev/null)" ] ||
  [ -n "$(find web/src web/index.html web/watch -newer web/dist/index.html 2>/dev/null)" ]; then
  (cd web && exec npm run --silent build) >"$page_log" 2>&1 &
  page=$!
fi

[ -f $build/build.ninja ] || cmake --preset run >/dev/null
say "building the programs$([ -z "$page" ] || echo ' and, beside them, the web app') (the first time: some minutes)"
NINJA_STATUS='run: %p built, %u steps left, %es ' \
  cmake --build $build --target sluice sluice-worker

if [ -n "$page" ]; then
  say "waiting for the web app"
  wait "$page" || {
    cat "$page_log" >&2
    say "the web app could not be built (above)" >&2
    exit 1
  }
fi
rm -f "$page_log"
say "ready after $SECONDS s"
exec $build/bin/sluice --webRoot web/dist "$@"
