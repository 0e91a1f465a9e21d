#!/usr/bin/env python3
"""How strong are the tests? Builds the tree once with many changes of one operator each, all switched off, then switches each on by
itself, runs the test cases that pass through it, and prints each change that no test noticed.

  scripts/mutate.py [--count N] [--seed N] [--since REV] [--tests "a b"] [--minutes M] FOLDER|FILE...

A survivor is a missing test, dead code, or a change that means the same: mend the first two. The changed copy of HEAD is built in
build/mutants; the work tree is not touched. One build serves all changes, and a change costs only the cases that reach it.
"""
import argparse
import os
import random
import re
import subprocess
import sys
import time

PROGRAMS = ('unit_common unit_wire unit_ice unit_dtls unit_srtp unit_rtp unit_bwe unit_producer unit_consumer unit_media unit_channel '
            'unit_io unit_sdp unit_broadcast unit_doors unit_controller sim_bandwidth sim')

# Operator -> what replaces it. Those between two operands, by how tightly they bind.
SWAPS = {'<': '<=', '<=': '<', '>': '>=', '>=': '>', '==': '!=', '!=': '==', '&&': '||', '||': '&&', '+': '-', '+=': '-='}
BINDS = {'=': 1, '+=': 1, '-=': 1, '*=': 1, '/=': 1, '%=': 1, '|=': 1, '&=': 1, '^=': 1, '<<=': 1, '>>=': 1, '?': 2, ':': 2,
         '||': 3, '&&': 4, '|': 5, '^': 6, '&': 7, '==': 8, '!=': 8, '<=>': 9, '<': 10, '<=': 10, '>': 10, '>=': 10, '<<': 11, '>>': 11,
         '+': 12, '-': 12, '*': 13, '/': 13, '%': 13}
CLOSES = {'(': ')', '[': ']', '{': '}'}
OPENS = {v: k for k, v in CLOSES.items()}
KEYWORDS = {'return', 'co_return', 'co_await', 'co_yield', 'throw', 'case', 'else', 'do', 'if', 'while', 'for', 'switch', 'constexpr'}
SWITCH = '$MUTANT$'  # in a change's text: whether it is on
TOKEN = re.compile(r'''(?P<space>\s+|//[^\n]*|/\*.*?\*/)|(?P<directive>^\#(?:[^\n\\]|\\\n|\\.)*)|(?P<text>R"\((?s:.*?)\)"|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
|(?P<word>[A-Za-z_]\w*|\d[\w.']*)|(?P<mark><=>|<<=|>>=|->\*?|::|\+\+|--|&&|\|\||[<>=!+\-*/%&|^]=|<<|>>|.)''', re.X | re.S | re.M)


class Tokens:
    def __init__(self, text):
        self.text = text
        self.all = []  # (kind, text, start, end)
        at = 0
        while at < len(text):
            m = TOKEN.match(text, at)
            if m.lastgroup != 'space':
                self.all.append((m.lastgroup, m.group(), m.start(), m.end()))
            at = m.end()
        self.pair = {}
        stack = []
        for i, (kind, word, _, _) in enumerate(self.all):
            if kind != 'mark': continue
            if word in CLOSES: stack.append(i)
            elif word in OPENS and stack:
                j = stack.pop()
                self.pair[i], self.pair[j] = j, i

    def word(self, i): return self.all[i][1] if 0 <= i < len(self.all) else ''

    def binary(self, i):
        """Whether the token is an operator between two operands: clang-format gives those a space on both sides."""
        kind, word, start, end = self.all[i]
        return kind == 'mark' and word in BINDS and self.text[start - 1:start] in (' ', '\n') and self.text[end:end + 1] in (' ', '\n')

    def left(self, i, binds):
        """Where the left operand of the operator begins; None when that is not plain."""
        j = i - 1
        while j >= 0:
            kind, word, _, _ = self.all[j]
            if kind == 'directive' or word in (';', ',', '{') or word in CLOSES: break
            if word == '}' and not (self.word(self.pair.get(j, -1) - 1) and self.all[self.pair[j] - 1][0] == 'word'): break
            if word in KEYWORDS: break
            if word in OPENS:
                if word not in (')', ']', '}') or j not in self.pair: return None
                k = self.pair[j]
                if word == ')' and self.word(k - 1) in ('if', 'while', 'for', 'switch', 'constexpr'): break
                j = k - 1
                continue
            if self.binary(j) and BINDS[word] < binds: break
            j -= 1
        return j + 1 if j + 1 < i else None

    def right(self, i, binds):
        """Where the right operand ends (the token after it)."""
        j = i + 1
        while j < len(self.all):
            kind, word, _, _ = self.all[j]
            if kind == 'directive' or word in (';', ',') or word in OPENS: break
            if word in CLOSES:
                if j not in self.pair: return None
                j = self.pair[j] + 1
                continue
            if self.binary(j) and (BINDS[word] <= binds if binds > 1 else BINDS[word] < binds): break
            j += 1
        return j if j > i + 1 else None


