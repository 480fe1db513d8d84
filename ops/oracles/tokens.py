"""The tokeniser oracle: Hugging Face's `tokenizers`, id for id."""

import json

from . import mayfly
from .corpus import Corpus, source_texts
from .golden import write_lines
from .places import GOLDEN, default_model, llama_cpp
from .vocabularies import Vocabulary, obtained, shipped

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
                 if not special or "<|" in text]
        write_lines(GOLDEN / "tokens" / f"{vocabulary.name}.jsonl", lines)


def line(vocabulary: Vocabulary, text: str, ids: list, special: bool) -> dict:
    """One golden line; `decoded` only where normalising changed the text."""
    record = {"text": text, "ids": ids}
    if special:
        record["special"] = True
    if vocabulary.normalised(text) != text:
        record["decoded"] = vocabulary.normalised(text)
    return record


def compare() -> list:
    """Live comparison on the large corpus. Returns (name, figures, good) per vocabulary."""
    texts = live_texts()
    return [row for vocabulary in shipped() + obtained(default_model())
            for row in (agreement(vocabulary, texts, False), agreement(vocabulary, texts, True))]


def agreement(vocabulary: Vocabulary, texts: list, special: bool) -> tuple:
    """Exact equality of the ids, and of the text that they decode to."""
    expected = vocabulary.ids(texts, special)
    ours = mayfly.tokenize(vocabulary.file, texts, special)
    wrong = [index for index, ids in enumerate(expected) if ids != ours[index]]
    decoded = mayfly.detokenize(vocabulary.file, expected)
    torn = [index for index, text in enumerate(texts) if decoded[index] != vocabulary.normalised(text).encode()]
    for index in wrong[:3]:
        print("   differs:", json.dumps(texts[index])[:200])
    for index in torn[:3]:
        print("   decodes differently:", json.dumps(texts[index])[:200])
    figures = (f"{len(texts)} texts, {sum(map(len, expected))} tokens: {len(wrong)} texts differ, "
               f"{len(torn)} decode differently")
    return f"{vocabulary.name}{', special tokens matched' if special else ''}", figures, not wrong and not torn
