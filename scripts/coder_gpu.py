"""Throughput on a GPU, and how much of its matrix unit that uses."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from surecode.coder.datamodule import Loader
from surecode.coder.losses import binary_cross_entropy
from surecode.coder.network import Network

# Multiplications and additions per weight and token: forward 2; a frozen layer's backward 2 more.
CODING, TRAINING = 2, 4


def gpu_figures(network: Network, loader: Loader, tokens: int, encounters: int) -> Any:
    """Training and coding in bf16 on one GPU, "not measured" without one."""
    if not torch.cuda.is_available():
        return "not measured"
    device = torch.device("cuda")
    network.to(device).train()
    batches = [batch.to(device) for batch in loader]
    optimizer = torch.optim.AdamW([p for p in network.parameters() if p.requires_grad], lr=1e-4)

    def train() -> None:
        for batch in batches:
            with torch.autocast("cuda", torch.bfloat16):
                logits = network(batch)
            optimizer.zero_grad()
            (binary_cross_entropy(logits, batch.gold).sum() * batch.scale).backward()
            optimizer.step()

    def code() -> None:
        with torch.inference_mode(), torch.autocast("cuda", torch.bfloat16):
            for batch in batches:
                network(batch)

    weights = sum(
        module.weight.numel()
        for name, module in network.encoder.named_modules()
        if isinstance(module, nn.Linear) and "lora_" not in name
    )
    peak = _matrix_peak()
    figures: dict[str, Any] = {
        "device": torch.cuda.get_device_name(),
        "matrix_teraflops": round(peak / 1e12, 1),
    }
    for name, run, factor in (("train", train, TRAINING), ("infer", code, CODING)):
        seconds = _seconds(run)
        figures[name] = {
            "tokens_per_second": round(tokens / seconds),
            "encounters_per_hour": round(encounters / seconds * 3600),
            "share_of_matrix_peak": round(factor * weights * tokens / seconds / peak, 4),
        }
    return figures


def _matrix_peak() -> float:
    """Operations per second of one large product in bf16, as measured."""
    size = 8192
    matrix = torch.randn(size, size, device="cuda", dtype=torch.bfloat16)
    return 2 * size**3 / _seconds(lambda: matrix @ matrix)


def _seconds(run: Callable[[], object], repeats: int = 5) -> float:
    taken = []
    for _ in range(repeats + 1):
        torch.cuda.synchronize()
        began = time.perf_counter()
        run()
        torch.cuda.synchronize()
        taken.append(time.perf_counter() - began)
    return sorted(taken[1:])[repeats // 2]
