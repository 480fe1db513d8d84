#!/usr/bin/env python3
"""Holds the tree against the rules of the house: who may include whom, how large files and functions may grow,
which names are not used, that every folder says what it is for.

    ops/lint/structure.py [ROOT]

Prints one line a finding, exits 1 if there is any.
"""

import re
import subprocess
import sys
from pathlib import Path

TOP_LEVEL = {"CMakeLists.txt", "actors", "cluster", "gpu", "protocol", "tests", "ops", "README.md", "LICENSE",
             "CMakePresets.json", ".clang-format", ".clang-tidy", ".gitignore", ".ci"}
CODE = {".cpp", ".hpp", ".py", ".cu", ".cuh"}
MAX_FILE_LINES = 500
MAX_FUNCTION_LINES = 60
FORBIDDEN_NAMES = re.compile(r"(^|[_/.])(utils?|common|helpers?|misc|manager)([_/.]|$)", re.IGNORECASE)
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")

# Third parties and the one place that may see each: include prefix -> folders.
HOMES = {
    "msgpack": ("protocol/msgpack/", "tests/protocol/"),
    "sodium": ("protocol/crypto/", "tests/protocol/"),
    "zmq": ("cluster/transport/", "tests/cluster/"),
    "boost/beast": ("actors/gateway/http/",),
    "boost/json": ("actors/api/", "ops/", "tests/"),
    "openssl/": ("actors/gateway/http/", "protocol/crypto/aead.cpp", "tests/actors/gateway/http/"),
    "sqlite3": ("actors/retention/", "tests/actors/retention/"),
    "caf/": ("cluster/", "actors/", "tests/", "ops/bench/"),
    "pcre2": ("gpu/text/",),
    "utf8proc": ("gpu/text/",),
    "toml++": ("cluster/node/",),
    "seccomp": ("cluster/node/",),
    "curl/": ("ops/cli/",),
    "CLI/": ("ops/",),
    "nccl": ("gpu/collective/nccl/",),
    "cuda": ("gpu/kernels/cuda/", "gpu/check/machine_cuda.cpp"),
    "cublas": ("gpu/kernels/cuda/",),
}

# Room -> what it may include of the house (prefixes). The first matching room counts.
ROOMS = [
    ("protocol/base/", ("protocol/base/",)),
    ("protocol/", ("protocol/",)),
    ("gpu/text/", ("gpu/text/", "gpu/formats/", "gpu/engine.hpp", "protocol/base/")),
    ("gpu/check/", ("gpu/", "protocol/base/", "tests/gpu/core/kernels/reference.hpp")),
    ("gpu/", ("gpu/", "protocol/base/")),
    ("cluster/node/", None),
    ("cluster/", ("cluster/", "protocol/")),
    ("actors/api/", ("actors/api/", "actors/actors.hpp", "protocol/", "cluster/")),
    ("actors/scheduler/", ("actors/scheduler/", "actors/actors.hpp", "actors/peer_table.hpp", "protocol/", "cluster/")),
    ("actors/worker/", ("actors/worker/", "actors/actors.hpp", "actors/peer_table.hpp", "actors/retention_outbox.hpp",
                        "actors/process_memory.hpp", "protocol/",
                        "cluster/", "gpu/engine.hpp", "gpu/group.hpp", "gpu/collective/collective.hpp", "gpu/text/", "gpu/formats/gguf.hpp")),
    ("actors/", ("actors/", "protocol/", "cluster/")),
]
NOT_INCLUDED = ("cluster/node/", "ops/")
GPU_CORE_FORBIDS = ("gpu/text/",)


def tracked(root):
    listing = subprocess.run(["git", "-C", root, "ls-files", "-z"], capture_output=True, check=True).stdout
    return [Path(name) for name in listing.decode().split("\0") if name and (root / name).is_file()]


