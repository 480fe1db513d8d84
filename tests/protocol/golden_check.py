#!/usr/bin/env python3
"""Checks the golden vectors with another MessagePack implementation, Python's `msgpack`.

    golden_check.py tests/protocol/golden/messages.json

For every message kind: the bytes decode to the value on record, encoding that value gives the same bytes again
(so the form is canonical: smallest integers, ascending tags, 32-bit reals), and the envelope around it is the
documented map with the kind, the mark and the encoding in it. Ends with status 1 at the first difference.
"""
import json
import sys

import msgpack


def expected(value):
    """The value on record (JSON) as msgpack reads it."""
    if isinstance(value, list):
        return [expected(element) for element in value]
    if not isinstance(value, dict):
        return value
    if "binary" in value:
        return bytes.fromhex(value["binary"])
    if "real" in value:
        return float(value["real"])
    return {int(tag): expected(member) for tag, member in value["map"].items()}


def same(left, right):
    """Equality that tells 1, 1.0 and True apart."""
    if type(left) is not type(right):
        return False
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        return list(left) == list(right) and all(same(left[key], right[key]) for key in left)
    return left == right


def unpack(data):
    return msgpack.unpackb(data, raw=False, strict_map_key=False)


def pack(value):
    return msgpack.packb(value, use_bin_type=True, use_single_float=True)


def check(line):
    encoding = bytes.fromhex(line["encoding"])
    value = expected(line["value"])
    if not same(unpack(encoding), value):
        return "decodes to another value"
    if pack(value) != encoding:
        return "is not in canonical form"
    frame = bytes.fromhex(line["envelope"])
    envelope = unpack(frame)
    header = {1: 1, 2: line["kind"], 3: int(line["ephemeral"]), 4: [0x1111, 0x2222], 5: 300, 6: 70000, 7: 9,
              8: 2500, 9: encoding}
    if line["ephemeral"]:
        header[10] = bytes(64)
    if not same(envelope, header):
        return "has another envelope"
    if pack(envelope) != frame:
        return "has an envelope that is not in canonical form"
    return None


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        lines = json.load(file)
    if not lines:
        sys.exit("golden_check: no vectors")
    for line in lines:
        problem = check(line)
        if problem:
            sys.exit(f"golden_check: kind {line['kind']} {problem}")
    print(f"golden_check: {len(lines)} message kinds agree with msgpack {'.'.join(map(str, msgpack.version))}")


if __name__ == "__main__":
    main()
