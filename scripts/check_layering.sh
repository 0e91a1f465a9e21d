#!/usr/bin/env bash
# Fails when an include points the wrong way (wire ← core ← media ← channel ← process ← main; io is injected;
# common includes nothing of ours), when something below io/ reaches for the clock, sockets, libuv,
# random or the environment, or when a comment cites what is not there (scripts/check_citations.py).
set -u
cd "$(dirname "$0")/.."
bad=0

# forbid FOLDER PATTERN: no file below FOLDER may include a path that matches PATTERN.
forbid() {
  local hits
  hits=$(grep -rnE "^ *#include [\"<]($2)" --include='*.h' --include='*.cpp' "$1" 2>/dev/null)
  if [ -n "$hits" ]; then
    printf 'layering: %s must not include %s\n%s\n' "$1" "$2" "$hits"
    bad=1
  fi
}
forbid common '(worker|controller|proto)/'
forbid worker/wire '(worker/(core|media|channel|io|process)|controller|proto)/'
forbid worker/core '(worker/(media|channel|io|process)|controller|proto)/'
forbid worker/media '(worker/(channel|io|process)|controller|proto)/'
forbid worker/channel '(worker/(io|process)|controller)/'
forbid worker/io '(worker/(channel|process)|controller)/'
forbid controller 'worker/'
forbid worker 'controller/'
# base ← auth, ortc ← sdp, http, worker ← room ← signalling ← ops ← main; the shell and the broadcast stand beside them.
forbid controller/base 'controller/(auth|ortc|http|worker|room|signalling|ops|shell|broadcast|sdp)/'
forbid controller/auth 'controller/(ortc|http|worker|room|signalling|ops|shell|broadcast|sdp)/'
forbid controller/ortc 'controller/(auth|http|worker|room|signalling|ops|shell|broadcast|sdp)/'
forbid controller/sdp 'controller/(auth|base|http|room|signalling|ops|shell|broadcast)/|boost/(asio|beast|url)'
forbid controller/http 'controller/(auth|ortc|worker|room|signalling|ops|shell|broadcast|sdp)/'
forbid controller/worker 'controller/(auth|http|room|signalling|ops|shell|broadcast|sdp)/'
forbid controller/room 'controller/(http|signalling|ops|shell|broadcast|sdp)/'
forbid controller/signalling 'controller/(ops|shell|broadcast)/'
forbid controller/shell 'controller/(auth|ortc|http|room|signalling|ops|sdp)/'
forbid controller/broadcast 'controller/(auth|ortc|http|worker|signalling|ops|shell|sdp)/'
# Dialects are the adapters' business.
forbid controller/room 'boost/(json|beast|url)'
for layer in wire core media channel; do
  forbid worker/$layer '(uv\.h|sys/time\.h|unistd\.h|random)'
  hits=$(grep -rnE '\buv_|clock_gettime|std::chrono::(steady|system|high_resolution)_clock::now|\brand\(|random_device|getenv' \
    --include='*.h' --include='*.cpp' worker/$layer 2>/dev/null)
  if [ -n "$hits" ]; then
    printf 'layering: clock, random, environment or libuv below io/\n%s\n' "$hits"
    bad=1
  fi
done
# Everything that the controller logs passes its own front (controller/base/log.h), which makes text
# of strangers harmless and limits it. The shell writes to a person's terminal by itself.
hits=$(grep -rn 'spdlog' --include='*.h' --include='*.cpp' controller | grep -v '^controller/\(base/logging\|shell/\)')
if [ -n "$hits" ]; then
  printf 'layering: log by LogInfo() and the like (controller/base/log.h), not by spdlog\n%s\n' "$hits"
  bad=1
fi
# Two programs in one tree: what is called Producer in both is told apart by its namespace.
for program in worker controller; do
  hits=$(grep -rLE "^namespace sluice::$program\b" --include='*.h' --include='*.cpp' "$program" | grep -v 'main\.cpp$')
  if [ -n "$hits" ]; then
    printf 'layering: not in namespace sluice::%s\n%s\n' "$program" "$hits"
    bad=1
  fi
done
# A source that another includes would be built twice; scripts/tidy.py relies on it.
hits=$(grep -rnE '^ *#include [\"<].*\.cpp[\">]' --include='*.h' --include='*.cpp' common worker controller)
if [ -n "$hits" ]; then
  printf 'layering: a .cpp file is included\n%s\n' "$hits"
  bad=1
fi
python3 scripts/check_citations.py || bad=1
[ $bad -eq 0 ] && echo 'layering: ok'
exit $bad
