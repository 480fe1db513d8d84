"""Models split over ranks: the answers of one process, and every loss of a rank survived."""

import json
import os
import re
import signal
import stat
import statistics
import subprocess
import time
from pathlib import Path

import httpx
import pytest
import shaped_models
from cluster import BINARY, ROOT, TINY_MODEL, Cluster, wait_for
from test_failures import SIGNALS, check_recovery, ends_well, events, start_load

ROUNDS = int(os.environ.get("MAYFLY_ROUNDS", "3"))
DEFAULT_MODEL = ROOT / "var/models/smollm2-135m-instruct-q4_1.gguf"
PROMPTS = ["The capital of France is", "A short story about a lighthouse:", "1, 2, 3, 4,", "{\"name\": \"Ada\", \"age\":"]


def answer(cluster, prompt):
    """Tokens and log probabilities of a greedy continuation."""
    response = httpx.post(cluster.url + "/v1/completions", timeout=60, headers={"Authorization": f"Bearer {cluster.api_key}"},
                          json={"model": cluster.model, "prompt": prompt, "max_tokens": 24, "temperature": 0, "logprobs": 1})
    assert response.status_code == 200, response.text
    told = response.json()["choices"][0]["logprobs"]
    return told["tokens"], told["token_logprobs"]


def answers(model, ranks, *options):
    with Cluster("--tensor-parallel", str(ranks), "--threads", "1", *options, models=(model,)) as cluster:
        first = [answer(cluster, prompt) for prompt in PROMPTS]
        assert [answer(cluster, prompt) for prompt in PROMPTS] == first, "the same run to run"
        assert len(rank_reports(cluster)) == (ranks if ranks > 1 else 0)
        wait_for(cluster.no_lease_open, 10, "every lease is closed")
    return first


def check_alike(alone, split):
    """Within 0.02; where two tokens are so close that the other one is taken the texts part, rightly."""
    for (tokens, logprobs), (other_tokens, other_logprobs) in zip(alone, split, strict=True):
        for token, logprob, other, other_logprob in zip(tokens, logprobs, other_tokens, other_logprobs, strict=False):
            assert abs(logprob - other_logprob) <= 0.02
            if token != other:
                break


def rank_reports(cluster):
    return [rank for node in cluster.nodes() if node["linked"] for rank in node.get("ranks", [])]


def formed_epoch(cluster):
    """The epoch of a group that every rank is in; nothing while one is not."""
    ranks = rank_reports(cluster)
    epochs = {rank["epoch"] for rank in ranks}
    whole = ranks and len(ranks) == ranks[0]["ranks"] and all(rank["formed"] for rank in ranks)
    return epochs.pop() if whole and len(epochs) == 1 else None


def test_a_trained_model_over_two_and_three_ranks_answers_as_one_process_does():
    alone = answers(TINY_MODEL, 1)
    for ranks in (2, 3):  # of its 4 query and 2 KV heads
        check_alike(alone, answers(TINY_MODEL, ranks))


def test_the_default_model_answers_alike_over_two_and_three_ranks():
    if not DEFAULT_MODEL.exists():
        pytest.skip("ops/fetch_model brings the default model")
    alone = answers(DEFAULT_MODEL, 1)
    for ranks in (2, 3):  # of its 9 query and 3 KV heads
        check_alike(alone, answers(DEFAULT_MODEL, ranks))


@pytest.mark.parametrize("kv_heads", [2, 4, 8])
def test_models_of_any_number_of_kv_heads_answer_alike_over_two_and_four_ranks(kv_heads, tmp_path):
    model = shaped_models.write(tmp_path / "shaped.gguf", kv_heads)
    alone = answers(model, 1)
    for ranks in (2, 4):
        check_alike(alone, answers(model, ranks))


def test_a_model_that_cannot_be_split_is_refused_with_the_reason(tmp_path):
    model = shaped_models.write(tmp_path / "shaped.gguf", kv_heads=2, heads=2, width=64)
    with pytest.raises(AssertionError) as refusal:
        Cluster("--tensor-parallel", "3", models=(model,), ready_within=20)
    said = str(refusal.value)
    assert "more ranks than query heads" in said and "--tensor-parallel" in said


@pytest.mark.parametrize("ranks", ["1", "2"])
def test_a_model_that_must_have_a_gpu_is_refused_where_there_is_none_with_the_way_out(tmp_path, ranks):
    path = tmp_path / "gpu.toml"
    path.write_text(f'[http]\nport = 0\n[[model]]\nid = "tiny"\nfile = "{TINY_MODEL}"\ndevice = "cuda"\n')
    refused = subprocess.run([BINARY, "up", "--directory", tmp_path, "--config", path, "--tensor-parallel", ranks],
                             capture_output=True, text=True, timeout=30)
    assert refused.returncode == 1
    last = refused.stderr.strip().splitlines()[-1]
    assert ("CUDA plug-in" if ranks == "1" else "NCCL") in last or "no CUDA device" in last
    assert "With auto or cpu it runs without" in last


