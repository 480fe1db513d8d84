"""The command line: what a person types, what stands on the screen, and exit statuses."""

import http.server
import json
import os
import pty
import re
import select
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import httpx
import pytest
from cluster import BINARY, ROOT, TINY_MODEL, Cluster, free_port, wait_for

COMMANDS = [(), ("up",), ("node",), ("stop",), ("status",), ("chat",), ("keys",), ("keys", "show"), ("keys", "list"),
            ("keys", "trust"), ("keys", "revoke"), ("keys", "make"), ("apikey",), ("apikey", "add"), ("apikey", "list"),
            ("apikey", "revoke"), ("receipt",), ("receipt", "get"), ("receipt", "verify"), ("completion",)]
HOST_KEY = "5a" * 32


def mayfly(*arguments, text=None, binary=BINARY, **options):
    return subprocess.run([str(binary), *map(str, arguments)], input=text if text is not None else "", capture_output=True,
                          text=True, timeout=60, check=False, **options)


@pytest.mark.parametrize("command", COMMANDS, ids=[" ".join(("mayfly", *command)) for command in COMMANDS])
def test_help_explains_every_command(command):
    shown = mayfly(*command, "--help")
    assert shown.returncode == 0 and shown.stderr == ""
    assert "Usage:" in shown.stdout and "--help" in shown.stdout
    assert max(len(line) for line in shown.stdout.splitlines()) <= 140


def test_help_names_every_command():
    shown = mayfly("--help").stdout
    for command in ("up", "node", "stop", "status", "chat", "keys", "apikey", "receipt", "completion"):
        assert f"\n  {command} " in shown


@pytest.mark.parametrize("wrong", [(), ("fly",), ("up", "--nonsense"), ("chat", "--max-tokens", "many"), ("keys",),
                                   ("completion", "tcsh"), ("apikey", "add")])
def test_a_wrong_command_line_ends_with_2(wrong):
    assert mayfly(*wrong).returncode == 2


@pytest.mark.parametrize("wrong, said", [
    (("statsu",), "`mayfly` has no command statsu: did you mean status? "),
    (("keys", "lst"), "`mayfly keys` has no command lst: did you mean list? "),
    (("up", "--wrokers", "2"), "`mayfly up` has no option --wrokers: did you mean --workers? "),
    (("chat", "--temprature=1", "Hello"), "`mayfly chat` has no option --temprature: did you mean --temperature? "),
    (("keys",), "`mayfly keys` needs a command: show, list, trust, revoke, make. "),
    (("chat", "--max-tokens", "0", "Hello"), "--max-tokens: must be at least 1, not 0\n"),
    (("chat", "--max-tokens", "-5", "Hello"), "--max-tokens: must be at least 1, not -5\n"),
    (("up", "--workers", "-1"), "--workers: must lie between 0 and 1024, not -1\n")], ids=str)
def test_a_wrong_word_is_named_and_the_nearest_one_proposed(wrong, said):
    run = mayfly(*wrong)
    assert run.returncode == 2 and run.stdout == ""
    assert run.stderr.startswith("mayfly: " + said) and run.stderr.count("\n") == 1


def completed(folder, *words):
    """What bash offers for the last of `words`."""
    script = folder / "mayfly.bash"
    script.write_text(mayfly("completion", "bash").stdout)
    line = " ".join(f"'{word}'" for word in ("mayfly", *words))
    program = f"source {script}; COMP_WORDS=({line}); COMP_CWORD={len(words)}; _mayfly; echo ${{COMPREPLY[@]}}"
    return subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=True, cwd=folder).stdout.split()


@pytest.mark.parametrize("words, offered", [
    (("ap",), ["apikey"]), (("keys", "tr"), ["trust"]), (("up", "--work"), ["--worker-host", "--workers"]),
    (("up", "--workers", "2", "--add"), ["--address"]), (("up", "--workers=2", "--add"), ["--address"]),
    (("up", "--model", ""), ["a.gguf", "folder", "mayfly.bash"]), (("up", "--model", "a"), ["a.gguf"]),
    (("up", "--model", "=", "a"), ["a.gguf"]), (("up", "--directory", ""), ["folder"]), (("up", "--port", ""), []),
    (("chat", "Hello there", "--sys"), ["--system"]), (("keys", "trust", "up", "--dir"), ["--directory"]),
    (("receipt", "verify", "a"), ["a.gguf"]), (("receipt", "verify", "a.gguf", "--sig"), ["--signer"]),
    (("completion", ""), ["bash", "zsh", "fish"])], ids=str)
