"""Runs the oracles: compares live, or writes the golden files."""

import argparse
import sys

from .places import Unavailable

COMPARISONS = ("tokens", "templates", "numerics")
WRITERS = ("models", "tokens", "templates", "quantization", "numerics")


def module(part: str):
    """Imported when it is asked for: torch alone takes seconds."""
    name = {"models": "micro"}.get(part, part)
    return getattr(__import__(f"oracles.{name}"), name)


def compare(parts: list) -> bool:
    """Prints a line a comparison; true if every answer is within its bounds."""
    good = True
    for part in parts:
        print(f"{part}:", flush=True)
        for name, figures, within in module(part).compare():
            print(f"  {'ok  ' if within else 'FAIL'} {name}: {figures}", flush=True)
            good = good and within
    return good


def write(parts: list) -> bool:
    for part in parts:
        print(f"{part}:", flush=True)
        module(part).write()
    return True


def main() -> int:
    arguments = argparse.ArgumentParser(prog="ops/oracle", description="Compares Mayfly with reference implementations.")
    arguments.add_argument("--write", action="store_true", help="write tests/golden instead of comparing")
    arguments.add_argument("parts", nargs="*", help="which of " + ", ".join(WRITERS))
    given = arguments.parse_args()
    known = WRITERS if given.write else COMPARISONS
    unknown = [part for part in given.parts if part not in known]
    if unknown:
        arguments.error(f"{unknown[0]} is not one of {', '.join(known)}")
    try:
        good = (write if given.write else compare)(given.parts or known)
    except Unavailable as missing:
        print(f"oracle: {missing}", file=sys.stderr)
        return 2
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
