"""`ops/up`, the one command: in a tree of its own, so that a cluster of this checkout's goes on undisturbed. What
installs and builds is left out there: `ops/test` calls it by itself."""

import json
import os
import re
import subprocess

import httpx
import pytest
from cluster import BINARY, ROOT, SHAPES, TINY_MODEL, wait_for

OPTIONS = ("--model", str(TINY_MODEL), "--port", "0")


class House:
    """A checkout as `ops/up` sees one: itself, the binary, and `var` for what it leaves."""

    def __init__(self, root):
        self.root, self.file = root, root / "var/cluster.json"
        (root / "ops").mkdir()
        (root / "build/release").mkdir(parents=True)
        (root / "ops/up").symlink_to(ROOT / "ops/up")
        (root / "build/release/mayfly").symlink_to(BINARY)
        for name in ("install", "build"):
            (root / "ops" / name).symlink_to("/bin/true")

    def up(self, *options):
        return subprocess.run([self.root / "ops/up", *options], capture_output=True, text=True, timeout=120, check=False,
                              stdin=subprocess.DEVNULL)

    def started(self, *options):
        """What `ops/up` said, and the cluster.json it left."""
        run = self.up(*OPTIONS, *options)
        assert run.returncode == 0, run.stdout + run.stderr
        return run.stdout, json.loads(self.file.read_text())


@pytest.fixture
def house(tmp_path):
    made = House(tmp_path)
    yield made
    made.up("--stop")


def curl_line(said):
    """The command that it proposes, from its name to the end of its second line."""
    return re.search(r"curl [^\n]*\\\n[^\n]*", said).group()


def is_key(info, key):
    answer = httpx.get(info["url"] + "/v1/models", headers={"Authorization": f"Bearer {key}"}, timeout=10)
    assert answer.status_code in (200, 401)
    return answer.status_code == 200


@pytest.mark.parametrize("options", [*SHAPES.values(), ("--tls",), ("--tensor-parallel", "2")], ids=[*SHAPES, "tls", "ranks"])
def test_up_leaves_a_cluster_that_its_own_curl_line_asks(house, options):
    said, info = house.started("--no-chat", *options)
    assert house.file.stat().st_mode & 0o777 == 0o600
    assert info["ready"] and info["url"] in said and info["api_key"] in said and info["model"] in said
    roles = [process["role"] for process in info["processes"]]
    assert {"supervisor", "worker", "gateway" if "--split" in options else "front"} <= set(roles)
    assert all(os.path.exists(f"/proc/{process['pid']}") for process in info["processes"])
    asked = subprocess.run(["bash", "-c", curl_line(said) + " --silent --show-error"], capture_output=True, text=True, timeout=60,
                           check=True)
    answer = json.loads(asked.stdout)
    assert answer["object"] == "chat.completion" and answer["choices"][0]["message"]["content"]
    again = house.up(*OPTIONS, "--no-chat")  # it need not be told what the cluster is like
    assert curl_line(again.stdout) == curl_line(said)


def test_up_answers_a_first_question_and_shows_what_became_of_it(house):
    said, _ = house.started()
    answer, *receipt = said.split("What is a mayfly, in one sentence?", 1)[1].split("\n", 1)[1].splitlines()
    assert answer.strip() and "no answer" not in answer
    assert "each has wiped its share" in receipt[0]


def test_a_second_up_says_what_runs_and_leaves_it_alone(house):
    _, info = house.started("--no-chat")
    second = house.up(*OPTIONS, "--no-chat")
    assert second.returncode == 1
    assert second.stdout.startswith("A cluster runs here already; ops/up --stop ends it.")
    assert info["url"] in second.stdout and info["api_key"] in second.stdout
    assert json.loads(house.file.read_text()) == info
    assert is_key(info, info["api_key"])


def test_stop_ends_the_processes_and_the_key(house):
    _, first = house.started("--no-chat")
    assert house.up("--stop").returncode == 0
    for process in first["processes"]:
        wait_for(lambda pid=process["pid"]: not os.path.exists(f"/proc/{pid}"), 10, "no process is left")
    assert not house.file.exists()
    again = house.up("--stop")
    assert again.returncode == 0 and again.stdout == "No cluster runs here.\n"
    _, second = house.started("--no-chat")
    assert is_key(second, second["api_key"]) and not is_key(second, first["api_key"])


def test_up_names_what_is_wrong_with_an_option_and_starts_nothing(house):
    missing = house.up("--model", str(house.root / "nothing.gguf"))
    assert missing.returncode == 1 and missing.stderr.startswith("ops/up: there is no readable file")
    unknown = house.up(*OPTIONS, "--no-such-option")
    assert unknown.returncode == 1 and "--no-such-option" in unknown.stderr
    assert not house.file.exists() and not (house.root / "var/mayfly.sock").exists()