def places(path, text, wanted):
    """The changes that a file allows: (line, start, end, what it becomes, the operator)."""
    tokens = Tokens(text)
    lines = text.split('\n')
    found = []
    for i, (kind, word, start, end) in enumerate(tokens.all):
        line = text.count('\n', 0, start)
        shown = lines[line].strip()
        if wanted is not None and line + 1 not in wanted: continue
        if kind == 'directive' or re.match(r'static_assert|template|using|friend', shown): continue
        if 'assert' in shown.lower() or 'constexpr' in shown or 'operator' in shown or 'co_await' in shown: continue

        def add(first, last, off, on):
            """Tokens first..last (exclusive) become a choice of two texts."""
            a, b = tokens.all[first][2], tokens.all[last - 1][3]
            whole = text[a:b]
            if 'co_await' in whole or '\n#' in whole or whole.count('\n') > 6: return
            found.append((line, a, b, f'({SWITCH} ? ({on}) : ({off}))', word))

        if kind == 'mark' and word in SWAPS and tokens.binary(i):
            binds = BINDS[word]
            first, last = tokens.left(i, binds), tokens.right(i, binds)
            if first is None or last is None: continue
            a, b = tokens.all[first][2], tokens.all[last - 1][3]
            if re.match(r'(const )?(auto|u?int\d*_t|size_t|bool|double)\b[^(]* $', text[a:start]): continue
            if '//' in text[a:b] or (word in ('+', '+=') and '"' in text[a:b]): continue
            add(first, last, text[a:b], text[a:start] + SWAPS[word] + text[end:b])
            if word in ('+', '-') and tokens.word(i + 1) == '1': add(first, last, text[a:b], text[a:end] + ' 2' + text[tokens.all[i + 1][3]:b])
        elif word == 'return' and tokens.word(i + 1) in ('true', 'false') and tokens.word(i + 2) == ';':
            value = tokens.word(i + 1)
            add(i + 1, i + 2, value, 'false' if value == 'true' else 'true')
        elif word == 'continue' and tokens.word(i + 1) == ';':
            found.append((line, start, end, f'{{ if ({SWITCH}) break; continue; }}', 'continue'))
        elif word == '!' and tokens.word(i - 1) == '(' and tokens.word(i - 2) == 'if':
            last = tokens.right(i, 12)
            if last: add(i, last, text[start:tokens.all[last - 1][3]], 'static_cast<bool>(' + text[end:tokens.all[last - 1][3]] + ')')
    return found


def changed_lines(rev, path):
    lines = set()
    diff = subprocess.run(['git', 'diff', '-U0', rev, 'HEAD', '--', path], capture_output=True, text=True).stdout
    for m in re.finditer(r'^@@ -\S+ \+(\d+)(?:,(\d+))? @@', diff, re.M):
        lines.update(range(int(m[1]), int(m[1]) + int(m[2] or 1)))
    return lines


