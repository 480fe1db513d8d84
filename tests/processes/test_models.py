"""Two models at once, and aliases: who answers, what the log names, and limits and work of each model by itself."""

import httpx
import pytest
from cluster import ROOT, SHAPES, TINY_MODEL, Cluster, wait_for

TWO_MODELS = f"""
[[model]]
id = 'tiny'
file = '{TINY_MODEL}'
aliases = ['default', 'gpt-4o']
context_tokens = 256

[[model]]
id = 'micro'
file = '{ROOT}/tests/models/micro-f16.gguf'
kv_bytes = {12 * 4096}  # a block is 4 KiB: 2 layers, K and V, 1 head of 32 in 16 bits, 16 tokens
max_sequences = 4
max_queued = 7
"""
NAMES = {"tiny": "tiny", "default": "tiny", "gpt-4o": "tiny", "micro": "micro"}  # of which model each is
LIMITS = {"tiny": {"context_tokens": 256, "kv_blocks": 2 * 256 // 16, "max_running": 64, "max_waiting": 256},
          "micro": {"context_tokens": 12 * 16, "kv_blocks": 12, "max_running": 4, "max_waiting": 7}}


@pytest.fixture(params=SHAPES)
def cluster(request, tmp_path):
    file = tmp_path / "mayfly.toml"
    file.write_text(TWO_MODELS)
    with Cluster("--config", str(file), "--workers", "2", *SHAPES[request.param], models=()) as running:
        yield running


def complete(cluster, model, tokens=4):
    return httpx.post(cluster.url + "/v1/completions", headers={"Authorization": f"Bearer {cluster.api_key}"}, timeout=30,
                      json={"model": model, "prompt": "the", "max_tokens": tokens, "temperature": 0, "ignore_eos": True})


def logged_model(cluster, request):
    """The model that the request log names."""
    lines = wait_for(lambda: [line for line in cluster.request_log() if line["request"] == request], 5, "it is logged")
    return [line["model"] for line in lines]


def test_several_models_and_aliases_are_served_at_once(cluster):
    listed = httpx.get(cluster.url + "/v1/models", headers={"Authorization": f"Bearer {cluster.api_key}"}).json()["data"]
    assert {model["id"]: (model["root"], model["context_tokens"]) for model in listed} == {
        name: (model, LIMITS[model]["context_tokens"]) for name, model in NAMES.items()}
    texts = {model: set() for model in LIMITS}
    for name, model in NAMES.items():
        answer = complete(cluster, name)
        assert answer.status_code == 200, answer.text
        assert answer.json()["model"] == name
        assert logged_model(cluster, answer.headers["x-request-id"]) == [model]
        texts[model].add(answer.json()["choices"][0]["text"])
    assert len(texts["tiny"]) == len(texts["micro"]) == 1, "an alias gives what its model does"
    assert texts["tiny"] != texts["micro"], "each answer is its own model's"


def work_of_each_model(cluster):
    """Tokens that the workers say each model generated after a first one."""
    return {name: sum(model["decode_tokens"] for model in cluster.loads() if model["model"] == name) for name in LIMITS}


def test_every_worker_reports_the_limits_and_the_work_of_each_model(cluster):
    wait_for(lambda: len(cluster.loads()) == 4, 10, "both workers report both models")
    for worker in cluster.reports("worker"):
        assert {model["model"]: {limit: model[limit] for limit in LIMITS["tiny"]} for model in worker["models"]} == LIMITS
    assert work_of_each_model(cluster) == {"tiny": 0, "micro": 0}
    for name, tokens in (("gpt-4o", 32), ("micro", 16)):
        assert complete(cluster, name, tokens).status_code == 200
    wait_for(lambda: work_of_each_model(cluster) == {"tiny": 31, "micro": 15}, 5, "each request counts for its model")


def test_a_model_refuses_what_its_own_context_does_not_hold(cluster):
    for model, limits in LIMITS.items():
        refused = complete(cluster, model, tokens=limits["context_tokens"] + 1)
        assert refused.status_code == 400 and refused.json()["error"]["code"] == "context_length_exceeded"
        assert f"room for {limits['context_tokens']} tokens" in refused.json()["error"]["message"]
