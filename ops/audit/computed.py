"""What is computed from content, and has no words to look for: KV, activations, the sums that ranks share."""

import re
from pathlib import Path

import canary

# What the ranks of a group share: 1,152 bytes of control (gpu/collective/shared_memory/segment.hpp), then activations.
SHARED, SHARED_HEAD = "memfd:mayfly-ranks", 1152
# In memory for content that is at rest stand free blocks' links, keys, the last message's frame: they end within a few
# words of zeros. Rows of numbers are as long as a head or a layer is wide.
LINE, DENSE_LINES = 64, 4
ZEROS = bytes(4096)


def mappings(pid):
    """(first address, end, path, flags) of each; the flags are those of proc(5), `VmFlags` of smaps."""
    head = None
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            head = line.split(None, 5)
        elif line.startswith("VmFlags:"):
            begin, end = (int(address, 16) for address in head[0].split("-"))
            yield begin, end, head[5] if len(head) == 6 else "", line.split()[1:]


def longest_dense_run(data):
    """Of 64-byte lines that hold no 4-byte zero, the most in a row."""
    longest = run = 0
    for at in range(0, len(data), len(ZEROS)):
        page = data[at:at + len(ZEROS)]
        if page == ZEROS:
            run = 0
            continue
        words = memoryview(page).cast("I")
        for line in range(0, len(words), LINE // 4):
            run = run + 1 if all(words[line:line + LINE // 4]) else 0
            longest = max(longest, run)
    return longest


def left_in(pid):
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for begin, end, path, flags in mappings(pid):
            content = not path and "dd" in flags and "wr" in flags  # left out of dumps: memory for content, and that alone
            if not content and SHARED not in path:
                continue
            memory.seek(begin)
            data = memory.read(end - begin)
            if content and longest_dense_run(data) >= DENSE_LINES:
                yield f"{canary.COMPUTED} {pid}:[anonymous]"
            if not content and any(data[SHARED_HEAD:]):
                yield f"{canary.SHARED} {pid}:{SHARED}"


def left(cluster):
    """A finding for every mapping of a process that computes where numbers of its computing stand. At rest."""
    return [finding for pid in cluster.pids("worker") + cluster.pids("shard") for finding in left_in(pid)]
