"""Holds the plug-in's machine code against what makes its kernels fast: 16-byte loads, tensor cores, no local memory.

What each kernel is expected to do stands in ops/lint/kernels.py, which counts the same in PTX."""

import importlib.util
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FUNCTION = re.compile(r"^\s*Function : (\S+)", re.M)
WIDE = re.compile(r"\bLDG\.[\w.]*128\b")
LOCAL = re.compile(r"\b(LDL|STL)\b")
MATRIX = re.compile(r"\b(HMMA|HGMMA)\.")


def expected_kernels():
    spec = importlib.util.spec_from_file_location("lint_kernels", ROOT / "ops/lint/kernels.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.EXPECTED


def functions(listing):
    """Yields name and body of every function of a cuobjdump listing."""
    starts = list(FUNCTION.finditer(listing))
    for start, end in zip(starts, [match.start() for match in starts[1:]] + [len(listing)]):
        yield start.group(1), listing[start.start():end]


def judge(listing, expected):
    """Findings over a listing of machine code."""
    found = dict(functions(listing))
    local = [name for name, body in found.items() if LOCAL.search(body)]
    told = [{"part": "machine code", "what": "kernels that use local memory", "value": len(local),
             "unit": f"of {len(found)}", "held": not local and bool(found)}]
    for part, (loads, multiplies) in expected.items():
        bodies = [body for name, body in found.items() if part in name]
        fewest = min((len(WIDE.findall(body)) for body in bodies), default=0)
        held = fewest >= loads and all(MATRIX.search(body) or not multiplies for body in bodies)
        told.append({"part": "machine code", "what": f"{part}: 16-byte loads" + (", tensor cores" if multiplies else ""),
                     "value": fewest, "unit": f"({loads} wanted)", "held": held})
    return told


def inspect(cuobjdump, library, seconds):
    """Findings over a library, for sm_90a. Raises subprocess.CalledProcessError where the tool fails, for
    want of nvdisasm, say."""
    run = subprocess.run([cuobjdump, "--dump-sass", "--gpu-architecture", "sm_90a", library], capture_output=True, text=True,
                         timeout=seconds, check=True)
    return judge(run.stdout, expected_kernels())
