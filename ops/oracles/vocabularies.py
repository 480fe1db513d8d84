"""Vocabularies, each as Hugging Face's tokenizers see it and as a GGUF file for Mayfly."""

import json
from pathlib import Path

import gguf
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from .corpus import WORDS, Corpus
from .places import MODELS, TOKENIZER_PACKAGES, WORK, tokenizer_folder

SPECIALS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
CONTROL, NORMAL = gguf.TokenType.CONTROL, gguf.TokenType.NORMAL
MISSING = "\u011d"  # byte 0x1D in GPT-2's alphabet
SPLIT = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|DIGITS| ?[^\s\p{L}\p{N}]+[\r\n]*"
         r"|\s*[\r\n]+|\s+(?!\S)|\s+")
PACKAGE_PRE = {"gpt2": "gpt-2", "llama3": "llama-bpe", "llama3_1": "llama-bpe", "qwen2_5": "qwen2", "qwen3": "qwen2"}


def bytes_to_characters() -> dict:
    """GPT-2's alphabet: printable bytes stand for themselves, the others follow from U+0100 on."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {byte: chr(byte) for byte in printable} | {byte: chr(256 + index) for index, byte in enumerate(others)}


def byte_level(regex: bool) -> dict:
    return {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": regex}


def split(digits: str) -> dict:
    pattern = {"Regex": SPLIT.replace("DIGITS", digits)}
    cut = {"type": "Split", "pattern": pattern, "behavior": "Isolated", "invert": False}
    return {"type": "Sequence", "pretokenizers": [cut, byte_level(False)]}


# What each name in `tokenizer.ggml.pre` means in a tokenizer.json, as the models' own files have it.
PRE_TOKENIZERS = {
    "gpt-2": byte_level(True),
    "smollm": {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": True}, byte_level(True)]},
    "llama-bpe": split(r"\p{N}{1,3}"),
    "qwen2": split(r"\p{N}"),
}


class Vocabulary:
    """One tokenizer.json, and the GGUF file that holds the same."""

    def __init__(self, name: str, definition: dict, file: Path):
        self.name, self.file = name, file
        self.special = Tokenizer.from_str(json.dumps(definition))
        self.plain = Tokenizer.from_str(json.dumps({**definition, "added_tokens": []}))
        alphabet = bytes_to_characters()
        self.missing = [chr(byte) for byte in range(128) if alphabet[byte] not in definition["model"]["vocab"]]

    def ids(self, texts: list, special: bool = False) -> list:
        """Token ids per text; special tokens match everywhere, or nowhere."""
        tokenizer = self.special if special else self.plain
        return [encoding.ids for encoding in tokenizer.encode_batch(texts, add_special_tokens=False)]

    def speakable(self, text: str) -> str:
        """The text as its tokens can say it: normalised, without bytes that the vocabulary lacks."""
        text = self.plain.normalizer.normalize_str(text) if self.plain.normalizer else text
        return "".join(character for character in text if character not in self.missing)


def definition(pre: str, tokens: list, merges: list, specials: dict) -> dict:
    """A tokenizer.json for byte-level BPE; `specials` maps a token's text to its id."""
    added = [{"id": number, "content": text, "single_word": False, "lstrip": False, "rstrip": False,
              "normalized": False, "special": True} for text, number in specials.items()]
    model = {"type": "BPE", "vocab": {token: number for number, token in enumerate(tokens)},
             "merges": merges, "ignore_merges": pre == "llama-bpe"}
    return {"version": "1.0", "normalizer": {"type": "NFC"} if pre == "qwen2" else None,
            "pre_tokenizer": PRE_TOKENIZERS[pre], "added_tokens": added, "model": model,
            "decoder": byte_level(True)}


