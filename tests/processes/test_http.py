"""The gateway on real sockets: every bad input gets OpenAI's error with the right status, and what two servers could
read differently is refused."""

import json

import httpx
import pytest
from cluster import SHAPES, TINY_MODEL, Cluster, wait_for
from wire import Wire

CHAT = "/v1/chat/completions"


@pytest.fixture(scope="module", params=SHAPES)
def small(request, tmp_path_factory):
    """A cluster that takes bodies of 64 KiB."""
    file = tmp_path_factory.mktemp("small") / "mayfly.toml"
    file.write_text("[http]\nmax_body_bytes = 65536\nport = 0\n"
                    f"[[model]]\nid = 'tiny'\naliases = ['little']\nfile = '{TINY_MODEL}'\n")
    with Cluster("--config", str(file), *SHAPES[request.param], models=()) as running:
        yield running


def chat(**fields):
    return {"model": "tiny", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 2, **fields}


def head(cluster, method="POST", target=CHAT, fields=(), version="1.1", key=None, host="mayfly.test"):
    lines = [f"{method} {target} HTTP/{version}", f"Host: {host}",
             f"Authorization: Bearer {key or cluster.api_key}", *fields]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def post(cluster, body, fields=(), **options):
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    typed = ("Content-Type: application/json", f"Content-Length: {len(body)}", *fields)
    return head(cluster, fields=typed, **options) + body


def exchange(cluster, data, bodyless=False):
    with Wire(cluster.url) as wire:
        wire.send(data)
        return wire.receive(bodyless)


def check_refusal(answer, status, code=None, param=None):
    assert answer is not None, "no answer"
    assert answer.status == status, answer
    assert answer.headers["content-type"].startswith("application/json")
    assert len(answer.headers["x-request-id"]) == 32
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"] and error["type"] in ("invalid_request_error", "rate_limit_error", "server_error")
    if code:
        assert error["code"] == code
    if param:
        assert error["param"] == param


def still_serves(cluster):
    answer = exchange(cluster, post(cluster, chat()))
    return answer.status == 200


BAD_BODIES = {
    "nothing": b"",
    "half an object": b'{"model": "tiny", "messages": [',
    "two objects": b"{} {}",
    "an array": b"[]",
    "a string": b'"tiny"',
    "not JSON": b"model=tiny",
    "a trailing comma": b'{"model": "tiny",}',
    "a comment": b'{"model": "tiny" /* x */}',
    "NaN": b'{"model": "tiny", "messages": [{"role": "user", "content": "x"}], "temperature": NaN}',
    "Infinity": b'{"model": "tiny", "messages": [{"role": "user", "content": "x"}], "temperature": Infinity}',
    "1e999": b'{"model": "tiny", "messages": [{"role": "user", "content": "x"}], "temperature": 1e999}',
    "bad UTF-8": b'{"model": "tiny", "messages": [{"role": "user", "content": "\xff\xfe"}]}',
    "overlong UTF-8": b'{"model": "tiny", "messages": [{"role": "user", "content": "\xc0\xaf"}]}',
    "a lone surrogate": b'{"model": "tiny", "messages": [{"role": "user", "content": "\\ud800"}]}',
    "a byte order mark": b'\xef\xbb\xbf{"model": "tiny"}',
    "a raw NUL": b'{"model": "tiny", "messages": [{"role": "user", "content": "a\x00b"}]}',
    "an open string": b'{"model": "tiny',
    "arrays to the sky": b"[" * 60000,
}


@pytest.mark.parametrize("body", BAD_BODIES.values(), ids=BAD_BODIES)
def test_a_body_that_is_no_proper_json_is_refused(small, body):
    check_refusal(exchange(small, post(small, body)), 400)


BAD_FIELDS = [
    ("temperature", "hot"), ("temperature", -1), ("temperature", True), ("top_p", 2), ("max_tokens", 1.5),
    ("max_tokens", -1), ("max_tokens", "2"), ("n", 0), ("n", 1000), ("stream", "yes"), ("stop", 7), ("stop", ["a"] * 5),
    ("messages", "Hello"), ("messages", []), ("messages", [1]), ("messages", [{"role": "robot", "content": "x"}]),
    ("messages", [{"role": "user"}]), ("messages", [{"role": "user", "content": 5}]),
    ("messages", [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]),
    ("logit_bias", {"x": 1}), ("logit_bias", {"1": 1000}), ("seed", 2**70), ("top_logprobs", 99), ("model", 7),
    ("model", None), ("store", True), ("service_tier", "priority"), ("tools", [{"type": "function"}]),
    ("response_format", {"type": "json_object"}), ("metadata", {"a": 1}), ("no_such_field", None),
]


