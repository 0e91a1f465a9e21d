#!/usr/bin/env bash
# Fails when README's table of options and `sluice --help` differ. With --print, prints the table.
#   scripts/check_readme.sh BINARY [--print]
set -euo pipefail
cd "$(dirname "$0")/.."

# Help lines are `  --name TYPE=default  meaning [SLUICE_NAME]`; a long default puts the meaning on the
# next line.
table() {
  "$1" --help | awk '
    function flush() {
      if (name == "" || env == "") { name = ""; return }
      printf "| `--%s` | `%s` | %s | %s |\n", name, env, (dflt == "" ? "" : "`" dflt "`"), text
      name = ""
    }
    /^  --/ {
      flush()
      head = $1; sub(/^--/, "", head); name = head
      rest = $0; sub(/^  --[^ ]+ /, "", rest)
      type = rest; sub(/ .*/, "", type)
      dflt = ""; if (index(type, "=")) { dflt = type; sub(/^[^=]*=/, "", dflt) }
      text = rest; text = substr(rest, length(type) + 1); env = ""
    }
    !/^  --/ && name != "" { text = text " " $0 }
    name != "" && match(text, /\[SLUICE_[A-Z_]+\]/) {
      env = substr(text, RSTART + 1, RLENGTH - 2)
      text = substr(text, 1, RSTART - 1)
      gsub(/^ +| +$/, "", text); gsub(/  +/, " ", text); gsub(/\|/, "\\|", text)
    }
    END { flush() }'
}

want=$(printf '| option | environment | default | meaning |\n|---|---|---|---|\n'; table "$1")
if [ "${2:-}" = --print ]; then
  printf '%s\n' "$want"
  exit 0
fi
have=$(awk '/<!-- options/ {on = 1; next} on && /^\|/ {print} on && !/^\|/ && seen {exit} on && /^\|/ {seen = 1}' README.md)
if ! diff <(printf '%s\n' "$have") <(printf '%s\n' "$want"); then
  echo "README.md's table of options is not what $1 --help says: scripts/check_readme.sh $1 --print" >&2
  exit 1
fi
echo "README options: ok"
