"""Findings to Markdown, for gpu/RESULTS.md, and to JSON."""

import json

GOALS = (("8B bf16 decode at batch 1", "generation", "8B decode, batch 1, replayed", "share", 0.8, "of read bandwidth"),
         ("prefill of 2,048 tokens", "generation", "8B prefill of 2048 tokens", "share", 0.6, "of the matrix peak"),
         ("wiping 8k tokens' KV", "speed", "wipe 8192 tokens' KV, neighbouring blocks", "value", 1000, "us"),
         ("the same, scattered blocks", "speed", "wipe 8192 tokens' KV, scattered blocks", "value", 1000, "us"))


def _number(value):
    if value is None:
        return "no number"
    return f"{value:.3g}" if abs(value) < 100 else f"{value:,.0f}"


def _met(found):
    """Whether a figure reaches its goal; None where it has none."""
    if found.get("goal") is None or found.get("held") is not None:
        return None
    value = found["share"] if found.get("share") is not None else found.get("value")
    if value is None:
        return False
    return value <= found["goal"] if found.get("goal_is_most") else value >= found["goal"]


def _goal(found):
    if found.get("goal") is None:
        return ""
    if found.get("share") is not None:
        return f"{100 * found['goal']:.0f} %"
    return ("at most " if found.get("goal_is_most") else "") + _number(found["goal"])


def _verdict(found):
    if found.get("held") is not None:
        return "holds" if found["held"] else "**does not hold**"
    met = _met(found)
    return "" if met is None else "reached" if met else "**missed**"


def _row(found):
    share = f"{100 * found['share']:.1f} % of {found['of']}" if found.get("share") is not None else ""
    value = f"{_number(found.get('value'))} {found['unit']}" if found.get("unit") else ""
    return f"| {found['what']} | {value} | {share} | {_goal(found)} | {_verdict(found)} |"


def _find(findings, part, what):
    return next((each for each in findings if (each["part"], each["what"]) == (part, what)), None)


def goal_lines(findings):
    """One line a goal of the house: the goal, what was measured, whether it was reached."""
    lines = []
    for name, part, what, key, goal, unit in GOALS:
        found = _find(findings, part, what)
        value = found.get(key) if found else None
        wanted = f"{100 * goal:.0f} % {unit}" if key == "share" else f"at most {goal} {unit}"
        if value is None:
            lines.append(f"{name}: {wanted}; not measured")
            continue
        got = f"{100 * value:.1f} %" if key == "share" else f"{value:.0f} {unit}"
        reached = value >= goal if key == "share" else value <= goal
        lines.append(f"{name}: {wanted}; measured {got}: {'reached' if reached else 'missed'}")
    return lines


def ratio_rows(findings):
    """Our figures beside PyTorch's of the same run: the best of each."""
    rows = []
    for what in ("8B decode, batch 1", "8B decode, batch 8", "8B decode, batch 64", "8B prefill of 2048 tokens"):
        ours = [each["value"] for each in findings if each["part"] == "generation" and each["what"].startswith(what)
                and each.get("unit") == "tokens/s"]
        theirs = {each["what"]: each["value"] for each in findings
                  if each["part"] == "peer" and each["what"].startswith(what)}
        if ours and theirs:
            best = max(theirs, key=theirs.get)
            rows.append(f"| {what} | {max(ours):,.0f} | {theirs[best]:,.0f} ({best[len(what) + 2:]}) | "
                        f"{max(ours) / theirs[best]:.2f} |")
    return rows


def markdown(about, stages, findings):
    lines = ["# Results of ops/gpu_check", ""]
    if about["emulated"]:
        lines += ["**Not yet run on a GPU.** What follows ran on a processor, by emulation: it says that results are right, "
                  "and nothing of speed.", ""]
    lines += [f"{name}: {value}" + "  " for name, value in about.items() if name != "emulated" and value]
    lines += ["", "| stage | outcome | seconds |", "|---|---|---|"]
    lines += [f"| {name} | {outcome} | {seconds:.0f} |" for name, outcome, seconds in stages]
    lines += ["", "## Goals", ""] + [f"- {line}" for line in goal_lines(findings)]
    rows = ratio_rows(findings)
    if rows:
        lines += ["", "## Beside PyTorch, tokens/s in the same run", "", "| what | ours | PyTorch | ratio |",
                  "|---|---|---|---|"] + rows
    for part in dict.fromkeys(each["part"] for each in findings):
        lines += ["", f"## {part.capitalize()}", "", "| what | measured | share | goal or bound | |", "|---|---|---|---|---|"]
        lines += [_row(each) for each in findings if each["part"] == part]
    return "\n".join(lines) + "\n"


def write_logs(out, logs):
    """The end of every log, in one file."""
    texts = [f"=== {log.stem}\n" + "\n".join(log.read_text(encoding="utf-8", errors="replace").split("\n")[-120:])
             for log in sorted(logs.glob("*.log"))]
    (out / "logs.txt").write_text("\n".join(texts), encoding="utf-8")


def write(out, about, stages, findings):
    (out / "results.md").write_text(markdown(about, stages, findings), encoding="utf-8")
    (out / "results.json").write_text(json.dumps({"about": about, "stages": stages, "findings": findings}, indent=1),
                                      encoding="utf-8")
