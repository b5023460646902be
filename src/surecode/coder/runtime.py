"""The arithmetic of training and of coding, measured on the machine at hand.

fp32 or bf16, and PyTorch's fused attention (``sdpa``) or the plain formula (``eager``): which is
faster differs from processor to processor, and not by a little. So the real encoder is timed once
on a small batch. fp32 and ``sdpa`` stay unless the other is at least ``CLEARLY`` faster, so that
the choice does not change from one measurement to the next. What was chosen is kept in a file and
goes into the bundle: a certificate holds for one arithmetic only.
"""

from __future__ import annotations

import copy
import hashlib
import json
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar, cast, get_args

import torch
from peft import PeftModel
from torch import Tensor, nn
from transformers import PreTrainedModel

from surecode.coder.adapter import adapt
from surecode.coder.encoder import load_encoder
from surecode.coder.folded_lora import fold_lora
from surecode.coder.network import Network
from surecode.coder.packed import allow_packing, packed_states, runs_of
from surecode.errors import InputError
from surecode.files import read_json, write_json
from surecode.settings import Config

Precision = Literal["fp32", "bf16"]
Attention = Literal["sdpa", "eager"]
Device = Literal["cpu", "cuda"]
Purpose = Literal["training", "coding"]
Key = TypeVar("Key")

# How much faster the other arithmetic must be to be chosen.
CLEARLY = 1.2
# The batch that is timed; an encoder for which this takes longer than _SECONDS gets fewer windows.
_WINDOWS, _TOKENS = 8, 128
_REPEATS = 5
_SECONDS = 5.0


@dataclass(frozen=True)
class Runtime:
    """One way to compute: precision of the encoder, kind of attention, device."""

    precision: Precision
    attention: Attention
    device: Device = "cpu"

    @property
    def name(self) -> str:
        """Such as ``torch-2.13.0-cpu-bf16-eager``, for records."""
        version = torch.__version__.split("+")[0]
        return f"torch-{version}-{self.device}-{self.precision}-{self.attention}"

    def to_dict(self) -> dict[str, str]:
        """Plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Runtime:
        """The inverse of `to_dict`; raises KeyError, TypeError or ValueError on anything else."""
        precision, attention, device = (values[k] for k in ("precision", "attention", "device"))
        if (
            precision not in get_args(Precision)
            or attention not in get_args(Attention)
            or device not in get_args(Device)
        ):
            raise ValueError("no runtime of this kind")
        return cls(precision, attention, device)


def training_runtime(config: Config, measure: bool = True) -> Runtime:
    """What to train in: as set, and measured where the settings say ``auto``.

    Without ``measure`` it is what is preferred among what the settings leave open.

    Raises:
        InputError: the encoder cannot be loaded or adapted.
    """
    gpu = config.trainer.accelerator != "cpu" and torch.cuda.is_available()
    device: Device = "cuda" if gpu else "cpu"
    if not measure:
        return candidates(config.runtime.training, config.runtime.attention, device)[0]
    return _runtime(config, "training", config.runtime.training, device)


def coding_runtime(config: Config) -> Runtime:
    """What to code in; a coder codes on the CPU.

    Raises:
        InputError: the encoder cannot be loaded.
    """
    return _runtime(config, "coding", config.runtime.coding, "cpu")


def training_context(runtime: Runtime) -> AbstractContextManager[Any]:
    """What a training step runs in: automatic mixed precision in bf16, nothing in fp32."""
    return torch.autocast(runtime.device, dtype=torch.bfloat16, enabled=runtime.precision == "bf16")


def as_coding(network: Network, runtime: Runtime) -> None:
    """Put a merged encoder's weights into the precision of coding; the head stays in fp32.

    Buffers stay as they are: rotary frequencies in bf16 would blur the positions of tokens.
    """
    assert not isinstance(network.encoder, PeftModel), "merge the adapter first, in fp32"
    if runtime.precision == "bf16":
        narrow(network.encoder)


def narrow(encoder: nn.Module) -> None:
    """Put an encoder's weights, not its buffers, into bf16."""
    for parameter in encoder.parameters():
        parameter.data = parameter.data.to(torch.bfloat16)


