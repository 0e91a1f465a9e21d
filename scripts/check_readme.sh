#!/usr/bin/env bash
# Fails when README's table of options and `sluice --optionsTable` differ, or docs/limits.md does not name
# an option that is a limit. With --print, prints the table.
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
unnamed=$(sed -nE 's/^\| `--((max|min)[A-Z][A-Za-z]*|[a-z][A-Za-z]*(Timeout|Grace|Within|After))`.*/\1/p' <<<"$want" |
  while read -r option; do grep -q "\`$option\`" docs/limits.md || echo "$option"; done)
if [ -n "$unnamed" ]; then
  echo "docs/limits.md does not name the options" $unnamed >&2
  exit 1
fi
echo "README options: ok"
