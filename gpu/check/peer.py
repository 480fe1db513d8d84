#!/usr/bin/env python3
"""The peer of check_generation's llama: the same 8B shape in PyTorch, bf16, its layer compiled by torch.compile and the
decode step captured as one CUDA graph. Decode at batch 1, 8 and 64 after 32 tokens, prefill of 2,048.

    gpu/check/peer.py

Prints findings as the checks do, one line of JSON each. Exits 3 where there is no PyTorch or no GPU, 4 where only the
compiled part failed: the plain figures stand.
"""

import json
import sys
import time

WIDTH, HIDDEN, HEADS, KV_HEADS, HEAD_DIM, LAYERS, VOCABULARY = 4096, 14336, 32, 8, 128, 32, 128256
PROMPT, STEPS, ROUNDS = 32, 64, 3

try:
    import torch
    import torch.nn.functional as functional
except ImportError:
    sys.exit(3)


def weights(device):
    """One layer's matrices, [rows][columns], random with a deviation of about 1 / sqrt(columns)."""
    def matrix(rows, columns):
        return torch.randn(rows, columns, device=device, dtype=torch.bfloat16) * columns ** -0.5
    kv = KV_HEADS * HEAD_DIM
    return [torch.ones(WIDTH, device=device, dtype=torch.bfloat16), matrix(WIDTH + 2 * kv, WIDTH), matrix(WIDTH, WIDTH),
            torch.ones(WIDTH, device=device, dtype=torch.bfloat16), matrix(2 * HIDDEN, WIDTH), matrix(WIDTH, HIDDEN)]


def norm(x, weight):
    wide = x.float()
    return (wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + 1e-5)).to(x.dtype) * weight


def rotate(x, cosines, sines):
    """x[batch][heads][tokens][dim]; the halves are a pair's two sides."""
    first, second = x.float().chunk(2, -1)
    return torch.cat((first * cosines - second * sines, second * cosines + first * sines), -1).to(x.dtype)


def layer(x, w, keys, values, positions, mask, cosines, sines):
    """x[batch][tokens][width]; keys, values [batch][kv heads][room][dim] take this step's at `positions`. `mask` says
    which positions a token sees; None is prefill from the first position on, causal."""
    batch, tokens, _ = x.shape
    kv = KV_HEADS * HEAD_DIM
    q, k, v = functional.linear(norm(x, w[0]), w[1]).split((WIDTH, kv, kv), -1)
    q = rotate(q.view(batch, tokens, HEADS, HEAD_DIM).transpose(1, 2), cosines, sines)
    k = rotate(k.view(batch, tokens, KV_HEADS, HEAD_DIM).transpose(1, 2), cosines, sines)
    v = v.view(batch, tokens, KV_HEADS, HEAD_DIM).transpose(1, 2)
    keys.index_copy_(2, positions, k)
    values.index_copy_(2, positions, v)
    if mask is None:
        attended = functional.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
    else:
        attended = functional.scaled_dot_product_attention(q, keys, values, attn_mask=mask, enable_gqa=True)
    x = x + functional.linear(attended.transpose(1, 2).reshape(batch, tokens, WIDTH), w[2])
    gate, up = functional.linear(norm(x, w[3]), w[4]).chunk(2, -1)
    return x + functional.linear(functional.silu(gate) * up, w[5])


class Llama:
    def __init__(self, device):
        self.device = device
        self.table = torch.randn(VOCABULARY, WIDTH, device=device, dtype=torch.bfloat16)
        self.output = torch.randn(VOCABULARY, WIDTH, device=device, dtype=torch.bfloat16) * WIDTH ** -0.5
        self.norm = torch.ones(WIDTH, device=device, dtype=torch.bfloat16)
        self.layers = [weights(device) for _ in range(LAYERS)]
        self.frequencies = 500000.0 ** (-torch.arange(0, HEAD_DIM, 2, device=device).float() / HEAD_DIM)
        self.layer = layer

    def cache(self, batch, room):
        shape = (batch, KV_HEADS, room, HEAD_DIM)
        return [[torch.zeros(shape, device=self.device, dtype=torch.bfloat16) for _ in "kv"] for _ in self.layers]

    def step(self, tokens, positions, cache, causal):
        """The greedy token after the last of tokens[batch][tokens]."""
        angles = positions.float()[:, None] * self.frequencies
        room = cache[0][0].shape[2]
        mask = None if causal else torch.arange(room, device=self.device)[None, :] <= positions[:, None]
        x = self.table[tokens]
        for w, (keys, values) in zip(self.layers, cache):
            x = self.layer(x, w, keys, values, positions, mask, angles.cos(), angles.sin())
        return functional.linear(norm(x[:, -1], self.norm), self.output).argmax(-1)


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
    tokens = torch.arange(count, device=model.device)[None, :] % VOCABULARY
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


def main():
    if not torch.cuda.is_available():
        sys.exit(3)
    print(f"PyTorch {torch.__version__}", file=sys.stderr)
    with torch.inference_mode():
        model = Llama("cuda")
        measure(model, "plain")  # first, so that there is a figure even where compiling fails or takes too long
        try:
            model.layer = torch.compile(layer, dynamic=False)
            measure(model, "compiled")
        except Exception as failure:  # the compiler's own, of many kinds
            print(f"torch.compile failed: {failure}", file=sys.stderr)
            sys.exit(4)


if __name__ == "__main__":
    main()
