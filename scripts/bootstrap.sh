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

wanted=$(awk -v mode="$mode" '/^# tests/ {tests = 1} !/^#/ && NF && !(tests && mode == "run")' \
  scripts/packages.txt)

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
  echo "bootstrap: installing ${missing[*]}"
  $sudo apt-get update -qq
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    "${missing[@]}" >/dev/null
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