def test_bash_completes_commands_options_and_files(tmp_path, words, offered):
    (tmp_path / "a.gguf").touch()
    (tmp_path / "folder").mkdir()
    assert sorted(completed(tmp_path, *words)) == sorted(offered)


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_complete_too(shell):
    assert "mayfly" in mayfly("completion", shell).stdout


NEEDS_A_CLUSTER = [("chat", "Hello"), ("status",), ("stop",), ("receipt", "get", "x"), ("apikey", "list"), ("apikey", "add", "x")]


@pytest.mark.parametrize("command", NEEDS_A_CLUSTER, ids=[" ".join(command) for command in NEEDS_A_CLUSTER])
def test_without_a_cluster_here_a_sentence_says_so(command, tmp_path):
    run = mayfly(*command, "--directory", tmp_path / "nothing")
    assert run.returncode == 1
    assert run.stderr.startswith("mayfly: ") and "cluster" in run.stderr and run.stderr.count("\n") == 1
    assert not (tmp_path / "nothing").exists()


def up(tmp_path, *options):
    run = mayfly("up", "--directory", tmp_path / "cluster", *options)
    assert run.returncode in (1, 2)
    assert not (tmp_path / "cluster/cluster.json").exists()
    return run.stderr.splitlines()[-1]


def test_a_model_file_that_is_missing_is_named(tmp_path):
    assert up(tmp_path, "--model", "/no/such.gguf") == "mayfly: there is no model file /no/such.gguf"


def test_no_model_at_all_is_a_sentence(tmp_path):
    assert up(tmp_path).startswith("mayfly: name a model")


def test_a_file_that_is_no_model_ends_the_start(tmp_path):
    file = tmp_path / "model.gguf"
    file.write_bytes(TINY_MODEL.read_bytes()[:5000])
    said = up(tmp_path, "--port", "0", "--model", file)
    assert said.startswith("mayfly: the cluster could not start: worker: GGUF") and f": {file}. Is the file whole" in said


def test_a_directory_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "cluster").touch()
    said = mayfly("up", "--directory", tmp_path / "cluster", "--model", TINY_MODEL).stderr
    assert f"(Not a directory): {tmp_path}/cluster" in said and "--directory" in said


@pytest.fixture
def somebody_else():
    """A folder that everybody may enter, and how to run a command as a user who may write nothing in it."""
    if os.geteuid() != 0 or not os.stat("/").st_mode & stat.S_IXOTH:
        pytest.skip("another user needs root to become, and a root directory that all may enter")
    with tempfile.TemporaryDirectory(prefix="mayfly-test-") as folder:
        os.chmod(folder, 0o755)
        binary = shutil.copy(BINARY, folder)  # the checkout may lie where that user cannot go
        yield Path(folder), {"binary": binary, "user": 65534, "group": 65534, "extra_groups": ()}


def test_a_directory_that_this_user_may_not_write_is_named(somebody_else):
    folder, user = somebody_else
    run = mayfly("up", "--directory", folder / "cluster", "--model", TINY_MODEL, **user)
    assert run.returncode == 1 and f"(Permission denied): {folder}/cluster. Give another with --directory" in run.stderr


def test_a_model_that_this_user_may_not_read_is_named(somebody_else):
    folder, user = somebody_else
    file, directory = folder / "model.gguf", folder / "cluster"
    file.write_bytes(TINY_MODEL.read_bytes())
    file.chmod(0o600)
    directory.mkdir()
    os.chown(directory, 65534, 65534)
    run = mayfly("up", "--directory", directory, "--port", "0", "--model", file, **user)
    assert run.returncode == 1 and f"(Permission denied): {file}. Let this user read it" in run.stderr


