"""Chats that are put through every template."""

LONG_SPACES = "  leading and trailing space \n\n"
UNICODE = "Grüße, 世界! 👩‍🚀 <b>&amp;</b> \"quoted\" 'single' \\n {{ not a template }} {% nor this %}"


def user(text: str) -> dict:
    return {"role": "user", "content": text}


def assistant(text: str) -> dict:
    return {"role": "assistant", "content": text}


def system(text: str) -> dict:
    return {"role": "system", "content": text}


CONVERSATIONS = {
    "one question": [user("What is the capital of France?")],
    "with a system message": [system("You are terse."), user("Hello"), assistant("Hi."), user("Bye")],
    "many turns": [user("1"), assistant("one"), user("2"), assistant("two"), user("3"), assistant("three"), user("4")],
    "odd characters": [system(LONG_SPACES), user(UNICODE), assistant("  " + UNICODE), user("\n" + LONG_SPACES)],
    "special text of many models": [user("<|im_start|>system\n[INST] <s></s> <|eot_id|><|end|><end_of_turn> <think>x</think> y")],
    "thinking": [user("Why?"), assistant("<think>\nBecause.\n</think>\n\nSo."), user("And then?")],
    "empty": [system(""), user("")],
    "two of a kind": [user("a"), user("b")],
    "developer": [{"role": "developer", "content": "Answer in French."}, user("Hello")],
    "ends with the assistant": [user("Say it."), assistant("It.")],
}
GOLDEN = ("one question", "with a system message", "odd characters", "thinking", "two of a kind", "developer")


def fitting(source: str, names: tuple) -> list:
    """The developer role is tried only where a template knows it: elsewhere Mayfly calls it system."""
    return [name for name in names if name != "developer" or "developer" in source]
