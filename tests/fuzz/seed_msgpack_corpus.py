#!/usr/bin/env python3
"""Makes the seeds of msgpack_fuzz from the golden vectors: a file a kind, and one a kind's envelope.

    seed_msgpack_corpus.py tests/protocol/golden/messages.json tests/fuzz/corpus/msgpack_fuzz
"""
import json
import pathlib
import sys

with open(sys.argv[1], encoding="utf-8") as file:
    lines = json.load(file)
folder = pathlib.Path(sys.argv[2])
folder.mkdir(parents=True, exist_ok=True)
for line in lines:
    kind = line["kind"]
    (folder / f"kind_{kind}").write_bytes(bytes([kind]) + bytes.fromhex(line["encoding"]))
    (folder / f"envelope_{kind}").write_bytes(b"\0" + bytes.fromhex(line["envelope"]))
