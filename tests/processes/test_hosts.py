"""Two hosts: the second one's workers join the first one's cluster, over a network of their own."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from cluster import SHAPES, Cluster, wait_for

# Named after this process: another checkout's tests may run beside.
HERE, THERE = f"mayfly-{os.getpid()}-a", f"mayfly-{os.getpid()}-b"
ADDRESSES = {HERE: "10.91.7.1", THERE: "10.91.7.2"}


def ip(*arguments, host=None):
    subprocess.run([*(on(host) if host else ()), "ip", *arguments], check=True, capture_output=True)


def on(host):
    """What runs a command there. Not `ip netns exec`: it mounts /sys anew, which a chroot does not let it."""
    return "nsenter", f"--net=/run/netns/{host}"


@pytest.fixture
def two_hosts():
    """Two network namespaces joined by a veth pair."""
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    for host in ADDRESSES:
        subprocess.run(["ip", "netns", "delete", host], check=False, capture_output=True)
        ip("netns", "add", host)
    try:
        ip("link", "add", "va", "netns", HERE, "type", "veth", "peer", "name", "vb", "netns", THERE)
        for host, device in ((HERE, "va"), (THERE, "vb")):
            ip("addr", "add", ADDRESSES[host] + "/24", "dev", device, host=host)
            ip("link", "set", device, "up", host=host)
            ip("link", "set", "lo", "up", host=host)
        yield on(HERE), on(THERE)
    finally:
        for host in ADDRESSES:
            subprocess.run(["ip", "netns", "delete", host], check=False, capture_output=True)


def in_host(prefix, *command):
    return subprocess.run([*prefix, *command], capture_output=True, text=True, timeout=30, check=True).stdout


def http(cluster, prefix, method, path, body=None, url=None):
    """Status, headers and JSON of a request made on that host, by default to its first gateway."""
    program = ("import httpx, json, sys; method, url, key, body = sys.argv[1:]; answer = httpx.request(method, url, "
               "timeout=30, headers={'Authorization': 'Bearer ' + key}, json=json.loads(body)); "
               "print(json.dumps([answer.status_code, dict(answer.headers), answer.json()]))")
    return json.loads(in_host(prefix, sys.executable, "-c", program, method, (url or cluster.url) + path, cluster.api_key,
                              json.dumps(body)))


def ask(cluster, prefix, url=None):
    status, headers, _ = http(cluster, prefix, "POST", "/v1/chat/completions", {
        "model": cluster.model, "max_tokens": 4, "messages": [{"role": "user", "content": "Hello"}]}, url)
    return status, headers["x-request-id"]


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_another_hosts_workers_serve_the_cluster(two_hosts, shape):
    here, there = two_hosts
    listen = ADDRESSES[HERE] + ":7450"
    with Cluster("--workers", "0", "--listen", listen, *shape, command_prefix=here) as first:
        seed = first.info()["join"]
        with Cluster("--workers", "1", "--worker-host", ADDRESSES[THERE], "--join", seed.replace("tcp://", ""),
                     command_prefix=there) as second:
            assert first.linked_workers() == [], "a host that nobody trusts gives nothing"
            first.mayfly("keys", "trust", "host-b", second.mayfly("keys", "show").strip())
            wait_for(first.linked_workers, 10, "the other host's worker is linked")
            wait_for(lambda: ask(first, here)[0] == 200, 10, "every gateway is linked with it too")
            for pid in set(first.pids()) - {first.process.pid}:
                os.kill(pid, signal.SIGKILL)
            wait_for(lambda: first.info().get("ready") and first.linked_workers(), 40, "the front is back, and they meet")
            wait_for(lambda: ask(first, here)[0] == 200, 10, "it serves again")
            first.mayfly("keys", "revoke", "host-b")
            wait_for(lambda: not first.linked_workers(), 10, "a revoked host's workers are gone")
            wait_for(lambda: ask(first, here)[0] == 503, 10, "nor does any gateway reach them")


@pytest.fixture
def joined(two_hosts, request):
    """(the first host's cluster, how to ask it, the second's): one worker each, linked. The shape is the parameter."""
    here, there = two_hosts
    with contextlib.ExitStack() as running:
        first = running.enter_context(Cluster("--workers", "1", "--listen", ADDRESSES[HERE] + ":7450", *request.param,
                                              command_prefix=here))
        second = running.enter_context(Cluster("--workers", "1", "--worker-host", ADDRESSES[THERE], "--join",
                                               first.info()["join"].replace("tcp://", ""), command_prefix=there))
        first.mayfly("keys", "trust", "host-b", second.mayfly("keys", "show").strip())
        wait_for(lambda: len(first.linked_workers()) == 2, 20, "both workers are linked")
        wait_for(lambda: ask(first, here)[0] == 200, 20, "it serves")
        yield first, here, second


def kill(cluster, role):
    for pid in cluster.pids(role):
        os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("joined", SHAPES.values(), ids=SHAPES, indirect=True)
def test_another_hosts_worker_is_back_after_each_loss_of_the_front(joined):
    first, here, second = joined
    front = "front" if first.pids("front") else "operations"
    for _ in range(3):
        kill(first, front)
        wait_for(lambda: first.info().get("ready") and len(first.linked_workers()) == 2, 30, "they meet again")
    # Alone it must serve, through every gateway.
    kill(first, "worker")
    assert ask(first, here)[0] == 200
    assert second.process.poll() is None


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_another_hosts_worker_is_back_after_the_whole_cluster_was_started_anew(two_hosts, tmp_path, shape):
    here, there = two_hosts
    options = ("--workers", "1", "--listen", ADDRESSES[HERE] + ":7450", *shape)
    with contextlib.ExitStack() as running:
        first = Cluster(*options, command_prefix=here, directory=tmp_path)
        running.callback(lambda: first.kill())
        second = running.enter_context(Cluster("--workers", "1", "--worker-host", ADDRESSES[THERE], "--join",
                                               first.info()["join"].replace("tcp://", ""), command_prefix=there))
        first.mayfly("keys", "trust", "host-b", second.mayfly("keys", "show").strip())
        wait_for(lambda: len(first.linked_workers()) == 2, 20, "both workers are linked")
        for _ in range(2):
            first.stop()
            first = Cluster(*options, command_prefix=here, directory=tmp_path)
            wait_for(lambda: len(first.linked_workers()) == 2, 30, "they meet again")
        kill(first, "worker")
        wait_for(lambda: ask(first, here)[0] == 200, 20, "it serves alone, through every gateway")


@pytest.mark.parametrize("joined", [SHAPES["together"]], ids=["together"], indirect=True)
def test_a_host_that_leaves_ends_what_its_workers_run(joined):
    first, here, second = joined
    kill(first, "worker")  # while it is started anew the other host's serves alone
    request = {"model": first.model, "max_tokens": 450, "ignore_eos": True, "n": 16,
               "messages": [{"role": "user", "content": "Hello"}]}
    with ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(http, first, here, "POST", "/v1/chat/completions", request) for _ in range(4)]
        wait_for(lambda: any(load["running"] for load in first.loads()), 10, "they run")
        second.stop()
        assert [answer.result()[0] for answer in answers] == [200] * 4
    assert sum(gateway["replayed"] for gateway in first.reports("gateway")) == 0
    wait_for(first.no_lease_open, 20, "every lease is closed")


def test_a_key_that_is_revoked_while_the_seed_is_started_anew_closes_every_link(two_hosts):
    here, there = two_hosts
    with Cluster("--workers", "0", "--listen", ADDRESSES[HERE] + ":7450", "--split", command_prefix=here) as first:
        with Cluster("--workers", "1", "--worker-host", ADDRESSES[THERE], "--join",
                     first.info()["join"].replace("tcp://", ""), command_prefix=there) as second:
            first.mayfly("keys", "trust", "host-b", second.mayfly("keys", "show").strip())
            for url in first.info()["urls"]:
                wait_for(lambda url=url: ask(first, here, url)[0] == 200, 20, "every gateway is linked")
            kill(first, "operations")
            first.mayfly("keys", "revoke", "host-b")
            for url in first.info()["urls"]:
                wait_for(lambda url=url: ask(first, here, url)[0] == 503, 5, "no gateway is linked")
            wait_for(first.all_running, 20, "the seed is back")
            assert first.linked_workers() == []


def test_a_lost_seed_costs_no_answer_of_another_hosts_worker(two_hosts):
    """Started anew it knows nobody of that host for a moment: the nodes beside it keep their links."""
    here, there = two_hosts
    listen = ADDRESSES[HERE] + ":7450"
    with Cluster("--workers", "0", "--listen", listen, "--split", command_prefix=here) as first:
        with Cluster("--workers", "1", "--worker-host", ADDRESSES[THERE], "--join",
                     first.info()["join"].replace("tcp://", ""), command_prefix=there) as second:
            first.mayfly("keys", "trust", "host-b", second.mayfly("keys", "show").strip())
            wait_for(lambda: first.linked_workers() and ask(first, here)[0] == 200, 20, "every gateway is linked")
            request = {"model": first.model, "max_tokens": 450, "ignore_eos": True, "n": 16,
                       "messages": [{"role": "user", "content": "Hello"}]}
            with ThreadPoolExecutor(4) as pool:
                answers = [pool.submit(http, first, here, "POST", "/v1/chat/completions", request) for _ in range(4)]
                wait_for(lambda: any(load["running"] for load in first.loads()), 10, "it runs")
                os.kill(first.pids("operations")[0], signal.SIGKILL)
                wait_for(lambda: first.all_running() and first.linked_workers(), 20, "the seed is back")
                assert not all(answer.done() for answer in answers), "the seed was back before the last answer's end"
                assert [answer.result()[0] for answer in answers] == [200] * 4
            wait_for(lambda: len(first.reports("gateway")) == 2, 5, "the gateways report to it")
            assert sum(gateway["replayed"] for gateway in first.reports("gateway")) == 0


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_a_frozen_worker_of_another_host_leaves_its_receipt_unconfirmed_until_it_reports(two_hosts, tmp_path, shape):
    here, there = two_hosts
    brief = tmp_path / "brief.toml"
    brief.write_text("[http]\nrequest_seconds = 2\n")  # a lease ends with its request's time, and so this test
    listen = ADDRESSES[HERE] + ":7450"
    with Cluster("--workers", "0", "--listen", listen, "--config", str(brief), *shape, command_prefix=here) as first:
        with Cluster("--workers", "1", "--worker-host", ADDRESSES[THERE], "--join",
                     first.info()["join"].replace("tcp://", ""), command_prefix=there) as second:
            first.mayfly("keys", "trust", "host-b", second.mayfly("keys", "show").strip())
            wait_for(first.linked_workers, 10, "the other host's worker is linked")
            wait_for(lambda: ask(first, here)[0] == 200, 10, "the gateway is linked with it too")

            def receipt():
                _, _, answer = http(first, here, "GET", f"/v1/receipts/{request}")
                return answer.get("receipt") and answer["receipt"]["body"]

            # Both the worker and its supervisor stop: nobody is left to kill it or to speak for it.
            frozen = (second.process.pid, *second.pids("worker"))
            for pid in frozen:
                os.kill(pid, signal.SIGSTOP)
            try:
                status, request = ask(first, here)  # the loss is not seen yet: the worker was sent the prompt
                assert status in (502, 503, 504)
                wait_for(lambda: not first.linked_workers(), 5, "the loss is seen")
                silent = wait_for(receipt, 20, "the receipt is signed though a holder is silent")
                assert not silent["confirmed"]
            finally:
                for pid in reversed(frozen):  # the worker first: its supervisor would end it for its silence
                    os.kill(pid, signal.SIGCONT)
            amended = wait_for(lambda: (found := receipt()) and found["confirmed"] and found, 20, "it is amended")
            assert amended["counter"] > silent["counter"]