@pytest.mark.parametrize(("field", "value"), BAD_FIELDS, ids=[f"{field}={json.dumps(value)[:40]}" for field, value in BAD_FIELDS])
def test_a_field_of_the_wrong_kind_is_refused_by_name(small, field, value):
    answer = exchange(small, post(small, chat(**{field: value})))
    check_refusal(answer, 400)
    assert answer.json()["error"]["param"].split("[")[0].split(".")[0] == field


def test_an_unknown_model_is_not_found(small):
    check_refusal(exchange(small, post(small, chat(model="no-such-model"))), 404, "model_not_found")


@pytest.mark.parametrize("fields", [{"prompt": [999999]}, {"prompt": "a", "logit_bias": {"999999": 1}}])
def test_a_token_that_the_model_does_not_have_is_refused(small, fields):
    answer = exchange(small, post(small, {"model": "tiny", "max_tokens": 2, **fields}, target="/v1/completions"))
    check_refusal(answer, 400, "refused_by_model")


def test_an_empty_prompt_is_refused_by_name(small):
    answer = exchange(small, post(small, {"model": "tiny", "prompt": ""}, target="/v1/completions"))
    check_refusal(answer, 400, param="prompt")


def test_a_prompt_beyond_the_context_is_refused(small):
    answer = exchange(small, post(small, chat(messages=[{"role": "user", "content": "long " * 10000}])))
    check_refusal(answer, 400, "context_length_exceeded")


@pytest.mark.parametrize("authorization", [
    (), ("Authorization: Bearer mf-wrong",), ("Authorization: Basic abc",), ("Authorization: Bearer ",),
    ("Authorization: Bearer a", "Authorization: Bearer b")], ids=["none", "unknown", "basic", "empty", "twice"])
def test_without_a_key_in_force_nothing_is_answered(small, authorization):
    for method, target in (("GET", "/v1/models"), ("POST", CHAT), ("GET", "/v1/receipts/x")):
        lines = [f"{method} {target} HTTP/1.1", "Host: a", *authorization]
        answer = exchange(small, ("\r\n".join(lines) + "\r\n\r\n").encode())
        check_refusal(answer, 401, "invalid_api_key")
        assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_body_over_the_bound_is_refused_before_it_is_read(small):
    fields = ("Content-Type: application/json", "Content-Length: 999999999")
    check_refusal(exchange(small, head(small, fields=fields)), 413, "body_too_large")


def test_a_chunked_body_over_the_bound_is_refused_on_the_way(small):
    fields = ("Content-Type: application/json", "Transfer-Encoding: chunked")
    chunk = b"4000\r\n" + b" " * 0x4000 + b"\r\n"
    check_refusal(exchange(small, head(small, fields=fields) + chunk * 6), 413, "body_too_large")


def test_a_head_without_end_is_refused(small):
    check_refusal(exchange(small, b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 20000), 431)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", ""])
def test_another_content_type_is_refused(small, kind):
    fields = (f"Content-Type: {kind}", "Content-Length: 2")
    check_refusal(exchange(small, head(small, fields=fields) + b"{}"), 415)


def test_a_compressed_body_is_refused(small):
    check_refusal(exchange(small, post(small, b"{}", fields=("Content-Encoding: gzip",))), 415)


@pytest.mark.parametrize(("method", "target", "allowed"), [
    ("GET", CHAT, "POST"), ("PUT", CHAT, "POST"), ("DELETE", "/v1/models", "GET, HEAD"), ("POST", "/healthz", "GET, HEAD"),
    ("PATCH", "/v1/models/tiny", "GET, HEAD"), ("OPTIONS", CHAT, "POST"), ("TRACE", "/healthz", "GET, HEAD"),
    ("BREW", "/healthz", "GET, HEAD")])