def test_a_taken_port_ends_the_start(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = up(tmp_path, "--model", TINY_MODEL, "--port", port)
        admin = up(tmp_path, "--model", TINY_MODEL, "--port", "0", "--admin-port", port)
    assert said.startswith("mayfly: the cluster could not start: front:")
    assert f"(Address already in use): 127.0.0.1:{port}. Take another with --port" in said
    assert f"(Address already in use): 127.0.0.1:{port}. Take another with --admin-port" in admin


def test_a_configuration_with_an_unknown_key_names_it(tmp_path):
    file = tmp_path / "mayfly.toml"
    file.write_text("wrokers = 2\n")
    assert up(tmp_path, "--config", file).endswith("wrokers is not a key that Mayfly knows")


def test_a_configuration_that_is_missing_is_named_and_an_example_too(tmp_path):
    said = up(tmp_path, "--config", tmp_path / "no.toml")
    assert f"{tmp_path}/no.toml cannot be read: No such file or directory" in said and "mayfly.toml.example" in said


def test_the_command_line_counts_over_the_configuration(tmp_path):
    file, ports = tmp_path / "mayfly.toml", (free_port(), free_port())
    file.write_text(f"workers = 3\ndirectory = '{tmp_path}/elsewhere'\n[http]\nport = {ports[0]}\nmax_body_bytes = 2048\n"
                    "[[model]]\nid = 'absent'\nfile = 'absent.gguf'\n")
    with Cluster("--config", str(file), "--workers", "1", "--port", str(ports[1])) as running:
        assert running.url.endswith(f":{ports[1]}") and len(running.pids("worker")) == 1
        assert not (tmp_path / "elsewhere").exists() and running.model.startswith("tiny-default")
        body = {"model": running.model, "prompt": "a" * 4096}
        answer = httpx.post(running.url + "/v1/completions", headers={"Authorization": f"Bearer {running.api_key}"}, json=body)
        assert answer.status_code == 413, "what the command line does not say stays the file's"


def models_of(running):
    listed = httpx.get(running.url + "/v1/models", headers={"Authorization": f"Bearer {running.api_key}"}, timeout=5)
    return {model["id"]: model for model in listed.json()["data"]}


def test_models_are_found_beside_the_configuration_and_described_as_they_are(tmp_path):
    (tmp_path / "beside.gguf").symlink_to(TINY_MODEL)
    (tmp_path / "tiny-default.gguf").symlink_to(ROOT / "tests/models/micro-f16.gguf")
    (tmp_path / "mayfly.toml").write_text("[[model]]\nid = 'beside'\nfile = 'beside.gguf'\n"
                                          "[[model]]\nid = 'micro'\nfile = 'tiny-default.gguf'\n")
    with Cluster("--config", str(tmp_path / "mayfly.toml"), models=()) as running:
        assert running.mayfly("chat", "--max-tokens", "2", "Hello").strip()
        listed = models_of(running)
        assert [listed[model]["demonstration"] for model in ("beside", "micro")] == [True, False], "as the files say"
        assert all(model["context_tokens"] > 0 for model in listed.values()), "the context that the workers have"


@pytest.mark.parametrize("options", [(), ("--join", "127.0.0.1:1@" + HOST_KEY)], ids=["alone", "joined"])
def test_no_workers_where_nobody_else_brings_any_are_refused(tmp_path, options):
    assert up(tmp_path, "--model", TINY_MODEL, "--workers", "0", *options).startswith("mayfly: --workers 0 ")


def test_a_front_without_workers_says_that_it_waits_for_them(tmp_path):
    with Cluster("--workers", "0", "--listen", f"127.0.0.1:{free_port()}", directory=tmp_path) as running:
        assert '"waits_for_workers"' in running.log.read_text()
        assert "mayfly up --join" in running.mayfly("status")


def test_a_second_cluster_in_a_directory_is_refused(cluster):
    run = mayfly("up", "--directory", cluster.directory, "--model", TINY_MODEL, "--port", "0")
    assert run.returncode == 1 and "already runs in this directory" in run.stderr
    assert cluster.mayfly("status")


def test_a_cluster_runs_where_only_root_can_enter(tmp_path):
    tmp_path.chmod(0o700)
    with Cluster(parent=tmp_path) as running:
        assert running.mayfly("chat", "--max-tokens", "4", "--receipt", "Hello").strip()


def test_a_question_is_answered(cluster):
    shown = cluster.mayfly("chat", "--temperature", "0", "What is the capital of France?")
    assert "Paris" in shown


def test_an_answers_receipt_is_said_in_a_sentence(cluster):
    shown = cluster.mayfly("chat", "--max-tokens", "4", "--receipt", "Hello")
    assert re.search(r"\nDeletion receipt: 2 processes held this request, \d+ KiB of it in all, and each has wiped its share\. ", shown)


def test_a_receipts_sentence_says_which_holders_did_not_wipe_but_end():
    with Cluster() as running:
        os.kill(running.pids("worker")[0], signal.SIGSTOP)  # it is killed, and another answers
        shown = running.mayfly("chat", "--max-tokens", "4", "--receipt", "Hello")
    assert re.search(r"\nDeletion receipt: 3 processes held this request; 2 wiped their shares, \d+ KiB of it in all, "
                     r"and 1 ended, and its memory with it\. ", shown), shown


@pytest.mark.parametrize("ending", ["", "/", "/v1", "/v1/"])
def test_a_url_works_with_and_without_its_v1_and_finds_its_model(cluster, ending):
    run = mayfly("chat", "--url", cluster.url + ending, "--max-tokens", "2", "Hello",
                 env={**os.environ, "MAYFLY_API_KEY": cluster.api_key})
    assert run.returncode == 0 and run.stdout.strip(), run.stderr


@pytest.mark.parametrize("url, why", [("http://127.0.0.1:1", "nothing answers there: is the cluster up"),
                                      ("https://nowhere.invalid", "no host has that name"),
                                      ("gopher://127.0.0.1", "that is no URL of a cluster")])
@pytest.mark.parametrize("command", [("chat", "Hello"), ("chat", "--model", "tiny", "Hello"), ("receipt", "get", "x")], ids=str)
def test_a_cluster_that_cannot_be_reached_is_named_in_a_sentence(url, why, command):
    run = mayfly(*command, "--url", url, env={"MAYFLY_API_KEY": "mf-x", "PATH": os.environ["PATH"]})
    assert run.returncode == 1 and run.stderr.startswith("mayfly: no ") and f" from {url}: {why}" in run.stderr


class Talker(http.server.BaseHTTPRequestHandler):
    """Serves one model, whose answer never ends; remembers what it was asked and who left."""

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"data": [{"id": "endless", "demonstration": true}]}')

    def do_POST(self):
        self.server.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        try:
            while True:
                self.wfile.write(b'data: {"choices": [{"delta": {"content": "blah "}}]}\n\n')
                time.sleep(0.02)
        except OSError:
            self.server.left.append(True)


