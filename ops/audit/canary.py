"""Canaries: random text that nothing else contains, and the needles that show a trace of it.

A needle is a fragment in one form: 8 bytes of the text, 8 bytes of its JSON-escaped form, 12 digits of its base64
form at each alignment, or 4 consecutive token ids in 16, 32 or 64 bits.
"""

import base64
import json
import random
import string
import struct
import subprocess

MARK = "cnry"  # leaking_wipe.cpp looks for it
ID_WIDTHS = {"ids16": "<H", "ids32": "<i", "ids64": "<q"}
SHARED = "shared"  # anything at all in the memory that ranks share
COMPUTED = "computed"  # rows of numbers in memory for content
FORMS = ("text", "escaped", "base64", *ID_WIDTHS, SHARED, COMPUTED)


def make(source: random.Random) -> str:
    """A word with a quotation mark inside, so that its JSON form differs from its plain one."""
    half = lambda: "".join(source.choices(string.ascii_letters + string.digits, k=13))
    return f'{MARK}{half()}"{half()}'


def windows(data: bytes, size: int, step: int = 1):
    return {data[at:at + size] for at in range(0, len(data) - size + 1, step)}


def text_needles(canary: str):
    secret = canary[len(MARK):]
    escaped = json.dumps(secret)[1:-1].encode()
    yield from (("text", window) for window in windows(secret.encode(), 8))
    yield from (("escaped", window) for window in windows(escaped, 8) if b"\\" in window)
    for shift in range(3):
        # Dropped at both ends: the digits that depend on the neighbours.
        digits = base64.b64encode(b" " * shift + secret.encode())[4:-4]
        yield from (("base64", window) for window in windows(digits, 12, 4))


def id_needles(ids: list):
    """Runs of four ids; runs of fewer than three different ids prove nothing."""
    for at in range(len(ids) - 3):
        run = ids[at:at + 4]
        if len(set(run)) < 3:
            continue
        for form, width in ID_WIDTHS.items():
            yield form, b"".join(struct.pack(width, token) for token in run)


def output_needles(output: str, ids: list, public: bytes):
    """What shows an answer: 12 bytes that the model's file does not hold anyway, and its ids."""
    for window in windows(output.encode(), 12):
        if window not in public:
            yield "output", window
    yield from id_needles(ids)


def tokenize(oracle, model, texts: list) -> list:
    """Token ids of each text by the product's own tokeniser."""
    frames = b"".join(struct.pack("<I", len(text.encode())) + text.encode() for text in texts)
    answer = subprocess.run([oracle, "tokenize", model, "plain"], input=frames, capture_output=True, check=True).stdout
    found, at = [], 0
    while at < len(answer):
        size = struct.unpack_from("<I", answer, at)[0]
        found.append(list(struct.unpack_from(f"<{size // 4}i", answer, at + 4)))
        at += 4 + size
    return found


def detokenize(oracle, model, ids) -> bytes:
    """The text of a run of tokens."""
    frame = struct.pack(f"<{len(ids)}i", *ids)
    answer = subprocess.run([oracle, "detokenize", model], input=struct.pack("<I", len(frame)) + frame,
                            capture_output=True, check=True).stdout
    return answer[4:]


def write(path, needles):
    """Frames as residue_scan reads them: (label, bytes) pairs without repetition."""
    with open(path, "wb") as file:
        for label, data in sorted(set(needles)):
            file.write(struct.pack("<I", len(label)) + label.encode() + struct.pack("<I", len(data)) + data)
