"""Every request ends with a receipt that anyone can check without the cluster."""

import json
import subprocess

import httpx
from cluster import BINARY, wait_for

QUESTION = [{"role": "user", "content": "Name three planets."}]


def receipt_of(cluster, request_id, key=None):
    answer = httpx.get(f"{cluster.url}/v1/receipts/{request_id}", timeout=10,
                       headers={"Authorization": f"Bearer {key or cluster.api_key}"})
    return answer


def verify(path, *options):
    return subprocess.run([str(BINARY), "receipt", "verify", str(path), *options], capture_output=True, text=True,
                          timeout=20, check=False)


def ask(client, cluster, **fields):
    return client.chat.completions.create(model=cluster.model, messages=QUESTION, max_tokens=8, **fields)


def test_a_finished_request_has_a_signed_receipt(client, cluster, tmp_path):
    answer = receipt_of(cluster, ask(client, cluster).id)
    assert answer.status_code == 200
    file = tmp_path / "receipt.json"
    file.write_text(answer.text)
    checked = verify(file)
    assert checked.returncode == 0, checked.stderr


def test_a_receipt_is_checked_against_the_key_that_the_cluster_publishes(client, cluster, tmp_path):
    file = tmp_path / "receipt.json"
    file.write_text(receipt_of(cluster, ask(client, cluster).id).text)
    key = cluster.info()["receipt_key"]
    assert verify(file, "--signer", key).returncode == 0
    another = key[:-1] + ("0" if key[-1] != "0" else "1")
    refused = verify(file, "--signer", another)
    assert refused.returncode == 1 and "another key signed it" in refused.stderr
    assert "--signer" in verify(file).stdout, "without it nothing is said of who signed"


def test_a_receipt_that_was_changed_does_not_verify(client, cluster, tmp_path):
    text = receipt_of(cluster, ask(client, cluster).id).text
    file = tmp_path / "receipt.json"
    assert '"confirmed":true' in text.replace(" ", "")
    file.write_text(text.replace("true", "false", 1))
    assert verify(file).returncode != 0


def test_another_accounts_receipt_is_not_found(client, cluster):
    other = cluster.mayfly("apikey", "add", "somebody-else").strip().split()[-1]
    request_id = ask(client, cluster).id
    wait_for(lambda: receipt_of(cluster, request_id, other).status_code != 401, 2, "the new key works")
    assert receipt_of(cluster, request_id, other).status_code == 404
    cluster.mayfly("apikey", "revoke", "somebody-else")


def test_receipts_form_a_chain(client, cluster, tmp_path):
    receipts = [json.loads(receipt_of(cluster, ask(client, cluster).id).text) for _ in range(3)]
    file = tmp_path / "chain.jsonl"
    file.write_text("\n".join(json.dumps(receipt) for receipt in receipts))
    checked = verify(file)
    assert checked.returncode == 0, checked.stderr
    file.write_text("\n".join(json.dumps(receipt) for receipt in reversed(receipts)))
    assert verify(file).returncode != 0


def test_a_closed_lease_leaves_none_open(client, cluster):
    ask(client, cluster)
    wait_for(cluster.no_lease_open, 5, "no lease is open")
