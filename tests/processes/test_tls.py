"""TLS 1.3 with a certificate of the cluster's own making or a given one; nothing else beyond loopback."""

import ssl
import subprocess

import httpx
import pytest
from cluster import BINARY, SHAPES, TINY_MODEL, Cluster
from openai import OpenAI
from wire import Wire


@pytest.fixture(scope="module", params=SHAPES)
def secure(request):
    with Cluster("--tls", *SHAPES[request.param]) as running:
        yield running


def trusting(certificate):
    return ssl.create_default_context(cafile=str(certificate))


def test_the_sdk_trusts_the_clusters_certificate(secure):
    assert secure.url.startswith("https://")
    with httpx.Client(verify=trusting(secure.info()["certificate"])) as http:
        with OpenAI(base_url=secure.url + "/v1", api_key=secure.api_key, http_client=http, max_retries=0) as client:
            chunks = list(client.chat.completions.create(model=secure.model, max_tokens=4, stream=True,
                                                         messages=[{"role": "user", "content": "Hello"}]))
    assert chunks[-1].choices[0].finish_reason


def test_a_client_that_does_not_know_the_certificate_refuses_it(secure):
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(secure.url + "/healthz")


def test_the_command_line_trusts_the_clusters_certificate(secure):
    assert secure.mayfly("chat", "--max-tokens", "4", "Hello").strip()


def test_tls_1_2_is_refused(secure):
    context = trusting(secure.info()["certificate"])
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        Wire(secure.url, context)


def test_a_connection_speaks_tls_1_3(secure):
    with Wire(secure.url, trusting(secure.info()["certificate"])) as wire:
        assert wire.socket.version() == "TLSv1.3"


def test_plain_http_gets_no_answer_and_hurts_nobody(secure):
    with Wire(secure.url) as wire:
        wire.send(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        answer = wire.receive()
        assert answer is None, "plain text on a TLS port must not be served"
    assert httpx.get(secure.url + "/healthz", verify=trusting(secure.info()["certificate"])).status_code == 200


def test_a_handshake_that_stops_in_the_middle_holds_up_nobody(secure):
    with Wire(secure.url) as wire:
        wire.send(b"\x16\x03\x01\x02\x00\x01\x00")
        assert httpx.get(secure.url + "/healthz", verify=trusting(secure.info()["certificate"])).status_code == 200


def self_signed(days, certificate, key):
    """As the cluster makes its own, for so many days."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
                    str(days), "-subj", "/CN=mayfly", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1",
                    "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_a_given_certificate_is_shown_by_every_gateway(shape, tmp_path):
    certificate, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    self_signed(2, certificate, key)
    with Cluster("--tls", "--certificate", str(certificate), "--private-key", str(key), *shape) as running:
        for url in running.info()["urls"]:
            with Wire(url, trusting(certificate)) as wire:
                shown = wire.socket.getpeercert(binary_form=True)
            assert ssl.DER_cert_to_PEM_cert(shown).strip() == certificate.read_text().strip()
        assert running.info()["certificate"] == str(certificate)
        assert running.mayfly("chat", "--max-tokens", "4", "Hello").strip()


@pytest.mark.parametrize(("days", "lasts"), [(29, False), (32, True)])
def test_the_clusters_own_certificate_is_made_anew_a_month_before_its_end(tmp_path, days, lasts):
    certificate = tmp_path / "certificate.pem"
    (tmp_path / "keys").mkdir(mode=0o700)
    self_signed(days, certificate, tmp_path / "keys/certificate.key")
    before = certificate.read_text()
    with Cluster("--tls", directory=tmp_path) as running:
        assert (certificate.read_text() == before) == lasts
        assert httpx.get(running.url + "/healthz", verify=trusting(certificate)).status_code == 200


def refused(tmp_path, *options):
    run = subprocess.run([str(BINARY), "up", "--directory", str(tmp_path / "cluster"), "--model", str(TINY_MODEL), "--port",
                          "0", *options], capture_output=True, text=True, timeout=30, check=False)
    assert run.returncode == 1
    return run.stderr.splitlines()[-1]


def test_plain_http_beyond_loopback_is_refused(tmp_path):
    assert "plain HTTP is for loopback addresses alone" in refused(tmp_path, "--address", "0.0.0.0")


def test_a_certificate_that_is_missing_or_none_is_refused(tmp_path):
    nothing, text = tmp_path / "nothing.pem", tmp_path / "text.pem"
    text.write_text("this is no certificate\n")
    assert "No such file" in refused(tmp_path, "--tls", "--certificate", str(nothing), "--private-key", str(nothing))
    assert "certificate cannot be used" in refused(tmp_path, "--tls", "--certificate", str(text), "--private-key", str(text))


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_tls_beyond_loopback_is_served(shape):
    with Cluster("--tls", "--address", "0.0.0.0", *shape) as running:
        context = trusting(running.info()["certificate"])
        for url in running.info()["urls"]:
            port = url.rsplit(":", 1)[1]
            assert httpx.get(f"https://127.0.0.1:{port}/healthz", verify=context).status_code == 200