def test_a_wrong_method_names_the_right_ones(small, method, target, allowed):
    answer = exchange(small, head(small, method, target))
    check_refusal(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == allowed


@pytest.mark.parametrize("target", ["/", "/v1", "/v1/chat", "/v1/chat/completions/", "/v2/chat/completions", "/metrics",
                                    "/v1/../healthz", "//healthz", "/healthz%00", "/v1/receipts/"])
def test_an_unknown_path_is_not_found(small, target):
    check_refusal(exchange(small, head(small, "GET", target)), 404)


LENGTH = "Content-Length: 2"
SMUGGLING = {
    "length and chunks": (LENGTH, "Transfer-Encoding: chunked"),
    "chunks and length": ("Transfer-Encoding: chunked", LENGTH),
    "two lengths": (LENGTH, "Content-Length: 3"),
    "the same length twice": (LENGTH, LENGTH),
    "a list of lengths": ("Content-Length: 2, 2",),
    "a signed length": ("Content-Length: +2",),
    "a negative length": ("Content-Length: -2",),
    "a hexadecimal length": ("Content-Length: 0x2",),
    "an empty length": ("Content-Length:",),
    "a huge length": ("Content-Length: 99999999999999999999",),
    "another encoding": ("Transfer-Encoding: gzip, chunked",),
    "two encodings": ("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
    "an unknown encoding": ("Transfer-Encoding: xchunked",),
    "a blank before the colon": ("Content-Length : 2",),
    "a folded line": (LENGTH, "X-Folded: a", " b"),
    "a folded encoding": ("Transfer-Encoding:", " chunked"),
    "a field without a colon": (LENGTH, "nonsense"),
    "a nameless field": (LENGTH, ": x"),
    "a NUL": (LENGTH, "X-Nul: a\x00b"),
    "a bare carriage return": (LENGTH, "X-Return: a\rTransfer-Encoding: chunked"),
    "a bare line feed": (LENGTH, "X-Feed: a\nTransfer-Encoding: chunked"),
    "two hosts": (LENGTH, "Host: b"),
}


@pytest.mark.parametrize("fields", SMUGGLING.values(), ids=SMUGGLING)
def test_a_request_that_two_servers_could_read_differently_is_refused(small, fields):
    data = head(small, fields=("Content-Type: application/json", *fields)) + b"{}"
    with Wire(small.url) as wire:
        wire.send(data + head(small, "GET", "/v1/models"))
        check_refusal(wire.receive(), 400)
        assert wire.closed(), "what follows a refused request must not be taken for another"


@pytest.mark.parametrize("line", ["POST  /healthz HTTP/1.1", "GET /healthz HTTP/2.0", "GET /healthz HTTP/1.2", "GET /healthz",
                                  "GET /health z HTTP/1.1", "GET\t/healthz\tHTTP/1.1", " GET /healthz HTTP/1.1",
                                  "GET healthz HTTP/1.1", "GET /\xfc HTTP/1.1", "G(T /healthz HTTP/1.1",
                                  "GET http://elsewhere/healthz HTTP/1.1"])
def test_a_strange_request_line_is_refused(small, line):
    with Wire(small.url) as wire:
        wire.send(f"{line}\r\nHost: here\r\n\r\n".encode("latin-1"))
        check_refusal(wire.receive(), 400)
        assert wire.closed()


def test_http_1_1_without_a_host_is_refused(small):
    check_refusal(exchange(small, b"GET /healthz HTTP/1.1\r\n\r\n"), 400)


BAD_CHUNKS = {
    "no hexadecimal": b"zz\r\n{}\r\n0\r\n\r\n",
    "negative": b"-2\r\n{}\r\n0\r\n\r\n",
    "prefixed": b"0x2\r\n{}\r\n0\r\n\r\n",
    "beyond 64 bits": b"ffffffffffffffffff2\r\n{}\r\n0\r\n\r\n",
    "too short": b"1\r\n{}\r\n0\r\n\r\n",
    "no line end": b"2\r\n{}0\r\n\r\n",
    "empty": b"\r\n{}\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("body", BAD_CHUNKS.values(), ids=BAD_CHUNKS)
def test_a_bad_chunk_is_refused(small, body):
    fields = ("Content-Type: application/json", "Transfer-Encoding: chunked")
    with Wire(small.url) as wire:
        wire.send(head(small, fields=fields) + body)
        check_refusal(wire.receive(), 400)
        assert wire.closed()


def test_a_chunked_body_is_read_like_any_other(small):
    text = json.dumps(chat()).encode()
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(text[at:at + 7]), text[at:at + 7]) for at in range(0, len(text), 7))
    fields = ("Content-Type: application/json", "Transfer-Encoding: chunked")
    assert exchange(small, head(small, fields=fields) + chunks + b"0\r\n\r\n").status == 200


def test_pipelined_requests_are_answered_in_order(small):
    with Wire(small.url) as wire:
        wire.send(post(small, chat(model="little")) + head(small, "GET", "/healthz") + post(small, chat(model="nobody")) +
                  head(small, "GET", "/v1/models"))
        answers = [wire.receive() for _ in range(4)]
    assert [answer.status for answer in answers] == [200, 200, 404, 200]
    assert answers[0].json()["object"] == "chat.completion"
    assert answers[1].json() == {"status": "ok"}
    assert answers[3].json()["object"] == "list"
    assert len({answer.headers["x-request-id"] for answer in answers}) == 4


def test_a_connection_serves_one_request_after_the_other(small):
    with Wire(small.url) as wire:
        for _ in range(3):
            wire.send(post(small, chat()))
            assert wire.receive().status == 200
            wire.send(post(small, chat(temperature="hot")))
            check_refusal(wire.receive(), 400, param="temperature")


def test_connection_close_is_honoured(small):
    with Wire(small.url) as wire:
        wire.send(head(small, "GET", "/healthz", ("Connection: close",)))
        assert wire.receive().headers["connection"] == "close"
        assert wire.closed()


def test_http_1_0_gets_an_answer_that_it_can_read(small):
    with Wire(small.url) as wire:
        wire.send(post(small, chat(stream=True), version="1.0"))
        answer = wire.receive()
        assert answer.status == 200 and "transfer-encoding" not in answer.headers
        assert answer.body.rstrip().endswith(b"data: [DONE]")
        assert wire.closed()


def test_head_gives_the_head_alone(small):
    with Wire(small.url) as wire:
        wire.send(head(small, "HEAD", "/v1/models") + head(small, "GET", "/healthz"))
        answer = wire.receive(bodyless=True)
        assert answer.status == 200 and int(answer.headers["content-length"]) > 0
        assert wire.receive().json() == {"status": "ok"}


def test_expect_100_continue_is_answered_before_the_body(small):
    body = json.dumps(chat()).encode()
    fields = ("Content-Type: application/json", f"Content-Length: {len(body)}", "Expect: 100-continue")
    with Wire(small.url) as wire:
        wire.send(head(small, fields=fields))
        assert wire.receive().status == 100
        wire.send(body)
        assert wire.receive().status == 200


def test_expect_100_continue_of_a_refused_request_gets_the_refusal(small):
    fields = ("Content-Type: application/json", "Content-Length: 10", "Expect: 100-continue")
    check_refusal(exchange(small, head(small, fields=fields, key="mf-wrong")), 401)


@pytest.mark.parametrize("field", ["Mayfly-Retention: session", "Mayfly-Retention: 30d", "Mayfly-Third-Party: anyone",
                                   "Mayfly-Region: eu", "mayfly-retention: Session"])
def test_a_policy_that_cannot_be_met_is_refused_before_the_body(small, field):
    fields = ("Content-Type: application/json", "Content-Length: 1000", field)
    answer = exchange(small, head(small, fields=fields))  # not a byte of the body is sent
    check_refusal(answer, 400, "retention_refused")
    assert answer.json()["error"]["param"].lower() == field.split(":")[0].lower()


def test_the_policy_none_is_accepted(small):
    fields = ("Mayfly-Retention: none", "Mayfly-Third-Party: none", "mayfly-region: None")
    assert exchange(small, post(small, chat(), fields=fields)).status == 200


def test_a_request_that_stops_in_the_middle_holds_up_nobody(small):
    with Wire(small.url) as slow, Wire(small.url) as silent:
        slow.send(post(small, chat())[:-5])
        silent.send(b"POST /v1/chat")
        assert still_serves(small)
        slow.send(post(small, chat())[-5:])
        assert slow.receive().status == 200


@pytest.mark.parametrize("data", [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"\x00" * 64 + b"\r\n\r\n",
                                  b"hello\r\n\r\n", b"\x80" * 20000])
def test_bytes_that_are_no_http_are_refused(small, data):
    assert exchange(small, data).status in (400, 431)


def test_clients_that_leave_at_any_point_leave_nothing_behind(small):
    data = post(small, chat(stream=True, max_tokens=200, ignore_eos=True))
    for cut in range(0, len(data), max(1, len(data) // 24)):
        with Wire(small.url) as wire:
            wire.send(data[:cut])
    with Wire(small.url) as wire:
        wire.send(data)
    wait_for(small.no_lease_open, 8, "every lease is closed")
    assert still_serves(small)


def test_the_admin_port_answers_metrics_and_nothing_of_the_api(small):
    admin = small.info()["admin_url"]
    assert httpx.get(admin + "/readyz").status_code == 200
    metrics = httpx.get(admin + "/metrics")
    assert metrics.headers["content-type"].startswith("text/plain") and "# TYPE" in metrics.text
    assert httpx.get(admin + "/v1/models", headers={"Authorization": f"Bearer {small.api_key}"}).status_code == 404
