"""What is measured: processes with their memory and processor time, a peer's server, and the programs that measure."""

import json
import os
import shlex
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/processes"))

from cluster import free_port, wait_for  # noqa: E402


def memory_of(pid):
    """Resident MiB of a process: all, and what of it are pages of files (the mapped model among them)."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    mib = {name: int(fields[name].split()[0]) / 1024 for name in ("VmRSS", "RssFile", "RssShmem")}
    return {"rss": mib["VmRSS"], "file": mib["RssFile"] + mib["RssShmem"]}


def memory_of_cluster(cluster):
    return [{"role": process["role"], **memory_of(process["pid"])} for process in cluster.info()["processes"]]


def processor_seconds(pids):
    """Processor time that processes have used since they began."""
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


class LlamaServer:
    """llama-server with as many slots as clients; a context manager."""

    def __init__(self, peer, model, clients, threads, context):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.api_key = "none"
        self.model = model.stem
        arguments = ["-m", model, "-t", threads, "-np", clients, "-c", clients * context, "--host", "127.0.0.1"]
        self.command = ["llama-server", *map(str, arguments)]
        self.process = subprocess.Popen([str(peer / "build/bin/llama-server"), *self.command[1:], "--port",
                                         str(self.port)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)

    def _is_ready(self):
        assert self.process.poll() is None, f"llama-server ended: {shlex.join(self.command)}"
        try:
            return urllib.request.urlopen(f"{self.url}/health", timeout=5).status == 200
        except (urllib.error.URLError, OSError):
            return False

    def pids(self):
        return [self.process.pid]

    def __enter__(self):
        try:
            wait_for(self._is_ready, 60, "llama-server is ready")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Programs:
    """Runs the measuring programs, and remembers the command behind each figure."""

    def __init__(self, build, peer, sum_peers):
        self.build, self.peer, self.sum_peers = build, peer, sum_peers
        self.commands = {}

    def _run(self, figure, program, arguments, environment=None, shown=None):
        arguments = [str(argument) for argument in arguments]
        listed = [program.name, *(shown or arguments)]
        self.commands.setdefault(figure, []).append(shlex.join(listed).replace(f"{ROOT}/", "")
                                                    .replace("'$PORT'", "$PORT"))
        run = subprocess.run([str(program), *arguments], capture_output=True, text=True, timeout=300, check=False,
                             env={**os.environ, **(environment or {})})
        if run.returncode != 0:
            raise SystemExit(f"ops/bench/run: {shlex.join(listed)} failed:\n{run.stdout[-1500:]}{run.stderr[-1500:]}")
        return json.loads(run.stdout)

    def engine(self, figure, model, **options):
        return self._run(figure, self.build / "ops/bench/bench_engine", ["--model", model, *flags(options)])

    def link(self, figure, trips):
        return self._run(figure, self.build / "ops/bench/bench_link", [trips])

    def sums(self, figure, carrier, size, operations):
        return self._run(figure, self.build / "ops/bench/bench_collective", [carrier, size, operations])

    def sums_by_open_mpi(self, figure, size, operations):
        as_root = ["--allow-run-as-root"] if os.geteuid() == 0 else []
        two, amount = [*as_root, "--oversubscribe", "-n", "2"], [str(size), str(operations)]
        return self._run(figure, Path("mpirun"), [*two, self.sum_peers / "mpi_all_reduce", *amount],
                         shown=[*two, "mpi_all_reduce", *amount])

    def sums_by_gloo(self, figure, size, operations):
        return self._run(figure, self.sum_peers / "gloo_all_reduce", [size, operations])

    def llama_bench(self, figure, model, prefill, decode, threads, repeat):
        arguments = ["-m", model, "-p", prefill, "-n", decode, "-t", threads, "-r", repeat, "-o", "json"]
        rows = self._run(figure, self.peer / "build/bin/llama-bench", arguments)
        return {"prefill" if row["n_prompt"] else "decode": row["samples_ts"] for row in rows}

    def http(self, figure, server, **options):
        place = urlsplit(server.url)
        rest = ["--model", server.model, *flags(options)]
        return self._run(figure, self.build / "ops/bench/bench_http",
                         ["--host", place.hostname, "--port", place.port, *rest],
                         {"MAYFLY_API_KEY": server.api_key}, ["--host", place.hostname, "--port", "$PORT", *map(str, rest)])


def flags(options):
    return [part for name, value in options.items() for part in (f"--{name.replace('_', '-')}", value)]
