#!/usr/bin/env python3
"""Fails when a comment or a page of docs/ cites a document or a section of one that is not there, or
docs/attacks.md a test that is not.

A section is cited by its document: "docs/protocols/layers.md §3", "RFC 8445 §7.3, §7.4". Documents of
this repository (names that end in .md) must exist, and have a heading "## N." for every §N that is
cited of them. Inside of a page "§N" alone is a section of that page.

docs/attacks.md names tests: a file below tests/, or a fuzz target, in backquotes, and behind it the names of its
tests in quotes. Each of its numbers has one row.
"""

import os
import re
import sys

FOLDERS = ['bench', 'cmake', 'common', 'controller', 'docs', 'fuzzers', 'proto', 'scripts', 'tests', 'web', 'worker']
ENDINGS = ('.h', '.cpp', '.cc', '.fbs', '.mjs', '.js', '.ts', '.tsx', '.py', '.sh', '.cmake', '.txt', '.sources', '.md',
           '.yml', '.html', '.css')
SKIPPED = {'node_modules', 'dist', 'build', '__pycache__'}

PAGE = r'(?<![\w/%.-])(?:\.{1,2}/)*[A-Za-z0-9_][\w./-]*\.md\b'
# Documents that people find by their name.
ELSEWHERE = (r'(?:RFC )?\b\d{4}\b|\bdraft-[\w-]+|\bH\.26[45]|\b3GPP TS [\d.]+|\bAV1(?: RTP spec| v1\.0)?|\bVP9 bitstream '
             r'specification|\bORTC|\bITU-T [A-Z]\.\d+')
SECTION = r'§\s?[A-Za-z0-9]+(?:\.[A-Za-z0-9]+)*'
# A document, and the sections of it that follow: "x.md §1, §2", "[x.md](x.md) §3 to §5".
CITED = re.compile(rf'(?P<document>{PAGE}|{ELSEWHERE})[`)\]]*,?\s+'
                   rf'(?P<sections>{SECTION}(?:(?:,|\s+and|\s+to|\s*[–-])\s*{SECTION})*)')
# How comments go on in the next line.
NEXT_LINE = re.compile(r'[ \t]*\n[ \t]*(?:///?<?|\*(?!/)|#+(?=\s)|//!)?[ \t]*')


def resolve(page, folder):
    """The page of this repository that `page`, named in a file of `folder`, is; None when there is none."""
    for base in ('.', folder, 'docs', 'docs/protocols'):
        path = os.path.normpath(os.path.join(base, page))
        if os.path.isfile(path):
            return path
    return None


def sections_of(path, known={}):
    if path not in known:
        with open(path, encoding='utf-8') as file:
            known[path] = set(re.findall(r'^#+ (\d+)\.', file.read(), re.MULTILINE))
    return known[path]


def check(path):
    with open(path, encoding='utf-8', errors='replace') as file:
        text = file.read()
    if '§' not in text and '.md' not in text:
        return []
    # Lines are joined, so that what is cited may stand on two; an offset still tells the line.
    joined = NEXT_LINE.sub(lambda gap: ' ' * len(gap.group()), text)
    folder = os.path.dirname(path)
    is_page = path.endswith('.md')
    found = []

    def report(offset, what):
        found.append(f'{path}:{text.count(chr(10), 0, offset) + 1}: {what}')

    for page in re.finditer(PAGE, joined):
        if resolve(page.group(), folder) is None:
            report(page.start(), f'cites {page.group()}, which is not in the repository')
    cited = set()
    for citation in CITED.finditer(joined):
        start = citation.start('sections')
        own = resolve(citation['document'], folder) if citation['document'].endswith('.md') else None
        for section in re.finditer(SECTION, citation['sections']):
            cited.add(start + section.start())
            number = section.group()[1:].strip()
            if own is not None and number not in sections_of(own):
                report(start + section.start(), f'{own} has no section {number}')
    for section in re.finditer('§', joined):
        if section.start() in cited:
            continue
        number = re.match(r'§\s?([\w.]*\w)?', joined[section.start():])[1]
        if not is_page:
            report(section.start(), f'§{number} of which document? Name it in front of the section')
        elif number not in sections_of(path):
            report(section.start(), f'{path} has no section {number}')
    return found


ATTACKS = 'docs/attacks.md'
TEXT = r'"((?:[^"\\]|\\.)*)"'
# How tests are named in C++ and in JavaScript, where a name in backquotes may have parts that are computed.
CPP_TEST = re.compile(rf'\bTEST_CASE(?:_METHOD\(\s*[\w:<>]+\s*,|\()\s*((?:{TEXT}\s*)+)')
JS_TEST = re.compile(r"""(?:\btest\(\s*|\bname: )(?:'((?:[^'\\]|\\.)*)'|`([^`]*)`)""")


def tests_of(path, known={}):
    """Patterns of the names of the tests in a file."""
    if path not in known:
        with open(path, encoding='utf-8') as file:
            text = file.read()
        if path.endswith('.mjs'):
            names = [single or template for single, template in JS_TEST.findall(text)]
        else:
            names = [''.join(re.findall(TEXT, match[0])) for match in CPP_TEST.findall(text)]
        known[path] = [re.compile('.+'.join(re.escape(part) for part in re.split(r'\$\{[^}]*\}', name)))
                       for name in names]
    return known[path]


def check_attacks():
    found = []
    numbers = set()
    with open(ATTACKS, encoding='utf-8') as file:
        lines = file.read().split('\n')
    for line_number, line in enumerate(lines, 1):
        if not line.startswith('|'):
            continue

        def report(what):
            found.append(f'{ATTACKS}:{line_number}: {what}')

        number = re.match(r'\| (\d+) \|', line)
        if number:
            if number[1] in numbers:
                report(f'{number[1]} has a row already')
            numbers.add(number[1])
        path = None
        for file_name, test in re.findall(rf'`([\w./-]+\.(?:cpp|mjs))`|{TEXT}', line):
            if file_name:
                path = file_name if file_name.startswith('fuzzers/') else 'tests/' + file_name
                if not os.path.isfile(path):
                    report(f'there is no {path}')
                    path = None
            elif path is not None and not any(name.fullmatch(test) for name in tests_of(path)):
                report(f'{path} has no test "{test}"')
    return found


def files():
    for name in ('README.md', 'SECURITY.md', 'CMakeLists.txt', 'meson.build'):
        if os.path.isfile(name):
            yield name
    for folder in FOLDERS:
        for parent, folders, names in os.walk(folder):
            folders[:] = sorted(name for name in folders if name not in SKIPPED)
            for name in sorted(names):
                if name.endswith(ENDINGS) and name != os.path.basename(__file__):
                    yield os.path.join(parent, name)


def main():
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
    found = [line for path in files() for line in check(path)] + check_attacks()
    for line in found:
        print('citations:', line)
    return 1 if found else 0


if __name__ == '__main__':
    sys.exit(main())
