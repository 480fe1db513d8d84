"""Runs the residue audit (see the script `residue` beside this file)."""

import argparse
import functools
import os
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/processes"), str(ROOT / "ops/audit")]

import canary  # noqa: E402
import computed  # noqa: E402
from cluster import TINY_MODEL, Cluster, wait_for  # noqa: E402
from hosts import two_hosts  # noqa: E402
from traffic import Traffic  # noqa: E402

BUILD = ROOT / "build/release"
SCANNER = BUILD / "ops/audit/residue_scan"
CONTROL = BUILD / "ops/audit/mayfly_leaking"
ORACLE = BUILD / "ops/oracles/mayfly_oracle"
VOCABULARY = 4096  # of the tiny model
ROUND = 25  # at most: so that reuse cannot hide what wiping should
SMALL_CACHE = 33 * 48 * 1024  # KV of the tiny model's longest sequence, and one block
# Where a process could leave a file beside its cluster's directory, a dump of its memory among them.
ELSEWHERE = ("/tmp", "/var/tmp", "/dev/shm", "/var/log", "/var/crash", "/var/lib/systemd/coredump", Path.home(), Path.cwd())


@dataclass(frozen=True)
class Shape:
    """A cluster that is audited, and by what share of the rounds."""

    title: str
    options: tuple = ()
    request_seconds: int = 2
    kv_bytes: int = 0
    loses: str = ""  # the role of the processes that are killed amid requests
    hosts: int = 1  # that ranks span
    plants: bool = False  # a canary in a file elsewhere, which must be found
    share: float = 1

    def configuration(self):
        return (f"[http]\nport = 0\nrequest_seconds = {self.request_seconds}\n"
                f"[[model]]\nid = 'tiny'\nfile = '{TINY_MODEL}'\nkv_bytes = {self.kv_bytes}\n")

    def start(self, folder, binary):
        """The running cluster, a context manager."""
        if self.hosts == 2:
            (folder / "hosts").mkdir(exist_ok=True)
            return two_hosts(self.configuration(), folder / "hosts", binary)
        path = folder / "audit.toml"
        path.write_text(self.configuration())
        return Cluster("--workers", "2", "--config", str(path), *self.options, models=(), binary=binary)


RANKS = ("--tensor-parallel", "2", "--threads", "1")
SHORT = (Shape("together"), Shape("split", ("--split",)), Shape("tls", ("--tls",), share=0.25),
         Shape("ranks", RANKS, share=0.25), Shape("rank hosts", hosts=2, share=0.25))
FULL = (*SHORT, Shape("small cache", kv_bytes=SMALL_CACHE, share=0.25),
        Shape("lost worker", request_seconds=30, loses="worker", share=0.25),
        Shape("lost rank", RANKS, request_seconds=30, loses="shard", share=0.25))


def leases_closed(cluster):
    return (cluster.no_lease_open() and cluster.workers_are_idle()
            and all(report["running"] == 0 for report in cluster.reports("gateway")))


def files_of(cluster):
    """Every file of the cluster's directory, and every regular file that its processes hold open."""
    found = {path for path in cluster.directory.rglob("*") if path.is_file()}
    for pid in cluster.pids():
        for link in Path(f"/proc/{pid}/fd").iterdir():
            target = Path(os.readlink(link))
            if target.is_file() and target.suffix != ".gguf":
                found.add(target)
    # This cluster's own key stands in its cluster.json; nothing of a request does.
    return sorted(str(path) for path in found)


