"""Quantised blocks and what they stand for, by gguf-py's `dequantize`; and models turned into other types by
llama.cpp's quantiser."""

import struct
from pathlib import Path

import gguf
import numpy

from .golden import write_bytes
from .places import GOLDEN, WORK, llama_cpp, run

TYPES = ("F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q4_K", "Q5_K", "Q6_K")
ELEMENTS = 2048
# Where a block keeps its float16 scales (byte offsets), as ggml lays blocks out.
SCALES = {"Q8_0": (0,), "Q4_0": (0,), "Q4_1": (0, 2), "Q5_0": (0,), "Q5_1": (0, 2), "Q4_K": (0, 2), "Q5_K": (0, 2),
          "Q6_K": (208,)}
ODD_SCALES = (0.0, -0.0, 1.0, -1.0, 6e-8, -6.1e-5, 65504.0, -3.25)


def random_blocks(name: str) -> numpy.ndarray:
    """Random bytes as blocks of one type, with finite scales: ordinary ones, and the odd ones first."""
    block, size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[name]]
    generator = numpy.random.default_rng(sum(name.encode()))
    blocks = generator.integers(0, 256, (ELEMENTS // block, size), dtype=numpy.uint8)
    scales = generator.normal(0, 0.1, len(blocks)).astype("<f2")
    scales[:min(len(ODD_SCALES), len(scales) // 2)] = numpy.array(ODD_SCALES, "<f2")[:len(scales) // 2]
    for offset in SCALES.get(name, ()):
        blocks[:, offset:offset + 2] = scales.view(numpy.uint8).reshape(-1, 2)
        scales = numpy.roll(scales, 1)
    return finite(blocks, name)


def finite(blocks: numpy.ndarray, name: str) -> numpy.ndarray:
    """Plain float types: clears the exponents that mean infinity or no number."""
    if name in SCALES:
        return blocks
    words = blocks.reshape(-1).view("<u2").copy()
    exponent = {"F16": 0x7C00, "BF16": 0x7F80}[name]
    words[(words & exponent) == exponent] &= 0x8FFF
    return words.view(numpy.uint8).reshape(blocks.shape)


def write() -> None:
    """tests/golden/quantization/TYPE.bin"""
    for name in TYPES:
        kind = gguf.GGMLQuantizationType[name]
        blocks = random_blocks(name)
        values = gguf.dequantize(blocks.reshape(1, -1), kind).astype("<f4").reshape(-1)
        assert numpy.isfinite(values).all() and len(values) == ELEMENTS, name
        header = struct.pack("<III", kind, ELEMENTS, blocks.size)
        write_bytes(GOLDEN / "quantization" / f"{name}.bin", header + blocks.tobytes() + values.tobytes())


def variant(model: Path, kind: str, pure: bool = True, overrides: dict | None = None) -> Path:
    """The model in another type, every matrix alike; kept in the cache."""
    target = WORK / "models" / f"{model.stem}-as-{kind.lower()}.gguf"
    if not target.exists() or target.stat().st_mtime < model.stat().st_mtime:
        target.parent.mkdir(parents=True, exist_ok=True)
        quantize(model, target, kind, pure, overrides or {})
    return target


def quantize(model: Path, target: Path, kind: str, pure: bool, overrides: dict) -> None:
    """llama-quantize, with a type of its own for each tensor in `overrides`."""
    part = target.with_name(target.name + ".part")
    types = [argument for name, type_ in overrides.items() for argument in ("--tensor-type", f"{name}={type_}")]
    tool = llama_cpp() / "build" / "bin" / "llama-quantize"
    run([tool, "--allow-requantize", *(["--pure"] if pure else []), *types, model, part, kind, 1])
    part.replace(target)
