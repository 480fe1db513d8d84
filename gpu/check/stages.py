"""The stages of ops/gpu_check: each runs programs within its own time and the whole's, and gathers their findings."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import machine_code
import toolkit

ROOT = Path(__file__).resolve().parents[2]
MODELS = ROOT / "tests/models"
PROGRAMS = ("kernels", "speed", "generation", "residue")
SMALL_MODELS = ("tiny-default-5.8M-q8_0", "micro-f32", "micro-f16", "micro-mixed")


def say(text):
    print(text, flush=True)


class Missing(Exception):
    """Something that a stage needs is not on this machine; the text says what."""


class Run:
    """One run: where things are, what was found, how much time is left."""

    def __init__(self, out, seconds, emulated):
        self.out = Path(out)
        self.build = ROOT / "build/gpu_check"
        self.logs = self.build / "logs"
        self.logs.mkdir(parents=True, exist_ok=True)
        for old in self.logs.iterdir():
            old.unlink()
        self.programs = self.build / "cmake"
        self.end = time.monotonic() + seconds
        self.emulated = emulated
        self.toolkit = None
        self.folder = tempfile.TemporaryDirectory(prefix="mayfly-check-")  # the llama's weights and answer, for its peer
        self.findings = []
        self.stages = []  # name, outcome, seconds

    def left(self):
        return self.end - time.monotonic()

    def program(self, name):
        return str(self.programs / (name + ("_emulated" if self.emulated else "")))

    def figure(self, part, what):
        """A finding's value, or 0."""
        return next((each.get("value") or 0 for each in self.findings if (each["part"], each["what"]) == (part, what)), 0)

    def command(self, arguments, seconds, name, environment=None):
        """Runs a program whose output are findings. Returns its exit status; what it says goes to a log."""
        log = self.logs / f"{name}.log"
        with open(log, "w", encoding="utf-8") as errors:
            process = subprocess.Popen([str(each) for each in arguments], stdout=subprocess.PIPE, stderr=errors, text=True,
                                       env=environment, start_new_session=True)
            try:
                output, _ = process.communicate(timeout=max(min(seconds, self.left()), 1))
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                output, _ = process.communicate()
                self.keep(output)
                raise
        self.keep(output)
        if process.returncode not in (0, 3):
            say("  " + "\n  ".join(log.read_text(encoding="utf-8", errors="replace").strip().split("\n")[-8:]))
        return process.returncode

    def keep(self, output):
        for line in (output or "").split("\n"):
            if line.startswith("{"):
                self.findings.append(json.loads(line))

    def stage(self, name, seconds, work):
        """Runs `work(seconds)`, which returns whether all held or raises Missing."""
        begin = time.monotonic()
        if self.left() < 10:
            self.stages.append((name, "left out: the time was up", 0))
            return say(f"=== {name}: left out, the time is up")
        say(f"=== {name}")
        before = len(self.findings)
        try:
            outcome = "held" if work(min(seconds, self.left())) else "FAILED"
        except Missing as missing:
            outcome = f"not run: {missing}"
        except subprocess.TimeoutExpired:
            outcome = "FAILED: it took too long"
        except (OSError, subprocess.SubprocessError, ValueError) as failure:
            outcome = f"FAILED: {failure}"
        took = time.monotonic() - begin
        broken = [each for each in self.findings[before:] if each.get("held") is False]
        for each in broken:
            say(f"  does not hold: {each['what']}: {each.get('value')} {each.get('unit', '')} (most {each.get('goal', '-')})")
        self.stages.append((name, outcome, round(took, 1)))
        return say(f"--- {name}: {outcome} ({len(self.findings) - before} findings, {took:.0f} s)")

    def failed(self):
        return any(outcome.startswith("FAILED") for _, outcome, _ in self.stages)


def build(run, seconds):
    log = run.logs / "build.log"
    configure = ["cmake", "-S", ROOT / "gpu/check", "-B", run.programs, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release",
                 f"-DMAYFLY_CUDA={run.toolkit or ''}"]
    ends = time.monotonic() + seconds
    with open(log, "w", encoding="utf-8") as out:
        targets = [f"check_{name}" + ("_emulated" if run.emulated else "") for name in PROGRAMS]
        targets += ["mayfly_cuda"] if run.toolkit else []
        if run.toolkit:  # what compiles is compiled, even where nothing can run it
            targets += [f"check_{name}" for name in (*PROGRAMS, "group")]
        for command in (configure, ["cmake", "--build", run.programs, "--target", *dict.fromkeys(targets)]):
            left = max(ends - time.monotonic(), 1)
            if subprocess.run(command, stdout=out, stderr=subprocess.STDOUT, timeout=left, check=False).returncode != 0:
                said = re.findall(r"^.*(?:error|Error|FAILED).*$", log.read_text(encoding="utf-8", errors="replace"), re.M)
                say("  " + "\n  ".join(said[:20]))
                return False
    return True