@pytest.fixture
def talker():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Talker)
    server.asked, server.left = [], []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def has_terminals():
    try:
        for end in pty.openpty():
            os.close(end)
    except OSError:
        return False
    return True


class Terminal:
    """`mayfly chat` on a terminal of its own."""

    def __init__(self, url):
        self.pid, self.screen = pty.fork()
        if self.pid == 0:
            os.execve(BINARY, [str(BINARY), "chat", "--url", url], {**os.environ, "MAYFLY_API_KEY": "mf-x"})
        self.shown = ""

    def shows(self, text, times=1):
        def read():
            if select.select([self.screen], [], [], 0)[0]:
                self.shown += os.read(self.screen, 65536).decode()
            return self.shown.count(text) >= times
        wait_for(read, 10, f"{text!r} is shown")

    def types(self, text):
        os.write(self.screen, text.encode())

    def ended(self):
        return wait_for(lambda: os.waitpid(self.pid, os.WNOHANG)[0], 10, "the conversation ends")


@pytest.mark.skipif(not has_terminals(), reason="there are no pseudo-terminals here")
def test_ctrl_c_ends_an_answer_and_then_the_conversation(talker):
    chat = Terminal(f"http://127.0.0.1:{talker.server_port}/v1")
    chat.shows("Talking to endless, a demonstration model")
    chat.shows("> ")
    chat.types("Hello\n")
    chat.shows("blah blah")
    chat.types("\x03")
    chat.shows("(stopped")
    wait_for(lambda: len(talker.left) == 1, 5, "the request is cancelled")
    chat.types("Again\n")
    wait_for(lambda: len(talker.asked) == 2, 5, "the conversation goes on")
    first, answer, second = talker.asked[1]["messages"]
    assert (first["content"], second["content"]) == ("Hello", "Again") and answer["content"].startswith("blah blah")
    chat.types("\x03")
    chat.shows("(stopped", times=2)
    chat.shows("> ", times=3)
    chat.types("\x03")
    assert chat.ended()


