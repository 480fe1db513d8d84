#!/usr/bin/env python3
"""Runs clang-tidy over the sources of a build's compilation database, as many at once as there are processors.

    ops/lint/tidy.py BUILD_DIRECTORY [--all]

A file is skipped if neither it, nor a header of the house that it reaches, nor .clang-tidy changed since it last
passed (stamps lie in the build directory); --all skips nothing.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.M)
# GCC's flags that clang does not know, and -Werror: clang's own warnings are the fuzz build's matter.
GCC_ONLY = re.compile(r"\s-Wno-restrict\b|\s-fno-sanitize=null\b|\s-Werror\b")


def reached(path, seen):
    """The file and all headers of the house that it includes, however deep."""
    if path in seen or not path.is_file():
        return seen
    seen.add(path)
    for target in INCLUDE.findall(path.read_text(encoding="utf-8")):
        reached(ROOT / target, seen)
    return seen


def fingerprint(path):
    digest = hashlib.sha256((ROOT / ".clang-tidy").read_bytes())
    for file in sorted(reached(path, set())):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def sources(database):
    """Our own sources: tests are held by the compilers' warnings and by the sanitizers."""
    for entry in database:
        path = Path(entry["directory"], entry["file"]).resolve()
        if path.is_relative_to(ROOT) and not path.is_relative_to(ROOT / "tests"):
            yield path


def database_for_clang(build, folder):
    entries = json.loads((build / "compile_commands.json").read_text())
    for entry in entries:
        entry["command"] = GCC_ONLY.sub("", entry["command"]).replace("ccache ", "", 1)
    Path(folder, "compile_commands.json").write_text(json.dumps(entries))
    return entries


def check(path, folder, stamps, everything):
    """Returns the findings of one file, or None where it was skipped."""
    print_of_file = fingerprint(path)
    stamp = stamps / print_of_file
    if stamp.exists() and not everything:
        return None
    run = subprocess.run(["clang-tidy-19", "--quiet", "-p", folder, "--extra-arg=-Wno-unknown-warning-option", str(path)],
                         capture_output=True, text=True, check=False)
    if run.returncode == 0:
        stamp.touch()
        return ""
    return run.stdout or run.stderr


def main():
    build, everything = Path(sys.argv[1]).resolve(), "--all" in sys.argv[2:]
    stamps = build / "tidy"
    stamps.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        paths = sorted(set(sources(database_for_clang(build, folder))))
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            outcomes = list(pool.map(lambda path: check(path, folder, stamps, everything), paths))
    findings = [outcome for outcome in outcomes if outcome]
    for finding in findings:
        print(finding)
    checked = sum(outcome is not None for outcome in outcomes)
    print(f"clang-tidy: {checked} files checked, {len(paths) - checked} unchanged, {len(findings)} with findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
