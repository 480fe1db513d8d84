"""Llama-shaped GGUF files of any shape with random weights, speaking the tiny model's language."""

import random
import struct
from array import array
from pathlib import Path

from cluster import TINY_MODEL

UINT32, STRING, ARRAY, FLOAT32 = 4, 8, 9, 6
WIDTHS = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
ALIGNMENT = 32


def text(value):
    encoded = value.encode()
    return struct.pack("<Q", len(encoded)) + encoded


def end_of_value(data, kind, at):
    if kind == STRING:
        return at + 8 + struct.unpack_from("<Q", data, at)[0]
    if kind != ARRAY:
        return at + WIDTHS[kind]
    inner, count = struct.unpack_from("<IQ", data, at)
    at += 12
    if inner != STRING:
        return at + count * WIDTHS[inner]
    for _ in range(count):
        at = end_of_value(data, STRING, at)
    return at


def metadata(path):
    """The key-value pairs of a GGUF file: key to type and bytes."""
    data = Path(path).read_bytes()
    _, _, _, count = struct.unpack_from("<4sIQQ", data)
    at, pairs = 24, {}
    for _ in range(count):
        length = struct.unpack_from("<Q", data, at)[0]
        key = data[at + 8:at + 8 + length].decode()
        at += 8 + length
        kind = struct.unpack_from("<I", data, at)[0]
        end = end_of_value(data, kind, at + 4)
        pairs[key] = kind, data[at + 4:end]
        at = end
    return pairs


def tensors_of(shape):
    """Name to rows and columns; a vector has one row."""
    width, hidden, vocabulary = shape["width"], shape["hidden"], shape["vocabulary"]
    query, key = shape["heads"] * shape["head_dim"], shape["kv_heads"] * shape["head_dim"]
    tensors = {"token_embd.weight": (vocabulary, width), "output_norm.weight": (1, width),
               "output.weight": (vocabulary, width)}
    for layer in range(shape["layers"]):
        tensors |= {f"blk.{layer}.{name}.weight": size for name, size in {
            "attn_norm": (1, width), "attn_q": (query, width), "attn_k": (key, width), "attn_v": (key, width),
            "attn_output": (width, query), "ffn_norm": (1, width), "ffn_gate": (hidden, width),
            "ffn_up": (hidden, width), "ffn_down": (width, hidden)}.items()}
    return tensors


def weights_of(rows, columns, dice):
    """Spread as a trained model's: a product of unit inputs is about one."""
    if rows == 1:
        return array("f", [1.0] * columns)
    some = [dice.gauss(0, 1.5 / columns**0.5) for _ in range(4099)]  # a prime: no two rows repeat each other
    return array("f", (some[index % 4099] * (1 if index * 2654435761 & 1024 else -1) for index in range(rows * columns)))


def write(path, kv_heads, heads=8, layers=2, width=128, hidden=256, seed=1):
    """Writes the file and returns its path."""
    pairs = metadata(TINY_MODEL)
    vocabulary = struct.unpack_from("<IQ", pairs["tokenizer.ggml.tokens"][1])[1]
    shape = {"kv_heads": kv_heads, "heads": heads, "layers": layers, "width": width, "hidden": hidden,
             "head_dim": width // heads, "vocabulary": vocabulary}
    numbers = {"block_count": layers, "embedding_length": width, "feed_forward_length": hidden,
               "attention.head_count": heads, "attention.head_count_kv": kv_heads,
               "attention.key_length": width // heads, "attention.value_length": width // heads,
               "rope.dimension_count": width // heads}
    pairs |= {f"llama.{key}": (UINT32, struct.pack("<I", value)) for key, value in numbers.items()}
    pairs["general.name"] = STRING, text("random")
    tensors, dice = tensors_of(shape), random.Random(seed)
    head = struct.pack("<4sIQQ", b"GGUF", 3, len(tensors), len(pairs))
    head += b"".join(text(key) + struct.pack("<I", kind) + value for key, (kind, value) in pairs.items())
    offset, bodies = 0, []
    for name, (rows, columns) in tensors.items():
        body = weights_of(rows, columns, dice).tobytes()
        dimensions = (columns,) if rows == 1 else (columns, rows)
        head += text(name) + struct.pack("<I", len(dimensions)) + struct.pack(f"<{len(dimensions)}Q", *dimensions)
        head += struct.pack("<IQ", 0, offset)
        bodies.append(body + bytes(-len(body) % ALIGNMENT))
        offset += len(bodies[-1])
    Path(path).write_bytes(head + bytes(-len(head) % ALIGNMENT) + b"".join(bodies))
    return Path(path)
