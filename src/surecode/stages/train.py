"""``surecode train``: fit adapter and head on train, stop by the loss on tune; learn the terms.

Several devices: this process writes the resolved settings and starts one process for each; those
read the same file, and the first of them alone writes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import cast

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from surecode.bundle import layout
from surecode.bundle.load import load_network, load_trained
from surecode.bundle.weights import CoderSettings, write_weights
from surecode.coder.activation_cache import ActivationCache
from surecode.coder.build import build_network
from surecode.coder.datamodule import CoderData, Examples
from surecode.coder.encoder import EncoderLock, file_sha256, load_tokenizer
from surecode.coder.folded_lora import fold_lora
from surecode.coder.heads.descriptions import Descriptions
from surecode.coder.heads.embed import embed_descriptions
from surecode.coder.layers import can_be_cut, window_states
from surecode.coder.module import CoderModule
from surecode.coder.network import Network
from surecode.coder.preemption import Preempted
from surecode.coder.runtime import Runtime, training_runtime
from surecode.coder.train import Fit, fit, resumable
from surecode.codes.descriptions import description_texts
from surecode.codes.label_space import LabelSpace
from surecode.data.evidence_tokens import evidence_tokens
from surecode.data.token_cache import cached_windows
from surecode.data.windows import Windower
from surecode.denormals import without_denormals
from surecode.encounter import Split
from surecode.errors import InputError
from surecode.files import write_json
from surecode.launch import ranks
from surecode.registry.tracking import Run, log_parameters, open_run
from surecode.settings import Config
from surecode.source_settings import restriction
from surecode.stages.prepare import network_codes
from surecode.stages.run_folder import Figures, RunFolder
from surecode.stages.terms import learn_terms

# The splits that training may look at.
LEARNING: tuple[Split, ...] = ("train", "tune")


class Queued(Exception):
    """The training waits in a cluster's queue, and nobody waits for it (``launcher.wait``)."""

    def __init__(self, job: str) -> None:
        super().__init__(job)
        self.job = job


def train(config: Config) -> Figures:
    """Train, or reuse the finished training of exactly these settings and encounters.

    Raises:
        InputError: anything wrong with settings, files or encounters.
        Queued: the training was handed to a cluster, and ``launcher.wait`` is false.
    """
    folder = RunFolder(config)
    space = folder.label_space()
    learning = folder.figures("prepare")["learning"]
    if config.trainer.resume and folder.has("train") and not ranks.inside():
        done = folder.figures("train")
        if done["learning"] == learning and _intact(folder, done):
            return folder.finish("train", done | {"reused": True})
    if config.trainer.accelerator == "gpu" and not torch.accelerator.is_available():
        raise InputError("trainer.accelerator=gpu: there is none here; set trainer.accelerator=cpu")
    if config.coder.kind == "lexicon":
        return _terms_alone(config, folder, space, learning)
    if _elsewhere(config):
        if config.launcher.kind == "local" and folder.runtime("training") is None:
            # Chosen once: ranks that measure side by side might not agree.
            folder.keep_runtime("training", training_runtime(config))
        job = ranks.launch(config)
        if job is not None:
            raise Queued(job)
        return folder.figures("train")
    ranks.check(config)
    if ranks.rank() > 0:
        _fit(config, folder, space, learning, None)
        return {}
    with open_run(config, {"data": config.data.source}) as run:
        log_parameters(config)
        began = time.monotonic()
        trained = _fit(config, folder, space, learning, run)
        if config.coder.kind == "hybrid":
            _beside_network(config, folder, space)
        run.log(
            {
                "train/epochs": trained.fit.epochs,
                "tune/best_loss": trained.fit.best_tune_loss,
                **{f"train/{name}": value for name, value in trained.fit.throughput.items()},
            }
        )
        return folder.finish(
            "train",
            trained.figures()
            | {
                "learning": learning,
                "mlflow_run": run.run_id,
                "seconds": round(time.monotonic() - began, 1),
                "reused": False,
            },
        )


def _elsewhere(config: Config) -> bool:
    """Whether other processes than this one do the training."""
    several = config.trainer.devices * config.trainer.nodes > 1
    return (several or config.launcher.kind == "slurm") and not ranks.inside()


