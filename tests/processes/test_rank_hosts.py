"""Ranks of one model on two hosts: sums over encrypted TCP, and every way to lose the other host."""

import contextlib
import json
import os
import signal
import subprocess
import threading
import time

import pytest
from cluster import BINARY, TINY_MODEL, Cluster, wait_for
from test_failures import SIGNALS, events
from test_groups import PROMPTS, ROUNDS, answers, check_alike, check_noticed, formed_epoch, rank_reports
from test_hosts import ADDRESSES, HERE, THERE, http, ip, on, two_hosts  # noqa: F401

FIRST_PORT, SEED_PORT = 7500, 7450


def key_of(directory):
    return subprocess.run([BINARY, "keys", "show", "--directory", directory], capture_output=True, text=True, check=True).stdout.strip()


def configuration(directory, keys, ranks, extra=""):
    """The same groups on both hosts."""
    text = f'[http]\nport = 0\n{extra}'
    for host, number in zip((HERE, THERE), ranks, strict=True):
        text += (f'[[rank_host]]\nendpoint = "tcp://{ADDRESSES[host]}:{FIRST_PORT}"\npublic_key = "{keys[host]}"\n'
                 f'ranks = {number}\n')
    path = directory / "hosts.toml"
    path.write_text(f'threads_per_worker = 1\n{text}[[model]]\nid = "tiny"\nfile = "{TINY_MODEL}"\n')
    return str(path)


@contextlib.contextmanager
def split_over_hosts(tmp_path, ranks=(1, 1)):
    """(the first host's cluster, the second's), with so many ranks each."""
    folders = {host: tmp_path / name for host, name in ((HERE, "a"), (THERE, "b"))}
    for folder in folders.values():
        (folder / "keys").mkdir(parents=True)
        (folder / "keys").chmod(0o700)
    keys = {host: key_of(folder) for host, folder in folders.items()}
    with contextlib.ExitStack() as running:
        start = lambda host, *options: running.enter_context(
            Cluster("--config", configuration(folders[host], keys, ranks), "--worker-host", ADDRESSES[host], *options, models=(),
                    directory=folders[host], command_prefix=on(host), ready_within=None))
        first = start(HERE, "--listen", f"{ADDRESSES[HERE]}:{SEED_PORT}")
        wait_for(lambda: first.info().get("join"), 20, "the first host's front runs")
        first.mayfly("keys", "trust", "host-b", keys[THERE])
        second = start(THERE, "--join", first.info()["join"].replace("tcp://", ""))
        wait_for(lambda: first.info().get("ready"), 30, "the group is formed and serves")
        yield first, second


def answer_here(cluster, prompt):
    status, _, said = http(cluster, on(HERE), "POST", "/v1/completions", {
        "model": "tiny", "prompt": prompt, "max_tokens": 24, "temperature": 0, "logprobs": 1})
    assert status == 200, said
    told = said["choices"][0]["logprobs"]
    return told["tokens"], told["token_logprobs"]


@pytest.mark.parametrize("ranks", [(1, 1), (1, 2), (2, 2)], ids=str)
def test_ranks_on_two_hosts_answer_as_one_process_does(two_hosts, tmp_path, ranks):  # noqa: F811
    with split_over_hosts(tmp_path, ranks) as (first, _):
        split = [answer_here(first, prompt) for prompt in PROMPTS]
        assert [answer_here(first, prompt) for prompt in PROMPTS] == split, "the same run to run"
        assert {rank["carrier"] for rank in rank_reports(first)} == {"tcp"}
        wait_for(lambda: len(rank_reports(first)) == sum(ranks), 10, "every rank is seen from the first host")
        wait_for(first.no_lease_open, 10, "every lease is closed")
    check_alike(answers(TINY_MODEL, 1), split)


class Asking(threading.Thread):
    """Asks on the first host again and again; remembers how each request ended."""

    def __init__(self, cluster):
        super().__init__(daemon=True)
        self.cluster, self.over, self.ends = cluster, threading.Event(), []

    def run(self):
        while not self.over.is_set():
            begin = time.monotonic()
            status, _, said = http(self.cluster, on(HERE), "POST", "/v1/completions", {
                "model": "tiny", "prompt": PROMPTS[1], "max_tokens": 100, "ignore_eos": True})
            assert time.monotonic() - begin < 25, "a request hung"
            self.ends.append(status if status == 200 else said["error"]["code"])

    def finish(self):
        self.over.set()
        self.join(60)
        assert not self.is_alive(), "a client hangs"
        assert set(self.ends) <= {200, "worker_lost", "no_worker", "unavailable"}, self.ends


@contextlib.contextmanager
def asked(cluster, clients=3):
    threads = [Asking(cluster) for _ in range(clients)]
    for thread in threads:
        thread.start()
    wait_for(lambda: all(thread.ends for thread in threads), 20, "requests are answered")
    yield
    for thread in threads:
        thread.finish()


def check_formed_anew(first, before):
    wait_for(lambda: (formed_epoch(first) or 0) > before, 30, "a group of a later epoch is formed")
    wait_for(lambda: http(first, on(HERE), "POST", "/v1/completions", {
        "model": "tiny", "prompt": "x", "max_tokens": 2})[0] == 200, 20, "it serves")


