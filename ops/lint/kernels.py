#!/usr/bin/env python3
"""Compiles the CUDA kernels to PTX and holds them against what makes them fast: those that stream weights or keys and
values load 16 bytes at a time, products and attention go through tensor cores, nothing lives in local memory.

    ops/lint/kernels.py TOOLKIT

Prints one line a finding, exits 1 if there is any. Spills show only in machine code: the build refuses them.
"""

import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KERNELS = ROOT / "gpu/kernels/cuda"
ARCHITECTURES = ("sm_80", "sm_90a")
ENTRY = re.compile(r"\.entry\s+(\w+)\s*\(")
WIDE = re.compile(r"\bld\.global[\w.:]*\.v4\.u32\b")

# Part of a kernel's mangled name -> its 16-byte loads, where each is counted, and whether it multiplies by mma.
# Loads of the weights of one superblock (products.., tiles.cuh), or of keys and values of one turn of positions.
EXPECTED = {
    "multiply_quantisedILNS1_7storageE3E": (10, True),   # Q8_0: two rows, four of codes and one of scales
    "multiply_quantisedILNS1_7storageE4E": (6, True),    # Q4_K: two and one
    "multiply_quantisedILNS1_7storageE5E": (8, True),    # Q6_K: two, one of high bits, one
    "multiply_plainILNS1_7storageE1E": (8, True),        # F16: two rows of 128 columns
    "multiply_plainILNS1_7storageE2E": (8, True),        # BF16
    "multiply_floats": (1, False),
    "attend_tileILj64E": (2 * 2 + 4, True),              # keys of two tiles in runs of 32, values of four positions
    "attend_tileILj80E": (2 * 2 + 4, True),
    "attend_tileILj96E": (2 * 3 + 4, True),
    "attend_tileILj112E": (2 * 3 + 4, True),
    "attend_tileILj128E": (2 * 4 + 4 * 2, True),
}


def ptx_of(toolkit, source, architecture):
    with tempfile.NamedTemporaryFile(suffix=".ptx") as out:
        run = subprocess.run([f"{toolkit}/bin/nvcc", "-std=c++20", "-O3", "-I", ROOT, "-ptx", f"-arch={architecture}",
                              "-o", out.name, source], capture_output=True, text=True, check=False)
        if run.returncode != 0:
            sys.exit(f"ops/lint/kernels.py: nvcc failed on {source.name}:\n{run.stderr}")
        return Path(out.name).read_text(encoding="utf-8")


def entries(ptx):
    """Yields name and body of every kernel."""
    starts = list(ENTRY.finditer(ptx))
    for start, following in zip(starts, [match.start() for match in starts[1:]] + [len(ptx)]):
        yield start.group(1), ptx[start.start():following]


def check_kernel(where, name, body, met):
    if re.search(r"\b(ld|st)\.local\b|\.local\s+\.align", body):
        yield f"{where}: {name} uses local memory"
    for part, (loads, multiplies) in EXPECTED.items():
        if part not in name:
            continue
        met.add(part)
        found = len(WIDE.findall(body))
        if found < loads:
            yield f"{where}: {name} has {found} loads of 16 bytes, {loads} were planned"
        if multiplies and "mma.sync" not in body:
            yield f"{where}: {name} does not multiply by mma"


def findings(toolkit):
    sources = sorted(KERNELS.glob("*.cu"))
    jobs = [(source, architecture) for source in sources for architecture in ARCHITECTURES]
    with ThreadPoolExecutor(2) as pool:
        texts = pool.map(lambda job: ptx_of(toolkit, *job), jobs)
    met = set()
    for (source, architecture), ptx in zip(jobs, texts):
        for name, body in entries(ptx):
            yield from check_kernel(f"{source.name} ({architecture})", name, body, met)
    for part in EXPECTED.keys() - met:
        yield f"no kernel is called {part}: ops/lint/kernels.py expects one"


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    found = list(findings(sys.argv[1]))
    for line in found:
        print(line)
    print(f"kernels: {len(found)} findings" if found else "kernels: loads are wide, sums are mma, nothing is local")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