@dataclass(frozen=True)
class _Trained:
    fit: Fit
    model: str
    lock: EncoderLock
    runtime: Runtime

    def figures(self) -> Figures:
        return {
            "epochs": self.fit.epochs,
            "stopped_early": self.fit.stopped_early,
            "ended": self.fit.ended,
            "best_tune_loss": self.fit.best_tune_loss,
            "tune": self.fit.best_tune,
            "trained_parameters": self.fit.trained_parameters,
            "model": self.model,
            "encoder": self.lock.to_dict(),
            "runtime": self.runtime.name,
            "throughput": self.fit.throughput,
        }


def _fit(
    config: Config, folder: RunFolder, space: LabelSpace, learning: str, run: Run | None
) -> _Trained:
    """The training of one process; ``run`` is None where it must not write."""
    # Named by what it learns from: other encounters never go on from this checkpoint.
    checkpoints = folder.checkpoints / learning[:12]
    if config.trainer.resume:
        resumable(checkpoints)  # a damaged one is told before hours of work, not after
    pl.seed_everything(config.seed, workers=True, verbose=False)
    # Ranks that a cluster started could not agree on a measurement.
    runtime = folder.runtime("training") or training_runtime(config, measure=ranks.world() == 1)
    if config.coder.kind == "hybrid":  # the terms know more codes than a network can learn
        space = network_codes(config, folder.encounters("train"))
    if ranks.rank() == 0:
        folder.keep_runtime("training", runtime)
    network, lock = build_network(
        config.encoder, config.adapter, config.head, len(space), runtime.attention
    )
    fold_lora(network.encoder)
    # Made before anything long begins: it refuses losses that do not exist.
    module = CoderModule(network, config.loss, config.optim, config.adapter.learning_rate)
    tokenizer = load_tokenizer(config.encoder)
    windower = Windower(tokenizer, config.encoder.window_length, config.encoder.window_overlap)
    examples = {split: _examples(config, folder, space, windower, split) for split in LEARNING}
    padding_id = int(tokenizer.pad_token_id or 0)
    if isinstance(network.head, Descriptions):
        _describe(config, network, space, windower, padding_id)
    network.head.start_at(torch.from_numpy(examples["train"].frequency()).float())
    data = CoderData(
        examples["train"],
        examples["tune"],
        padding_id=padding_id,
        batch_tokens=config.trainer.batch_tokens,
        seed=config.seed,
        cache=_activations(config, network, lock, runtime, examples, padding_id),
    )
    result = _without_exit(
        partial(
            fit,
            module,
            data,
            config.trainer,
            config.optim.gradient_clip,
            checkpoints,
            None if run is None else run.lightning_logger(),
            precision=runtime.precision,
            distributed=ranks.world() > 1,
        )
    )
    if run is None:
        return _Trained(result, "", lock, runtime)
    weights = write_weights(folder.bundle, network, lock, space, tokenizer, _settings(config))
    return _Trained(result, weights.sha256, lock, runtime)


def _settings(config: Config) -> CoderSettings:
    return CoderSettings(
        kind=config.coder.kind,
        disagreement=config.coder.disagreement,
        specialty=config.specialty.name,
        include=config.specialty.include,
        encoder=config.encoder,
        adapter=config.adapter,
        # A path of this machine; the embeddings of the descriptions are among the weights.
        head=config.head.model_copy(update={"descriptions": None}),
        restricted=restriction(config.data),
    )


def _beside_network(config: Config, folder: RunFolder, space: LabelSpace) -> None:
    """Learn the terms and how far to trust the network beside them: a bundle of both."""
    network_space = LabelSpace.read(folder.bundle / layout.LABEL_SPACE)
    alone = load_network(folder.bundle)
    tune = folder.encounters("tune")
    shown = tqdm(tune, desc="coding", disable=not config.trainer.progress, leave=False)
    neural = dict(zip((e.encounter_id for e in tune), alone.logits(shown), strict=True))
    columns = [space.index(code) for code in network_space.codes]
    network_space.write(folder.bundle / layout.NETWORK_CODES)
    space.write(folder.bundle / layout.LABEL_SPACE)
    learn_terms(config, folder, space, neural, columns)


