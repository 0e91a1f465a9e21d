#!/usr/bin/env bash
# clang-tidy over the sources of Sluice, all or those named, with compile commands of their own: clang
# cannot read the precompiled headers of g++. scripts/tidy.py says how it saves time.
set -euo pipefail
cd "$(dirname "$0")/.."

build=build/tidy
cmake --preset release -B "$build" -DSLUICE_PCH=OFF -DSLUICE_TESTS=OFF -DSLUICE_BENCH=OFF >/dev/null
cmake --build "$build" --target sluice_proto_headers
if [ $# -eq 0 ]; then
  mapfile -t files < <(git ls-files -co --exclude-standard -- 'common/*.cpp' 'worker/*.cpp' 'controller/*.cpp')
  set -- "${files[@]}"
fi
exec env PYTHONUNBUFFERED=1 python3 scripts/tidy.py "$build" "$@"