def changed_elsewhere(stamp, cluster):
    """A running `find`: the files of other places that anybody wrote since the stamp, but for the audit's own."""
    return subprocess.Popen(["find", *(str(place) for place in ELSEWHERE if Path(place).is_dir()), "-xdev",
                             "(", "-path", str(stamp.parent), "-o", "-path", str(cluster.directory), ")", "-prune", "-o",
                             "-type", "f", "(", "-newer", str(stamp), "-o", "-cnewer", str(stamp), ")", "-print0"],
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


def is_gone(finding):
    """Whether it says of a file alone that it could not be read, as it is there no more."""
    label, place = finding.split(" ", 1)
    where = place.rsplit(" ", 1)[0]
    return label == "UNREADABLE" and where.startswith("/") and not Path(where).exists()


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


def scan_elsewhere(needles, files, folder):
    """What stands of the canaries in files that anybody may have written: words of an answer would show nothing there."""
    paths = [path.decode(errors="surrogateescape") for path in files.split(b"\0") if path]
    findings, size = run_scanner(needles, paths, folder) if paths else ([], 0)
    return [finding for finding in findings if not is_gone(finding)], size


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


def run_round(cluster, count, shape, source, stamp):
    """Sends `count` canaries over all paths in turn, then scans. Returns (traffic, findings, bytes)."""
    traffic = Traffic(cluster)
    canaries = [canary.make(source) for _ in range(count)]
    paths = traffic.paths_of_a_loss(shape.loses) if shape.loses else traffic.paths()
    for index, word in enumerate(canaries):
        paths[index % len(paths)](word)
    traffic.client.close()
    wait_for(lambda: leases_closed(cluster), 15, "every lease is closed")
    time.sleep(0.3)  # workers report idle before their last scrub: nothing to wait on from outside
    with tempfile.NamedTemporaryFile(prefix="mayfly-audit-") as planted:
        if shape.plants:
            planted.write(canaries[0].encode())
            planted.flush()
        elsewhere = changed_elsewhere(stamp, cluster)
        found, size = scan(cluster, needles_of(canaries, traffic.outputs), stamp.parent)
        found += computed.left(cluster)
        strays, more = scan_elsewhere(needles_of(canaries, []), elsewhere.communicate()[0], stamp.parent)
        if shape.plants and not any(planted.name in line for line in strays):
            sys.exit("residue: a canary in a file elsewhere was not found: the audit proves nothing of such files")
    return traffic, found + strays, size + more


def with_role(finding, names):
    """A scanner's line with the process's role in place of its id; a file's line as it is."""
    label, where = finding.split(" ", 1)
    pid = where.split(":")[0]
    return f"{label} {where.replace(pid, names.get(pid, pid), 1)}"


def not_tried(cluster, shape, overdue):
    """What the traffic was to bring about and did not: the audit would say nothing of it."""
    if shape.loses:
        return [] if sum(gateway["replayed"] for gateway in cluster.reports("gateway")) else ["a replay"]
    preempted = sum(model["preemptions"] for model in cluster.loads())
    return [what for what, count in (("a deadline that passed", overdue), ("a preemption", preempted)) if not count]


def audit(shape, rounds, source, folder, binary):
    """(canaries, findings, what was not tried)"""
    stamp = folder / "stamp"
    stamp.touch()
    canaries, overdue, findings, scanned = 0, 0, [], 0
    with shape.start(folder, binary) as cluster:
        for number in range(rounds):
            traffic, found, size = run_round(cluster, ROUND, shape, source, stamp)
            canaries, overdue, scanned = canaries + ROUND, overdue + traffic.overdue, scanned + size
            names = {str(process["pid"]): process["role"] for process in cluster.info()["processes"]}
            findings += [with_role(line, names) for line in found]
            print(f"  {shape.title}, round {number + 1} of {rounds}: {canaries} canaries, {len(findings)} findings, "
                  f"{scanned >> 20} MiB scanned", flush=True)
        return canaries, findings, not_tried(cluster, shape, overdue)


def show(findings):
    counts = {}
    for line in findings:
        label, where = line.split()[:2]
        counts[label, where] = counts.get((label, where), 0) + 1
    for (label, where), count in sorted(counts.items(), key=lambda item: -item[1])[:40]:
        print(f"    {count:6d} {label} in {where}")


def main():
    options = argparse.ArgumentParser(description="residue audit")
    options.add_argument("--full", action="store_true", help="1,750 canaries instead of 125")
    options.add_argument("--rounds", type=int, help="rounds of 25 canaries a shape: 20 in full, else 1")
    options.add_argument("--seed", type=int, default=None)
    chosen = options.parse_args()
    source = random.Random(chosen.seed)
    rounds = chosen.rounds or (20 if chosen.full else 1)
    failures = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for shape in FULL if chosen.full else SHORT:
            canaries, findings, untried = audit(shape, max(1, int(rounds * shape.share)), source, folder, BUILD / "mayfly")
            if findings:
                failures.append(f"{shape.title}: {len(findings)} traces of {canaries} canaries")
                show(findings)
            failures += [f"{shape.title}: {what} did not happen: the audit proves nothing of it" for what in untried]
        canaries, findings, _ = audit(Shape("control", RANKS, plants=True), 1, source, folder, CONTROL)
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
