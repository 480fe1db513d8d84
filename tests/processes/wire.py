"""HTTP by hand: bytes in, parsed answers out, for requests that no client library would send."""

import json
import select
import socket
import ssl
import threading
from urllib.parse import urlsplit


class Answer:
    """One response: `status`, `version`, lower-case `headers`, `body` as bytes."""

    def __init__(self, head, body):
        line, *fields = head.decode("latin-1").split("\r\n")
        self.version, status, *_ = line.split(" ", 2)
        self.status = int(status)
        self.headers = {}
        for field in fields:
            name, _, value = field.partition(":")
            self.headers[name.strip().lower()] = value.strip()
        self.body = body

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {self.body[:200]!r}"


class Wire:
    """A connection to a cluster's gateway. Every wait ends after `patience` seconds."""

    def __init__(self, url, context=None, patience=20):
        place = urlsplit(url)
        self.host = place.netloc
        plain = socket.create_connection((place.hostname, place.port), timeout=patience)
        self.socket = context.wrap_socket(plain, server_hostname=place.hostname) if context else plain
        self.pending = b""

    def send(self, data):
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused early: the answer is on its way, or the test sees that it is not

    def _more(self):
        try:
            got = self.socket.recv(65536)
        except (ConnectionResetError, ssl.SSLError):
            got = b""
        self.pending += got
        return bool(got)

    def _until(self, mark):
        while mark not in self.pending:
            if not self._more():
                return None
        found, self.pending = self.pending.split(mark, 1)
        return found

    def _exactly(self, count):
        while len(self.pending) < count:
            if not self._more():
                break
        found, self.pending = self.pending[:count], self.pending[count:]
        return found

    def _chunks(self):
        body = b""
        while size := int(self._until(b"\r\n"), 16):
            body += self._exactly(size)
            assert self._exactly(2) == b"\r\n"
        assert self._exactly(2) == b"\r\n"
        return body

    def receive(self, bodyless=False):
        """The next answer, or None where the server closed the connection."""
        head = self._until(b"\r\n\r\n")
        if head is None:
            return None
        answer = Answer(head, b"")
        if bodyless or answer.status < 200:
            return answer
        if answer.headers.get("transfer-encoding") == "chunked":
            answer.body = self._chunks()
        elif "content-length" in answer.headers:
            answer.body = self._exactly(int(answer.headers["content-length"]))
        else:
            while self._more():
                pass
            answer.body, self.pending = self.pending, b""
        return answer

    def closed(self):
        """Whether the server ends the connection without another byte."""
        return not self.pending and not self._more()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


def chat_request(cluster, fields):
    """The bytes of a chat request."""
    body = json.dumps(fields)
    return (f"POST /v1/chat/completions HTTP/1.1\r\nHost: {urlsplit(cluster.url).netloc}\r\n"
            f"Authorization: Bearer {cluster.api_key}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}").encode()


class SlowStream(Wire):
    """A long stream whose client reads only when told to. Twenty rivals a token make it long; a small receive buffer
    and small segments keep what the kernel takes of it small."""

    def __init__(self, cluster, fields):
        place = urlsplit(cluster.url)
        self.host, self.pending, self.socket = place.netloc, b"", socket.socket()
        self.socket.settimeout(40)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
        self.socket.connect((place.hostname, place.port))
        self.send(chat_request(cluster, {"stream": True, "logprobs": True, "top_logprobs": 20, **fields}))

    def read_lines(self):
        """The stream's data, to its end."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        answer = self.receive()
        assert answer.status == 200, answer
        return [line[6:] for line in answer.body.decode().splitlines() if line.startswith("data: ")]

    def read_all(self):
        """The events of a stream that ends well."""
        *events, last = self.read_lines()
        assert last == "[DONE]", last
        return [json.loads(event) for event in events]

    def ends_as_draining(self):
        """Whether the last event is the error that says to ask again elsewhere."""
        last = self.read_lines()[-1]
        return last != "[DONE]" and json.loads(last).get("error", {}).get("code") == "draining"


class Drip(threading.Thread):
    """A client that sends the beginning of a request and then a letter now and then, until there is an answer."""

    def __init__(self, url, beginning):
        super().__init__(daemon=True)
        self.wire, self.beginning, self.answer = Wire(url), beginning, None
        self.start()

    def run(self):
        self.wire.send(self.beginning)
        while not select.select([self.wire.socket], [], [], 0.5)[0]:
            self.wire.send(b"x")
        self.answer = self.wire.receive()
