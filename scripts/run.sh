#!/usr/bin/env bash
# Builds Sluice (release) and its web app and starts the controller with its workers. Arguments go to
# the controller: scripts/run.sh --help lists them. Stop it with Ctrl-C.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/bootstrap.sh --run
[ -f build/release/build.ninja ] || cmake --preset release >/dev/null
echo "run: building (the first time takes some minutes)"
cmake --build --preset release --target sluice sluice-worker
if [ -z "$(find web/dist -name index.html -newer web/package-lock.json 2>/dev/null)" ] ||
  [ -n "$(find web/src web/index.html -newer web/dist/index.html 2>/dev/null)" ]; then
  echo "run: building the web app"
  (cd web && npm run --silent build)
fi
exec build/release/bin/sluice --webRoot web/dist "$@"
