#!/usr/bin/env python3
"""The peer of check_generation's llama: the same weights in PyTorch, bf16, its layer compiled by torch.compile and the
decode step captured as one CUDA graph. Decode at batch 1, 8 and 64 after 32 tokens, prefill of 2,048. And the log
probabilities that PyTorch gives to what our engine generated.

    gpu/check/peer.py FOLDER [--cpu]

  FOLDER   what check_generation wrote: llama-8b-shaped.gguf, and llama-8b-shaped.json with its own answer
  --cpu    the answer alone, on processors

Prints findings as the checks do, one line of JSON each. Exits 3 where there is no PyTorch or no GPU, 4 where only the
compiled part failed: the plain figures stand.
"""

import json
import sys
import time
from pathlib import Path

from gguf_file import GgufFile

PROMPT, STEPS, ROUNDS = 32, 64, 3
# PyTorch rounds every layer's sum to bf16, our engine does not. Another model's would be off by 4 and more.
LOGPROB_TOLERANCE = 0.3

try:
    import torch
    import torch.nn.functional as functional
except ImportError:
    sys.exit(3)


def in_halves(matrix, heads):
    """Rows of heads whose pairs for the rotation are neighbours, as GGUF's llama has them, put side by side in halves."""
    rows, columns = matrix.shape
    return matrix.view(heads, rows // heads // 2, 2, columns).transpose(1, 2).reshape(rows, columns)


def norm(x, weight):
    wide = x.float()
    return (wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + 1e-5)).to(x.dtype) * weight


def rotate(x, cosines, sines):
    """x[batch][heads][tokens][dim]; the halves are a pair's two sides."""
    first, second = x.float().chunk(2, -1)
    return torch.cat((first * cosines - second * sines, second * cosines + first * sines), -1).to(x.dtype)


def layer(x, w, heads, keys, values, positions, mask, cosines, sines):
    """x[batch][tokens][width]; keys, values [batch][kv heads][room][dim] take this step's at `positions`. `heads`: how many,
    and how many of KV. `mask` says which positions a token sees; None is prefill from the first position on, causal."""
    batch, tokens, width = x.shape
    heads, kv_heads = heads
    dim = width // heads
    q, k, v = functional.linear(norm(x, w[0]), w[1]).split((width, kv_heads * dim, kv_heads * dim), -1)
    q = rotate(q.view(batch, tokens, heads, dim).transpose(1, 2), cosines, sines)
    k = rotate(k.view(batch, tokens, kv_heads, dim).transpose(1, 2), cosines, sines)
    v = v.view(batch, tokens, kv_heads, dim).transpose(1, 2)
    keys.index_copy_(2, positions, k)
    values.index_copy_(2, positions, v)
    if mask is None:
        attended = functional.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
    else:
        attended = functional.scaled_dot_product_attention(q, keys, values, attn_mask=mask, enable_gqa=True)
    x = x + functional.linear(attended.transpose(1, 2).reshape(batch, tokens, width), w[2])
    gate, up = functional.linear(norm(x, w[3]), w[4]).chunk(2, -1)
    return x + functional.linear(functional.silu(gate) * up, w[5])


class Llama:
    def __init__(self, file, device):
        said = {key.removeprefix("llama."): value for key, value in file.metadata.items()}
        self.device = device
        self.heads = said["attention.head_count"], said["attention.head_count_kv"]
        self.dim = said["rope.dimension_count"]
        read = lambda called: file.read(called, torch).to(device)
        self.table, self.output, self.norm = read("token_embd.weight"), read("output.weight"), read("output_norm.weight")[0]
        self.layers = [self.weights(read, f"blk.{number}.") for number in range(said["block_count"])]
        self.frequencies = said["rope.freq_base"] ** (-torch.arange(0, self.dim, 2, device=device).float() / self.dim)
        self.layer = layer

    def weights(self, read, at):
        """One layer's, [rows][columns]: what meets the same input is one matrix."""
        q, k = (in_halves(read(f"{at}attn_{each}.weight"), heads) for each, heads in zip("qk", self.heads))
        return [read(at + "attn_norm.weight")[0], torch.cat((q, k, read(at + "attn_v.weight"))), read(at + "attn_output.weight"),
                read(at + "ffn_norm.weight")[0], torch.cat((read(at + "ffn_gate.weight"), read(at + "ffn_up.weight"))),
                read(at + "ffn_down.weight")]

    def cache(self, batch, room):
        shape = (batch, self.heads[1], room, self.dim)
        return [[torch.zeros(shape, device=self.device, dtype=torch.bfloat16) for _ in "kv"] for _ in self.layers]

    def states(self, tokens, positions, cache, causal):
        """[batch][tokens][width], normed."""
        angles = positions.float()[:, None] * self.frequencies
        room = cache[0][0].shape[2]
        mask = None if causal else torch.arange(room, device=self.device)[None, :] <= positions[:, None]
        x = self.table[tokens]
        for w, (keys, values) in zip(self.layers, cache):
            x = self.layer(x, w, self.heads, keys, values, positions, mask, angles.cos(), angles.sin())
        return norm(x, self.norm)

    def step(self, tokens, positions, cache, causal):
        """The greedy token after the last of tokens[batch][tokens]."""
        return functional.linear(self.states(tokens, positions, cache, causal)[:, -1], self.output).argmax(-1)

    def logprobs(self, prompt, answer):
        """Of each token of the answer, given all before it."""
        tokens = torch.tensor([prompt + answer], device=self.device)
        positions = torch.arange(tokens.shape[1], device=self.device)
        states = self.states(tokens, positions, self.cache(1, tokens.shape[1]), causal=True)[0, len(prompt) - 1:-1]
        weighed = functional.linear(states, self.output).float().log_softmax(-1)
        return weighed.gather(-1, tokens[0, len(prompt):, None])[:, 0].tolist()


