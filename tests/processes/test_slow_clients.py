"""Clients that read nothing of a long stream: generation waits for them, memory stays bounded, nobody else notices."""

import contextlib
import json
import socket
from pathlib import Path

import httpx
import pytest
from cluster import wait_for
from wire import Wire

TOKENS = 450
STORY = {"messages": [{"role": "user", "content": "Tell me a story about the sea."}], "ignore_eos": True}


class SlowStream(Wire):
    """A long stream whose client reads only when told to. The kernel cannot take it all: twenty rivals a token make
    it long, the small receive buffer and segments keep what TCP holds small."""

    def __init__(self, cluster, choices=1):
        super().__init__(cluster.url, patience=40)
        request = json.dumps({**STORY, "model": cluster.model, "max_tokens": TOKENS, "n": choices, "logprobs": True,
                              "top_logprobs": 20, "stream": True, "stream_options": {"include_usage": True}})
        self.send(f"POST /v1/chat/completions HTTP/1.1\r\nHost: slow.test\r\nContent-Type: application/json\r\n"
                  f"Authorization: Bearer {cluster.api_key}\r\nContent-Length: {len(request)}\r\n\r\n{request}".encode())

    def connect(self, address, patience):
        plain = socket.socket()
        plain.settimeout(patience)
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
        plain.connect(address)
        return plain

    def read_all(self):
        """The stream's events, to its end."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        answer = self.receive()
        assert answer.status == 200, answer
        lines = [line[6:] for line in answer.body.decode().splitlines() if line.startswith("data: ")]
        assert lines[-1] == "[DONE]"
        return [json.loads(line) for line in lines[:-1]]


@pytest.fixture
def slow_streams(own_cluster, monkeypatch):
    """Makes so many slow streams of so many choices each; they leave at the end."""
    monkeypatch.setattr(socket, "create_connection", lambda address, timeout: SlowStream.connect(None, address, timeout))
    with contextlib.ExitStack() as leaving:
        yield lambda count, choices=1: [leaving.enter_context(SlowStream(own_cluster, choices)) for _ in range(count)]
