"""GET /openapi.json is true: generated requests, good and bad, are answered as it says."""

import itertools

import httpx
import pytest
import schemathesis
from cluster import SHAPES, Cluster
from hypothesis import HealthCheck, given, seed, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (content_type_conformance, response_headers_conformance,
                                               response_schema_conformance, status_code_conformance)

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_headers_conformance,
          response_schema_conformance]
OPERATIONS = [("/v1/chat/completions", "POST", 30), ("/v1/completions", "POST", 20), ("/v1/models", "GET", 4),
              ("/v1/models/{model}", "GET", 6), ("/v1/receipts/{id}", "GET", 6), ("/openapi.json", "GET", 3),
              ("/healthz", "GET", 3), ("/readyz", "GET", 3)]


@pytest.fixture(scope="module", params=SHAPES)
def described(request):
    with Cluster(*SHAPES[request.param]) as running:
        yield running


@pytest.fixture
def answer_to(described):
    """Asks the gateways in turn."""
    urls = itertools.cycle(described.info()["urls"])

    def answer(case):
        return case.call_and_validate(base_url=next(urls), checks=CHECKS, timeout=60,
                                      headers={"Authorization": f"Bearer {described.api_key}"})

    return answer


@pytest.fixture
def share(described):
    """How many of so many examples: where there are two gateways a few show that both are alike."""
    return lambda examples: examples if len(described.info()["urls"]) == 1 else max(3, examples // 4)


@pytest.fixture(scope="module")
def description(described):
    return httpx.get(described.url + "/openapi.json").json()


def generated(description, path, method, mode, examples, ask):
    """Calls `ask` with so many generated cases, the same ones every time."""
    operation = schemathesis.openapi.from_dict(description)[path][method]

    @seed(7)
    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode))
    def each(case):
        ask(case)

    each()


def in_vocabulary(prompt):
    """The prompt with such token ids alone as every model has: a schema does not know the model's."""
    if isinstance(prompt, list):
        return [in_vocabulary(item) for item in prompt]
    return prompt if isinstance(prompt, str) else int(prompt) % 100


def test_every_operation_is_tried(description):
    there = {(path, method.upper()) for path, item in description["paths"].items() for method in item}
    assert {(path, method) for path, method, _ in OPERATIONS} == there


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["valid", "invalid"])
@pytest.mark.parametrize(("path", "method", "examples"), OPERATIONS, ids=[path for path, *_ in OPERATIONS])
def test_answers_are_as_described(answer_to, share, description, path, method, examples, mode):
    statuses = set()
    try:
        generated(description, path, method, mode, share(examples), lambda case: statuses.add(answer_to(case).status_code))
    except schemathesis.errors.Unsatisfiable:
        pytest.skip("nothing about this operation can be invalid")
    assert statuses


@pytest.mark.parametrize(("path", "examples"), [("/v1/chat/completions", 40), ("/v1/completions", 30)])
def test_every_valid_request_to_a_served_model_is_answered(described, answer_to, share, description, path, examples):
    problems = []

    def ask(case):
        case.body = {**case.body, "model": described.model, "max_tokens": 2}
        if case.body.get("logit_bias"):
            case.body["logit_bias"] = {str(int(token) % 100): bias for token, bias in case.body["logit_bias"].items()}
        if path == "/v1/completions":
            case.body |= {"n": 1, "prompt": in_vocabulary(case.body["prompt"])}
        else:
            case.body["max_completion_tokens"] = 2
        answer = answer_to(case)
        if answer.status_code != 200:
            problems.append((answer.status_code, answer.text, case.body))

    generated(description, path, "POST", GenerationMode.POSITIVE, share(examples), ask)
    # Whether a prompt fits the model's context is nothing that a schema can say.
    left = [problem for problem in problems if "context_length_exceeded" not in problem[1]]
    assert left == [], "\n".join(map(str, left[:5]))
