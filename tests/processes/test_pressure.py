"""More at once than the workers hold: a clear refusal, or the same answers as without pressure, only later."""

import contextlib
import os
import signal
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from cluster import SHAPES, TINY_MODEL, Cluster, wait_for

KV_BLOCK_BYTES = 48 * 1024  # of the tiny model: 6 layers, K and V, 2 heads of 64 in 16 bits, 16 tokens
CONTEXT = 512

pytestmark = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)


def ask(cluster, number=0, tokens=4, timeout=60):
    """A request whose answer depends on its number alone."""
    body = {"model": cluster.model, "seed": number, "max_tokens": tokens, "ignore_eos": True,
            "messages": [{"role": "user", "content": f"Tell me story number {number} about the sea and its mountains."}]}
    return httpx.post(cluster.url + "/v1/chat/completions", json=body, timeout=timeout,
                      headers={"Authorization": f"Bearer {cluster.api_key}"})


def ask_briefly(cluster):
    """A request that must be answered at once; where it is not, a stand-in without a status."""
    try:
        return ask(cluster, tokens=1, timeout=0.8)
    except httpx.TimeoutException:
        return httpx.Response(599)


def check_refusals(answers):
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    for answer in refused:
        assert int(answer.headers["retry-after"]) >= 1
        assert answer.json()["error"]["code"] == "overloaded"


def test_a_gateway_at_its_limit_answers_429_with_retry_after(shape, tmp_path):
    configuration = tmp_path / "small.toml"
    configuration.write_text("[http]\nmax_in_flight = 2\n")
    with Cluster("--workers", "1", "--config", str(configuration), *shape) as cluster:
        worker = cluster.pids("worker")[0]
        os.kill(worker, signal.SIGSTOP)  # what it is given stays in flight
        with ThreadPoolExecutor(6) as pool:
            answers = list(pool.map(lambda _: ask_briefly(cluster), range(6)))
        with contextlib.suppress(ProcessLookupError):  # the supervisor does not wait for ever
            os.kill(worker, signal.SIGCONT)
        check_refusals(answers)
        wait_for(lambda: ask(cluster).status_code == 200, 10, "the cluster answers again")


def test_full_queues_of_every_worker_answer_429_with_retry_after(shape, tmp_path):
    configuration = tmp_path / "narrow.toml"
    configuration.write_text(f"[[model]]\nid = 'tiny'\nfile = '{TINY_MODEL}'\nmax_sequences = 1\nmax_queued = 1\n")
    with Cluster("--workers", "2", "--config", str(configuration), *shape, models=()) as cluster:
        with ThreadPoolExecutor(24) as pool:
            answers = list(pool.map(lambda number: ask(cluster, number, tokens=400), range(24)))
        check_refusals(answers)
        served = [answer.json()["usage"]["completion_tokens"] for answer in answers if answer.status_code == 200]
        assert served and set(served) == {400}, "what was admitted is answered in full"
        assert {answer.status_code for answer in answers} == {200, 429}
        wait_for(cluster.workers_are_idle, 10, "every worker is idle again")
        assert ask(cluster).status_code == 200
        wait_for(cluster.no_lease_open, 10, "every lease is closed")


def preemptions(cluster):
    return sum(model["preemptions"] for model in cluster.loads())


def test_requests_that_outgrow_the_kv_cache_are_all_answered_as_if_each_were_alone(shape, tmp_path):
    configuration = tmp_path / "cramped.toml"
    blocks = CONTEXT // 16 + 1  # one long sequence, and no room for a second one's end
    configuration.write_text(f"[[model]]\nid = 'tiny'\nfile = '{TINY_MODEL}'\nkv_bytes = {blocks * KV_BLOCK_BYTES}\n")
    requests, tokens = 10, 300
    with Cluster("--workers", "1", "--config", str(configuration), *shape, models=()) as cluster:
        assert [model["kv_blocks"] for model in wait_for(cluster.loads, 10, "the worker reports")] == [blocks]
        alone = [ask(cluster, number, tokens).json() for number in range(requests)]
        assert preemptions(cluster) == 0
        with ThreadPoolExecutor(requests) as pool:
            together = [answer.json() for answer in pool.map(lambda number: ask(cluster, number, tokens), range(requests))]
        wait_for(lambda: preemptions(cluster) > 0, 10, "sequences were preempted")
        for expected, got in zip(alone, together):
            assert got["choices"] == expected["choices"] and got["usage"] == expected["usage"]
            assert got["usage"]["completion_tokens"] == tokens
        wait_for(cluster.workers_are_idle, 10, "no block is left in use")
