#!/usr/bin/env bash
# Installs what is missing to build, run and test Sluice: Debian packages (scripts/packages.txt) and
# the npm packages of the web app and of the browser tests. Says what it does; running it again does
# nothing. Needs root (or sudo) only when a Debian package is missing.
#
#   scripts/bootstrap.sh           everything
#   scripts/bootstrap.sh --run     only what building and running needs (no test clients)
set -euo pipefail
cd "$(dirname "$0")/.."

usage() { sed -n '2,8s/^# \{0,1\}//p' "$0"; }
mode=all
case "${1:-}" in
  "") ;;
  --run) mode=run ;;
  -h | --help) usage; exit 0 ;;
  *) echo "bootstrap: unknown argument '$1'; see --help" >&2; exit 2 ;;
esac

interval=5 # s, between two lines of progress
wanted=$(awk -v mode="$mode" '/^# tests/ {tests = 1} !/^#/ && NF && !(tests && mode == "run")' \
  scripts/packages.txt)

# Says every few seconds how far apt-get is, from the lines of its APT::Status-Fd: kind, number of the file
# or name of the package, percent, text.
show_progress() {
  local line percent last=-$interval
  while IFS= read -r line; do
    # Everything else is what dpkg says.
    [[ $line =~ ^(dl|pm)status:([^:]+)(:[a-z0-9-]+)?:([0-9]+)[.0-9]*:(.*)$ ]] || continue
    [ $((SECONDS - last)) -ge $interval ] || continue
    last=$SECONDS
    percent=${BASH_REMATCH[4]}
    if [ "${BASH_REMATCH[1]}" = dl ]; then
      echo "bootstrap: $percent % fetched (${BASH_REMATCH[5]})"
    else
      echo "bootstrap: $percent % installed, now ${BASH_REMATCH[2]}"
    fi
  done
}

debian_packages() {
  local missing=() package
  for package in $wanted; do
    dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed ||
      missing+=("$package")
  done
  if [ ${#missing[@]} -eq 0 ]; then
    echo "bootstrap: all Debian packages are there"
    return
  fi
  local sudo=""
  if [ "$(id -u)" -ne 0 ]; then
    sudo=sudo
    command -v sudo >/dev/null || {
      echo "bootstrap: run this as root: apt-get install ${missing[*]}" >&2
      exit 1
    }
  fi
  echo "bootstrap: installing ${#missing[@]} packages and what they need: ${missing[*]}"
  (
    # Tests start the servers among them by themselves: none shall run, and take a port, for being installed.
    policy=/usr/sbin/policy-rc.d
    if [ "$mode" != run ] && [ ! -e "$policy" ]; then
      trap '$sudo rm -f "$policy"' EXIT
      printf '#!/bin/sh\nexit 101\n' | $sudo tee "$policy" >/dev/null
      $sudo chmod 755 "$policy"
    fi
    echo "bootstrap: asking which versions there are"
    $sudo apt-get update -qq
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
      -o APT::Status-Fd=1 "${missing[@]}" | show_progress
  )
  echo "bootstrap: all Debian packages are there"
}

# npm_packages DIR: npm ci, unless the lock file is the one that was installed last.
npm_packages() {
  local dir=$1 stamp=$1/node_modules/.sluice-lock
  [ -f "$dir/package-lock.json" ] || return 0
  if cmp -s "$dir/package-lock.json" "$stamp"; then
    echo "bootstrap: npm packages of $dir are there"
    return
  fi
  echo "bootstrap: npm ci in $dir"
  # No install scripts: what a package would build or download of its own is not wanted.
  (cd "$dir" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
  cp "$dir/package-lock.json" "$stamp"
}

if command -v apt-get >/dev/null; then
  debian_packages
else
  echo "bootstrap: no apt-get here. Install what these Debian 12 packages hold, then go on:"
  printf '  %s\n' $wanted
  for tool in cmake ninja flatc; do
    command -v "$tool" >/dev/null || { echo "bootstrap: $tool is missing" >&2; exit 1; }
  done
fi

if command -v npm >/dev/null; then
  node_major=$(node --version | sed 's/^v\([0-9]*\).*/\1/')
  [ "$node_major" -ge 20 ] || echo "bootstrap: Node.js 20 or newer is wanted; this is $(node --version)"
  npm_packages web
  [ "$mode" = run ] || npm_packages tests/e2e
else
  echo "bootstrap: npm is missing: install Node.js 20 for the web app" >&2
  exit 1
fi