def candidates(
    precision: Literal["auto", "fp32", "bf16"],
    attention: Literal["auto", "sdpa", "eager"],
    device: Device,
) -> tuple[Runtime, ...]:
    """The runtimes that the settings leave open, those that are preferred first.

    A GPU needs no measurement: bf16 where it can, and fused attention.
    """
    precisions: Sequence[Precision] = get_args(Precision) if precision == "auto" else (precision,)
    attentions: Sequence[Attention] = get_args(Attention) if attention == "auto" else (attention,)
    if device == "cuda":
        if precision == "auto":
            precisions = ("bf16",) if torch.cuda.is_bf16_supported() else ("fp32",)
        attentions = attentions[:1]
    return tuple(Runtime(p, a, device) for p in precisions for a in attentions)


def clearly_fastest(seconds: Mapping[Runtime, float]) -> Runtime:
    """First the precision, then the attention within it; the preferred one unless it is slow.

    Args:
        seconds: time of each candidate for the same work, the preferred ones first.
    """
    by_precision: dict[Precision, dict[Runtime, float]] = {}
    for runtime, taken in seconds.items():
        by_precision.setdefault(runtime.precision, {})[runtime] = taken
    chosen = _unless_slow({name: min(own.values()) for name, own in by_precision.items()})
    return _unless_slow(by_precision[chosen])


def _unless_slow(seconds: Mapping[Key, float]) -> Key:
    preferred, fastest = next(iter(seconds)), min(seconds, key=lambda key: seconds[key])
    return fastest if seconds[preferred] >= CLEARLY * seconds[fastest] else preferred


def choose(
    open_: Sequence[Runtime],
    times: Callable[[Sequence[Runtime]], Mapping[Runtime, float]],
    identity: Mapping[str, object],
    folder: Path,
) -> Runtime:
    """The runtime that was chosen before for the same circumstances, or the clearly fastest.

    Args:
        open_: the candidates.
        times: measures them; seconds for the same work.
        identity: machine, encoder, purpose: all that the outcome depends on.
        folder: where outcomes are kept; a damaged file is measured anew.
    """
    known = {**identity, "candidates": [runtime.to_dict() for runtime in open_]}
    key = hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()
    path = folder / "runtime" / f"{key[:16]}.json"
    try:
        kept = Runtime.from_dict(read_json(path, "delete it")["chosen"])
        if kept in open_:
            return kept
    except (InputError, KeyError, TypeError, ValueError):
        pass
    seconds = times(open_)
    chosen = clearly_fastest(seconds)
    taken = {runtime.name: round(value, 5) for runtime, value in seconds.items()}
    write_json(path, {"chosen": chosen.to_dict(), "seconds": taken, **known})
    return chosen


def least_seconds(
    runs: Mapping[Key, Callable[[], object]], repeats: int = _REPEATS
) -> dict[Key, float]:
    """Seconds of each run, undisturbed: the least of several, taken in turns.

    The least and not the median: whatever else the machine does can only add to it.
    """
    taken: dict[Key, list[float]] = {key: [] for key in runs}
    for _ in range(repeats):
        for key, run in runs.items():
            began = time.perf_counter()
            run()
            taken[key].append(time.perf_counter() - began)
    return {key: min(values) for key, values in taken.items()}


def _runtime(
    config: Config, purpose: Purpose, precision: Literal["auto", "fp32", "bf16"], device: Device
) -> Runtime:
    open_ = candidates(precision, config.runtime.attention, device)
    if len(open_) == 1:
        return open_[0]
    encoder, lock = load_encoder(config.encoder)
    tokens = min(_TOKENS, config.encoder.window_length)
    trained: PreTrainedModel | PeftModel = encoder
    adapter: object = None
    if purpose == "training":
        trained, adapter = adapt(encoder, config.adapter), config.adapter.model_dump(mode="json")
        fold_lora(trained)  # as training does
    identity = {
        "torch": torch.__version__,
        "machine": _machine(),
        "threads": torch.get_num_threads(),
        "encoder": lock.sha256,
        "purpose": purpose,
        "adapter": adapter,
        "tokens": tokens,
    }
    return choose(
        open_,
        lambda among: encoder_seconds(trained, purpose, among, tokens),
        identity,
        config.runtime.folder,
    )


