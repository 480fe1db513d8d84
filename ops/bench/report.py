"""Writes BENCHMARKS.md and its charts from the figures that measure.py took."""

import statistics

from charts import bar_chart, number

QUIET = 0.7  # load average of a minute, above which other work shared the processors at the start
KEPT = "<!-- What follows is kept by ops/bench/run: figures of other commands. -->"
PEER = "llama-server"


def table(head, rows):
    lines = [f"| {' | '.join(head)} |", f"|{'|'.join(['---'] + ['---:'] * (len(head) - 1))}|"]
    return "\n".join(lines + [f"| {' | '.join(row)} |" for row in rows])


def middle(rounds, *path):
    """The median over rounds of one figure, None where there is none (no peer, a single text)."""
    found = []
    for one in rounds or []:
        for key in path:
            one = one.get(key) if one is not None else None
        if one is not None:
            found.append(one)
    return statistics.median(found) if found else None


def scaled(value, by):
    return None if value is None else value / by


def cell(value, unit=""):
    return "–" if value is None else number(value) + unit


def share(ours, theirs):
    return "–" if ours is None or not theirs else f"{ours / theirs:.2f}"


def caution(figures):
    """What a reader must know before any figure: empty after a whole run on a quiet machine."""
    lines = []
    if figures["quick"]:
        lines.append("**A quick run: it shows that the benchmark works, its figures mean nothing.**")
    if figures["load_start"][0] > QUIET:
        lines.append(f"**The machine was not quiet (load average {figures['load_start'][0]:.2f} at the start): do not "
                     "quote these figures. llama.cpp's threads wait for each other by spinning, so that its figures "
                     "suffer from other work far more than Mayfly's.**")
    return lines


def run_section(figures):
    machine = figures["machine"]
    loads = (", ".join(f"{load:.2f}" for load in figures[f"load_{when}"]) for when in ("start", "end"))
    changed = f", {figures['changed']} tracked files changed since" if figures["changed"] else ""
    rows = [("Machine", f"{machine['cpu']}, {machine['processors']} processors ({machine['vector']}), "
                        f"{machine['memory_gib']:.0f} GiB memory"),
            ("System", f"{machine['system']}, Linux {machine['kernel']}"),
            ("Commit", f"`{figures['commit']}`{changed}"),
            ("Date", figures["date"]),
            ("Load average (1, 5, 15 min) at the start", next(loads)),
            ("Load average at the end", next(loads)),
            ("Model", f"`{figures['model']}`; one-token answers: `tiny-default-5.8M-q8_0.gguf`"),
            ("Threads", f"{figures['threads']} for the engine, ours and the peer's"),
            ("Took", f"{figures['seconds']:.0f} s")]
    return "## The run\n\n" + table(("", ""), [(name, value) for name, value in rows]).replace("---:", "---")


def engine_section(figures):
    engine = figures["engine"]
    rows = []
    for kind, what in (("prefill", f"prefill of {engine['prefill']} tokens"),
                       ("decode", f"decode of {engine['decode']} tokens, one sequence")):
        ours = max(engine["ours"][kind])
        theirs = max(engine["theirs"][kind]) if engine["theirs"] else None
        rows.append((what, cell(ours), cell(theirs), share(ours, theirs)))
    return "\n\n".join([
        "## The engine alone",
        "Tokens/s of a single stream, the best repetition of each: both programs ran in turn, and whatever else the "
        "machine does can only slow one down. Goal: decode at 0.80 of llama.cpp's.",
        table(("tokens/s", "bench_engine", "llama-bench", "ours ÷ theirs"), rows), commands(figures, ["engine"])])


SERVED = (("time to first token p50, ms", ("first_text_us", "p50"), 1e3),
          ("time to first token p99, ms", ("first_text_us", "p99"), 1e3),
          ("inter-token latency p50, ms", ("gap_us", "p50"), 1e3),
          ("inter-token latency p99, ms", ("gap_us", "p99"), 1e3),
          ("generated tokens/s, all clients", ("tokens_per_second",), 1))


def served(figures, side, path, by):
    return [scaled(middle(level[side], *path), by) for level in figures["serving"]["levels"].values()]