def captured(work):
    """A CUDA graph of `work`, which runs some times before."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            work()
    torch.cuda.current_stream().wait_stream(stream)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()
    return graph


def decode_rate(model, batch):
    cache = model.cache(batch, PROMPT + STEPS + 32)
    tokens = torch.zeros(batch, 1, device=model.device, dtype=torch.long)
    positions = torch.full((1,), PROMPT, device=model.device)

    def work():
        tokens.copy_(model.step(tokens, positions, cache, causal=False)[:, None])
        positions.add_(1)
    graph = captured(work)
    best = float("inf")
    for _ in range(ROUNDS):
        positions.fill_(PROMPT)
        torch.cuda.synchronize()
        start = time.perf_counter()
        for _ in range(STEPS):
            graph.replay()
            tokens.tolist()  # a server sees every token, as our engine does
        best = min(best, time.perf_counter() - start)
    return batch * STEPS / best


def prefill_rate(model, count):
    cache = model.cache(1, count)
    tokens = torch.arange(count, device=model.device)[None, :] % model.table.shape[0]
    positions = torch.arange(count, device=model.device)
    best = float("inf")
    for _ in range(ROUNDS + 2):
        torch.cuda.synchronize()
        start = time.perf_counter()
        model.step(tokens, positions, cache, causal=True).tolist()
        best = min(best, time.perf_counter() - start)
    return count / best


def tell(what, rate, how):
    print(json.dumps({"part": "peer", "what": f"{what}, {how}", "value": round(rate, 2), "unit": "tokens/s"}), flush=True)


def measure(model, how):
    for batch in (1, 8, 64):
        tell(f"8B decode, batch {batch}", decode_rate(model, batch), how + ", graph")
    tell("8B prefill of 2048 tokens", prefill_rate(model, 2048), how)


def check_answer(model, said):
    theirs = model.logprobs(said["prompt"], said["tokens"])
    worst = max(abs(one - other) for one, other in zip(theirs, said["logprobs"], strict=True))
    print(json.dumps({"part": "peer", "what": "8B: log probabilities of our tokens beside PyTorch's", "value": round(worst, 4),
                      "unit": "largest difference", "goal": LOGPROB_TOLERANCE, "held": worst <= LOGPROB_TOLERANCE}), flush=True)
    return worst <= LOGPROB_TOLERANCE


def main():
    folder, on_processors = Path(sys.argv[1]), "--cpu" in sys.argv[2:]
    if not on_processors and not torch.cuda.is_available():
        sys.exit(3)
    print(f"PyTorch {torch.__version__}", file=sys.stderr)
    with torch.inference_mode():
        model = Llama(GgufFile(folder / "llama-8b-shaped.gguf"), "cpu" if on_processors else "cuda")
        same = check_answer(model, json.loads((folder / "llama-8b-shaped.json").read_text()))
        if on_processors or not same:
            sys.exit(not same)
        measure(model, "plain")  # first, so that there is a figure even where compiling fails or takes too long
        try:
            model.layer = torch.compile(layer, dynamic=False)
            measure(model, "compiled")
        except Exception as failure:  # the compiler's own, of many kinds
            print(f"torch.compile failed: {failure}", file=sys.stderr)
            sys.exit(4)


if __name__ == "__main__":
    main()
