"""``surecode train``: fit adapter and head on train, stop by the loss on tune."""

from __future__ import annotations

import time

import pytorch_lightning as pl
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from surecode.bundle.load import load_trained
from surecode.bundle.weights import CoderSettings, write_weights
from surecode.coder.build import build_network
from surecode.coder.datamodule import CoderData
from surecode.coder.encoder import load_tokenizer
from surecode.coder.module import CoderModule
from surecode.coder.train import fit
from surecode.codes.label_space import LabelSpace
from surecode.data.windows import Windower
from surecode.encounter import Split
from surecode.errors import InputError
from surecode.registry.tracking import log_parameters, open_run
from surecode.settings import Config
from surecode.stages.run_folder import Figures, RunFolder

# The splits that training may look at.
LEARNING: tuple[Split, ...] = ("train", "tune")


def train(config: Config) -> Figures:
    """Train, or reuse the finished training of exactly these settings and encounters."""
    folder = RunFolder(config)
    space = folder.label_space()
    learning = folder.figures("prepare")["learning"]
    if config.trainer.resume and folder.has("train"):
        done = folder.figures("train")
        if done["learning"] == learning and _intact(folder, done):
            return folder.finish("train", done | {"reused": True})
    if config.trainer.accelerator == "gpu" and not torch.accelerator.is_available():
        raise InputError("trainer.accelerator=gpu: there is none here; set trainer.accelerator=cpu")
    with open_run(config, {"data": config.data.source}) as run:
        log_parameters(config)
        pl.seed_everything(config.seed, workers=True, verbose=False)
        network, lock = build_network(config.encoder, config.adapter, config.head, len(space))
        tokenizer = load_tokenizer(
            config.encoder.name, config.encoder.source, config.encoder.revision
        )
        data, frequency = _learning_data(config, folder, space, tokenizer)
        network.head.start_at(frequency)
        began = time.monotonic()
        try:
            result = fit(
                CoderModule(network, config.optim),
                data,
                config.trainer,
                config.optim.gradient_clip,
                # Named by what it learns from: other encounters never go on from this checkpoint.
                folder.checkpoints / learning[:12],
                run.lightning_logger(),
            )
        except SystemExit:  # Lightning's answer to Ctrl-C and to a request to end
            raise KeyboardInterrupt from None
        settings = CoderSettings(
            specialty=config.specialty.name,
            include=config.specialty.include,
            encoder=config.encoder,
            adapter=config.adapter,
            head=config.head,
        )
        weights = write_weights(folder.bundle, network, lock, space, tokenizer, settings)
        run.log({"train/epochs": result.epochs, "tune/best_loss": result.best_tune_loss})
        return folder.finish(
            "train",
            {
                "epochs": result.epochs,
                "stopped_early": result.stopped_early,
                "best_tune_loss": result.best_tune_loss,
                "trained_parameters": result.trained_parameters,
                "model": weights.sha256,
                "encoder": lock.to_dict(),
                "learning": learning,
                "mlflow_run": run.run_id,
                "seconds": round(time.monotonic() - began, 1),
                "reused": False,
            },
        )


def _intact(folder: RunFolder, done: Figures) -> bool:
    """Whether the bundle still holds what was trained; if not, the checkpoint gives it again."""
    try:
        return bool(load_trained(folder.bundle).hashes["model"] == done["model"])
    except InputError:
        return False


def _learning_data(
    config: Config, folder: RunFolder, space: LabelSpace, tokenizer: PreTrainedTokenizerBase
) -> tuple[CoderData, Tensor]:
    """Batches of train and tune, and how frequent each code ``[K]`` is in train."""
    windower = Windower(tokenizer, config.encoder.window_length, config.encoder.window_overlap)
    splits = {}
    for split in LEARNING:
        encounters = folder.encounters(split)
        gold = space.encode([encounter.code_set for encounter in encounters])
        splits[split] = (windower.all(encounters), gold)
    data = CoderData(
        splits["train"],
        splits["tune"],
        padding_id=int(tokenizer.pad_token_id or 0),
        batch_tokens=config.trainer.batch_tokens,
        seed=config.seed,
    )
    return data, torch.from_numpy(splits["train"][1].mean(axis=0)).float()