def _terms_alone(config: Config, folder: RunFolder, space: LabelSpace, learning: str) -> Figures:
    """A coder without a network. Its tokenizer tells the confidence how new an encounter is."""
    with open_run(config, {"data": config.data.source}) as run:
        log_parameters(config)
        began = time.monotonic()
        write_json(folder.bundle / layout.CODER, _settings(config).model_dump(mode="json"))
        space.write(folder.bundle / layout.LABEL_SPACE)
        load_tokenizer(config.encoder).save_pretrained(folder.bundle / layout.TOKENIZER)
        learned = learn_terms(config, folder, space)
        terms = learned.reader.terms
        return folder.finish(
            "train",
            {
                "terms": len(terms.lexicon) + len(terms.tables),
                "learning": learning,
                "model": file_sha256(folder.bundle / layout.TERMS),
                "encoder": {},
                "mlflow_run": run.run_id,
                "seconds": round(time.monotonic() - began, 1),
                "reused": False,
            },
        )


def _without_exit(fitting: Callable[[], Fit]) -> Fit:
    try:
        with without_denormals():
            return fitting()
    except Preempted:
        raise
    except SystemExit:  # Lightning's answer to Ctrl-C
        raise KeyboardInterrupt from None


def _examples(
    config: Config, folder: RunFolder, space: LabelSpace, windower: Windower, split: Split
) -> Examples:
    """Windows and gold of a split; gold evidence only where the loss asks for it."""
    encounters = folder.encounters(split)
    windows = cached_windows(encounters, windower, config.cache / "tokens", windower.tokenizer_hash)
    gold = [np.flatnonzero(space.encode([encounter.code_set])[0]) for encounter in encounters]
    evidence: list[NDArray[np.int64]] | None = None
    if config.loss.evidence_weight:
        evidence = [
            evidence_tokens(cut, encounter, space)
            for cut, encounter in zip(windows, encounters, strict=True)
        ]
    return Examples(windows, gold, len(space), evidence)


def _describe(
    config: Config, network: Network, space: LabelSpace, windower: Windower, padding_id: int
) -> None:
    """Give a head of descriptions the states of the codes' descriptions.

    The adapter changes nothing yet, so they are those of the base encoder.
    """
    texts = description_texts(space.codes, config.head.descriptions)
    network.eval()
    embeddings, described = embed_descriptions(network.encode, windower, padding_id, texts)
    cast(Descriptions, network.head).describe(embeddings, described)


def _activations(
    config: Config,
    network: Network,
    lock: EncoderLock,
    runtime: Runtime,
    examples: dict[Split, Examples],
    padding_id: int,
) -> ActivationCache | None:
    """States that enter the first trained layer, of all windows; None where all are trained."""
    if (
        not config.trainer.cache_activations
        or network.depth == 0
        or not can_be_cut(network.encoder)
    ):
        return None
    cache = ActivationCache(
        config.cache / "activations", lock.sha256, network.depth, runtime.precision
    )
    device = _device(config)
    encoder = network.encoder.to(device)
    windows = [ids for part in examples.values() for cut in part.windows for ids in cut.input_ids]
    # Each rank its share; a second round is for what another has not finished by then.
    shares = [slice(ranks.rank(), None, ranks.world())]
    for share in shares if ranks.world() == 1 else [*shares, slice(None)]:
        cache.fill(
            windows[share],
            lambda chosen: window_states(
                encoder, chosen, padding_id, network.depth, runtime.precision
            ),
            batch_tokens=config.trainer.batch_tokens,
            progress=config.trainer.progress and ranks.rank() == 0,
        )
    return cache


def _device(config: Config) -> torch.device:
    """This process's own device, as Lightning will give it."""
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    if config.trainer.accelerator == "cpu" or accelerator is None:
        return torch.device("cpu")
    return torch.device(accelerator.type, ranks.local_rank())


def _intact(folder: RunFolder, done: Figures) -> bool:
    """Whether the bundle still holds what was trained; if not, the checkpoint gives it again."""
    try:
        return bool(load_trained(folder.bundle).hashes["model"] == done["model"])
    except InputError:
        return False
