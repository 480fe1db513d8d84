"""The chat template oracle: transformers' `apply_chat_template`, which renders with jinja2."""

import datetime
import json
from pathlib import Path

import gguf
from transformers.utils import chat_template_utils

from . import mayfly
from .conversations import CONVERSATIONS, GOLDEN as GOLDEN_CONVERSATIONS, fitting
from .golden import write_bytes, write_lines
from .places import GOLDEN, TINY, default_model, llama_cpp
from .snippets import CONTEXT, SNIPPETS

NOW = datetime.datetime(2026, 1, 2, 3, 4, 5)
UNIX_SECONDS = int(NOW.replace(tzinfo=datetime.timezone.utc).timestamp())
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
                  for chat, prompt in golden_cases(source)]
    write_lines(GOLDEN / "templates" / "conversations.jsonl",
                [{"conversation": name, "messages": CONVERSATIONS[name]} for name in GOLDEN_CONVERSATIONS])
    write_lines(GOLDEN / "templates" / "cases.jsonl", cases)
    write_lines(GOLDEN / "templates" / "snippets.jsonl",
                [{"context": CONTEXT}] + [{"source": source, **outcome(*render(source, CONTEXT))} for source in SNIPPETS])


def golden_cases(source: str) -> list:
    names = fitting(source, GOLDEN_CONVERSATIONS)
    return [(name, True) for name in names] + [(names[1], False)]


def compare() -> list:
    """Every template on every chat, with and without the prompt for an answer, and the snippets."""
    rows = [agreement(f"template {name}", [(source, context(chat, prompt)) for prompt in (True, False)
                                           for chat in fitting(source, tuple(CONVERSATIONS))])
            for name, source in sources().items()]
    return rows + [agreement("Jinja snippets", [(with_context(source), TOKENS) for source in SNIPPETS])]


def with_context(source: str) -> str:
    """A snippet that sets its own variables first: JSON's literals are Jinja's."""
    return "".join(f"{{% set {name} = {json.dumps(value, ensure_ascii=False).replace('null', 'none')} %}}"
                   for name, value in CONTEXT.items()) + source


def agreement(name: str, questions: list) -> tuple:
    """Same text for same context; where transformers refuses, Mayfly must refuse."""
    asked = [(source, {**given, "unix_seconds": UNIX_SECONDS}) for source, given in questions]
    wrong = [(question, expected, answer) for question, expected, answer in
             zip(questions, (render(*question) for question in questions), mayfly.render(asked))
             if not agree(expected, answer)]
    for (source, given), expected, answer in wrong[:5 if name == "Jinja snippets" else 1]:
        asked_for = json.dumps(given.get("messages", source[-100:]))
        print(f"   {name} on {asked_for[:140]}\n     expected {expected[1][:140]!r}\n     answered {answer[1][:200]!r}")
    return name, f"{len(questions) - len(wrong)} of {len(questions)} agree", not wrong


def agree(expected: tuple, answer: tuple) -> bool:
    good, text = expected
    kind, ours = answer
    return kind == b"text" and ours.decode() == text if good else kind == b"error"
