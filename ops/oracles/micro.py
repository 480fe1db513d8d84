"""The micro model: random weights, a few hundred thousand of them, in every type that Mayfly reads."""

from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy

from .golden import write_bytes
from .places import MODELS, WORK
from .quantization import quantize
from .vocabularies import CONTROL, NORMAL, SPECIALS, boundary_files

LAYERS, HEADS, CONTEXT, MERGES = 2, 4, 256, 61
TEMPLATE = ("{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>\\n' }}{% endfor %}"
            "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}")


@dataclass(frozen=True)
class Shape:
    """What differs between the files: K-quants need rows of 256, plain floats do with less."""

    width: int
    kv_heads: int
    forward: int


SMALL, WIDE = Shape(64, 1, 160), Shape(256, 2, 256)
# Every type at least once, in matrices of different shapes.
MIXED = {
    "token_embd.weight": "q6_k", "^output.weight": "q8_0",
    "blk.0.attn_q.weight": "q4_0", "blk.0.attn_k.weight": "q4_1", "blk.0.attn_v.weight": "q5_0",
    "blk.0.attn_output.weight": "q5_1", "blk.0.ffn_gate.weight": "q4_k", "blk.0.ffn_up.weight": "q5_k",
    "blk.0.ffn_down.weight": "q6_k", "blk.1.attn_q.weight": "bf16", "blk.1.attn_k.weight": "q8_0",
    "blk.1.attn_v.weight": "f16", "blk.1.attn_output.weight": "q4_k", "blk.1.ffn_gate.weight": "q5_0",
    "blk.1.ffn_up.weight": "q4_1", "blk.1.ffn_down.weight": "q5_1",
}


def vocabulary() -> tuple:
    """The bytes, the first merges of the boundary vocabulary, the special tokens."""
    fields = gguf.GGUFReader(boundary_files()[0]).fields
    tokens = fields["tokenizer.ggml.tokens"].contents()[:256 + MERGES]
    return tokens + list(SPECIALS), fields["tokenizer.ggml.merges"].contents()[:MERGES]


def tensors(shape: Shape, vocabulary_size: int) -> dict:
    """Normal random weights; each matrix keeps the size of what it multiplies, the last one spreads it."""
    width, forward = shape.width, shape.forward
    generator = numpy.random.default_rng(20260102)

    def matrix(rows: int, columns: int, gain: float = 1.0) -> numpy.ndarray:
        return (generator.standard_normal((rows, columns)) * gain / numpy.sqrt(columns)).astype(numpy.float32)

    def norm() -> numpy.ndarray:
        return (1 + 0.1 * generator.standard_normal(width)).astype(numpy.float32)

    kv_width = width // HEADS * shape.kv_heads
    made = {"token_embd.weight": matrix(vocabulary_size, width, 16.0)}
    for layer in range(LAYERS):
        shapes = {"attn_norm": None, "attn_q": (width, width, 2.0), "attn_k": (kv_width, width, 2.0),
                  "attn_v": (kv_width, width), "attn_output": (width, width), "ffn_norm": None,
                  "ffn_gate": (forward, width), "ffn_up": (forward, width), "ffn_down": (width, forward)}
        made |= {f"blk.{layer}.{name}.weight": matrix(*size) if size else norm() for name, size in shapes.items()}
    return made | {"output_norm.weight": norm(), "output.weight": matrix(vocabulary_size, width, 2.5)}


def write_metadata(writer: gguf.GGUFWriter, name: str, shape: Shape, kind: gguf.LlamaFileType, tokens: list,
                   merges: list) -> None:
    """What a model's file says of it before its tensors."""
    writer.add_name(name)
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(shape.forward)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(shape.width // HEADS)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(len(tokens))
    writer.add_file_type(kind)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([NORMAL] * (len(tokens) - len(SPECIALS)) + [CONTROL] * len(SPECIALS))
    writer.add_token_merges(merges)
    writer.add_bos_token_id(len(tokens) - 3)
    writer.add_eos_token_id(len(tokens) - 1)
    writer.add_add_bos_token(False)
    writer.add_chat_template(TEMPLATE)


def write_model(file: Path, name: str, kind: type, shape: Shape) -> None:
    """One GGUF file: matrices in `kind`, norms in float32."""
    tokens, merges = vocabulary()
    writer = gguf.GGUFWriter(file, "llama")
    floats = gguf.LlamaFileType.ALL_F32 if kind is numpy.float32 else gguf.LlamaFileType.MOSTLY_F16
    write_metadata(writer, name, shape, floats, tokens, merges)
    for tensor, values in tensors(shape, len(tokens)).items():
        writer.add_tensor(tensor, values.astype(kind) if values.ndim == 2 else values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write() -> None:
    """tests/models/micro-{f32,f16,mixed}.gguf"""
    folder = WORK / "models"
    folder.mkdir(parents=True, exist_ok=True)
    write_model(folder / "micro-f32.gguf", "micro-f32", numpy.float32, SMALL)
    write_model(folder / "micro-f16.gguf", "micro-f16", numpy.float16, SMALL)
    write_model(folder / "micro-wide.gguf", "micro-mixed", numpy.float32, WIDE)
    quantize(folder / "micro-wide.gguf", folder / "micro-mixed.gguf", "Q8_0", False, MIXED)
    for name in ("micro-f32", "micro-f16", "micro-mixed"):
        write_bytes(MODELS / f"{name}.gguf", (folder / f"{name}.gguf").read_bytes())