def serving_section(figures):
    serving = figures["serving"]
    rows = []
    for clients, level in serving["levels"].items():
        for what, path, by in SERVED:
            ours, theirs = (scaled(middle(level[side], *path), by) for side in ("ours", "theirs"))
            rows.append((clients, what, cell(ours), cell(theirs), share(ours, theirs)))
    head = ("clients", "figure", "Mayfly", PEER, "ours ÷ theirs")
    prompt = middle(next(iter(serving["levels"].values()))["ours"], "prompt_tokens")
    idle = [level["idle_share"] for level in serving["levels"].values() if level.get("idle_share") is not None]
    idle = f" While {PEER} was measured the idle cluster used {statistics.mean(idle):.1%} of a processor." if idle else ""
    requests = ", ".join(f"{count} from each of {clients}" for clients, count in serving["requests"].items())
    names = [f"{kind} {clients}" for clients in serving["levels"] for kind in (PEER, "Cluster", "LlamaServer")]
    return "\n\n".join([
        "## The cluster under load",
        f"Chats of {prompt:.0f} prompt tokens and {serving['tokens']} generated, streamed, greedy, `ignore_eos`. All "
        f"clients start at once and each sends its requests back to back (in a round {requests}), so that at 8 and "
        "32 the first tokens wait for every prompt. Rounds alternate, ours and theirs, against the same file with the "
        f"same threads in the same minutes; {PEER} has a slot a client and computes whole prompts, as Mayfly does. "
        "Each figure is the median over rounds; tokens/s counts the prompts' time too. A gap is the time between two "
        f"events that carry text.{idle} For times less is better, for tokens/s more.",
        "![Tokens/s](bench/charts/tokens_per_second.svg)", "![Time to first token](bench/charts/first_token.svg)",
        "![Inter-token latency](bench/charts/inter_token.svg)",
        table(head, rows).replace("|---|---:|", "|---:|---|", 1), commands(figures, ["serve", *names])])


def ranks_section(figures):
    ranks, rows = figures["ranks"], []
    for clients, level in ranks["levels"].items():
        for what, path, by in SERVED:
            whole, split = (scaled(middle(level[side], *path), by) for side in ("whole", "split"))
            rows.append((clients, what, cell(whole), cell(split), share(split, whole)))
    sides = (f"one process, {ranks['ranks']} threads", f"{ranks['ranks']} ranks, a thread each")
    names = ["serve whole", "serve split", *(f"Cluster {clients}" for clients in ranks["levels"])]
    return "\n\n".join([
        "## Ranks beside one process",
        "The same load on a worker that computes the whole model and on one whose model is split over ranks of this host "
        "(tensor parallelism), as many threads in both; rounds in turn, medians over rounds. On one host ranks share its "
        "memory bandwidth and add two sums a layer, so one process is the measure of what the split costs.",
        table(("clients", "figure", *sides, "ranks ÷ process"), rows).replace("|---|---:|", "|---:|---|", 1),
        commands(figures, names), *alone_part(figures, sides)])


def spread(rounds, kind):
    return f"{cell(min(one[kind] for one in rounds))} to {cell(max(one[kind] for one in rounds))}"


def alone_rows(alone):
    prompt = middle(alone["whole"], "prompt_tokens")
    return ("prefill", f"prefill of {prompt:.0f} tokens"), ("decode", f"decode of {alone['tokens']} tokens")


def alone_part(figures, sides):
    alone, rows = figures["ranks"]["alone"], []
    for kind, what in alone_rows(alone):
        whole, split = middle(alone["whole"], kind), middle(alone["split"], kind)
        rows.append((what, cell(whole), spread(alone["whole"], kind), cell(split), spread(alone["split"], kind),
                     share(split, whole)))
    return [
        "One request alone, on the same two clusters: prefill is the prompt's tokens over the time of an answer of one "
        f"token, decode what {alone['tokens']} tokens more of the same prompt take longer. Tokens/s, for which more is "
        f"better: the median, the lowest and the highest of {alone['rounds']} rounds in turn, HTTP and the cluster "
        "within.",
        "![One request alone](bench/charts/ranks.svg)",
        table(("tokens/s", sides[0], "lowest to highest", sides[1], "lowest to highest", "ranks ÷ process"), rows),
        commands(figures, ["alone"])]


