"""Models of one tensor type each that nobody needs to store: every matrix is blocks of random bytes with scales of a
fixed size, so that tests/gpu/core/model/typed_model.hpp makes the very same ones."""

from pathlib import Path

import gguf
import numpy

from .micro import write_metadata, vocabulary, WIDE
from .places import WORK

LAYERS, COLUMNS = 2, WIDE.width
# Where a block keeps its float16 scales, and their bits: a matrix of them keeps the size of what it multiplies. One
# more in the exponent doubles it.
SCALES = {
    "Q4_0": {0: 0x2400}, "Q4_1": {0: 0x2400, 2: 0xAF80}, "Q5_0": {0: 0x2000}, "Q5_1": {0: 0x2000, 2: 0xAFC0},
    "Q8_0": {0: 0x1400}, "Q4_K": {0: 0x0C00, 2: 0x1780}, "Q5_K": {0: 0x0800, 2: 0x17C0}, "Q6_K": {208: 0x0400},
}
FLOATS = ("F32", "F16", "BF16")  # whole numbers of 8 bits, scaled: each type holds them exactly
TYPES = (*FLOATS, *SCALES)


def matrices(vocabulary_size: int):
    """(name, rows, power of two that it multiplies by), in the file's order. All have COLUMNS columns."""
    kv_rows = COLUMNS // 4 * WIDE.kv_heads
    yield "token_embd", vocabulary_size, 4
    for layer in range(LAYERS):
        for name, rows, gain in (("attn_q", COLUMNS, 1), ("attn_k", kv_rows, 1), ("attn_v", kv_rows, 0),
                                 ("attn_output", COLUMNS, 0), ("ffn_gate", COLUMNS, 0), ("ffn_up", COLUMNS, 0),
                                 ("ffn_down", COLUMNS, 0)):
            yield f"blk.{layer}.{name}", rows, gain
    yield "output", vocabulary_size, 2


def random_bytes(seed: int, count: int) -> numpy.ndarray:
    """SplitMix64's numbers, little-endian (Steele, Lea, Flood 2014)."""
    with numpy.errstate(over="ignore"):
        mixed = numpy.uint64(seed) + numpy.arange(1, (count + 7) // 8 + 1, dtype=numpy.uint64) * numpy.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> numpy.uint64(30))) * numpy.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> numpy.uint64(27))) * numpy.uint64(0x94D049BB133111EB)
    return (mixed ^ (mixed >> numpy.uint64(31))).astype("<u8").view(numpy.uint8)[:count].copy()


def blocks(kind: str, seed: int, rows: int, gain: int) -> numpy.ndarray:
    """A matrix's bytes: [rows, bytes of a row]."""
    number = gguf.GGMLQuantizationType[kind]
    block, size = gguf.GGML_QUANT_SIZES[number]
    made = random_bytes((int(number) << 32) + seed, rows * COLUMNS // block * size).reshape(-1, size)
    if kind in FLOATS:
        values = made[:, 0].view(numpy.int8).astype("<f4") * numpy.float32(2.0 ** (gain - 10))
        stored = {"F32": values, "F16": values.astype("<f2"), "BF16": (values.view("<u4") >> 16).astype("<u2")}[kind]
        return stored.view(numpy.uint8).reshape(rows, -1)
    for offset, bits in SCALES[kind].items():
        made[:, offset:offset + 2] = numpy.array([bits + (gain << 10)], "<u2").view(numpy.uint8)
    return made.reshape(rows, -1)


def model(kind: str) -> Path:
    """The file, for transformers; kept in the cache."""
    file = WORK / "models" / f"typed-{kind.lower()}.gguf"
    file.parent.mkdir(parents=True, exist_ok=True)
    tokens, merges = vocabulary()
    writer = gguf.GGUFWriter(file, "llama")
    write_metadata(writer, file.stem, WIDE, gguf.LlamaFileType.GUESSED, tokens, merges)
    for seed, (name, rows, gain) in enumerate(matrices(len(tokens))):
        writer.add_tensor(f"{name}.weight", blocks(kind, seed, rows, gain), raw_dtype=gguf.GGMLQuantizationType[kind])
    for name in ("output_norm", *(f"blk.{layer}.{norm}" for layer in range(LAYERS) for norm in ("attn_norm", "ffn_norm"))):
        writer.add_tensor(f"{name}.weight", numpy.ones(COLUMNS, numpy.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file