def check_settled(first):
    wait_for(first.workers_are_idle, 10, "the worker holds nothing")
    wait_for(first.no_lease_open, 30, "every lease is closed")


def lost_at(cluster, epoch):
    """When that host's supervisor said that the group of an epoch is lost."""
    lines = [json.loads(line) for line in cluster.log.read_text().splitlines() if '"event": "group_lost"' in line]
    return [line["time_ms"] / 1000 for line in lines if line["epoch"] == epoch]


@SIGNALS
@pytest.mark.parametrize("side", ["first", "second"])
def test_a_rank_lost_on_either_host_is_survived(two_hosts, tmp_path, side, sign):  # noqa: F811
    with split_over_hosts(tmp_path) as (first, second):
        noticed = []
        for _ in range(ROUNDS):
            before = wait_for(lambda: formed_epoch(first), 20, "the group is formed")
            with asked(first):
                victim = first.pids("worker")[0] if side == "first" else second.pids("shard")[0]
                begin = time.time()
                os.kill(victim, sign)
                host = first if side == "first" else second
                wait_for(lambda: events(host, "ended", victim), 10, "it is gone")
                check_formed_anew(first, before)
            noticed.append(min(lost_at(first, before)) - begin)
            check_settled(first)
        check_noticed(noticed)


def cut(how):
    """Cuts the network between the hosts; gives what mends it."""
    if how == "link down":
        ip("link", "set", "vb", "down", host=THERE)
        return lambda: ip("link", "set", "vb", "up", host=THERE)
    rules = "table inet cut { chain in { type filter hook input priority 0; iifname \"vb\" drop; }; }"
    subprocess.run([*on(THERE), "nft", "-f", "-"], input=rules, text=True, check=True, capture_output=True)
    return lambda: subprocess.run([*on(THERE), "nft", "delete", "table", "inet", "cut"], check=True, capture_output=True)


@pytest.mark.parametrize("how", ["link down", "everything is lost"])
def test_a_partition_fails_the_group_at_once_and_leases_close_when_it_mends(two_hosts, tmp_path, how):  # noqa: F811
    with split_over_hosts(tmp_path) as (first, second):
        noticed = []
        for _ in range(ROUNDS):
            before = wait_for(lambda: formed_epoch(first), 20, "the group is formed")
            with asked(first):
                begin = time.time()
                mend = cut(how)
                try:
                    wait_for(lambda: lost_at(first, before), 10, "the first host notices")
                    wait_for(lambda: lost_at(second, before), 10, "the second host notices")
                finally:
                    mend()
                noticed.append(max(min(lost_at(host, before)) - begin for host in (first, second)))
                check_formed_anew(first, before)
            check_settled(first)
        check_noticed(noticed)


def test_a_group_over_a_line_that_loses_packets_serves_or_is_formed_anew(two_hosts, tmp_path):  # noqa: F811
    with split_over_hosts(tmp_path) as (first, _):
        rules = ("table inet loss { chain in { type filter hook input priority 0; iifname \"vb\" numgen random mod 100 < 2 drop; }; }")
        with asked(first):
            subprocess.run([*on(THERE), "nft", "-f", "-"], input=rules, text=True, check=True, capture_output=True)
            time.sleep(3)
            subprocess.run([*on(THERE), "nft", "delete", "table", "inet", "loss"], check=True, capture_output=True)
        wait_for(lambda: formed_epoch(first), 30, "there is a group")
        check_settled(first)


def test_the_other_hosts_supervisor_may_be_killed_and_started_anew(two_hosts, tmp_path):  # noqa: F811
    with split_over_hosts(tmp_path) as (first, second):
        before = wait_for(lambda: formed_epoch(first), 20, "the group is formed")
        second.process.send_signal(signal.SIGKILL)
        second.process.wait(10)
        wait_for(lambda: lost_at(first, before), 10, "the first host notices")
        with Cluster("--config", str(second.directory / "hosts.toml"), "--worker-host", ADDRESSES[THERE], "--join",
                     first.info()["join"].replace("tcp://", ""), models=(), directory=second.directory, command_prefix=on(THERE),
                     ready_within=None):
            check_formed_anew(first, before)
            check_settled(first)


def test_the_first_hosts_supervisor_may_be_killed_and_started_anew(two_hosts, tmp_path):  # noqa: F811
    with split_over_hosts(tmp_path) as (first, second):
        for _ in range(3):  # epochs that the second host has seen, and the first one's next process has not
            before = wait_for(lambda: formed_epoch(first), 20, "the group is formed")
            os.kill(second.pids("shard")[0], signal.SIGKILL)
            check_formed_anew(first, before)
        before = wait_for(lambda: formed_epoch(first), 20, "the group is formed")
        first.process.send_signal(signal.SIGKILL)
        first.process.wait(10)
        with Cluster("--config", str(first.directory / "hosts.toml"), "--worker-host", ADDRESSES[HERE], "--listen",
                     f"{ADDRESSES[HERE]}:{SEED_PORT}", models=(), directory=first.directory, command_prefix=on(HERE),
                     ready_within=30) as again:
            assert formed_epoch(again) == before + 1, "no epoch is given twice"
            assert len(answer_here(again, PROMPTS[0])[0]) == 24
            check_settled(again)
