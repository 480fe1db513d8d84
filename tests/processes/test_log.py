"""Metadata alone: whatever a client puts into whatever field of a request stays out of every file of the cluster."""

import json
import re
import secrets

import httpx
import pytest
from cluster import SHAPES, TINY_MODEL, Cluster, wait_for
from wire import SlowStream, Wire, chat_request

CHAT = "/v1/chat/completions"
ALWAYS = {"time_unix_ms", "request", "account", "model", "prompt_tokens", "completion_tokens", "cost",
          "status", "code", "latency_ms", "first_token_ms"}
SAMPLING = {"stream", "n", "temperature", "top_p", "top_k", "min_p", "repetition_penalty", "frequency_penalty",
            "presence_penalty", "seed", "max_tokens", "logprobs", "top_logprobs", "ignore_eos"}
PRICE_PROMPT, PRICE_COMPLETION = 0.25, 2.0  # per million tokens


@pytest.fixture(scope="module", params=SHAPES)
def priced(request, tmp_path_factory):
    file = tmp_path_factory.mktemp("priced") / "mayfly.toml"
    file.write_text(f"[http]\nport = 0\n[[model]]\nid = 'tiny'\nfile = '{TINY_MODEL}'\nprice_prompt = {PRICE_PROMPT}\n"
                    f"price_completion = {PRICE_COMPLETION}\n")
    with Cluster("--config", str(file), *SHAPES[request.param], models=()) as running:
        yield running


class Canaries:
    """Random words, each of its own kind of place."""

    def __init__(self):
        self.words = []

    def __call__(self):
        self.words.append("canary" + secrets.token_hex(8))
        return self.words[-1]


def header(cluster, **more):
    return {"Authorization": f"Bearer {cluster.api_key}", **more}


def post(cluster, path=CHAT, headers=None, **fields):
    return httpx.post(cluster.url + path, headers=headers or header(cluster), json=fields, timeout=30)


def fields(canary, **more):
    return {"model": "tiny", "messages": [{"role": "system", "content": canary()},
                                          {"role": "user", "name": canary()[:60], "content": canary()}],
            "max_tokens": 3, "stop": [canary(), canary()], "user": canary(), "metadata": {canary(): canary()},
            "safety_identifier": canary(), "prompt_cache_key": canary(), "seed": 4711, "logit_bias": {"123": -7.5}, **more}


def good_requests(cluster, canary):
    """Yields the answers of requests that are served."""
    yield post(cluster, **fields(canary))
    yield post(cluster, **fields(canary, stream=True))
    yield post(cluster, **fields(canary, messages=[{"role": "user", "content": [{"type": "text", "text": canary()}]}]))
    yield post(cluster, "/v1/completions", model="tiny", prompt=canary(), max_tokens=2, stop=canary(), user=canary(), echo=True)
    yield post(cluster, **fields(canary), headers=header(cluster, **{"User-Agent": canary(), "X-Request-Id": canary(),
                                                                     "OpenAI-Organization": canary(), "Cookie": canary()}))
    yield httpx.get(cluster.url + "/v1/models?" + canary() + "=" + canary(), headers=header(cluster))


def bad_requests(cluster, canary):
    """Yields the answers of requests that are refused."""
    yield post(cluster, **fields(canary, model=canary()))
    yield post(cluster, **fields(canary, **{canary(): canary()}))
    yield post(cluster, **fields(canary, temperature=canary()))
    yield post(cluster, **fields(canary, stop=[canary()] * 9))
    yield post(cluster, **fields(canary, logit_bias={canary(): 1}))
    yield post(cluster, **fields(canary, messages=[{"role": canary(), "content": canary()}]))
    yield post(cluster, **fields(canary, messages=[{"role": "user", "content": canary() * 500}]))
    yield post(cluster, **fields(canary, response_format={"type": canary()}))
    yield post(cluster, CHAT + "?" + canary(), **fields(canary))
    yield post(cluster, "/v1/" + canary(), **fields(canary))
    yield post(cluster, headers={"Authorization": "Bearer mf-" + canary()}, **fields(canary))
    yield post(cluster, headers=header(cluster, **{"Mayfly-Retention": canary()}), **fields(canary))
    yield httpx.post(cluster.url + CHAT, headers=header(cluster, **{"Content-Type": "text/" + canary()}), content=canary())
    yield httpx.post(cluster.url + CHAT, headers=header(cluster, **{"Content-Type": "application/json"}),
                     content='{"model": "' + canary())
    yield httpx.request("PUT", cluster.url + CHAT, headers=header(cluster), content=canary())
    yield httpx.request("M" + canary().upper(), cluster.url + CHAT, headers=header(cluster))
    yield httpx.get(cluster.url + "/v1/models/" + canary(), headers=header(cluster))
    yield httpx.get(cluster.url + "/v1/receipts/" + canary(), headers=header(cluster))
    yield httpx.get(cluster.url + "/v1/receipts/chatcmpl-" + canary(), headers=header(cluster))


