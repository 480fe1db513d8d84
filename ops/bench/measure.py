"""Takes the figures (see the script `run` beside this file) and has them written."""

import argparse
import datetime
import functools
import json
import os
import platform
import statistics
import subprocess
import time
from pathlib import Path

from servers import ROOT, LlamaServer, Programs, memory_of, memory_of_cluster, processor_seconds
from cluster import TINY_MODEL, Cluster  # found through servers
import report

THREADS = 2
CONTEXT = 512  # tokens a slot of llama-server's: the prompt, the answer and room
LEVELS = (1, 8, 32)
RANK_LEVELS = (1, 8)
SUMS = {"8 KiB": (8 << 10, 1000), "64 KiB": (64 << 10, 500), "1 MiB": (1 << 20, 150)}  # bytes, how many sums
CARRIERS = ("shared_memory", "tcp", "sealing")
FIGURES = ROOT / "var/bench/figures.json"


class Plan:
    """How much of each: the whole, or just enough to see that it works."""

    def __init__(self, quick):
        self.quick = quick
        self.tokens = 16 if quick else 64
        self.requests = dict.fromkeys(LEVELS, 1) if quick else {1: 6, 8: 3, 32: 2}  # of each client, in a round
        self.rounds = dict.fromkeys(LEVELS, 1) if quick else {1: 3, 8: 2, 32: 2}
        self.engine = {"prefill": 128 if quick else 512, "decode": 16 if quick else 128, "repeat": 1 if quick else 2}
        self.engine_rounds = 1 if quick else 3
        self.rank_rounds = 1 if quick else 3
        self.alone = {"words": 70 if quick else 480, "tokens": 16 if quick else 128, "rounds": 1 if quick else 7}
        self.sums = {size: (of, count // 10 if quick else count) for size, (of, count) in SUMS.items()}
        self.sum_rounds = 1 if quick else 5
        self.one_token = {"requests": 100 if quick else 1000, "rounds": 1 if quick else 3}
        self.gateway = {"requests": 100 if quick else 1600, "rounds": 1 if quick else 2}
        self.link_trips = 1000 if quick else 10000


def say(what):
    print(f"[{time.strftime('%H:%M:%S')}] {what}", flush=True)


def git(*arguments):
    return subprocess.run(["git", "-C", ROOT, *arguments], capture_output=True, text=True, check=False).stdout.strip()


def machine():
    cpuinfo = Path("/proc/cpuinfo").read_text()
    name = next((line.split(":", 1)[1].strip() for line in cpuinfo.splitlines() if line.startswith("model name")), "?")
    flags = next((line for line in cpuinfo.splitlines() if line.startswith("flags")), "").split()
    memory = int(next(line for line in Path("/proc/meminfo").read_text().splitlines()).split()[1]) / 1024**2
    system = platform.freedesktop_os_release().get("PRETTY_NAME", "?")
    return {"cpu": name, "processors": len(os.sched_getaffinity(0)), "memory_gib": memory, "system": system,
            "kernel": platform.release(),
            "vector": ", ".join(flag for flag in ("avx2", "avx512f", "avx512_vnni", "amx_int8") if flag in flags)}


def commit():
    changed = [line for line in git("status", "--porcelain", "--untracked-files=no").splitlines()
               if not line.endswith(("ops/BENCHMARKS.md", ".svg"))]
    return {"commit": git("rev-parse", "--short=12", "HEAD"), "changed": len(changed)}


def measure_engine(programs, model, plan):
    """Alternates with llama-bench; the best repetition of each counts, as either is slowed by whatever else runs."""
    ours, theirs = {"prefill": [], "decode": []}, {"prefill": [], "decode": []}
    for _ in range(plan.engine_rounds):
        made = programs.engine("engine", model, threads=THREADS, **plan.engine)
        for kind in ours:
            ours[kind] += made[f"{kind}_tokens_per_second"]["all"]
        if programs.peer:
            made = programs.llama_bench("engine", model, threads=THREADS, **plan.engine)
            for kind in theirs:
                theirs[kind] += made[kind]
    return {"ours": ours, "theirs": theirs if programs.peer else None, **plan.engine}


def load_round(programs, server, level, plan, extra=()):
    return programs.http(f"{type(server).__name__} {level}", server, connections=level, requests=plan.requests[level],
                         warm_up=0, tokens=plan.tokens, words=70, stream=1, **dict(extra))


def warm(programs, server, extra=()):
    programs.http("warm", server, requests=1, warm_up=0, tokens=4, words=70, **dict(extra))


def measure_level(programs, cluster, model, level, plan):
    """Rounds of ours and of the peer's in turn; the one that is not measured is idle."""
    if not programs.peer:
        return {"ours": [load_round(programs, cluster, level, plan) for _ in range(plan.rounds[level])], "theirs": None}
    # The peer would else answer the template's head from its cache of prompts: both compute all of every prompt.
    extra = (("extra", '"cache_prompt":false'),)
    ours, theirs, idle = [], [], []
    with LlamaServer(programs.peer, model, level, THREADS, CONTEXT) as peer:
        programs.commands.setdefault(f"llama-server {level}", []).append(" ".join(peer.command).replace(f"{ROOT}/", ""))
        warm(programs, peer, extra)
        loaded = memory_of(peer.pids()[0])
        for _ in range(plan.rounds[level]):
            ours.append(load_round(programs, cluster, level, plan))
            before, began = processor_seconds(cluster.pids()), time.monotonic()
            theirs.append(load_round(programs, peer, level, plan, extra))
            idle.append((processor_seconds(cluster.pids()) - before) / (time.monotonic() - began))
        return {"ours": ours, "theirs": theirs, "idle_share": statistics.mean(idle),
                "peer_memory": {"loaded": loaded, "after": memory_of(peer.pids()[0])}}


def start_cluster(programs, figure, model, threads=THREADS, ranks=1):
    split = () if ranks == 1 else ("--tensor-parallel", str(ranks))
    options = (*split, "--threads", str(threads))
    programs.commands[figure] = [f"mayfly up {' '.join(options)} --model {model.relative_to(ROOT)} --port 0"]
    return Cluster(*options, models=(model,))


def measure_alone(programs, cluster, plan):
    """Prefill is the time of a prompt and one token; decode, what the same prompt with more tokens takes longer."""
    tokens = plan.alone["tokens"]
    short, long = (programs.http("alone", cluster, requests=1, warm_up=0, tokens=count, words=plan.alone["words"])
                   for count in (1, 1 + tokens))
    seconds = [made["latency_us"]["mean"] / 1e6 for made in (short, long)]
    return {"prompt_tokens": short["prompt_tokens"], "prefill": short["prompt_tokens"] / seconds[0],
            "decode": tokens / (seconds[1] - seconds[0])}


def measure_ranks(programs, model, plan):
    """One process and as many ranks as it has threads, in turn; the one that is not measured is idle."""
    with (start_cluster(programs, "serve whole", model) as whole,
          start_cluster(programs, "serve split", model, 1, THREADS) as split):
        warm(programs, whole)
        warm(programs, split)
        levels = {level: {"whole": [], "split": []} for level in RANK_LEVELS}
        for level, sides in levels.items():
            for _ in range(plan.rank_rounds):
                sides["whole"].append(load_round(programs, whole, level, plan))
                sides["split"].append(load_round(programs, split, level, plan))
        say("ranks: one request alone")
        alone = {"whole": [], "split": []}
        for _ in range(plan.alone["rounds"]):
            alone["whole"].append(measure_alone(programs, whole, plan))
            alone["split"].append(measure_alone(programs, split, plan))
        return {"levels": levels, "ranks": THREADS, "alone": {**alone, **plan.alone}}


def measure_sums(programs, plan):
    """One sum over two processes, by each of our carriers and by the peers, all in turn in every round."""
    if not {0, 1} <= os.sched_getaffinity(0):
        return None
    ways = {carrier: functools.partial(programs.sums, "sums", carrier) for carrier in CARRIERS}
    if programs.sum_peers:
        ways |= {"open_mpi": functools.partial(programs.sums_by_open_mpi, "sums"),
                 "gloo": functools.partial(programs.sums_by_gloo, "sums")}
    taken = {size: {name: [] for name in ways} for size in plan.sums}
    for _ in range(plan.sum_rounds):
        for size, amount in plan.sums.items():
            for name, way in ways.items():
                taken[size][name].append(way(*amount))
    return {"rounds": plan.sum_rounds, "sizes": taken}


def measure_serving(programs, model, plan):
    with start_cluster(programs, "serve", model) as cluster:
        loaded = memory_of_cluster(cluster)
        warm(programs, cluster)
        levels = {}
        for level in LEVELS:
            say(f"serving: {level} client{'s' if level > 1 else ''}")
            levels[level] = measure_level(programs, cluster, model, level, plan)
        return {"levels": levels, "tokens": plan.tokens, "requests": plan.requests,
                "memory": {"loaded": loaded, "after": memory_of_cluster(cluster)}}


def measure_gateway(programs, plan):
    """One-token answers of the tiny model: what the cluster adds to the engine, and how many a second."""
    with start_cluster(programs, "serve tiny", TINY_MODEL) as cluster:
        loaded = memory_of_cluster(cluster)
        requests = plan.one_token["requests"]
        prompt = programs.http("warm", cluster, requests=50, warm_up=0)["prompt_tokens"]
        engine, http = [], []
        for _ in range(plan.one_token["rounds"]):
            engine.append(programs.engine("added", TINY_MODEL, threads=THREADS, prefill=0, decode=0, depth=prompt,
                                          latency=requests)["one_token_us"])
            http.append(programs.http("added", cluster, requests=requests, warm_up=50)["latency_us"])
        say("gateway: requests/s")
        rates = {level: [programs.http(f"gateway {level}", cluster, connections=level, warm_up=5,
                                       requests=max(1, plan.gateway["requests"] // level))
                         for _ in range(plan.gateway["rounds"])] for level in LEVELS}
        return {"prompt_tokens": prompt, "requests": requests, "engine": engine, "http": http, "rates": rates,
                "memory": {"loaded": loaded, "after": memory_of_cluster(cluster)}}


def measure(programs, model, plan):
    began = time.monotonic()
    figures = {"quick": plan.quick, "machine": machine(), **commit(), "threads": THREADS, "model": model.name,
               "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
               "load_start": os.getloadavg()}
    say(f"load average {figures['load_start'][0]:.2f}; engine")
    figures["engine"] = measure_engine(programs, model, plan)
    figures["serving"] = measure_serving(programs, model, plan)
    say("ranks")
    figures["ranks"] = measure_ranks(programs, model, plan)
    say("sums over ranks")
    figures["sums"] = measure_sums(programs, plan)
    say("gateway: one token")
    figures["gateway"] = measure_gateway(programs, plan)
    say("link")
    figures["link"] = programs.link("link", plan.link_trips)
    figures["load_end"] = os.getloadavg()
    figures["seconds"] = time.monotonic() - began
    figures["commands"] = {figure: list(dict.fromkeys(lines)) for figure, lines in programs.commands.items()}
    return figures


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--peer", type=Path)
    parser.add_argument("--sum-peers", type=Path)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--render", action="store_true")
    options = parser.parse_args()
    into = ROOT / ("var/bench" if options.quick else "ops")
    if not options.render:
        programs = Programs(options.build, options.peer, options.sum_peers)
        figures = measure(programs, options.model, Plan(options.quick))
        FIGURES.parent.mkdir(parents=True, exist_ok=True)
        kept = FIGURES.with_name("quick.json") if options.quick else FIGURES
        kept.write_text(json.dumps(figures, indent=1))
    elif not FIGURES.exists():
        raise SystemExit("ops/bench/run: there are no figures of a whole run here; leave --render away")
    # Read back, so that a report made later says the same.
    source = FIGURES.with_name("quick.json") if options.quick else FIGURES
    say(f"written: {report.write(json.loads(source.read_text()), into)}")


if __name__ == "__main__":
    main()
