"""Time and peak memory of one encounter, against codes and against tokens.

Every point is a process of its own, so that its peak memory is its own.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from coder_reference import CHUNK

from surecode.coder.build import build_network
from surecode.coder.datamodule import Examples, Loader
from surecode.coder.folded_lora import fold_lora
from surecode.coder.losses import binary_cross_entropy
from surecode.coder.runtime import Runtime, as_coding, training_context
from surecode.coder.watch import process_memory_mb
from surecode.config import compose_config, parse
from surecode.data.windows import Windows
from surecode.denormals import without_denormals
from surecode.settings import Config

CODES = (100, 1_000, 10_000)
TOKENS = (256, 1_000, 4_000, 16_000)
COMMON_CODES, COMMON_TOKENS = 100, 1_000  # of the points that vary the other one
FOLDER = Path(__file__).resolve().parents[1] / "experiments" / "coder_speed"
REPEATS = 3


def scale(runtime: Runtime) -> list[dict[str, Any]]:
    """Measure every point, write ``scaling.md`` and ``scaling.png``."""
    pairs = [(codes, COMMON_TOKENS) for codes in CODES]
    pairs += [(COMMON_CODES, tokens) for tokens in TOKENS if tokens != COMMON_TOKENS]
    points = []
    for codes, tokens in pairs:
        for purpose in ("training", "coding"):
            request = {"codes": codes, "tokens": tokens, "purpose": purpose}
            command = [sys.executable, __file__, json.dumps(request | runtime.to_dict())]
            answer = subprocess.run(command, capture_output=True, text=True, check=True)
            points.append(request | json.loads(answer.stdout.splitlines()[-1]))
            print(points[-1], file=sys.stderr, flush=True)
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "scaling.md").write_text(table(points, runtime), encoding="utf-8")
    draw(points)
    return points


def measure(request: dict[str, Any]) -> dict[str, float]:
    """Median seconds of a step or of a forward pass, and the peak memory of this process."""
    config = parse(Config, compose_config("train", ["specialty=radiology"]))
    runtime = Runtime.from_dict(request)
    torch.manual_seed(0)
    codes = int(request["codes"])
    network, _ = build_network(
        config.encoder, config.adapter, config.head, codes, runtime.attention
    )
    note, gold = _note(int(request["tokens"])), np.zeros((1, codes), dtype=np.bool_)
    gold[0, :10] = True
    budget = config.trainer.batch_tokens
    batch = Loader(Examples.of([note], gold), 0, budget, None).batch(0)
    # What the process holds before the first step: libraries and weights.
    before = process_memory_mb()
    run: Callable[[], object]
    if request["purpose"] == "training":
        fold_lora(network.encoder)
        network.train()
        trained = [p for p in network.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(trained, lr=1e-4)

        def run() -> None:
            with training_context(runtime):
                logits = network(batch)
            optimizer.zero_grad()
            assert batch.gold is not None
            binary_cross_entropy(logits, batch.gold).sum().backward()
            optimizer.step()
    else:
        network.merge_adapter()
        network.eval().requires_grad_(False)
        as_coding(network, runtime)

        def run() -> None:
            with torch.inference_mode():
                network(batch)

    seconds = []
    with without_denormals():
        for _ in range(REPEATS + 1):
            began = time.perf_counter()
            run()
            seconds.append(time.perf_counter() - began)
    peak = process_memory_mb()
    return {
        "seconds": round(statistics.median(seconds[1:]), 4),
        "peak_megabytes": round(peak),
        "megabytes_above_start": round(peak - before),
    }


def table(points: list[dict[str, Any]], runtime: Runtime) -> str:
    lines = [
        f"Training and coding in {runtime.name}, {torch.get_num_threads()} threads; one encounter "
        f"in windows of {CHUNK} tokens.\n",
        "| codes | tokens | training step, s | peak, MB | coding, s | peak, MB |",
        "|---|---|---|---|---|---|",
    ]
    by_place = {(p["codes"], p["tokens"], p["purpose"]): p for p in points}
    for codes, tokens in dict.fromkeys((p["codes"], p["tokens"]) for p in points):
        cells = [f"{codes:,}", f"{tokens:,}"]
        for purpose in ("training", "coding"):
            point = by_place[codes, tokens, purpose]
            cells += [f"{point['seconds']:.3f}", f"{point['peak_megabytes']:,}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def draw(points: list[dict[str, Any]]) -> None:
    mpl.use("agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, 2, figsize=(8, 6), constrained_layout=True)
    sides = (("codes", "tokens", COMMON_TOKENS), ("tokens", "codes", COMMON_CODES))
    figures = (("seconds", "seconds"), ("peak_megabytes", "peak memory, MB"))
    for column, (varied, fixed, value) in enumerate(sides):
        for row, (key, label) in enumerate(figures):
            axis = axes[row][column]
            for purpose, style in (("training", "o-"), ("coding", "s--")):
                chosen = [p for p in points if p["purpose"] == purpose and p[fixed] == value]
                chosen.sort(key=lambda point: point[varied])
                places = [p[varied] for p in chosen]
                axis.plot(places, [p[key] for p in chosen], style, label=purpose)
            axis.set_xscale("log")
            axis.set_yscale("log" if key == "seconds" else "linear")
            axis.set_xlabel(f"{varied} (with {value:,} {fixed})")
            axis.set_ylabel(label)
            if key != "seconds":
                axis.set_ylim(bottom=0)
            axis.grid(alpha=0.3)
    axes[0][0].legend()
    # No version and no time in the file: the same figures give the same picture.
    figure.savefig(FOLDER / "scaling.png", dpi=120, metadata={"Software": None})
    plt.close(figure)


def _note(tokens: int) -> Windows:
    """Any words will do: ids drawn at random, cut as the coder cuts."""
    room = CHUNK - 2
    ids = np.random.default_rng(0).integers(1_000, 30_000, tokens)
    pieces = [ids[start : start + room] for start in range(0, tokens, room)]
    return Windows(
        "note",
        tuple(np.concatenate([[101], piece, [102]]).astype(np.int64) for piece in pieces),
        tuple(slice(1, 1 + len(piece)) for piece in pieces),
        np.zeros(tokens, dtype=np.int64),
        np.zeros((tokens, 2), dtype=np.int64),
    )


if __name__ == "__main__":
    print(json.dumps(measure(json.loads(sys.argv[1]))))