def malformed_head(cluster, canary):
    with Wire(cluster.url) as wire:
        wire.send(f"GET /{canary()} HTTP/1.1\r\nHost: {canary()}\r\nBroken {canary()}\r\n\r\n".encode())
        return wire.receive().headers["x-request-id"]


def line_of(cluster, request):
    """The log's one line of a request."""
    found = wait_for(lambda: [line for line in cluster.request_log() if line["request"] == request], 5, "the line is written")
    assert len(found) == 1
    return found[0]


def hits(cluster, words):
    """Which words stand in which files of the cluster's directory (the supervisor's log lies there too)."""
    patterns = [re.compile(re.escape(word.encode()), re.IGNORECASE) for word in words]
    found = []
    for file in cluster.directory.rglob("*"):
        if file.is_file():
            data = file.read_bytes()
            found += [(file.name, pattern.pattern) for pattern in patterns if pattern.search(data)]
    return found


def test_no_field_of_any_request_reaches_a_file(priced):
    canary = Canaries()
    good = [answer for answer in good_requests(priced, canary)]
    assert [answer.status_code for answer in good] == [200] * len(good)
    bad = [answer for answer in bad_requests(priced, canary)]
    assert all(400 <= answer.status_code < 500 for answer in bad), [answer.status_code for answer in bad]
    requests = [answer.headers["x-request-id"] for answer in good + bad] + [malformed_head(priced, canary)]
    assert len(set(requests)) == len(requests)
    for request in requests:
        line_of(priced, request)
    assert hits(priced, canary.words) == []
    assert hits(priced, [requests[0]]), "the search itself finds what is there"


def test_every_line_has_the_closed_lists_keys_alone(priced):
    line_of(priced, post(priced, **fields(Canaries())).headers["x-request-id"])
    line_of(priced, post(priced, model="nobody").headers["x-request-id"])
    for line in priced.request_log():
        assert set(line) in (ALWAYS, ALWAYS | SAMPLING)
        assert line["model"] in ("tiny", "-")
        assert re.fullmatch(r"[0-9a-f]{32}", line["request"])


def test_a_line_says_what_a_request_cost(priced):
    answer = post(priced, **fields(Canaries()))
    usage, line = answer.json()["usage"], line_of(priced, answer.headers["x-request-id"])
    assert line["status"] == 200 and line["code"] == "ok" and line["seed"] == 4711 and line["max_tokens"] == 3
    assert (line["prompt_tokens"], line["completion_tokens"]) == (usage["prompt_tokens"], usage["completion_tokens"])
    cost = (usage["prompt_tokens"] * PRICE_PROMPT + usage["completion_tokens"] * PRICE_COMPLETION) / 1e6
    assert cost > 0 and line["cost"] == pytest.approx(cost, rel=1e-9)
    assert 0 < line["first_token_ms"] <= line["latency_ms"]


def test_a_line_names_the_account_and_never_the_key(priced):
    key = priced.mayfly("apikey", "add", "logged-account").split()[-1]
    asked = lambda: post(priced, headers={"Authorization": f"Bearer {key}"}, model="tiny", max_tokens=1,
                         messages=[{"role": "user", "content": "Hi"}])
    answer = wait_for(lambda: (got := asked()).status_code == 200 and got, 2, "the key is known")
    listed = next(line for line in priced.mayfly("apikey", "list").splitlines() if line.endswith("  logged-account"))
    assert line_of(priced, answer.headers["x-request-id"])["account"] == listed.split()[0]
    assert hits(priced, [key]) == []
    priced.mayfly("apikey", "revoke", "logged-account")


LONG = {"model": "tiny", "max_tokens": 400, "n": 8, "ignore_eos": True, "messages": [{"role": "user", "content": "Hi"}]}


def test_a_client_that_leaves_amid_a_stream_is_logged_as_such(priced):
    with SlowStream(priced, LONG) as stream:  # it waits for its client, and so is cut for certain
        request = stream.receive(bodyless=True).headers["x-request-id"]
    line = line_of(priced, request)
    assert (line["status"], line["code"]) == (499, "cancelled")
    assert 0 < line["prompt_tokens"] and line["completion_tokens"] < LONG["max_tokens"] * LONG["n"]


def test_a_client_that_leaves_before_its_answer_is_logged_as_such(priced):
    wait_for(priced.workers_are_idle, 10, "nothing else runs")
    with Wire(priced.url) as wire:
        wire.send(chat_request(priced, {**LONG, "n": 16}))
        wait_for(lambda: any(model["running"] for model in priced.loads()), 10, "it runs")
    (line,) = wait_for(lambda: [line for line in priced.request_log() if line.get("n") == 16], 5, "the line is written")
    assert (line["status"], line["code"]) == (499, "cancelled")


def test_the_files_are_for_the_cluster_alone(priced):
    assert json.loads((priced.directory / "cluster.json").read_text())["ready"]
    for file in [priced.directory / "cluster.json", *(priced.directory / "state").iterdir(), *(priced.directory / "keys").iterdir()]:
        if file.suffix != ".pub" and file.is_file():
            assert file.stat().st_mode & 0o077 == 0, file.name
