"""Clients that read nothing of a long stream, or drip their request: generation waits for the ones, the others are
refused; memory stays bounded, nobody else notices."""

import contextlib
import json
import signal
from pathlib import Path

import httpx
import pytest
from cluster import SHAPES, Cluster, wait_for
from wire import Drip, SlowStream

TOKENS = 450
OTHERS_TOKENS = 40
MIB = 1 << 20


def body(cluster, tokens, **fields):
    question = [{"role": "user", "content": "Tell me a story about the sea."}]
    return {"model": cluster.model, "messages": question, "max_tokens": tokens, "ignore_eos": True, **fields}


def start_dripping(cluster):
    """A cluster, and two clients of it that do not come to the end of their head or body."""
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {cluster.api_key}\r\n"
    whole = f"{head}Content-Type: application/json\r\nContent-Length: 4000\r\n\r\n"
    return cluster, {"head": Drip(cluster.url, f"{head}X-Slow: ".encode()), "body": Drip(cluster.url, whole.encode() + b'{"')}


@pytest.fixture(scope="module", autouse=True)
def dripping():
    """They drip while the other tests run: that they are refused takes half a minute to show."""
    with contextlib.ExitStack() as running:
        yield {name: start_dripping(running.enter_context(Cluster(*shape))) for name, shape in SHAPES.items()}


@pytest.fixture
def slow_streams(own_cluster):
    """Makes some slow streams of some choices each; their clients leave at the test's end."""
    request = body(own_cluster, TOKENS, stream_options={"include_usage": True})
    with contextlib.ExitStack() as leaving:
        yield lambda count, choices=1: [leaving.enter_context(SlowStream(own_cluster, {**request, "n": choices}))
                                        for _ in range(count)]


def generated(cluster):
    return sum(model["decode_tokens"] for model in cluster.loads())


def requests_running(cluster):
    return sum(gateway["running"] for gateway in cluster.reports("gateway"))


def another_client_asks(cluster):
    """A whole answer to a client that reads; gives how many tokens the workers count for it."""
    answer = httpx.post(cluster.url + "/v1/chat/completions", json=body(cluster, OTHERS_TOKENS), timeout=20,
                        headers={"Authorization": f"Bearer {cluster.api_key}"})
    assert answer.status_code == 200, answer.text
    assert answer.json()["usage"]["completion_tokens"] == OTHERS_TOKENS
    return OTHERS_TOKENS - 1  # the first comes with the prompt's step


def generated_beyond_anothers(cluster):
    """Tokens generated for the slow clients while the workers answered another one in full."""
    before = generated(cluster)
    after = before + another_client_asks(cluster)
    wait_for(lambda: generated(cluster) >= after, 10, "the workers report another client's tokens")
    return generated(cluster) - after


def wait_until_paused(cluster, streams):
    """Until so many streams run, and yet nothing is generated for them while others are answered, time and again."""
    wait_for(lambda: requests_running(cluster) == streams, 20, "every slow stream runs")
    wait_for(lambda: all(generated_beyond_anothers(cluster) == 0 for _ in range(3)), 25, "generation pauses")
    # A report may have caught another client's request: the next one counts.
    wait_for(lambda: requests_running(cluster) == streams, 5, "this is a pause, and not the end")


def resident(pid):
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024


def front_memory(cluster):
    return sum(resident(pid) for pid in cluster.pids("front") + cluster.pids("gateway"))


def test_generation_pauses_for_clients_that_do_not_read_and_goes_on_when_they_do(own_cluster, slow_streams):
    streams = slow_streams(3)
    while streams:
        wait_until_paused(own_cluster, len(streams))
        paused_at = generated(own_cluster)
        events = streams.pop().read_all()
        assert events[-1]["usage"]["completion_tokens"] == TOKENS
        assert sum(len(choice["logprobs"]["content"]) for event in events for choice in event["choices"]
                   if choice.get("logprobs")) == TOKENS, "what was held back comes in full"
        wait_for(lambda paused_at=paused_at: generated(own_cluster) > paused_at, 10, "its generation went on")
    wait_for(own_cluster.no_lease_open, 20, "every lease is closed")


def test_many_clients_that_do_not_read_leave_memory_bounded_and_others_served(own_cluster, slow_streams):
    count, choices = 16, 8
    before = front_memory(own_cluster)
    streams = slow_streams(count, choices)
    wait_until_paused(own_cluster, count)
    # All of it would be some 150 MiB of events; what may be under way is a few hundred tokens a stream.
    assert generated(own_cluster) < count * choices * TOKENS / 4
    assert front_memory(own_cluster) - before < 40 * MIB
    for stream in streams:
        stream.socket.close()
    wait_for(lambda: requests_running(own_cluster) == 0, 20, "no request is left of clients that left")
    wait_for(own_cluster.no_lease_open, 20, "every lease is closed")
    assert another_client_asks(own_cluster)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_client_that_only_sips_loses_the_rest_when_the_requests_time_is_over(shape, stream, tmp_path):
    """Content does not outlive its lease for anybody's slowness."""
    brief = tmp_path / "brief.toml"
    brief.write_text("[http]\nrequest_seconds = 3\n")
    with Cluster("--workers", "1", "--config", str(brief), *shape) as cluster, \
            SlowStream(cluster, body(cluster, TOKENS, n=8, stream=stream)) as slow:
        def closed_while_it_sips():
            assert slow.socket.recv(512), "it has not come to the end of what the kernel keeps for it"
            return cluster.no_lease_open()

        wait_for(lambda: not cluster.no_lease_open(), 3, "its lease is open")
        wait_for(closed_while_it_sips, 8, "its lease is closed, though it reads on")
        assert all(report["violations"] == 0 and report["unconfirmed"] == 0 for report in cluster.reports("retention"))


def test_an_answer_that_outlasts_a_drain_ends_with_an_error_event(own_cluster, slow_streams):
    (stream,) = slow_streams(1)
    wait_until_paused(own_cluster, 1)
    own_cluster.process.send_signal(signal.SIGTERM)
    # It goes on only as its client reads, which begins when the drain's time is over.
    wait_for(lambda: '"answers_cut"' in own_cluster.log.read_text(), 25, "the drain's time is over")
    assert stream.ends_as_draining()
    assert own_cluster.process.wait(20) == 0
    assert own_cluster.request_log()[-1]["code"] == "draining"


@pytest.mark.parametrize("part", ["head", "body"])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_request_that_only_drips_in_gets_408_and_leaves_no_receipt(dripping, shape, part):
    cluster, clients = dripping[shape]
    client = clients[part]
    client.join(60)
    assert client.answer is not None and client.answer.status == 408, client.answer
    assert client.answer.headers["connection"] == "close" and client.wire.closed()
    error = client.answer.json()["error"]
    assert error["code"] == "request_timeout" and error["type"] == "invalid_request_error"
    request = client.answer.headers["x-request-id"]
    line = wait_for(lambda: [line for line in cluster.request_log() if line["request"] == request], 5, "it is logged")[0]
    assert line["status"] == 408 and line["prompt_tokens"] == 0
    answer = httpx.get(f"{cluster.url}/v1/receipts/{request}", headers={"Authorization": f"Bearer {cluster.api_key}"})
    assert answer.status_code == 404, "no worker was told of it"
