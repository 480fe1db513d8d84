"""Requests that carry canaries through every path that content can take into the cluster."""

import json
import os
import signal
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import httpx
from cluster import wait_for

PREFILL_CHUNK = 256  # tokens of a step (gpu/engine.hpp)
MOST_CHOICES = 16


class Traffic:
    """Sends one canary a call; remembers what the model answered, and how many requests met their deadline."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.outputs = []
        self.overdue = 0
        self.headers = {"Authorization": f"Bearer {cluster.api_key}"}
        trusted = cluster.info().get("certificate")
        self.client = httpx.Client(base_url=cluster.url, headers=self.headers, timeout=60,
                                   verify=ssl.create_default_context(cafile=trusted) if trusted else True)

    def paths(self):
        return [self.normal, self.streamed, self.long, self.completion, self.tokens, self.cancelled, self.unknown_model,
                self.unknown_field, self.malformed, self.half_sent, self.deadline, self.in_headers, self.in_places,
                self.unknown_key, self.too_large, self.crowded]

    def paths_of_a_loss(self, role):
        return [lambda canary: self.killed(canary, role), self.normal, self.streamed, self.long, self.completion, self.tokens, self.cancelled, self.half_sent,
                self.in_places]

    def body(self, canary, **fields):
        message = {"role": "user", "content": f"Please repeat {canary} and {canary} again."}
        return {"model": self.cluster.model, "messages": [message], "max_tokens": 24, "temperature": 1.8, **fields}

    def chat(self, canary, **fields):
        return self.client.post("/v1/chat/completions", json=self.body(canary, **fields))

    def keep(self, text):
        if text:
            self.outputs.append(text)

    def normal(self, canary):
        answer = self.chat(canary, logprobs=True, top_logprobs=5, n=2)
        answer.raise_for_status()
        for choice in answer.json()["choices"]:
            self.keep(choice["message"]["content"])

    def streamed(self, canary):
        text = ""
        with self.client.stream("POST", "/v1/chat/completions", json=self.body(canary, stream=True)) as answer:
            for line in answer.iter_lines():
                if line.startswith("data: {"):
                    choices = json.loads(line[6:])["choices"]
                    text += (choices[0]["delta"].get("content") or "") if choices else ""
        self.keep(text)

    def long(self, canary):
        """A prompt of more than one chunk of prefill and many blocks of KV; the first tries may be beyond the context."""
        for repetitions in (17, 15, 13):
            message = {"role": "user", "content": f"{canary} " * repetitions}
            answer = self.client.post("/v1/chat/completions", json={"model": self.cluster.model, "messages": [message],
                                                                    "max_tokens": 8})
            if answer.status_code != 400:
                break
        answer.raise_for_status()
        assert answer.json()["usage"]["prompt_tokens"] > PREFILL_CHUNK * 5 // 4

    def completion(self, canary):
        answer = self.client.post("/v1/completions", json={"model": self.cluster.model, "prompt": f"Say {canary} ",
                                                           "max_tokens": 16, "echo": True})
        answer.raise_for_status()

    def tokens(self, canary):
        """Ids as the prompt, streamed; what they say is the canary's business only by its form as ids."""
        body = {"model": self.cluster.model, "prompt": [ord(letter) for letter in canary], "max_tokens": 8, "stream": True}
        with self.client.stream("POST", "/v1/completions", json=body) as answer:
            assert answer.status_code == 200
            for _ in answer.iter_lines():
                pass

    def cancelled(self, canary):
        body = self.body(canary, stream=True, ignore_eos=True, max_tokens=300)
        with self.client.stream("POST", "/v1/chat/completions", json=body) as answer:
            next(answer.iter_lines())

    def unknown_model(self, canary):
        assert self.chat(canary, model=canary).status_code == 404

    def unknown_field(self, canary):
        assert self.chat(canary, **{canary: canary}).status_code == 400

    def malformed(self, canary):
        text = json.dumps(self.body(canary))[:-3] + canary
        assert self.client.post("/v1/chat/completions", content=text,
                                headers={"Content-Type": "application/json"}).status_code == 400

    def half_sent(self, canary):
        body = json.dumps(self.body(canary)).encode()
        with self.connect() as connection:
            connection.sendall(self.head(len(body)) + body[:len(body) * 3 // 4])

    def deadline(self, canary):
        """More tokens than the cluster's deadline leaves time for, however fast it is."""
        ask = lambda _: self.chat(canary, n=MOST_CHOICES, ignore_eos=True, max_tokens=400).status_code
        for requests in (3, 12, 48):
            with ThreadPoolExecutor(requests) as pool:
                statuses = list(pool.map(ask, range(requests)))
            assert set(statuses) <= {200, 504}, statuses
            self.overdue += statuses.count(504)
            if 504 in statuses:
                return

    def crowded(self, canary):
        """More sequences than the KV cache holds to their ends: some are preempted and computed again."""
        answer = self.chat(canary, n=MOST_CHOICES // 2, ignore_eos=True, max_tokens=300)
        assert answer.status_code in (200, 504), answer.status_code
        for choice in answer.json().get("choices", []):
            self.keep(choice["message"]["content"][:40])

    def killed(self, canary, role):
        """A worker, or a rank beside it, dies amid requests: what was not streamed is answered all the same."""
        victim = self.cluster.pids(role)[0]
        with ThreadPoolExecutor(4) as pool:
            answers = [pool.submit(self.chat, canary, n=4, ignore_eos=True, max_tokens=300) for _ in range(4)]
            body = self.body(canary, stream=True, ignore_eos=True, max_tokens=300)
            with self.client.stream("POST", "/v1/chat/completions", json=body) as answer:
                lines = answer.iter_lines()
                next(lines)
                os.kill(victim, signal.SIGKILL)
                for _ in lines:
                    pass
            for each in answers:  # most are replayed; where no other worker is known in time, it says so
                assert each.result().status_code in (200, 502, 503), each.result().status_code
                for choice in each.result().json().get("choices", []):
                    self.keep(choice["message"]["content"][:40])
        wait_for(lambda: victim not in self.cluster.pids() and self.cluster.all_running() and
                 len(self.cluster.linked_workers()) == 2, 20, "another worker is there")
        assert not os.path.exists(f"/proc/{victim}"), "what the lost worker held is gone with it"

    def in_headers(self, canary):
        plain = canary.replace('"', "")
        answer = self.client.get(f"/v1/models/{plain}?query={plain}", headers={"User-Agent": plain, "X-Extra": plain,
                                                                              "Cookie": plain})
        assert answer.status_code == 404

    def in_places(self, canary):
        answer = self.chat(canary, stop=[canary, "never said"], user=canary, metadata={"note": canary},
                           logit_bias={"17": 3.5})
        assert answer.status_code == 200, answer.text

    def unknown_key(self, canary):
        answer = self.client.post("/v1/chat/completions", json=self.body(canary),
                                  headers={"Authorization": "Bearer " + canary.replace('"', "")})
        assert answer.status_code == 401

    def too_large(self, canary):
        with self.connect() as connection:
            connection.sendall(self.head(1 << 30) + f"{canary} ".encode() * 200)
            connection.recv(4096)

    def head(self, length):
        return (f"POST /v1/chat/completions HTTP/1.1\r\nHost: mayfly\r\nAuthorization: Bearer {self.cluster.api_key}\r\n"
                f"Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n").encode()

    def connect(self):
        parts = urlsplit(self.cluster.url)
        plain = socket.create_connection((parts.hostname, parts.port), timeout=10)
        if parts.scheme == "http":
            return plain
        context = ssl._create_unverified_context()
        return context.wrap_socket(plain)