def sum_rows(sizes):
    """Medians over rounds, and the best round's p50 beside: whoever sleeps in the kernel swings from run to run."""
    for size, ways in sizes.items():
        for what, key, choose in (("p50", "p50_us", statistics.median), ("p50 of the best round", "p50_us", min),
                                  ("p99", "p99_us", statistics.median)):
            of = {name: choose([one[key] for one in rounds]) for name, rounds in ways.items()}
            yield (f"{size}, {what}", *(cell(of.get(name)) for name in ("shared_memory", "open_mpi")),
                   share(of["shared_memory"], of.get("open_mpi")),
                   *(cell(of.get(name)) for name in ("tcp", "sealing", "gloo")), share(of["tcp"], of.get("gloo")))


def sums_section(figures):
    sums, title = figures["sums"], "## Sums over ranks"
    if sums is None:
        return f"{title}\n\nNot measured: it needs processors 0 and 1."
    has_peers = any("gloo" in ways for ways in sums["sizes"].values())
    return "\n\n".join([
        title,
        "One sum over two ranks, a process each, each on a processor of its own (as mpirun has it; Gloo's, which have "
        f"threads of their own, are free), µs at rank 0; medians over {sums['rounds']} rounds, all in turn in each. "
        "Open MPI goes through shared memory, Gloo through TCP on loopback in clear; ours over TCP is encrypted, and what "
        "sealing and opening alone take stands beside it. Less is better." +
        ("" if has_peers else " Open MPI and Gloo are missing or left out; `ops/bench_peers/collectives` gets them."),
        table(("µs", "shared memory", "Open MPI", "ours ÷ theirs", "TCP, encrypted", "of it cipher", "Gloo",
               "ours ÷ theirs"), sum_rows(sums["sizes"])), commands(figures, ["sums"])])


def gateway_section(figures):
    gateway = figures["gateway"]
    engine, http = gateway["engine"], gateway["http"]
    base, whole = middle(engine, "p50"), middle(http, "p50")
    tail = middle(http, "p99")
    rows = [("bare engine", cell(base), cell(middle(engine, "p99"))),
            ("through the cluster, over HTTP", cell(whole), cell(tail)),
            ("**added by the cluster**", f"**{whole - base:,.0f}**", f"**{tail - base:,.0f}**"),
            ("goal", "200", "1,000")]
    rates = [(clients, cell(max(one["requests_per_second"] for one in rounds)),
              cell(scaled(middle(rounds, "latency_us", "p50"), 1e3)), cell(scaled(middle(rounds, "latency_us", "p99"), 1e3)))
             for clients, rounds in gateway["rates"].items()]
    return "\n\n".join([
        "## What the cluster adds",
        f"A chat of {gateway['prompt_tokens']} prompt tokens with a one-token answer of the tiny model, over one "
        f"keep-alive connection, beside the same prompt length in the bare engine; rounds of "
        f"{gateway['requests']} requests in turn ({len(http)} of each), medians over rounds. What is added at p99 is the cluster's p99 "
        "less the engine's p50: the engine's own tail counts against the cluster.",
        table(("µs", "p50", "p99"), rows),
        "On its way a request passes from thread to thread some fourteen times (ingress, actors, link, ZeroMQ, each on "
        "both sides, twice, and the engine), and what the last one left is still being wiped, signed and stored "
        f"meanwhile. To wake a thread and be woken by it took {figures['link']['wake_up_round_trip_us']:.0f} µs on this "
        "machine at p50, in the same run.", commands(figures, ["serve tiny", "added"]),
        "## Requests/s",
        "One-token answers of the same model; the engine's own work is in them (an engine alone, one request after "
        f"another, makes {1e6 / base:,.0f} a second).",
        "![Requests/s](bench/charts/requests_per_second.svg)",
        table(("connections", "requests/s", "latency p50, ms", "latency p99, ms"), rates),
        commands(figures, [f"gateway {clients}" for clients in gateway["rates"]])])


def memory_rows(what, memory):
    for loaded, after in zip(memory["loaded"], memory["after"]):
        yield (f"{what}: {loaded['role']}", cell(loaded["rss"]), cell(loaded["file"]), cell(after["rss"]), cell(after["file"]))