def test_a_conversation_is_read_from_a_pipe(cluster):
    run = mayfly("chat", "--directory", cluster.directory, "--temperature", "0", "--max-tokens", "16",
                 text="What is the capital of France?\n\nWhat is the capital of France?\n")
    assert run.returncode == 0, run.stderr
    assert len(run.stdout.strip().splitlines()) >= 2 and "Paris" in run.stdout.splitlines()[0]


def test_a_refusal_is_a_sentence(cluster):
    run = mayfly("chat", "--directory", cluster.directory, "--model", "nobody", "Hello")
    assert run.returncode == 1 and run.stderr.startswith("mayfly: refused: This model does not exist here")


def test_status_shows_processes_workers_and_totals(cluster):
    shown = cluster.mayfly("status")
    for heading in ("PROCESS", "WORKER", "WTS MiB", "DEV MiB", "requests", "leases open", "tokens/s"):
        assert heading in shown
    status = cluster.status()
    assert {process["state"] for process in status["processes"]} == {"running"}
    wait_for(lambda: len(cluster.linked_workers()) == 2, 10, "every worker reports")


def test_status_names_each_workers_process_and_how_long_a_lost_one_is_gone():
    with Cluster() as running:
        process = next(process for process in running.status()["processes"] if process["role"] == "worker")
        shown = running.mayfly("status")
        assert shown.count(process["node"]) == 2 and " s ago" in shown and "since the gateways'" in shown
        os.kill(process["pid"], signal.SIGKILL)
        wait_for(lambda: re.search(process["node"] + r" +lost \d+ s ago\n", running.mayfly("status")), 10, "the loss is shown")


def test_a_joined_host_says_whether_the_other_host_trusts_it():
    with Cluster("--workers", "0", "--listen", f"127.0.0.1:{free_port()}") as first:
        with Cluster("--join", first.info()["join"].removeprefix("tcp://")) as second:
            key = second.mayfly("keys", "show").strip()
            wait_for(lambda: '"not_joined"' in second.log.read_text(), 10, "the log says that it waits to be trusted")
            assert f"\n  mayfly keys trust NAME {key}\n" in second.mayfly("status")
            assert "none linked" in first.mayfly("status")
            first.mayfly("keys", "trust", "second", key)
            wait_for(lambda: "Its workers serve the cluster at" in second.mayfly("status"), 10, "it is trusted")
            wait_for(lambda: '"joined"' in second.log.read_text(), 5, "the log says so")


def test_a_joined_host_makes_no_key_that_no_gateway_knows():
    seed = f"127.0.0.1:{free_port()}"
    with Cluster("--join", f"{seed}@{HOST_KEY}") as joined:
        run = mayfly("apikey", "add", "a-person", "--directory", joined.directory)
        assert run.returncode == 1 and run.stdout == "" and run.stderr.count("\n") == 1
        assert f"no key was made: this host runs workers for the cluster at tcp://{seed}, whose gateways" in run.stderr
        assert "a-person" not in joined.mayfly("apikey", "list")


def works(url, key):
    return httpx.get(url + "/v1/models", headers={"Authorization": f"Bearer {key}"}, timeout=5).status_code == 200


def test_a_name_that_is_the_clusters_own_is_refused(cluster):
    run = mayfly("apikey", "add", "local-person", "--directory", cluster.directory)
    assert run.returncode == 1 and "names that begin with local- are the clusters' own" in run.stderr


def test_no_proxy_of_the_environment_sees_a_key_or_a_prompt(cluster):
    with socket.socket() as proxy:
        proxy.bind(("127.0.0.1", 0))
        proxy.listen()
        proxy.setblocking(False)
        where = f"http://127.0.0.1:{proxy.getsockname()[1]}"
        run = mayfly("chat", "--directory", cluster.directory, "--max-tokens", "4", "Hello",
                     env={**os.environ, "http_proxy": where, "ALL_PROXY": where})
        assert run.returncode == 0 and run.stdout.strip(), run.stderr
        with pytest.raises(BlockingIOError):
            proxy.accept()


