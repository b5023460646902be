"""What the benchmark times: training and coding of the same documents on either side."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from coder_notes import Notes
from coder_reference import NOTES, Reference, padded_batches
from torch import Tensor, nn

from surecode.coder.activation_cache import ActivationCache
from surecode.coder.build import build_network
from surecode.coder.datamodule import Examples, Loader
from surecode.coder.encoder import load_tokenizer
from surecode.coder.folded_lora import fold_lora
from surecode.coder.losses import binary_cross_entropy
from surecode.coder.network import Network
from surecode.coder.runtime import (
    Runtime,
    as_coding,
    coding_runtime,
    training_context,
    training_runtime,
)
from surecode.data.batches import Batch, collate
from surecode.settings import Config


class Clock:
    """Seconds of the wall, or of this process alone where others share the machine."""

    def __init__(self) -> None:
        self.now: Callable[[], float] = time.perf_counter

    def count_own_time(self) -> None:
        torch.set_num_threads(1)  # threads that wait for each other burn time, too
        self.now = time.process_time


CLOCK = Clock()


class Bench:
    """The documents, trained weights, and what is timed on them."""

    def __init__(self, config: Config, notes: Notes, train_seconds: float) -> None:
        self.config = config
        self.notes = notes
        self.padding_id = int(load_tokenizer(config.encoder).pad_token_id or 0)
        self.examples = Examples.of(notes.windows, notes.gold)
        self.training, self.coding = training_runtime(config), coding_runtime(config)
        self.adapter, self.head = self._trained(train_seconds)

    def network(self, attention: str = "sdpa", **changes: Any) -> Network:
        """Of the configuration, with changes to its adapter."""
        adapter = self.config.adapter.model_copy(update=changes)
        codes = self.examples.codes
        network, self.lock = build_network(
            self.config.encoder, adapter, self.config.head, codes, attention
        )
        return network

    def with_weights(self, attention: str = "sdpa") -> Network:
        network = self.network(attention)
        network.load_state(self.adapter, self.head)
        return network

    def merged(self, runtime: Runtime) -> Network:
        network = self.with_weights(runtime.attention)
        network.merge_adapter()
        network.eval().requires_grad_(False)
        as_coding(network, runtime)
        return network

    def loader(self, seed: int, cache: ActivationCache | None = None) -> Loader:
        # As many optimizer steps as the other side: about so many notes in a batch.
        padded = [len(note.input_ids) * note.longest for note in self.notes.windows]
        budget = NOTES * round(sum(padded) / len(padded))
        return Loader(self.examples, self.padding_id, budget, seed, cache=cache)

    def _trained(self, seconds: float) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """An untrained head assigns nothing or everything; some epochs give it real logits."""
        torch.manual_seed(0)
        network = self.network(self.training.attention)
        network.head.start_at(torch.from_numpy(self.examples.frequency()).float())
        epoch = ours_training(self, network, self.training)
        end, seed = time.monotonic() + seconds, 0
        while time.monotonic() < end:
            epoch(seed)
            seed += 1
        say(f"trained for {seed} epochs of {len(self.examples)} documents")
        return network.adapter_state(), network.head_state()


# ---- what is timed -------------------------------------------------------------------------------


def stepping(model: nn.Module, loss_of: Callable[[Any], Tensor]) -> Callable[[Iterable[Any]], None]:
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-3)

    def run(batches: Iterable[Any]) -> None:
        for batch in batches:
            loss = loss_of(batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    model.train()
    return run


def ours_training(
    bench: Bench, network: Network, runtime: Runtime, cache: ActivationCache | None = None
) -> Callable[[int], None]:
    def loss_of(batch: Batch) -> Tensor:
        with training_context(runtime):
            logits = network(batch)
        return binary_cross_entropy(logits, batch.gold).sum() * batch.scale

    fold_lora(network.encoder)
    run = stepping(network, loss_of)
    return lambda seed: run(bench.loader(seed, cache))


def reference_training(bench: Bench, reference: Reference) -> Callable[[int], None]:
    gold = torch.from_numpy(bench.notes.gold).float()

    def loss_of(batch: Any) -> Tensor:
        return binary_cross_entropy(reference(batch), gold[batch.indices]).mean()

    run = stepping(reference, loss_of)
    return lambda seed: run(padded_batches(bench.notes.windows, bench.padding_id, seed))


def ours_coding(bench: Bench, network: Network) -> Tensor:
    with torch.inference_mode():
        logits = [network(collate([note], bench.padding_id)) for note in bench.notes.windows]
    return torch.cat(logits)


def reference_coding(bench: Bench, reference: Reference) -> Tensor:
    with torch.inference_mode():
        batches = padded_batches(bench.notes.windows, bench.padding_id, None)
        return torch.cat([reference(batch) for batch in batches])


def in_turns(runs: Mapping[str, Callable[[int], object]], repeats: int) -> dict[str, float]:
    """Median seconds of each run; repeat 0 is a warm-up."""
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for repeat in range(repeats + 1):
        for name, run in runs.items():
            began = CLOCK.now()
            run(repeat)
            if repeat:
                taken[name].append(CLOCK.now() - began)
        say(f"repeat {repeat} of {repeats}")
    return {name: statistics.median(values) for name, values in taken.items()}


def ratio(seconds: Mapping[str, float], slow: str, fast: str) -> float:
    return round(seconds[slow] / seconds[fast], 3)


def rates(bench: Bench, seconds: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """Real tokens: padding earns nothing."""
    return {
        name: {
            "encounters_per_second": round(len(bench.examples) / value, 2),
            "tokens_per_second": round(bench.notes.tokens / value),
        }
        for name, value in seconds.items()
    }


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
