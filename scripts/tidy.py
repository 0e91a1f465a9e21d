#!/usr/bin/env python3
"""clang-tidy over the sources of Sluice (scripts/tidy.sh sets up and calls it).

Nine tenths of the time of clang-tidy go into headers of other projects, which it reads and searches
anew for each source file. So sources of a folder are checked together, as one translation unit that
includes them, where that is possible: two that give the same name to different things in unnamed
namespaces cannot be together, and what the compiler refuses is tried again in smaller company, in
the end alone.

A source that passed is remembered by its text, the headers of ours that it includes, the checks,
the compile command and the version of clang-tidy, in a cache that all checkouts share
(SLUICE_TIDY_CACHE, else ~/.cache/sluice-tidy), and not checked again.

  tidy.py BUILD FILE...    BUILD has compile_commands.json
"""
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys

TOOL = "clang-tidy-14"
GROUP = 10  # sources: more save little, and each finding costs a whole group again
ROOT = pathlib.Path(__file__).resolve().parent.parent
CACHE = pathlib.Path(os.environ.get("SLUICE_TIDY_CACHE") or pathlib.Path.home() / ".cache/sluice-tidy")
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)
DIAGNOSTIC = re.compile(r"^(\S+?):\d+:\d+: (?:warning|error): .*\[([^\]]+)\]$", re.M)


def closure(source, texts):
    """The source and what it includes of ours, by path; generated headers stand for proto/."""
    seen, todo = set(), [source]
    while todo:
        path = todo.pop()
        if path in seen:
            continue
        seen.add(path)
        if path not in texts:
            file = ROOT / path
            texts[path] = file.read_text() if file.is_file() else ""
        for name in INCLUDE.findall(texts[path]):
            if name.startswith("proto/"):
                todo += sorted(str(p.relative_to(ROOT)) for p in (ROOT / "proto").glob("*.fbs"))
            elif (ROOT / name).is_file():
                todo.append(name)
    return sorted(seen)


def unused_names(text):
    """Aliases of namespaces and using-declarations that nothing uses: clang-tidy's checks for them
    (misc-unused-*-decls) look at the main file only."""
    found = []
    for pattern in (r"^namespace (\w+) = ", r"^using (?:\w*::)+(\w+);"):
        for name in re.findall(pattern, text, re.M):
            if len(re.findall(rf"\b{name}\b", re.sub(r"//.*", "", text))) < 2:
                found.append(name)
    return found


class Tidy:
    def __init__(self, build, files):
        self.build = pathlib.Path(build)
        self.scratch = self.build / "groups"
        self.scratch.mkdir(exist_ok=True)
        CACHE.mkdir(parents=True, exist_ok=True)
        commands = json.loads((self.build / "compile_commands.json").read_text())
        self.commands = {os.path.relpath(e["file"], ROOT): e for e in commands}
        self.texts = {}
        self.failed = False
        self.saved = 0
        version = subprocess.run([TOOL, "--version"], capture_output=True, text=True).stdout
        packages = subprocess.run(
            "dpkg-query -W $(grep -v '^#' scripts/packages.txt | grep -- -dev) 2>/dev/null | sha256sum",
            shell=True, cwd=ROOT, capture_output=True, text=True).stdout
        self.common = version + packages + pathlib.Path(__file__).read_text()
        self.configs = {}
        self.keys = {f: self.key(f) for f in files if f in self.commands}
        for file in files:
            if file not in self.commands:
                print(f"tidy: {file} is in no *.sources list")
                self.failed = True

    def flags(self, file):
        """The compile command without the file and without where things lie."""
        entry = self.commands[file]
        words = entry["command"].replace(entry["file"], "").replace(str(ROOT), "")
        return re.sub(r" -o \S+", "", words)

    def config(self, file):
        """The checks of a source's folder, complete."""
        folder = os.path.dirname(file)
        if folder not in self.configs:
            self.configs[folder] = subprocess.run(
                [TOOL, "--dump-config", file, "--"], cwd=ROOT, capture_output=True, text=True,
                check=True).stdout
        return self.configs[folder]

    def key(self, file):
        text = self.common + self.config(file) + self.flags(file)
        for path in closure(file, self.texts):
            text += path + "\0" + self.texts[path] + "\0"
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def groups(self, files):
        by_folder = {}
        for file in files:
            by_folder.setdefault((self.flags(file), os.path.dirname(file)), []).append(file)
        for _, members in sorted(by_folder.items()):
            count = -(-len(members) // GROUP)
            for i in range(count):
                yield members[i::count]

    def run(self, group):
        """Checks a group; the smaller groups that have to be checked instead because it does not
        compile together."""
        alone = len(group) == 1
        if alone:
            directory, source, extra = self.build, str(ROOT / group[0]), []
        else:
            name = hashlib.sha256("\n".join(group).encode()).hexdigest()[:16]
            directory = self.scratch / name
            directory.mkdir(exist_ok=True)
            source = str(directory / "group.cpp")
            pathlib.Path(source).write_text("".join(f'#include "{ROOT / f}"\n' for f in group))
            entry = dict(self.commands[group[0]])
            entry["command"] = entry["command"].replace(entry["file"], source)
            entry["file"] = source
            (directory / "compile_commands.json").write_text(json.dumps([entry]))
            (directory / ".clang-tidy").write_text(self.config(group[0]))
            extra = ["--checks=-bugprone-suspicious-include",
                     r"--header-filter=(common|worker|controller)/.*\.(h|cpp)$"]
        done = subprocess.run(
            [TOOL, "--quiet", "-p", str(directory),
             "--extra-arg=-Wno-unknown-warning-option", *extra, source],
            cwd=ROOT, capture_output=True, text=True)
        found = DIAGNOSTIC.findall(done.stdout)
        clashes = [os.path.relpath(path, ROOT) for path, check in found
                   if check.startswith("clang-diagnostic-error")]
        if not alone and (clashes or (done.returncode != 0 and not found)):
            # Whoever clashes leaves; when that is nobody of the group, or everybody, it is halved.
            leave = [f for f in group if f in clashes]
            if not leave or len(leave) == len(group):
                half = len(group) // 2
                return [group[:half], group[half:]]
            return [leave, [f for f in group if f not in leave]]
        if done.returncode != 0:
            print(done.stdout)
            print("tidy: " + " ".join(group))
            self.failed = True
            return []
        for file in group:
            (CACHE / self.keys[file]).touch()
        return []

    def check(self):
        todo = []
        for file, key in self.keys.items():
            for name in unused_names(self.texts[file]):
                print(f"{file}: {name} is not used [misc-unused-using-decls]\ntidy: {file}")
                self.failed = True
            if (CACHE / key).exists():
                self.saved += 1
            else:
                todo.append(file)
        waiting = list(self.groups(todo))
        print(f"tidy: {len(todo)} sources to check in {len(waiting)} groups, "
              f"{self.saved} have not changed since they passed", flush=True)
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            while waiting:
                waiting = [smaller for next in pool.map(self.run, waiting) for smaller in next]
        return 1 if self.failed else 0


if __name__ == "__main__":
    sys.exit(Tidy(sys.argv[1], sys.argv[2:]).check())
