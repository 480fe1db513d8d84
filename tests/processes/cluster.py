"""A real cluster for tests: the built binary, a directory of its own, any free port."""

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("MAYFLY_BINARY", ROOT / "build/release/mayfly"))
TINY_MODEL = ROOT / "tests/models/tiny-default-5.8M-q8_0.gguf"
SHAPES = {"together": (), "split": ("--split",)}


def wait_for(condition, seconds, what):
    """Polls until `condition()` gives something true and returns it; fails after `seconds`."""
    end = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(0.02)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Cluster:
    """`mayfly up` in a temporary directory. Use as a context manager; `stop()` drains it.

    A `directory` given is kept."""

    running, last_words = set(), []  # of all clusters: for the report of a test that failed (conftest.py)

    def __init__(self, *options, models=(TINY_MODEL,), binary=BINARY, command_prefix=(), ready_within=60, parent=None,
                 directory=None):
        self.directory = Path(directory or tempfile.mkdtemp(prefix="mayfly-test-", dir=parent))
        self.is_kept = directory is not None
        Cluster.running.add(self)
        self.directory.chmod(0o755)
        self.log = self.directory / "supervisor.log"
        (self.directory / "cluster.json").unlink(missing_ok=True)
        self.binary = Path(binary)
        command = [*command_prefix, str(binary), "up", "--directory", str(self.directory)]
        for model in models:
            command += ["--model", str(model)]
        if "--port" not in options:
            options = ("--port", "0", *options)
        # In this session, not one of its own: Linux shares processors out by sessions (autogroups), and a cluster under
        # load was seen to keep everything outside its session, the test too, waiting for seconds.
        self.process = subprocess.Popen([*command, *options], stdin=subprocess.DEVNULL, stdout=open(self.log, "wb"),
                                        stderr=subprocess.STDOUT)
        if ready_within is None:  # it waits for another host
            return
        try:
            wait_for(self._is_ready, ready_within, "the cluster is ready")
        except AssertionError:
            text = self.log.read_text()
            self.kill()
            Cluster.running.discard(self)
            raise AssertionError(f"the cluster did not become ready:\n{text[-4000:]}") from None

    def _is_ready(self):
        assert self.process.poll() is None, f"the supervisor ended:\n{self.log.read_text()[-4000:]}"
        return self.info().get("ready")

    def info(self):
        try:
            return json.loads((self.directory / "cluster.json").read_text())
        except FileNotFoundError:
            return {}

    @property
    def url(self):
        return self.info()["url"]

    @property
    def api_key(self):
        return self.info()["api_key"]

    @property
    def model(self):
        return self.info()["model"]

    def pids(self, role=None):
        return [process["pid"] for process in self.info()["processes"] if role in (None, process["role"])]

    def mayfly(self, *arguments, check=True, **options):
        """Runs a subcommand of the binary on this cluster's directory; returns what it printed."""
        run = subprocess.run([str(self.binary), *arguments, "--directory", str(self.directory)], capture_output=True,
                             text=True, timeout=60, check=False, **options)
        assert not check or run.returncode == 0, run.stderr
        return run.stdout

    def status(self):
        return json.loads(self.mayfly("status", "--json"))

    def all_running(self):
        return all(process["state"] == "running" for process in self.status()["processes"])

    def nodes(self):
        """What the nodes said last; nothing while the front is away."""
        return (self.status().get("cluster") or {}).get("nodes", [])

    def linked_workers(self):
        return [node for node in self.nodes() if node.get("worker") and node["linked"]]

    def reports(self, kind):
        """What every node that is a "gateway", a "retention" or a "worker" says of itself as such. Of one that is gone
        its last word stays for a while: it does not count."""
        return [node[kind] for node in self.nodes() if node.get(kind) and node["linked"]]

    def loads(self):
        """What every worker says of each of its models."""
        return [model for worker in self.reports("worker") for model in worker["models"]]

    def no_lease_open(self):
        leases = self.reports("retention")
        return leases and all(report["leases_open"] == 0 for report in leases)

    def workers_are_idle(self):
        loads = self.loads()
        return loads and all(model["running"] == 0 and model["waiting"] == 0 and
                             model["kv_blocks_free"] == model["kv_blocks"] for model in loads)

    def request_log(self):
        return [json.loads(line) for line in (self.directory / "state/requests.jsonl").read_text().splitlines()]

    def stop(self):
        self.mayfly("stop", check=False)
        self.process.wait(40)

    def kill(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if not self.is_kept:
            shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, failure, *_):
        if failure is not None:
            Cluster.last_words.append(self.words())
        self.kill()
        Cluster.running.discard(self)

    def words(self):
        """For who looks at a failed test: what this cluster says of itself."""
        run = subprocess.run([str(self.binary), "status", "--directory", str(self.directory)], capture_output=True, text=True,
                             timeout=20, check=False)
        return f"{self.directory}: {run.stdout}{run.stderr}\n{self.log.read_text()[-6000:]}"
