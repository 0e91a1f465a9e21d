#!/usr/bin/env bash
# Attacks the real server with what a stranger has, beside honest users: a call of two with audio and
# video, and a newcomer a second. Prints per attack what became of them, memory (before, at worst, after),
# descriptors, log, and bytes sent to addresses that never asked for any. Then faults of the machine and
# of our own workers, each on a server of its own. Exit code 1 when a limit that SECURITY.md promises is
# broken. Needs build/release and the packages of scripts/bootstrap.sh.
#
#   scripts/attack.sh [--long] [WORD…]     attacks and faults whose names contain one of the words; default
#                                          all. Long: 20 s each instead of 3, a room of 300 instead of 60,
#                                          9,000 ICE-TCP connections, 100,000 requests, and so on
set -euo pipefail
cd "$(dirname "$0")/.."
case "${1:-}" in
  -h | --help) sed -n '2,11s/^# \{0,1\}//p' "$0"; exit 0 ;;
esac
ulimit -n "$(ulimit -Hn)"
exec node tests/e2e/attack/run.mjs "$@"
