"""Two hosts: the second one's workers join the first one's cluster, over a network of their own."""

import os
import signal
import subprocess

import httpx
import pytest
from cluster import Cluster, wait_for

ADDRESSES = {"mayfly-a": "10.91.7.1", "mayfly-b": "10.91.7.2"}


def ip(*arguments):
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


@pytest.fixture
def two_hosts():
    """Two network namespaces joined by a veth pair."""
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    for host in ADDRESSES:
        subprocess.run(["ip", "netns", "delete", host], check=False, capture_output=True)
        ip("netns", "add", host)
    try:
        ip("link", "add", "va", "netns", "mayfly-a", "type", "veth", "peer", "name", "vb", "netns", "mayfly-b")
        for host, device in (("mayfly-a", "va"), ("mayfly-b", "vb")):
            ip("-n", host, "addr", "add", ADDRESSES[host] + "/24", "dev", device)
            ip("-n", host, "link", "set", device, "up")
            ip("-n", host, "link", "set", "lo", "up")
        yield ("ip", "netns", "exec", "mayfly-a"), ("ip", "netns", "exec", "mayfly-b")
    finally:
        for host in ADDRESSES:
            subprocess.run(["ip", "netns", "delete", host], check=False, capture_output=True)


def in_host(prefix, *command):
    return subprocess.run([*prefix, *command], capture_output=True, text=True, timeout=30, check=True).stdout


def linked_workers(cluster):
    return [node for node in cluster.status()["cluster"]["nodes"] if node.get("worker") and node["linked"]]


def ask(cluster, prefix):
    program = ("import httpx, sys; print(httpx.post(sys.argv[1] + '/v1/chat/completions', timeout=30, "
               "headers={'Authorization': 'Bearer ' + sys.argv[2]}, json={'model': sys.argv[3], 'max_tokens': 4, "
               "'messages': [{'role': 'user', 'content': 'Hello'}]}).status_code)")
    import sys
    return in_host(prefix, sys.executable, "-c", program, cluster.url, cluster.api_key, cluster.model).strip()


def test_another_hosts_workers_serve_the_cluster(two_hosts):
    here, there = two_hosts
    listen = ADDRESSES["mayfly-a"] + ":7450"
    with Cluster("--workers", "0", "--listen", listen, command_prefix=here) as first:
        seed = first.info()["join"]
        with Cluster("--workers", "1", "--worker-host", ADDRESSES["mayfly-b"], "--join", seed.replace("tcp://", ""),
                     command_prefix=there) as second:
            assert linked_workers(first) == [], "a host that nobody trusts gives nothing"
            first.mayfly("keys", "trust", "host-b", second.mayfly("keys", "show").strip())
            wait_for(lambda: linked_workers(first), 10, "the other host's worker is linked")
            assert ask(first, here) == "200"
            first.mayfly("keys", "revoke", "host-b")
            wait_for(lambda: not linked_workers(first), 10, "a revoked host's workers are gone")
            assert ask(first, here) == "503"


def test_a_frozen_worker_of_another_host_leaves_its_receipt_unconfirmed(two_hosts):
    here, there = two_hosts
    listen = ADDRESSES["mayfly-a"] + ":7450"
    with Cluster("--workers", "0", "--listen", listen, command_prefix=here) as first:
        with Cluster("--workers", "1", "--worker-host", ADDRESSES["mayfly-b"], "--join",
                     first.info()["join"].replace("tcp://", ""), command_prefix=there) as second:
            first.mayfly("keys", "trust", "host-b", second.mayfly("keys", "show").strip())
            wait_for(lambda: linked_workers(first), 10, "the other host's worker is linked")
            # Both the worker and its supervisor stop: nobody is left to kill it or to speak for it.
            for pid in (second.process.pid, *second.pids("worker")):
                os.kill(pid, signal.SIGSTOP)
            try:
                wait_for(lambda: not linked_workers(first), 5, "the loss is seen")
                assert ask(first, here) in ("502", "503", "504")
            finally:
                for pid in (second.process.pid, *second.pids("worker")):
                    os.kill(pid, signal.SIGCONT)
