#!/usr/bin/env bash
# PyTorch: on a CPU, the gradient of attention in bfloat16 takes several times as long as that in float32.
#
# Expected: bfloat16 halves the bytes and has matrix instructions of its own on new CPUs, so a training step of
# `scaled_dot_product_attention` is faster than in float32, as the other layers are, and the fused kernel is the best one.
# True: forward, bfloat16 is at least as fast. With the gradient it takes 3 to 5 times as long as float32 (16 tiles of 128
# tokens, 8 heads of 32 channels, one thread: 50 against 14 ms). Two products and a softmax take 9 ms in bfloat16 where
# the CPU has its instructions (AMX). SDPBackend.MATH takes 25 ms, since it computes in float32.
# `autocast` makes it hard to notice: float32 inputs are turned into bfloat16 before the call.
# Why it matters to a codec: tokenizers are small transformers, and people train and fine-tune them on CPUs under
# autocast. In ours attention was 37 % of a step, of which the plain products save three quarters.
# Versions: torch 2.13.0 (CPU build), numpy 2.4.4. Date: 2026-11-28.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check torch==2.13.0 numpy==2.4.4
venv/bin/python - <<'PYTHON'
import time

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention as fused

torch.set_num_threads(1)


def plain(q, k, v):
    return torch.softmax((q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2), dim=-1) @ v


def by_math(q, k, v):
    with sdpa_kernel(SDPBackend.MATH):
        return fused(q, k, v)


def milliseconds(attention, dtype, gradient):
    shape = 16, 8, 128, 32
    q, k, v = (torch.randn(shape, dtype=dtype, requires_grad=gradient) for _ in range(3))
    best = float("inf")
    for _ in range(30):
        start = time.process_time()
        mixed = attention(q, k, v)
        if gradient:
            mixed.backward(torch.ones_like(mixed))
        best = min(best, time.process_time() - start)
    return best * 1e3


took = {}
for name, attention in (("fused", fused), ("SDPBackend.MATH", by_math), ("products and softmax", plain)):
    for dtype in (torch.float32, torch.bfloat16):
        forward, both = (milliseconds(attention, dtype, gradient) for gradient in (False, True))
        took[name, dtype] = forward, both
        print(f"{name}, {dtype}: forward {forward:.1f} ms, with the gradient {both:.1f} ms")
forward, both = (a / b for a, b in zip(took["fused", torch.bfloat16], took["fused", torch.float32]))
print(f"fused, bfloat16 / float32: forward {forward:.2f}, with the gradient {both:.2f}")
if both > 2:
    print("holds: the gradient of attention in bfloat16 is slower than that in float32")
else:
    raise SystemExit("changed: it is at most twice as slow")
PYTHON
