"""Asks Mayfly's own code through `mayfly_oracle` (see mayfly_oracle.cpp for the frames)."""

import struct
import subprocess
from pathlib import Path

import numpy

from .places import MAYFLY_ORACLE, Unavailable


def call(arguments: list, frames: list) -> bytes:
    """Sends length-prefixed frames to standard input and returns standard output."""
    if not MAYFLY_ORACLE.exists():
        raise Unavailable(f"{MAYFLY_ORACLE} is not built: cmake --build build/release --target mayfly_oracle")
    sent = b"".join(struct.pack("<I", len(frame)) + frame for frame in frames)
    done = subprocess.run([MAYFLY_ORACLE, *map(str, arguments)], input=sent, stdout=subprocess.PIPE)
    if done.returncode:
        raise Unavailable(f"mayfly_oracle {arguments[0]} ended with {done.returncode}")
    return done.stdout


def frames(answer: bytes) -> list:
    """Cuts an answer into its frames."""
    found, position = [], 0
    while position < len(answer):
        size = struct.unpack_from("<I", answer, position)[0]
        found.append(answer[position + 4:position + 4 + size])
        position += 4 + size
    return found


def packed(ids: list) -> bytes:
    return numpy.asarray(ids, dtype="<u4").tobytes()


def tokenize(model: Path, texts: list, special: bool) -> list:
    """Token ids of each text."""
    answer = call(["tokenize", model, "special" if special else "plain"], [text.encode() for text in texts])
    return [numpy.frombuffer(frame, dtype="<u4").tolist() for frame in frames(answer)]


def detokenize(model: Path, sequences: list) -> list:
    """The bytes that each sequence of ids stands for."""
    return frames(call(["detokenize", model], [packed(ids) for ids in sequences]))


def logits(model: Path, sequences: list) -> list:
    """Logits after every token of each sequence: [tokens, vocabulary], float32."""
    answers = frames(call(["logits", model], [packed(sequence) for sequence in sequences]))
    return [numpy.frombuffer(answer, dtype="<f4").reshape(len(sequence), -1)
            for answer, sequence in zip(answers, sequences)]


def render(questions: list) -> list:
    """Renders (template, context) pairs. Returns (kind, output) pairs; kind is b"text" or b"error"."""
    sent = [part for template, context in questions for part in question(template, context)]
    answers = frames(call(["render"], sent))
    return list(zip(answers[::2], answers[1::2]))


def question(template: str, context: dict) -> list:
    """The frames of one rendering."""
    messages = context.get("messages", [])
    prompt = "1" if context.get("add_generation_prompt") else "0"
    parts = [template, context.get("bos_token", ""), context.get("eos_token", ""), prompt,
             str(context["unix_seconds"]), str(len(messages))]
    parts += [part for message in messages for part in (message["role"], message["content"])]
    return [part.encode() for part in parts]
