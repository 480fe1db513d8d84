"""`mayfly node`: roles in processes of their own making, without a supervisor: keys by hand, found by a seed."""

import signal
import subprocess
from pathlib import Path

import httpx
import pytest
from cluster import BINARY, TINY_MODEL, free_port, wait_for

MODEL = f"[[model]]\nid = 'tiny'\nfile = '{TINY_MODEL}'\n"


def make_key(folder, name):
    """A key pair: the secret in <name>.key, the public key returned."""
    made = subprocess.run([str(BINARY), "keys", "make", str(folder / f"{name}.key")], capture_output=True, text=True, check=True)
    assert (folder / f"{name}.key").stat().st_mode & 0o077 == 0
    return made.stdout.split('"')[1]


class Node:
    """A standalone node of a configuration written to `<name>.toml`."""

    def __init__(self, folder, name, text):
        self.log = folder / f"{name}.log"
        file = folder / f"{name}.toml"
        file.write_text(text)
        self.process = subprocess.Popen([str(BINARY), "node", "--config", str(file)], stdin=subprocess.DEVNULL,
                                        stdout=open(self.log, "wb"), stderr=subprocess.STDOUT)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Front(Node):
    """Every role but the worker's. It dials the workers, which connect nowhere themselves."""

    def __init__(self, folder, worker_key):
        self.folder, self.http, self.worker_link = folder, free_port(), free_port()
        self.public_key = make_key(folder, "front")
        for name in ("receipt", "pseudonym"):
            make_key(folder, name)
        super().__init__(folder, "front", f"""
roles = ['gateway', 'scheduler', 'retention', 'operations']
listen = 'tcp://127.0.0.1:*'
secret_key_file = '{folder}/front.key'
receipt_seed_file = '{folder}/receipt.key'
pseudonym_key_file = '{folder}/pseudonym.key'
trusted = ['{worker_key}']
state_directory = '{folder}/state'
[http]
port = {self.http}
[[seed_node]]
endpoint = 'tcp://127.0.0.1:{self.worker_link}'
public_key = '{worker_key}'
{MODEL}""")

    def readiness(self):
        assert self.process.poll() is None, self.log.read_text()
        try:
            return httpx.get(f"http://127.0.0.1:{self.http}/readyz", timeout=2).status_code
        except httpx.TransportError:
            return None

    def add_key(self):
        return subprocess.run([str(BINARY), "apikey", "add", "by-hand", "--directory", str(self.folder)], capture_output=True,
                              text=True, check=True).stdout.strip()

    def chat(self, key):
        return httpx.post(f"http://127.0.0.1:{self.http}/v1/chat/completions", headers={"Authorization": f"Bearer {key}"},
                          timeout=30, json={"model": "tiny", "max_tokens": 4, "messages": [{"role": "user", "content": "Hello"}]})


def worker_of(folder, front, secret="worker", trusted=None):
    return Node(folder, "worker", f"""
roles = ['worker']
listen = 'tcp://127.0.0.1:{front.worker_link}'
secret_key_file = '{folder}/{secret}.key'
trusted = ['{trusted or front.public_key}']
threads = 2
{MODEL}""")


def test_a_front_and_a_worker_find_each_other_and_answer(tmp_path):
    with Front(tmp_path, make_key(tmp_path, "worker")) as front:
        wait_for(lambda: front.readiness() == 503, 10, "the front listens and waits for a worker")
        with worker_of(tmp_path, front) as worker:
            wait_for(lambda: front.readiness() == 200, 10, "the worker is linked")
            for node in (front, worker):
                environment = Path(f"/proc/{node.process.pid}/environ").read_bytes()
                assert environment == b"LD_BIND_NOW=1\0", "nothing of the shell, and libraries bound at start"
            key = front.add_key()
            answer = wait_for(lambda: (got := front.chat(key)).status_code != 401 and got, 2, "the key is known")
            assert answer.status_code == 200, answer.text
            receipt = httpx.get(f"http://127.0.0.1:{front.http}/v1/receipts/{answer.json()['id']}", timeout=10,
                                headers={"Authorization": f"Bearer {key}"})
            assert receipt.status_code == 200 and '"confirmed":true' in receipt.text
            worker.process.send_signal(signal.SIGTERM)
            assert worker.process.wait(20) == 0
            wait_for(lambda: front.readiness() == 503, 5, "the worker's end is seen")
        front.process.send_signal(signal.SIGTERM)
        assert front.process.wait(20) == 0


@pytest.mark.parametrize("wrong", ["the worker's key", "the front's key"])
def test_nodes_that_do_not_trust_each_other_do_not_meet(tmp_path, wrong):
    """At the place of the worker stands another key's owner; or the worker trusts another front."""
    worker_key = make_key(tmp_path, "worker")
    stranger = make_key(tmp_path, "stranger")
    with Front(tmp_path, worker_key) as front:
        unfit = {"secret": "stranger"} if wrong == "the worker's key" else {"trusted": stranger}
        with worker_of(tmp_path, front, **unfit) as worker:
            wait_for(lambda: "node_ready" in worker.log.read_text(), 10, "the worker runs")
            never(lambda: front.readiness() == 200, 1.5)
        with worker_of(tmp_path, front):
            wait_for(lambda: front.readiness() == 200, 10, "the right worker is linked")


def never(condition, seconds):
    """Fails as soon as `condition()` holds within `seconds`, several times what a link takes."""
    with pytest.raises(AssertionError, match="not within"):
        wait_for(condition, seconds, "what must not happen")


def refusal_of(tmp_path, text):
    file = tmp_path / "node.toml"
    file.write_text(text)
    run = subprocess.run([str(BINARY), "node", "--config", str(file)], capture_output=True, text=True, timeout=20, check=False)
    assert run.returncode in (1, 2)
    return run.stderr


def test_a_node_without_a_key_says_how_to_make_one(tmp_path):
    assert "mayfly keys make FILE" in refusal_of(tmp_path, "roles = ['worker']\nlisten = 'tcp://127.0.0.1:*'\n" + MODEL)


def test_a_worker_that_is_to_dial_says_who_dials_instead(tmp_path):
    key = make_key(tmp_path, "node")
    said = refusal_of(tmp_path, f"roles = ['worker']\nlisten = 'tcp://127.0.0.1:*'\nsecret_key_file = '{tmp_path}/node.key'\n"
                                f"[[seed_node]]\nendpoint = 'tcp://127.0.0.1:1'\npublic_key = '{key}'\n{MODEL}")
    assert "a worker connects nowhere" in said


@pytest.mark.parametrize("spoil", [lambda file: file.unlink(), lambda file: file.chmod(0o644), lambda file: file.write_text("abc")],
                         ids=["missing", "readable by others", "no key"])
def test_a_secret_that_is_not_in_order_is_refused(tmp_path, spoil):
    make_key(tmp_path, "node")
    spoil(tmp_path / "node.key")
    said = refusal_of(tmp_path, f"roles = ['worker']\nsecret_key_file = '{tmp_path}/node.key'\n")
    assert "secret_key_file" in said and "mode 0600" in said
