"""Runs the residue audit (see the script `residue` beside this file)."""

import argparse
import functools
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/processes"), str(ROOT / "ops/audit")]

import canary  # noqa: E402
from cluster import TINY_MODEL, Cluster, wait_for  # noqa: E402
from traffic import Traffic  # noqa: E402

BUILD = ROOT / "build/release"
SCANNER = BUILD / "ops/audit/residue_scan"
CONTROL = BUILD / "ops/audit/mayfly_leaking"
ORACLE = BUILD / "ops/oracles/mayfly_oracle"
VOCABULARY = 4096  # of the tiny model
ROUND = 25  # at most: so that reuse cannot hide what wiping should
CONFIGURATION = "[http]\nrequest_seconds = 2\n"


def leases_closed(cluster):
    nodes = cluster.status()["cluster"]["nodes"]
    leases = [node["retention"] for node in nodes if node.get("retention")]
    gateways = [node["gateway"] for node in nodes if node.get("gateway")]
    workers = [model for node in nodes if node.get("worker") for model in node["worker"]["models"]]
    return (leases and all(report["leases_open"] == 0 for report in leases)
            and all(report["running"] == 0 for report in gateways)
            and all(model["running"] == 0 and model["waiting"] == 0 for model in workers))


def files_of(cluster):
    """Every file of the cluster's directory, every regular file that its processes hold open, and shared memory."""
    found = {path for path in cluster.directory.rglob("*") if path.is_file()}
    for pid in cluster.pids():
        for link in Path(f"/proc/{pid}/fd").iterdir():
            target = Path(os.readlink(link))
            if target.is_file() and target.suffix != ".gguf":
                found.add(target)
    found |= {path for path in Path("/dev/shm").iterdir() if path.is_file()}
    # This cluster's own key stands in its cluster.json; nothing of a request does.
    return sorted(str(path) for path in found)


@functools.cache
def vocabulary_text():
    """Every token's text, one after the other, as a worker's tokeniser holds it: a word of an answer may stand there."""
    return canary.detokenize(ORACLE, TINY_MODEL, range(VOCABULARY))


def needles_of(canaries, outputs):
    words = canary.tokenize(ORACLE, TINY_MODEL, [f" {word}" for word in canaries])
    head = len(canary.tokenize(ORACLE, TINY_MODEL, [f" {canary.MARK}"])[0])
    for word, ids in zip(canaries, words):
        yield from canary.text_needles(word)
        yield from canary.id_needles(ids[head:])
    public = TINY_MODEL.read_bytes() + vocabulary_text()
    for output, ids in zip(outputs, canary.tokenize(ORACLE, TINY_MODEL, outputs) if outputs else []):
        yield from canary.output_needles(output, ids, public)


def run_scanner(needles, targets, folder):
    """(findings, scanned bytes) of residue_scan."""
    path = folder / "needles"
    canary.write(path, needles)
    run = subprocess.run([SCANNER, path, *targets], capture_output=True, text=True, check=False)
    if run.returncode not in (0, 1):
        sys.exit(f"residue: the scan could not be done: {run.stderr}")
    lines = run.stdout.splitlines()
    return lines[:-1], int(lines[-1].split()[1])


def programs_of(cluster):
    """The files whose code and constants the processes map: anybody has them, so what they hold shows nothing."""
    maps = "".join(Path(f"/proc/{pid}/maps").read_text() for pid in cluster.pids())
    found = {line.split(None, 5)[5] for line in maps.splitlines() if line.count("/") and len(line.split(None, 5)) == 6}
    return sorted(path for path in found if path.startswith("/") and Path(path).is_file())


def scan(cluster, needles, folder):
    """A needle that stands in a program or a library anyway shows nothing and is left out: words of an answer, or
    four ids that are a table's numbers too. They are few, or the audit would look for too little."""
    needles = sorted(set(needles))
    common, _ = run_scanner([(str(index), data) for index, (_, data) in enumerate(needles)], programs_of(cluster), folder)
    public = {int(line.split()[0]) for line in common}
    if len(public) * 20 > len(needles):
        sys.exit(f"residue: {len(public)} of {len(needles)} needles stand in libraries: canaries are not random enough")
    kept = [needle for index, needle in enumerate(needles) if index not in public]
    return run_scanner(kept, [*map(str, cluster.pids()), *files_of(cluster)], folder)


def run_round(cluster, count, source, folder):
    """Sends `count` canaries over all paths in turn, then scans. Returns (canaries, findings, bytes)."""
    traffic = Traffic(cluster)
    canaries = [canary.make(source) for _ in range(count)]
    paths = traffic.paths()
    for index, word in enumerate(canaries):
        paths[index % len(paths)](word)
    traffic.client.close()
    wait_for(lambda: leases_closed(cluster), 15, "every lease is closed")
    time.sleep(0.3)  # workers report idle before their last scrub: nothing to wait on from outside
    return canaries, *scan(cluster, needles_of(canaries, traffic.outputs), folder)


def with_role(finding, names):
    """A scanner's line with the process's role in place of its id; a file's line as it is."""
    label, where = finding.split(" ", 1)
    pid = where.split(":")[0]
    return f"{label} {where.replace(pid, names.get(pid, pid), 1)}"


def audit(title, options, rounds, source, folder, binary):
    configuration = folder / "audit.toml"
    configuration.write_text(CONFIGURATION)
    canaries, findings, scanned = 0, [], 0
    with Cluster("--workers", "2", "--config", str(configuration), *options, binary=binary) as cluster:
        names = {str(process["pid"]): process["role"] for process in cluster.info()["processes"]}
        for number in range(rounds):
            sent, found, size = run_round(cluster, ROUND, source, folder)
            canaries, scanned = canaries + len(sent), scanned + size
            findings += [with_role(line, names) for line in found]
            print(f"  {title}, round {number + 1} of {rounds}: {canaries} canaries, {len(findings)} findings, "
                  f"{scanned >> 20} MiB scanned", flush=True)
    return canaries, findings


def show(findings):
    counts = {}
    for line in findings:
        label, where = line.split()[:2]
        counts[label, where] = counts.get((label, where), 0) + 1
    for (label, where), count in sorted(counts.items(), key=lambda item: -item[1])[:40]:
        print(f"    {count:6d} {label} in {where}")


def main():
    options = argparse.ArgumentParser(description="residue audit")
    options.add_argument("--full", action="store_true", help="1,000 canaries instead of 50")
    options.add_argument("--seed", type=int, default=None)
    chosen = options.parse_args()
    source = random.Random(chosen.seed)
    rounds = 20 if chosen.full else 1
    failures = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for title, extra in (("together", ()), ("split", ("--split",)), ("tls", ("--tls",))):
            shape_rounds = max(1, rounds // 4) if title == "tls" else rounds
            canaries, findings = audit(title, extra, shape_rounds, source, folder, BUILD / "mayfly")
            if findings:
                failures.append(f"{title}: {len(findings)} traces of {canaries} canaries")
                show(findings)
        canaries, findings = audit("control", (), 1, source, folder, CONTROL)
        missed = set(canary.FORMS) - {line.split()[0] for line in findings}
        print(f"  the control found {len(findings)} traces, of the forms "
              f"{', '.join(sorted(set(canary.FORMS) - missed))}")
        if missed:
            failures.append(f"the control did not find {', '.join(sorted(missed))}: the audit proves nothing of them")
    for failure in failures:
        print(f"residue: {failure}")
    print("residue: FAILED" if failures else "residue: no trace")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