def test_status_and_metrics_show_groups_ranks_and_epochs():
    with Cluster("--tensor-parallel", "2", "--workers", "2") as cluster:
        wait_for(lambda: len(rank_reports(cluster)) == 4, 10, "every rank reports")
        ranks = rank_reports(cluster)
        assert sorted(rank["rank"] for rank in ranks) == [0, 0, 1, 1]
        assert {rank["carrier"] for rank in ranks} == {"shared_memory"}
        leaders = {rank["leader"] for rank in ranks}
        assert len(leaders) == 2 and leaders == {rank["node"] for rank in ranks if rank["rank"] == 0}
        weights = TINY_MODEL.stat().st_size
        assert all(0.4 * weights < rank["weight_bytes"] < 0.7 * weights for rank in ranks)
        assert all(rank["kv_bytes"] > 0 for rank in ranks)
        if os.stat("/").st_mode & stat.S_IXOTH:  # else /proc says nothing to a rank, which is not root
            assert all(rank["resident_bytes"] > 0 for rank in ranks)
        loads = cluster.loads()
        assert len(loads) == 2 and all(0 < load["weight_bytes"] < 0.7 * weights and load["kv_bytes"] > 0 for load in loads)
        text = cluster.mayfly("status")
        assert "GROUP OF RANKS" in text and "1/2" in text and "formed" in text
        metrics = httpx.get(cluster.info()["admin_url"] + "/metrics", timeout=10).text
        assert metrics.count("mayfly_rank_formed{") == 4 and "mayfly_rank_epoch{" in metrics


def test_receipts_name_every_rank():
    with Cluster("--tensor-parallel", "3") as cluster:
        headers = {"Authorization": f"Bearer {cluster.api_key}"}
        request = {"model": cluster.model, "max_tokens": 8, "messages": [{"role": "user", "content": "Hello"}]}
        request_id = httpx.post(cluster.url + "/v1/chat/completions", json=request, headers=headers, timeout=30).json()["id"]
        body = httpx.get(f"{cluster.url}/v1/receipts/{request_id}", headers=headers, timeout=10).json()["receipt"]["body"]
        holders = {holder["holder"] for holder in body["holders"]}
        assert holders >= {rank["node"] for rank in rank_reports(cluster)}
        assert all(holder["state"] == "wiped" and holder["bytes"] > 0 for holder in body["holders"])


def peak_bytes(pid):
    """Of all but programs and libraries, whose pages every process of the machine shares."""
    (line,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM")]
    shared, is_program = 0, False
    for each in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        if re.match("[0-9a-f]+-[0-9a-f]+ ", each):
            is_program = each.endswith("/mayfly") or ".so" in each
        elif each.startswith("Rss:") and is_program:
            shared += int(each.split()[1])
    return (int(line.split()[1]) - shared) * 1024


def test_a_rank_keeps_its_share_of_the_weights_alone(tmp_path):
    """At most 1.15 times weights over ranks and the KV cache that is reserved."""
    model = shaped_models.write(tmp_path / "shaped.gguf", kv_heads=8, heads=8, layers=8, width=512, hidden=4096)
    weights = model.stat().st_size
    for ranks in (2, 4):
        with Cluster("--tensor-parallel", str(ranks), "--threads", "1", models=(model,)) as cluster:
            answer(cluster, PROMPTS[0])
            wait_for(lambda: len(rank_reports(cluster)) == ranks, 10, "every rank reports")
            kv = max(rank["kv_bytes"] for rank in rank_reports(cluster))
            for pid in cluster.pids("worker") + cluster.pids("shard"):
                assert peak_bytes(pid) <= 1.15 * (weights / ranks + kv)


def lose_a_rank(cluster, role, sign):
    """One rank gets a signal under load; gives the clients, and after how many seconds the loss was noticed."""
    before = wait_for(lambda: formed_epoch(cluster), 20, "the group is formed")
    clients = start_load(cluster, choices=4)
    assert clients[0].first.wait(20)
    victim, begin = cluster.pids(role)[0], time.time()
    os.kill(victim, sign)
    clients += start_load(cluster, choices=1)
    wait_for(lambda: events(cluster, "ended", victim), 10, "it is gone")
    wait_for(lambda: (formed_epoch(cluster) or 0) > before, 20, "a group of a later epoch is formed")
    lost = [json.loads(line) for line in cluster.log.read_text().splitlines() if '"event": "group_lost"' in line]
    return clients, min(line["time_ms"] / 1000 - begin for line in lost if line["epoch"] == before)


def check_noticed(seconds):
    """How long each loss took to be noticed; a machine that was itself held up in one round notices late."""
    assert statistics.median(seconds) <= 2 and max(seconds) <= 5, f"the group failed after {seconds} s"


@SIGNALS
@pytest.mark.parametrize("role", ["worker", "shard"])
def test_a_lost_rank_hangs_no_client_and_leaves_no_lease_open(role, sign):
    with Cluster("--tensor-parallel", "3", "--threads", "1") as cluster:
        noticed = []
        for _ in range(ROUNDS):
            clients, seconds = lose_a_rank(cluster, role, sign)
            noticed.append(seconds)
            for client in clients:
                ends_well(client)
            check_recovery(cluster, clients)
        check_noticed(noticed)


def test_requests_that_come_while_a_group_is_formed_anew_are_answered():
    with Cluster("--tensor-parallel", "2") as cluster:
        wait_for(lambda: formed_epoch(cluster), 20, "the group is formed")
        os.kill(cluster.pids("shard")[0], signal.SIGKILL)
        clients = start_load(cluster, choices=1)
        assert all(ends_well(client) for client in clients)
        check_recovery(cluster, clients)


def test_a_drained_group_finishes_what_runs():
    with Cluster("--tensor-parallel", "2") as cluster:
        clients = start_load(cluster, choices=1)
        assert clients[0].first.wait(20)
        cluster.process.send_signal(signal.SIGTERM)
        assert ends_well(clients[0])
        cluster.process.wait(30)
        assert '"frozen"' not in cluster.log.read_text()
