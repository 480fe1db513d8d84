"""Two gateways of one cluster: what one does, the other knows."""

import httpx
import pytest
from cluster import Cluster, wait_for

QUESTION = [{"role": "user", "content": "What is the capital of France?"}]


@pytest.fixture(scope="module")
def pair():
    """A split cluster: the shape that has two gateways."""
    with Cluster("--workers", "2", "--split") as running:
        assert len(running.pids("gateway")) == 2
        yield running


def urls(cluster):
    found = cluster.info()["urls"]
    assert len(found) == len(set(found)) == 2
    return found


def both_ways(cluster):
    first, second = urls(cluster)
    return [(first, second), (second, first)]


def get(cluster, url, path, key=None):
    return httpx.get(url + path, headers={"Authorization": f"Bearer {key or cluster.api_key}"}, timeout=10)


def ask(cluster, url, key=None):
    request = {"model": cluster.model, "messages": QUESTION, "temperature": 0, "max_tokens": 16}
    return httpx.post(url + "/v1/chat/completions", json=request, timeout=20,
                      headers={"Authorization": f"Bearer {key or cluster.api_key}"})


def test_each_gateway_is_ready_at_an_address_of_its_own(pair):
    for url in urls(pair):
        assert httpx.get(url + "/readyz", timeout=10).status_code == 200


def test_a_chat_through_either_gateway_gives_the_same_answer(pair):
    answers = [ask(pair, url) for url in urls(pair)]
    assert [answer.status_code for answer in answers] == [200, 200]
    first, second = (answer.json() for answer in answers)
    assert first["id"] != second["id"]
    assert "Paris" in first["choices"][0]["message"]["content"]
    assert first["choices"] == second["choices"] and first["usage"] == second["usage"]


def test_a_receipt_is_served_by_the_gateway_that_did_not_see_the_request(pair):
    for asked, other in both_ways(pair):
        request_id = ask(pair, asked).json()["id"]
        receipt = wait_for(lambda path=f"/v1/receipts/{request_id}", other=other: found(pair, other, path), 10,
                           "the other gateway serves the receipt")
        assert receipt == get(pair, asked, f"/v1/receipts/{request_id}").json()


def found(cluster, url, path):
    answer = get(cluster, url, path)
    assert answer.status_code in (200, 404), answer.text
    return answer.json() if answer.status_code == 200 else None


def test_another_accounts_receipt_is_found_through_neither_gateway(pair):
    request_id = ask(pair, urls(pair)[0]).json()["id"]
    key = pair.mayfly("apikey", "add", "a-stranger").strip()
    for url in urls(pair):
        wait_for(lambda url=url: get(pair, url, "/v1/models", key).status_code == 200, 5, "the new key works")
        assert get(pair, url, f"/v1/receipts/{request_id}", key).status_code == 404
        assert get(pair, url, f"/v1/receipts/{request_id}").status_code == 200


def test_a_new_api_key_asks_through_both_gateways_until_it_is_revoked(pair):
    key = pair.mayfly("apikey", "add", "a-guest").strip()
    for url in urls(pair):
        wait_for(lambda url=url: ask(pair, url, key).status_code == 200, 5, "the new key works")
    pair.mayfly("apikey", "revoke", "a-guest")
    for url in urls(pair):
        wait_for(lambda url=url: ask(pair, url, key).status_code == 401, 5, "the revoked key is refused")


def test_both_gateways_list_the_same_models(pair):
    first, second = (get(pair, url, "/v1/models") for url in urls(pair))
    assert first.status_code == second.status_code == 200
    assert first.json() == second.json()
    assert [model["id"] for model in first.json()["data"]] == [pair.model]
