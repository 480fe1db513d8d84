"""The numerics oracle: transformers, in float32, on the very weights that the file's blocks stand for."""

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy
import torch
from transformers import AutoModelForCausalLM

from . import mayfly, typed
from .golden import write_bytes
from .places import GOLDEN, MODELS, TINY, default_model, llama_cpp
from .prompts import PROMPTS
from .corpus import source_texts
from .quantization import variant
from .vocabularies import from_gguf

TOP, LENGTH = 20, 256
TYPED_TOP = 2  # for there are many of those files
FLOAT_TYPES = ("F32", "F16", "BF16")
TINY_TYPES = (*FLOAT_TYPES, "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q4_K_S", "Q5_K_S", "Q6_K")


@dataclass
class Difference:
    """How far one distribution lies from another over many positions."""

    positions: int
    mean_kl: float
    worst_kl: float
    same_best: float
    worst_top: float  # largest difference of a log probability among the reference's best 20
    close_top: float  # share of those that lie within 1e-3

    def __str__(self) -> str:
        return (f"{self.positions} positions, mean KL {self.mean_kl:.2e} (worst {self.worst_kl:.2e}), same best token "
                f"{100 * self.same_best:.2f} %, top-{TOP} logprobs within {self.worst_top:.2e}, {100 * self.close_top:.1f} % of them within 1e-3")


def reference(model: Path) -> AutoModelForCausalLM:
    """The model in transformers, dequantised."""
    torch.set_num_threads(2)
    return AutoModelForCausalLM.from_pretrained(model.parent, gguf_file=model.name, dtype=torch.float32).eval()


def log_probabilities(logits: numpy.ndarray) -> numpy.ndarray:
    """Log softmax over the last axis, in float64."""
    shifted = logits.astype(numpy.float64) - logits.max(axis=-1, keepdims=True)
    return shifted - numpy.log(numpy.exp(shifted).sum(axis=-1, keepdims=True))


@torch.inference_mode()
def expected(network: AutoModelForCausalLM, sequence: list) -> numpy.ndarray:
    """Log probabilities after every token: [tokens, vocabulary]."""
    return log_probabilities(network(torch.tensor([sequence])).logits[0].numpy())


@torch.inference_mode()
def continued(network: AutoModelForCausalLM, ids: list, end: int) -> list:
    """The prompt and the model's own greedy answer, up to `end` tokens in all."""
    answer = network.generate(torch.tensor([ids]), max_length=end, do_sample=False, pad_token_id=0)
    return answer[0].tolist()


def chat_sequences(network: AutoModelForCausalLM, model: Path, count: int) -> list:
    """Sequences of LENGTH tokens: several questions and the model's own answers in each."""
    vocabulary, sequences = from_gguf(model), []
    for start in range(count):
        ids: list = []
        for turn in range(start, start + len(PROMPTS)):
            question = f"<|im_start|>user\n{PROMPTS[turn % len(PROMPTS)]}<|im_end|>\n<|im_start|>assistant\n"
            ids += vocabulary.ids([question], special=True)[0]
            if len(ids) >= LENGTH:
                break
            ids = continued(network, ids, min(LENGTH, len(ids) + 48))
        sequences.append(ids[:LENGTH])
    return sequences


def random_sequences(vocabulary: int, count: int, length: int) -> list:
    generator = numpy.random.default_rng(5)
    return [generator.integers(0, vocabulary, length).tolist() for _ in range(count)]


def write() -> None:
    """tests/golden/numerics/MODEL.bin for the models that are shipped."""
    network = reference(TINY)
    write_distributions(TINY, network, chat_sequences(network, TINY, 9))
    for name in ("micro-f32", "micro-f16", "micro-mixed"):
        model = MODELS / f"{name}.gguf"
        network = reference(model)
        write_distributions(model, network, random_sequences(network.config.vocab_size, 2, 160))
    for kind in typed.TYPES:
        model = typed.model(kind)
        write_distributions(model, reference(model), random_sequences(320, 8, LENGTH), TYPED_TOP)


def write_distributions(model: Path, network: AutoModelForCausalLM, sequences: list, top: int = TOP) -> None:
    """The best `top` tokens after every token of every sequence; tests/golden/README.md has the layout."""
    parts = [b"MLP1", struct.pack("<III", network.config.vocab_size, top, len(sequences))]
    for sequence in sequences:
        distribution = expected(network, sequence)
        best = numpy.argsort(-distribution, axis=-1, kind="stable")[:, :top]
        parts += [struct.pack("<I", len(sequence)), numpy.asarray(sequence, "<u4").tobytes(),
                  best.astype("<u2").tobytes(), numpy.take_along_axis(distribution, best, -1).astype("<f4").tobytes()]
    write_bytes(GOLDEN / "numerics" / f"{model.stem}.bin", b"".join(parts))


def compare():
    """Live: the default model as it is and as floats, the tiny model in every type, the micro models. A row
    each, as soon as it is known."""
    main = default_model()
    texts = [text for text in source_texts(llama_cpp("--source") / "source" / "docs", 200_000) if len(text) > 2000]
    chats = chat_sequences(reference(main), main, 8)
    documents = [ids[:LENGTH] for ids in from_gguf(main).ids(texts) if len(ids) >= LENGTH][:8]
    for model in (main, variant(main, "F32"), variant(main, "F16")):
        yield agreement(model, documents, ", documents")
        yield agreement(model, chats, ", chats")
    chats = chat_sequences(reference(TINY), TINY, 9)
    for model in (TINY, *(variant(TINY, kind) for kind in TINY_TYPES)):
        yield agreement(model, chats)
    for name in ("f32", "f16", "mixed"):
        yield agreement(MODELS / f"micro-{name}.gguf", random_sequences(320, 2, 160))


def agreement(model: Path, sequences: list, of: str = "") -> tuple:
    """One model's row. Floats: the top 20 within 1e-3. Quantised: mean KL and best token."""
    network = reference(model)
    pairs = [(expected(network, sequence), log_probabilities(answer))
             for sequence, answer in zip(sequences, mayfly.logits(model, sequences))]
    found = difference(pairs)
    floats = any(model.stem.endswith(kind.lower()) for kind in FLOAT_TYPES)
    good = found.worst_top <= 1e-3 if floats else found.mean_kl <= 2e-3 and found.same_best >= 0.99
    return f"logits of {model.stem}{of}", str(found), good


def difference(pairs: list) -> Difference:
    """`pairs` of [tokens, vocabulary]: the reference's log probabilities and the tested ones."""
    kl = numpy.concatenate([(numpy.exp(p) * (p - q)).sum(-1) for p, q in pairs])
    same = numpy.concatenate([p.argmax(-1) == q.argmax(-1) for p, q in pairs])
    top = numpy.concatenate([best_differences(p, q) for p, q in pairs])
    return Difference(len(kl), float(kl.mean()), float(kl.max()), float(same.mean()), float(top.max()),
                      float((top <= 1e-3).mean()))


def best_differences(p: numpy.ndarray, q: numpy.ndarray) -> numpy.ndarray:
    """|p - q| of the reference's best tokens: [positions, TOP]."""
    best = numpy.argsort(-p, axis=-1)[:, :TOP]
    return numpy.abs(numpy.take_along_axis(p - q, best, -1))