def from_gguf(file: Path) -> Vocabulary:
    """Rebuilds the tokenizer.json of a GGUF file's vocabulary."""
    fields = gguf.GGUFReader(file).fields
    tokens, merges, types = (fields[f"tokenizer.ggml.{key}"].contents() for key in ("tokens", "merges", "token_type"))
    specials = {token: number for number, token in enumerate(tokens) if types[number] in (CONTROL, gguf.TokenType.USER_DEFINED)}
    return Vocabulary(file.stem, definition(fields["tokenizer.ggml.pre"].contents(), tokens, merges, specials), file)


def write_gguf(file: Path, pre: str, tokens: list, merges: list, types: list) -> None:
    """A GGUF file with a vocabulary and no tensors."""
    file.parent.mkdir(parents=True, exist_ok=True)
    writer = gguf.GGUFWriter(file, "llama")
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges(merges)
    writer.add_add_bos_token(False)
    control = [number for number, kind in enumerate(types) if kind == CONTROL]
    if control:
        writer.add_bos_token_id(control[0])
        writer.add_eos_token_id(control[-1])
        writer.add_unk_token_id(control[0])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()


def packaged(name: str) -> Vocabulary:
    """A published tokenizer.json from its npm package; its GGUF twin is made once."""
    source = json.loads((tokenizer_folder(name) / "tokenizer.json").read_text())
    file = WORK / "vocabularies" / f"{name}.gguf"
    if not file.exists():
        vocabulary = dict(source["model"]["vocab"])
        added = {token["id"]: token["content"] for token in source["added_tokens"]}
        by_id = {**{number: token for token, number in vocabulary.items()}, **added}
        tokens = [by_id.get(number, f"[unused{number}]") for number in range(max(by_id) + 1)]
        merges = [pair if isinstance(pair, str) else " ".join(pair) for pair in source["model"]["merges"]]
        write_gguf(file, PACKAGE_PRE[name], tokens, merges, [CONTROL if number in added else NORMAL
                                                             for number in range(len(tokens))])
    return Vocabulary(name, source, file)


def boundary_files() -> list:
    """Small vocabularies whose merges cross every boundary that a pre-tokeniser draws, so that a wrong cut
    always shows in the ids: one GGUF file a pre-tokeniser, made where missing."""
    files = [MODELS / f"vocabulary-{pre}.gguf" for pre in PRE_TOKENIZERS]
    if not all(file.exists() for file in files):
        tokens, merges = train_boundary_vocabulary()
        types = [NORMAL] * len(tokens) + [CONTROL] * len(SPECIALS)
        for file, pre in zip(files, PRE_TOKENIZERS):
            known, merged = without_byte(tokens, merges) if pre == "smollm" else (tokens, merges)
            write_gguf(file, pre, known + list(SPECIALS), merged, types)
    return files


def without_byte(tokens: list, merges: list) -> tuple:
    """Some vocabularies lack bytes, SmolLM's 21 of them; this one lacks 0x1D. What it cannot say is left out."""
    return ["[unused]" if token == MISSING else token for token in tokens], [pair for pair in merges if MISSING not in pair]


def train_boundary_vocabulary() -> tuple:
    """Byte-level BPE without any pre-tokeniser, on the corpus itself."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=2400, initial_alphabet=alphabet, max_token_length=10, show_progress=False)
    tokenizer.train_from_iterator(Corpus(7).texts(6000), trainer)
    model = json.loads(tokenizer.to_str())["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].get)
    tokens += unreachable_words(tokens)
    return tokens, [pair if isinstance(pair, str) else " ".join(pair) for pair in model["merges"]]


def unreachable_words(tokens: list) -> list:
    """Six whole words that no merge builds: only a tokeniser that looks words up first finds them."""
    words = [mark + word for word in WORDS for mark in ("", "Ġ") if word.isascii() and word.isalpha()]
    return [word for word in words if word not in tokens][:6]


def shipped() -> list:
    """The vocabularies that stand in tests/models."""
    return [from_gguf(file) for file in [MODELS / "tiny-default-5.8M-q8_0.gguf", *boundary_files()]]


def obtained(default_model: Path) -> list:
    """The vocabularies too large for the repository."""
    return [from_gguf(default_model)] + [packaged(name) for name in TOKENIZER_PACKAGES]