def includes(text):
    return [(match.group(1), match.group(2)) for match in re.finditer(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', text, re.M)]


def check_includes(path, text):
    """Yields what a C++ file includes and may not."""
    place = path.as_posix()
    for bracket, target in includes(text):
        if bracket == "<":
            for prefix, homes in HOMES.items():
                if target.startswith(prefix) and not place.startswith(homes):
                    yield f"{place}: <{target}> belongs to {', '.join(homes)}"
            continue
        if target.startswith(NOT_INCLUDED) and not place.startswith(NOT_INCLUDED + ("tests/",)):
            yield f"{place}: includes {target}, which composes everything and is included by nobody"
        for room, allowed in ROOMS:
            if not place.startswith(room):
                continue
            if allowed is not None and not target.startswith(allowed):
                yield f"{place}: {room} must not include {target}"
            break
        if place.startswith("gpu/") and not place.startswith("gpu/text/") and target.startswith(GPU_CORE_FORBIDS):
            yield f"{place}: gpu's core must not include {target}"


def function_lengths(text):
    """Yields (first line, lines) of every brace-delimited function body at namespace or class level of a C++ file.

    A body starts at a line that ends in '{' after a ')' (qualifiers between) and ends at the first line whose
    closing brace stands in the column where that first line starts: clang-format guarantees the shape."""
    lines = text.split("\n")
    start = re.compile(r"^(\s*)(?!.*\b(if|for|while|switch|catch|namespace|struct|class|enum|do|else)\b.*\{$).*\)"
                       r"[\w\s&:>,<\-]*\{$")
    for index, line in enumerate(lines):
        found = start.match(line)
        if not found or line.strip().startswith(("}", "//", "*", "return", "[")) or "= [" in line or "([" in line:
            continue
        indent = found.group(1)
        if line.strip().startswith(":"):  # a constructor's initialisers stand four columns further in
            indent = indent[4:]
        closing = indent + "}"
        for end in range(index + 1, len(lines)):
            if lines[end].startswith(closing) and not lines[end][len(closing):].strip().startswith(("else", "while")):
                yield index + 1, end - index + 1
                break


def check_sizes(path, text):
    place = path.as_posix()
    count = text.count("\n")
    if count > MAX_FILE_LINES:
        yield f"{place}: {count} lines, more than {MAX_FILE_LINES}: two rooms may have grown into one"
    if path.suffix in {".cpp", ".hpp", ".cu", ".cuh"}:
        for line, length in function_lengths(text):
            if length > MAX_FUNCTION_LINES:
                yield f"{place}:{line}: a function of {length} lines, more than {MAX_FUNCTION_LINES}"


def check_names(path, text):
    place = path.as_posix()
    if FORBIDDEN_NAMES.search(place):
        yield f"{place}: the name says nothing of its purpose"
    for number, line in enumerate(text.split("\n"), 1):
        if UNFINISHED.search(line) and place != "ops/lint/structure.py":
            yield f"{place}:{number}: unfinished: {line.strip()[:80]}"


def check_folders(paths):
    folders = {path.parent for path in paths if path.suffix in CODE and len(path.parts) > 1}
    with_readme = {path.parent for path in paths if path.name == "README.md"}
    for folder in sorted(folders):
        if not folder.parts[0].startswith(".") and folder not in with_readme and "tests" not in folder.parts[:1]:
            yield f"{folder.as_posix()}/: has no README.md"
    for path in paths:
        if path.parts[0] not in TOP_LEVEL:
            yield f"{path.as_posix()}: the top level is fixed"


def findings(root):
    paths = tracked(root)
    yield from check_folders(paths)
    for path in paths:
        if path.suffix not in CODE:
            continue
        text = (root / path).read_text(encoding="utf-8")
        yield from check_sizes(path, text)
        yield from check_names(path, text)
        if path.suffix in {".cpp", ".hpp", ".cu", ".cuh"}:
            yield from check_includes(path, text)


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).resolve().parents[2])
    found = list(findings(root))
    for line in found:
        print(line)
    print(f"structure: {len(found)} findings" if found else "structure: the house stands as planned")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
