"""The chat template oracle: transformers' `apply_chat_template`, which renders with jinja2."""

import datetime
import json
from pathlib import Path

import gguf
from transformers.utils import chat_template_utils

from . import mayfly
from .conversations import CONVERSATIONS, GOLDEN as GOLDEN_CONVERSATIONS
from .golden import write_bytes, write_lines
from .places import GOLDEN, TINY, default_model, llama_cpp
from .snippets import CONTEXT, SNIPPETS

NOW = datetime.datetime(2026, 1, 2, 3, 4, 5)
TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}


class FixedClock(datetime.datetime):
    """Templates that print the date print this one."""

    @classmethod
    def now(cls, tz=None):
        return NOW


def sources() -> dict:
    """Every template by name: those in llama.cpp's tree, and those of the two models."""
    folder = llama_cpp("--source") / "source" / "models" / "templates"
    found = {file.stem: file.read_text() for file in sorted(folder.glob("*.jinja"))}
    found["tiny-default"] = of_model(TINY)
    found["SmolLM2-135M-Instruct"] = of_model(default_model())
    return found


def of_model(file: Path) -> str:
    return gguf.GGUFReader(file).fields["tokenizer.chat_template"].contents()


def render(source: str, context: dict) -> tuple:
    """(True, text), or (False, why) where the template or the interpreter refuses."""
    chat_template_utils.datetime = FixedClock
    try:
        context = dict(context)
        messages = context.pop("messages", [])
        texts, _ = chat_template_utils.render_jinja_template([messages], chat_template=source, **context)
        return True, texts[0]
    except Exception as refused:  # whatever a template provokes in jinja2 is its answer
        return False, f"{type(refused).__name__}: {refused}"


def context(name: str, prompt: bool) -> dict:
    return {"messages": CONVERSATIONS[name], "add_generation_prompt": prompt, **TOKENS}


def outcome(good: bool, text: str) -> dict:
    return {"text": text} if good else {"error": text.splitlines()[0][:160]}


def write() -> None:
    """tests/golden/templates/: the template files, cases.jsonl over them, snippets.jsonl for the language."""
    cases = []
    for name, source in sources().items():
        write_bytes(GOLDEN / "templates" / f"{name}.jinja", source.encode())
        cases += [{"template": name, "conversation": chat, "add_generation_prompt": prompt,
                   **outcome(*render(source, context(chat, prompt)))}
                  for chat, prompt in golden_cases()]
    write_lines(GOLDEN / "templates" / "conversations.jsonl",
                [{"conversation": name, "messages": CONVERSATIONS[name]} for name in GOLDEN_CONVERSATIONS])
    write_lines(GOLDEN / "templates" / "cases.jsonl", cases)
    write_lines(GOLDEN / "templates" / "snippets.jsonl",
                [{"context": CONTEXT}] + [{"source": source, **outcome(*render(source, CONTEXT))} for source in SNIPPETS])


def golden_cases() -> list:
    return [(name, True) for name in GOLDEN_CONVERSATIONS] + [(GOLDEN_CONVERSATIONS[1], False)]


def compare() -> list:
    """Every template on every chat, with and without the prompt for an answer, and the snippets."""
    rows = [agreement(name, source, [context(chat, prompt) for chat in CONVERSATIONS for prompt in (True, False)])
            for name, source in sources().items()]
    results = [agreement("snippet", source, [CONTEXT]) for source in SNIPPETS]
    good = sum(row[2] for row in results)
    return rows + [("Jinja snippets", f"{good} of {len(results)} agree", good == len(results))]


def agreement(name: str, source: str, contexts: list) -> tuple:
    """Same text for same context; where transformers refuses, Mayfly must refuse."""
    wrong = 0
    for given in contexts:
        good, text = render(source, given)
        kind, ours = mayfly.render(source, json.dumps({**given, "now": NOW.isoformat()}))
        if (kind == b"text") != good or (good and ours.decode() != text):
            wrong += 1
            if wrong == 1:
                print(f"   {name} differs on {json.dumps(given)[:160]}\n     expected {text[:160]!r}\n     answered {ours[:160]!r}")
    return f"template {name}", f"{len(contexts) - wrong} of {len(contexts)} chats agree", not wrong
