"""The tokeniser oracle: Hugging Face's `tokenizers`, id for id."""

import json
from pathlib import Path

from . import mayfly
from .corpus import Corpus, source_texts
from .golden import write_lines
from .places import GOLDEN, default_model, llama_cpp
from .vocabularies import Vocabulary, obtained, shipped

PUBLISHED = ("gpt-2", "llama-bpe", "qwen2", "starcoder", "refact", "deepseek-llm", "deepseek-coder", "falcon", "command-r")
GOLDEN_TEXTS, LIVE_TEXTS, LIVE_SOURCE_BYTES = 500, 30_000, 4_000_000


def golden_texts() -> list:
    return [text for text in Corpus(1).texts(GOLDEN_TEXTS) if len(text) <= 400]


def live_texts() -> list:
    return Corpus(2).texts(LIVE_TEXTS) + source_texts(llama_cpp("--source") / "source", LIVE_SOURCE_BYTES)


def write() -> None:
    """tests/golden/tokens/VOCABULARY.jsonl: a line a text."""
    texts = golden_texts()
    for vocabulary in shipped():
        lines = [line(vocabulary, text, ids, special) for special in (False, True)
                 for text, ids in zip(texts, vocabulary.ids(texts, special))
                 if not special or "<|" in text or "</s>" in text]
        write_lines(GOLDEN / "tokens" / f"{vocabulary.name}.jsonl", lines)


def line(vocabulary: Vocabulary, text: str, ids: list, special: bool) -> dict:
    """One golden line; `decoded` only where it is not the text."""
    record = {"text": text, "ids": ids}
    if special:
        record["special"] = True
    if vocabulary.speakable(text) != text:
        record["decoded"] = vocabulary.speakable(text)
    return record


def compare():
    """Live comparison on the large corpus. Rows of (name, figures, good), as soon as each is known."""
    texts = live_texts()
    for vocabulary in shipped() + obtained(default_model()):
        yield agreement(vocabulary, texts, False)
        yield agreement(vocabulary, texts, True)
    for file in published():
        yield published_agreement(file)


def published() -> list:
    """llama.cpp's vocabularies for which its tree states the expected tokens, of the kinds that Mayfly reads."""
    folder = llama_cpp("--source") / "source" / "models"
    return [folder / f"ggml-vocab-{name}.gguf" for name in PUBLISHED]


def published_agreement(file: Path) -> tuple:
    """The texts and ids that stand beside a vocabulary in llama.cpp's tree."""
    texts = file.with_suffix(".gguf.inp").read_bytes().decode().split("\n__ggml_vocab_test__\n")
    answers = file.with_suffix(".gguf.out").read_text().splitlines()
    expected = [[int(number) for number in answer.split()] for answer in answers]
    wrong = sum(ids != ours for ids, ours in zip(expected, mayfly.tokenize(file, texts[:len(expected)], False)))
    return f"{file.stem}, llama.cpp's own list", f"{len(expected)} texts: {wrong} differ", not wrong


def agreement(vocabulary: Vocabulary, texts: list, special: bool) -> tuple:
    """Exact equality of the ids, and of the text that they decode to."""
    expected = vocabulary.ids(texts, special)
    ours = mayfly.tokenize(vocabulary.file, texts, special)
    wrong = [index for index, ids in enumerate(expected) if ids != ours[index]]
    decoded = mayfly.detokenize(vocabulary.file, expected)
    torn = [index for index, text in enumerate(texts) if decoded[index] != vocabulary.speakable(text).encode()]
    for index in wrong[:3]:
        print("   differs:", json.dumps(texts[index])[:200])
    for index in torn[:3]:
        print("   decodes differently:", json.dumps(texts[index])[:200])
    figures = (f"{len(texts)} texts, {sum(map(len, expected))} tokens: {len(wrong)} texts differ, "
               f"{len(torn)} decode differently")
    return f"{vocabulary.name}{', special tokens matched' if special else ''}", figures, not wrong and not torn
