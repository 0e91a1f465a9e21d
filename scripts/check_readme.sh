#!/usr/bin/env bash
# Fails when README's table of options and `sluice --optionsTable` differ. With --print, prints the table.
#   scripts/check_readme.sh BINARY [--print]
set -euo pipefail
cd "$(dirname "$0")/.."

want=$("$1" --optionsTable)
if [ "${2:-}" = --print ]; then
  printf '%s\n' "$want"
  exit 0
fi
have=$(awk '/<!-- options/ {on = 1; next} on && /^\|/ {print} on && !/^\|/ && seen {exit} on && /^\|/ {seen = 1}' README.md)
if ! diff <(printf '%s\n' "$have") <(printf '%s\n' "$want"); then
  echo "README.md's table of options is not what $1 --optionsTable says: scripts/check_readme.sh $1 --print" >&2
  exit 1
fi
echo "README options: ok"
