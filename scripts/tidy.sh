#!/usr/bin/env bash
# clang-tidy over the sources of Sluice, with compile commands of its own: clang cannot read the
# precompiled headers of g++. A file whose text, headers of ours and checks are as they were when it
# last passed is not checked again.
set -euo pipefail
cd "$(dirname "$0")/.."

build=build/tidy
cache=build/tidy-cache
cmake --preset release -B "$build" -DSLUICE_PCH=OFF -DSLUICE_TESTS=OFF -DSLUICE_BENCH=OFF >/dev/null
cmake --build "$build" --target sluice_proto_headers
mkdir -p "$cache"
# Headers and checks count for every file: hash them once.
common=$(git ls-files -co --exclude-standard -- '*.h' '*.fbs' '*.clang-tidy' | sort | xargs sha256sum |
  sha256sum | cut -c1-16)

check() {
  local file=$1 key
  key=$(printf '%s %s' "$common" "$(sha256sum <"$file")" | sha256sum | cut -c1-32)
  [ -f "$cache/$key" ] && return 0
  if clang-tidy-14 --quiet --extra-arg=-Wno-unknown-warning-option -p "$build" "$file" >"$cache/$key.log" 2>/dev/null; then
    rm -f "$cache/$key.log"
    touch "$cache/$key"
  else
    cat "$cache/$key.log"
    echo "tidy: $file"
    return 1
  fi
}
export -f check
export common cache build

files=${*:-$(git ls-files -co --exclude-standard -- 'common/*.cpp' 'worker/*.cpp' 'controller/*.cpp')}
printf '%s\n' $files | xargs -P "$(nproc)" -I{} bash -c 'check "$1"' _ {}