def test_plain_http_goes_to_this_machine_alone():
    environment = {**os.environ, "MAYFLY_API_KEY": "mf-x"}
    run = mayfly("chat", "--url", "http://192.0.2.1:8080", "Hello", env=environment)
    assert run.returncode == 1 and "plain http is for this machine alone" in run.stderr


def test_an_api_key_works_at_once_everywhere_and_ends_with_its_revocation(cluster):
    urls = cluster.info()["urls"]
    key = cluster.mayfly("apikey", "add", "a-person").strip()
    assert key.startswith("mf-")
    for url in urls:
        wait_for(lambda url=url: works(url, key), 1, "the new key works")
    listed = [line for line in cluster.mayfly("apikey", "list").splitlines() if line.endswith("  a-person")]
    assert len(listed) == 1 and "in force" in listed[0] and key not in listed[0]
    cluster.mayfly("apikey", "revoke", "a-person")
    for url in urls:
        wait_for(lambda url=url: not works(url, key), 1, "the revoked key is refused")
    assert "revoked" in next(line for line in cluster.mayfly("apikey", "list").splitlines() if line.endswith("  a-person"))


def test_hosts_keys_are_shown_trusted_listed_and_revoked(cluster):
    assert len(cluster.mayfly("keys", "show").strip()) == 64
    cluster.mayfly("keys", "trust", "elsewhere", HOST_KEY)
    assert f"{HOST_KEY}  elsewhere" in cluster.mayfly("keys", "list")
    cluster.mayfly("keys", "revoke", "elsewhere")
    assert "elsewhere" not in cluster.mayfly("keys", "list")
    for wrong in (("trust", "elsewhere", "abc"), ("revoke", "elsewhere")):
        assert mayfly("keys", *wrong, "--directory", cluster.directory).returncode == 1
    itself = mayfly("keys", "trust", "myself", cluster.mayfly("keys", "show").strip(), "--directory", cluster.directory)
    assert itself.returncode == 1 and "this host's own key" in itself.stderr


def test_the_keys_of_former_clusters_are_not_listed(tmp_path):
    for _ in range(2):
        with Cluster(directory=tmp_path) as running:
            listed = running.mayfly("apikey", "list").splitlines()
            assert len(listed) == 1 and "in force" in listed[0]
            running.stop()


def test_a_receipt_is_fetched_and_verified_through_a_pipe(cluster):
    shown = cluster.mayfly("chat", "--max-tokens", "4", "--receipt", "Hello")
    request = shown.strip().split()[-1]
    receipt = cluster.mayfly("receipt", "get", request)
    checked = mayfly("receipt", "verify", text=receipt)
    assert checked.returncode == 0 and "The signature holds" in checked.stdout and request in checked.stdout
    assert mayfly("receipt", "verify", "-", text=receipt).stdout == checked.stdout
    today = time.strftime("%Y-%m-%d ", time.gmtime())
    assert f"\nopened     {today}" in checked.stdout and f"\nclosed     {today}" in checked.stdout
    assert re.search(r"\nholder     \w{16}  wiped \d+ bytes at 2", checked.stdout)
    forged = mayfly("receipt", "verify", "-", text=receipt.replace(request, request[::-1]))
    assert forged.returncode == 1 and "NOT valid" in forged.stderr
    assert mayfly("receipt", "verify", "-", text="nonsense").returncode == 1


def test_a_holder_whose_process_is_gone_is_said_to_be_gone():
    with Cluster() as running:
        question = {"model": running.model, "prompt": "the", "stream": True, "max_tokens": 200, "ignore_eos": True}
        with httpx.stream("POST", running.url + "/v1/completions", json=question, timeout=30,
                          headers={"Authorization": f"Bearer {running.api_key}"}) as answer:
            lines = answer.iter_lines()
            next(lines)
            os.kill(running.pids("worker")[0], signal.SIGKILL)
            list(lines)
        get = ("receipt", "get", answer.headers["x-request-id"], "--directory", running.directory)
        wait_for(lambda: mayfly(*get).returncode == 0, 10, "the receipt is final")
        shown = mayfly("receipt", "verify", text=mayfly(*get).stdout)
    assert "its process ended, and its memory with it" in shown.stdout and " 0 bytes" not in shown.stdout