HEADER = '''#pragma once
#include <cstdlib>
#include <type_traits>
#pragma GCC diagnostic ignored "-Wparentheses"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-compare"
#pragma GCC diagnostic ignored "-Wextra"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wint-in-bool-context"
namespace mutant {
inline const char* const choice = std::getenv("MUTANT");
inline const int chosen = choice ? std::atoi(choice) : -1;
inline unsigned char seen[COUNT + 1];
inline bool Live(int id) { seen[id] = 1; return chosen == id; }
constexpr bool On(int id) { return std::is_constant_evaluated() ? false : Live(id); }
}
'''
LISTENER = '''
#include <cstdio>
#include <cstring>
#include "mutant.h"
namespace {
struct Reached : Catch::TestEventListenerBase {
  using TestEventListenerBase::TestEventListenerBase;
  void testCaseStarting(Catch::TestCaseInfo const& info) override {
    TestEventListenerBase::testCaseStarting(info);
    std::memset(mutant::seen, 0, sizeof(mutant::seen));
  }
  void testCaseEnded(Catch::TestCaseStats const& stats) override {
    TestEventListenerBase::testCaseEnded(stats);
    const char* path = std::getenv("MUTANT_SEEN");
    if (!path) return;
    if (FILE* file = std::fopen(path, "a")) {
      std::fprintf(file, "%s\\t", stats.testInfo.name.c_str());
      for (int i = 0; i <= COUNT; ++i) if (mutant::seen[i]) std::fprintf(file, "%d ", i);
      std::fprintf(file, "\\n");
      std::fclose(file);
    }
  }
};
}
CATCH_REGISTER_LISTENER(Reached)
'''


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('folders', nargs='+')
    p.add_argument('--count', type=int, default=200)
    p.add_argument('--seed', type=int, default=1)
    p.add_argument('--since', help='only lines changed since this revision')
    p.add_argument('--tests', default=PROGRAMS, help='the test programs, in the order in which they run')
    p.add_argument('--minutes', type=float, default=1e9, help='stop trying changes after so long')
    p.add_argument('--jobs', default='2')
    a = p.parse_args()
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    os.chdir(here)
    root = os.path.join(here, 'build/mutants')
    source = os.path.join(root, 'src')
    os.makedirs(source, exist_ok=True)

    files = subprocess.run(['git', 'ls-files', '--'] + a.folders, capture_output=True, text=True).stdout.split()
    chosen = []
    for path in files:
        if not path.endswith('.cpp'): continue
        text = subprocess.run(['git', 'show', 'HEAD:' + path], capture_output=True, text=True).stdout
        wanted = changed_lines(a.since, path) if a.since else None
        chosen += [(path,) + place for place in places(path, text, wanted)]
    total = len(chosen)
    random.Random(a.seed).shuffle(chosen)
    picked, taken = [], {}
    for change in chosen:
        path, line, start, end = change[:4]
        if any(start < e and s < end for s, e in taken.get(path, [])): continue
        taken.setdefault(path, []).append((start, end))
        picked.append(change)
        if len(picked) == a.count: break
    print(f'{len(picked)} of {total} places', flush=True)

    # The copy: only files that differ are written, so that a second run compiles little.
    tree = subprocess.run(['git', 'ls-tree', '-r', '-z', '--name-only', 'HEAD'], capture_output=True, text=True).stdout.split('\0')
    broken = set()

    def write(path, text):
        full = os.path.join(source, path)
        data = text if isinstance(text, bytes) else text.encode()
        if os.path.exists(full) and open(full, 'rb').read() == data: return
        os.makedirs(os.path.dirname(full), exist_ok=True)
        open(full, 'wb').write(data)

    def render(path):
        text = subprocess.run(['git', 'show', 'HEAD:' + path], capture_output=True, text=True).stdout
        for number, change in sorted(enumerate(picked), key=lambda c: -c[1][2]):
            if change[0] != path or number in broken: continue
            _, _, start, end, pattern, _ = change
            text = text[:start] + pattern.replace(SWITCH, f'::mutant::On({number})') + text[end:]
        return f'#include "mutant.h"\n#line 1 "{path}"\n' + text

    mutated = {change[0] for change in picked}
    for path in tree:
        if not path or path in mutated or not re.match(r'(CMakeLists.txt|CMakePresets.json|VERSION|cmake|common|controller|docs|fuzzers|proto|scripts|tests|worker|bench|README)', path): continue
        if path.startswith(('tests/e2e', 'tests/conformance')): continue
        data = subprocess.run(['git', 'show', 'HEAD:' + path], capture_output=True).stdout
        if path == 'tests/test_main.cpp': data += LISTENER.replace('COUNT', str(a.count)).encode()
        write(path, data)
    write('mutant.h', HEADER.replace('COUNT', str(a.count)))
    for path in mutated: write(path, render(path))

    # As the unit stage builds it: what is not changed comes from the compiler cache.
    build = os.path.join(source, 'build/ci')
    subprocess.run(['cmake', '--preset', 'ci', '-DSLUICE_BENCH=OFF'], cwd=source, check=True, capture_output=True)
    programs = a.tests.split()
    for attempt in range(12):
        run = subprocess.run(['ninja', '-C', build, '-k', '0', '-j', a.jobs] + programs, capture_output=True, text=True)
        if run.returncode == 0: break
        bad = set()
        for path, line in re.findall(r'^((?:worker|controller|common)[\w/.]*\.cpp):(\d+)(?::\d+)?: error', run.stdout, re.M):
            near = [(abs(c[1] + 1 - int(line)), n) for n, c in enumerate(picked) if c[0] == path and n not in broken]
            bad.update([min(near)[1]] if near else [])
        if not bad: sys.exit('the changed tree does not build:\n' + run.stdout[-4000:])
        broken |= bad
        print(f'{len(broken)} changes do not compile', flush=True)
        for path in {picked[n][0] for n in bad}: write(path, render(path))

    # Which cases pass through which change, and how long each program takes.
    reach, seconds = {}, {}
    env = {**os.environ, 'SLUICE_LAYERS_SEEDS': '6', 'SLUICE_SCTP_RUNS': '6'}
    for program in programs:
        path = os.path.join(root, program + '.seen')
        if os.path.exists(path): os.remove(path)
        begin = time.time()
        run = subprocess.run([os.path.join(build, 'bin', program)], capture_output=True, text=True, env={**env, 'MUTANT_SEEN': path})
        seconds[program] = time.time() - begin
        if run.returncode: print(f'{program} fails by itself:\n{run.stdout[-1500:]}', flush=True)
        for row in open(path) if os.path.exists(path) else []:
            name, ids = row.rstrip('\n').split('\t')
            for number in ids.split(): reach.setdefault(int(number), {}).setdefault(program, []).append(name)
    print('built; the tests take ' + ', '.join(f'{p} {s:.0f} s' for p, s in seconds.items()), flush=True)

    until = time.time() + a.minutes * 60
    noticed = survived = 0
    for number, (path, line, start, end, pattern, word) in enumerate(picked):
        if number in broken: continue
        if time.time() > until: break
        found = False
        for program in programs:
            cases = reach.get(number, {}).get(program)
            if not cases: continue
            listed = os.path.join(root, 'cases')
            open(listed, 'w').write(''.join(re.sub(r'([,\\[\]"*])', r'\\\1', name) + '\n' for name in cases))
            try:
                run = subprocess.run([os.path.join(build, 'bin', program), '-a', '-f', listed], capture_output=True, env={**env, 'MUTANT': str(number)},
                                     timeout=20 + 4 * seconds[program])
                found = run.returncode != 0
                if b'Invalid Filter' in run.stdout: sys.exit(f'{program} does not know the names of its own cases: {run.stdout[:400]}')
            except subprocess.TimeoutExpired: found = True
            if found: break
        noticed += found
        survived += not found
        if not found:
            text = subprocess.run(['git', 'show', 'HEAD:' + path], capture_output=True, text=True).stdout
            print(f'SURVIVED {path}:{line + 1}  {word}{"" if number in reach else "  (no case comes here)"}\n  - {text.splitlines()[line].strip()}\n'
                  f'  + {" ".join(pattern.split())[:160]}', flush=True)
    all_tried = noticed + survived
    print(f'{noticed} of {all_tried} changes noticed ({round(100 * noticed / all_tried) if all_tried else 0} %), {len(broken)} did not compile')


main()