def memory_section(figures):
    rows = [*memory_rows("SmolLM2", figures["serving"]["memory"]), *memory_rows("tiny model", figures["gateway"]["memory"])]
    for clients, level in figures["serving"]["levels"].items():
        if "peer_memory" in level:
            memory = level["peer_memory"]
            rows.append((f"{PEER} for {clients}", *(cell(memory[when][key]) for when in ("loaded", "after")
                                                       for key in ("rss", "file"))))
    return "\n\n".join([
        "## Resident memory",
        "MiB of each process once the model is loaded (nothing asked yet) and after its runs above; pages of files are "
        "within, the mapped model among them. llama-server was asked once before its first figure.",
        table(("process", "loaded", "of it files", "after the runs", "of it files"), rows)])


def parts_section(figures):
    link = figures["link"]
    return "\n\n".join([
        "## Parts",
        f"One encrypted link on loopback, {link['bytes']} bytes each way: {link['p50_us']:.0f} µs a round trip at p50, "
        f"{link['p99_us']:.0f} µs at p99, {link['round_trips_per_second']:,.0f} a second with many under way.",
        commands(figures, ["link"]),
        "The kernels against the machine's own memory bandwidth, each quantisation, are printed by "
        "`build/release/ops/bench/bench_kernels 2`; it takes half a minute and is no part of this run."])


def commands(figures, names):
    lines = [line for name in names for line in figures["commands"].get(name, [])]
    return "```\n" + "\n".join(dict.fromkeys(lines)) + "\n```"


def write_charts(figures, folder):
    folder.mkdir(parents=True, exist_ok=True)
    levels = figures["serving"]["levels"]
    clients = [f"{level} client{'s' if level != '1' else ''}" for level in levels]
    has_peer = any(level["theirs"] for level in levels.values())
    sides = (("Mayfly", "ours"), (PEER, "theirs")) if has_peer else (("Mayfly", "ours"),)

    def draw(name, title, unit, groups, series):
        (folder / f"{name}.svg").write_text(bar_chart(title, unit, groups, series))

    draw("tokens_per_second", "Generated tokens a second, all clients", "more is better", clients,
         [(name, served(figures, side, ("tokens_per_second",), 1)) for name, side in sides])
    draw("first_token", "Time to first token, p50", "ms, less is better", clients,
         [(name, served(figures, side, ("first_text_us", "p50"), 1e3)) for name, side in sides])
    draw("inter_token", "Inter-token latency", "ms, less is better", clients,
         [(f"{name} {quantile}", served(figures, side, ("gap_us", quantile), 1e3))
          for quantile in ("p50", "p99") for name, side in sides])
    ranks = figures["ranks"]
    draw("ranks", "Tokens a second of one request alone", "more is better",
         [what for _, what in alone_rows(ranks["alone"])],
         [(name, [middle(ranks["alone"][side], kind) for kind in ("prefill", "decode")])
          for name, side in (("one process", "whole"), (f"{ranks['ranks']} ranks", "split"))])
    rates = figures["gateway"]["rates"]
    draw("requests_per_second", "One-token answers a second", "more is better",
         [f"{count} connection{'s' if count != '1' else ''}" for count in rates],
         [("Mayfly", [max(one["requests_per_second"] for one in rounds) for rounds in rates.values()])])


def write(figures, folder):
    """Writes the report and the charts into `folder`; what stands after the mark of an older report stays."""
    target = folder / "BENCHMARKS.md"
    folder.mkdir(parents=True, exist_ok=True)
    old = target.read_text() if target.exists() else ""
    kept = old[old.index(KEPT):] if KEPT in old else KEPT + "\n"
    note = ("Written by `ops/bench/run`, which measures all of it anew; below each table stand the commands behind it "
            "(programs in `build/release`, `build/release/ops/bench` and the folders that the scripts in "
            "`ops/bench_peers` print; `MAYFLY_API_KEY` and `$PORT` from the cluster's `cluster.json`).")
    sections = [section(figures) for section in (run_section, engine_section, serving_section, ranks_section,
                                                 sums_section, gateway_section, memory_section, parts_section)]
    target.write_text("\n\n".join(["# Benchmarks", *caution(figures), note, *sections, kept]))
    write_charts(figures, folder / "bench/charts")
    return target
