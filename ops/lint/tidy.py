#!/usr/bin/env python3
"""Runs clang-tidy over the sources of a build's compilation database, as many at once as there are processors.

    ops/lint/tidy.py BUILD_DIRECTORY [--all]

A file is skipped if neither it, nor a header of the house that it reaches, nor .clang-tidy changed since it last
passed (stamps lie in the cache directory, so that clones share them); --all skips nothing. Findings are printed as
they come, and how far it is every half minute.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TIDY = "clang-tidy-19"
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


def fingerprint(path, tool):
    digest = hashlib.sha256(tool)
    for file in sorted(reached(path, set())):
        digest.update(str(file.relative_to(ROOT)).encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


def tool_and_rules():
    version = subprocess.run([TIDY, "--version"], capture_output=True, check=True).stdout
    return version + (ROOT / ".clang-tidy").read_bytes()


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


def check(path, folder):
    """True if the file is clean; else prints what was found."""
    run = subprocess.run([TIDY, "--quiet", "-p", folder, "--extra-arg=-Wno-unknown-warning-option", str(path)],
                         capture_output=True, text=True, check=False)
    if run.returncode != 0:
        print(run.stdout or run.stderr, flush=True)
    return run.returncode == 0


def check_all(stamp_of, folder):
    """How many of the files have findings."""
    bad, said = 0, time.monotonic()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        runs = {pool.submit(check, path, folder): stamp for path, stamp in stamp_of.items()}
        for done, run in enumerate(as_completed(runs), 1):
            if run.result():
                runs[run].touch()
            else:
                bad += 1
            if time.monotonic() - said > 30:
                said = time.monotonic()
                print(f"  clang-tidy [{done}/{len(runs)}]", flush=True)
    return bad


def main():
    build, everything = Path(sys.argv[1]).resolve(), "--all" in sys.argv[2:]
    stamps = Path(os.environ.get("MAYFLY_CACHE", Path.home() / ".cache/mayfly")) / "tidy"
    stamps.mkdir(parents=True, exist_ok=True)
    tool = tool_and_rules()
    with tempfile.TemporaryDirectory() as folder:
        paths = sorted(set(sources(database_for_clang(build, folder))))
        stamp_of = {path: stamps / fingerprint(path, tool) for path in paths}
        due = {path: stamp for path, stamp in stamp_of.items() if everything or not stamp.exists()}
        bad = check_all(due, folder)
    print(f"clang-tidy: {len(due)} files checked, {len(paths) - len(due)} unchanged, {bad} with findings")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
