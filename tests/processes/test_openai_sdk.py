"""The official SDK, unmodified, against a real cluster."""

import asyncio

import openai
import pytest
from cluster import wait_for

QUESTION = [{"role": "user", "content": "What is the capital of France?"}]


def test_a_chat_is_answered(client, cluster):
    answer = client.chat.completions.create(model=cluster.model, messages=QUESTION, temperature=0, max_tokens=32)
    assert "Paris" in answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_a_streamed_chat_gives_the_same_text_as_one_in_a_piece(client, cluster):
    whole = client.chat.completions.create(model=cluster.model, messages=QUESTION, temperature=0, max_tokens=32)
    pieces = client.chat.completions.create(model=cluster.model, messages=QUESTION, temperature=0, max_tokens=32,
                                            stream=True, stream_options={"include_usage": True})
    chunks = list(pieces)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-1].usage == whole.usage and chunks[-1].choices == []


def test_a_completion_continues_a_prompt(client, cluster):
    answer = client.completions.create(model=cluster.model, prompt="The capital of", max_tokens=4, temperature=0,
                                       echo=True)
    assert answer.choices[0].text.startswith("The capital of")
    assert answer.usage.completion_tokens <= 4


def test_several_choices_come_back_with_their_indices(client, cluster):
    answer = client.chat.completions.create(model=cluster.model, messages=QUESTION, n=3, seed=7, max_tokens=8)
    assert [choice.index for choice in answer.choices] == [0, 1, 2]


def test_a_seed_gives_the_same_answer_again(client, cluster):
    ask = lambda: client.chat.completions.create(model=cluster.model, messages=QUESTION, seed=11, temperature=1.2,
                                                 max_tokens=24).choices[0].message.content
    assert ask() == ask()


def test_a_stop_string_ends_the_answer_before_it(client, cluster):
    answer = client.chat.completions.create(model=cluster.model, messages=QUESTION, temperature=0, stop=["Paris"])
    assert "Paris" not in answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "stop"


def test_max_tokens_ends_the_answer_for_length(client, cluster):
    answer = client.chat.completions.create(model=cluster.model, messages=QUESTION, max_completion_tokens=2, temperature=0)
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage.completion_tokens == 2


def test_log_probabilities_name_every_token_and_its_rivals(client, cluster):
    answer = client.chat.completions.create(model=cluster.model, messages=QUESTION, temperature=0, max_tokens=5,
                                            logprobs=True, top_logprobs=3)
    tokens = answer.choices[0].logprobs.content
    assert len(tokens) == answer.usage.completion_tokens
    assert all(len(token.top_logprobs) == 3 and token.logprob <= 0 for token in tokens)
    assert all(token.top_logprobs[0].logprob == token.logprob for token in tokens)  # greedy takes the likeliest


def test_many_async_requests_run_at_once(cluster):
    async def ask(client, index):
        answer = await client.chat.completions.create(model=cluster.model, messages=QUESTION, seed=index, max_tokens=16)
        return answer.usage.completion_tokens

    async def all_at_once():
        async with openai.AsyncOpenAI(base_url=cluster.url + "/v1", api_key=cluster.api_key, max_retries=0) as client:
            return await asyncio.gather(*(ask(client, index) for index in range(24)))

    assert all(0 < tokens <= 16 for tokens in asyncio.run(all_at_once()))


def test_a_stream_that_is_closed_early_stops_on_the_worker(client, cluster):
    stream = client.chat.completions.create(model=cluster.model, messages=QUESTION, stream=True, max_tokens=400,
                                            extra_body={"ignore_eos": True})
    next(iter(stream))
    stream.close()
    wait_for(cluster.workers_are_idle, 5, "every worker is idle again")


def test_models_are_listed(client, cluster):
    assert cluster.model in [model.id for model in client.models.list()]
    assert client.models.retrieve(cluster.model).id == cluster.model


@pytest.mark.parametrize(("change", "status", "code"), [
    ({"model": "no-such-model"}, 404, "model_not_found"),
    ({"messages": []}, 400, None),
    ({"temperature": 3}, 400, None),
    ({"max_tokens": 0}, 400, None),
    ({"extra_body": {"no_such_field": 1}}, 400, "unknown_parameter"),
    ({"messages": [{"role": "user", "content": "long " * 5000}]}, 400, "context_length_exceeded"),
])
def test_bad_requests_are_refused_in_openais_shape(client, cluster, change, status, code):
    fields = {"model": cluster.model, "messages": QUESTION, **change}
    with pytest.raises(openai.APIStatusError) as refused:
        client.chat.completions.create(**fields)
    assert refused.value.status_code == status
    assert refused.value.body["message"] and "type" in refused.value.body
    if code:
        assert refused.value.code == code
    assert len(refused.value.request_id) == 32


def test_an_unknown_key_is_refused(cluster):
    with openai.OpenAI(base_url=cluster.url + "/v1", api_key="mf-wrong", max_retries=0) as client:
        with pytest.raises(openai.AuthenticationError):
            client.models.list()