def encoder_seconds(
    encoder: PreTrainedModel | PeftModel,
    purpose: Purpose,
    among: Sequence[Runtime],
    tokens: int = _TOKENS,
) -> dict[Runtime, float]:
    """Seconds of each runtime for one batch: forward and backward, or forward alone.

    Args:
        encoder: adapted for training, merged or plain for coding; unchanged afterwards.
        purpose: what the arithmetic is for.
        among: the candidates.
        tokens: tokens of a window.
    """
    model = _inner(encoder)
    before = model.config._attn_implementation
    modes = [(module, module.training) for module in encoder.modules()]
    encoder.train(purpose == "training")
    copies: dict[Precision, PreTrainedModel | PeftModel] = {"fp32": encoder, "bf16": encoder}
    if purpose == "coding" and any(runtime.precision == "bf16" for runtime in among):
        copies["bf16"] = copy.deepcopy(encoder)
        narrow(copies["bf16"])

    def once(runtime: Runtime, windows: int) -> None:
        chosen = copies[runtime.precision]
        states_of = _way_in(chosen, runtime.attention)
        ids = _token_ids(model, windows, tokens)
        if purpose == "coding":
            with torch.inference_mode():
                states_of(ids)
        else:
            with training_context(runtime):
                states = states_of(ids)
            # A frozen encoder has no backward pass.
            if states.requires_grad:
                torch.autograd.grad(
                    states.float().square().mean(),
                    [p for p in chosen.parameters() if p.requires_grad],
                    allow_unused=True,
                )

    try:
        for runtime in among:
            once(runtime, 1)  # the first call of each sets up its kernels
        began = time.perf_counter()
        once(among[0], 1)
        one = max(time.perf_counter() - began, 1e-6)
        windows = min(max(int(_SECONDS / (one * _REPEATS * len(among))), 1), _WINDOWS)
        return least_seconds({runtime: partial(once, runtime, windows) for runtime in among})
    finally:
        model.set_attn_implementation(before)
        for module, mode in modes:
            module.training = mode


def _way_in(
    encoder: PreTrainedModel | PeftModel, attention: Attention
) -> Callable[[Tensor], Tensor]:
    """Windows ``[W, L]`` → states, by the way that batches take: in a row, the last one cut short,
    where the encoder allows it.
    """
    model = _inner(encoder)
    if not allow_packing(model, attention):
        model.set_attn_implementation(attention)
        return lambda ids: cast(Tensor, encoder(input_ids=ids).last_hidden_state)

    def in_a_row(ids: Tensor) -> Tensor:
        windows, length = ids.shape
        lengths = [length] * (windows - 1) + [max(length // 2, 1)]
        row = ids.flatten()[: sum(lengths)]
        positions = torch.cat([torch.arange(length) for length in lengths])
        return packed_states(encoder, row, positions, runs_of(lengths))

    return in_a_row


def _inner(encoder: PreTrainedModel | PeftModel) -> PreTrainedModel:
    return encoder.get_base_model() if isinstance(encoder, PeftModel) else encoder


def _token_ids(model: PreTrainedModel, windows: int, tokens: int) -> Tensor:
    """Any ids will do, but padding: some models skip it."""
    generator = torch.Generator().manual_seed(0)
    high = int(model.config.vocab_size)
    return torch.randint(min(5, high - 1), high, (windows, tokens), generator=generator)


def _machine() -> str:
    """Name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next(line.split(":", 1)[1].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        model = platform.processor() or platform.machine()
    return f"{model} {torch.backends.cpu.get_cpu_capability()}"