def joined_models(run):
    """The default model where it is whole, or joined from NAME.part1, NAME.part2, ..."""
    folder = ROOT / "var/models"
    whole = sorted(folder.glob("*.gguf"))
    for first in sorted(folder.glob("*.part1")):
        pieces = sorted(folder.glob(first.stem + ".part*"), key=lambda each: int(each.suffix[5:]))
        target = run.build / "models" / first.stem
        target.parent.mkdir(parents=True, exist_ok=True)
        with open(target, "wb") as out:
            for piece in pieces:
                out.write(piece.read_bytes())
        whole.append(target)
    return whole[:1]


def compare(run, seconds):
    models = [MODELS / f"{name}.gguf" for name in SMALL_MODELS]
    default = [] if run.emulated else joined_models(run)
    if not default and not run.emulated:
        say("  the default model is not there (var/models/*.gguf, or its pieces *.part1, *.part2): left out")
    return run.command([run.program("check_generation"), "compare", *models, *default], seconds, "generation") == 0


def llama(run, seconds):
    read, peak = run.figure("speed", "read") * 1e9, max(
        [run.figure("speed", f"bf16 matrix, side {side}") for side in (4096, 8192, 16384)]) * 1e12
    if not run.emulated and not (read and peak):
        raise Missing("the stage speed, whose measured limits are this one's base, told none")
    return run.command([run.program("check_generation"), "llama", run.folder.name, read, peak], seconds, "llama") == 0


def residue(run, seconds):
    if run.command([run.program("check_residue"), "here"], seconds, "residue") != 0:
        return False
    pieces = run.logs / "pieces.bin"
    holder = subprocess.Popen([run.program("check_residue"), "hold", pieces], stdout=subprocess.PIPE, text=True)
    impatience = threading.Timer(max(min(seconds, run.left()), 1), holder.kill)
    impatience.start()
    try:
        held = holder.stdout.readline().strip() == "holding"
    finally:
        impatience.cancel()
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    if not held:
        say("  the process that was to be killed in mid-request did not get there")
    if not held or run.emulated:  # another process's memory is no device's
        pieces.unlink(missing_ok=True)
        return held
    status = run.command([run.program("check_residue"), "scan", pieces], seconds, "scan")
    pieces.unlink()
    return status == 0


def group(run, seconds):
    library = toolkit.find_nccl()
    if run.emulated:
        raise Missing("NCCL needs a GPU")
    if not library:
        raise Missing("libnccl.so.2 is neither in a wheel of PyTorch's nor known to the linker")
    return run.command([run.program("check_group"), library], seconds, "nccl") == 0


def peer(run, seconds):
    if not (Path(run.folder.name) / "llama-8b-shaped.json").exists():
        raise Missing("the stage llama, whose weights are this one's, wrote none")
    on_processors = ["--cpu"] if run.emulated else []
    try:
        status = run.command([sys.executable, "-B", ROOT / "gpu/check/peer.py", run.folder.name, *on_processors], seconds, "peer")
    except subprocess.TimeoutExpired:
        status = 4
    if status == 3:
        raise Missing(f"PyTorch{'' if run.emulated else ' with CUDA'} is not in {sys.executable}")
    if status == 4:
        raise Missing("torch.compile does not work here, or not in time; the plain figures stand")
    return status == 0


def sanitizer(run, seconds):
    tool = toolkit.find_tool("compute-sanitizer", run.toolkit)
    if run.emulated:
        raise Missing("compute-sanitizer needs a GPU")
    if not tool:
        raise Missing("compute-sanitizer is not there")
    clean, slow = True, []
    for check in ("memcheck", "racecheck", "initcheck"):
        log = run.logs / f"{check}.log"
        command = [tool, "--tool", check, "--error-exitcode", "9", "--log-file", log, run.program("check_kernels"), "--small"]
        try:
            process = subprocess.run([str(each) for each in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                     timeout=max(min(seconds / 2, run.left()), 1), check=False)
        except subprocess.TimeoutExpired:
            slow.append(check)
            continue
        said = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
        summary = re.findall(r"(?:ERROR|RACECHECK) SUMMARY: (\d+)", said)
        if not summary:
            raise Missing(f"compute-sanitizer did not work here ({said.strip().split(chr(10))[-1][:120]})")
        held = process.returncode == 0 and summary[-1] == "0"
        run.findings.append({"part": "sanitizer", "what": check, "value": int(summary[-1]), "unit": "errors", "held": held})
        clean = clean and held
    if slow and clean:
        raise Missing(f"{', '.join(slow)} took too long; nothing is known of it")
    return clean


def code(run, seconds):
    tool = toolkit.find_tool("cuobjdump", run.toolkit)
    if not run.toolkit:
        raise Missing("without a toolkit there is no machine code")
    if not tool:
        raise Missing("cuobjdump is not there")
    try:
        told = machine_code.inspect(tool, str(run.programs / "libmayfly_cuda.so"), seconds)
    except subprocess.CalledProcessError as failure:
        raise Missing(f"cuobjdump does not work here: {failure.stderr.strip().split(chr(10))[-1][:160]}") from failure
    run.findings += told
    return all(each["held"] for each in told)
