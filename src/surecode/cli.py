"""``surecode VERB [overrides]``: every verb is a Hydra application.

One verb, one composition root ``conf/<verb>.yaml``; overrides are Hydra's. What is wrong with the
input ends in one line on standard error and exit code 2.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from surecode.errors import InputError

if TYPE_CHECKING:
    from surecode.settings import Config

# Set before any library reads them: no telemetry, no hub unless the user asks for it.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

VERBS = {
    "run": "all stages, from source files to the registered model",
    "prepare": "read encounters, make splits and the label space",
    "train": "fine-tune adapter and head",
    "calibrate": "choose on tune, certify on calibrate",
    "evaluate": "measure on test, beside the dictionary",
    "explain": "evidence of every assigned code",
    "register": "seal the bundle and register it in MLflow",
    "predict": "the decision record of one note",
    "serve": "MLflow's scoring server around a registered model",
}
MULTIRUN = ("-m", "--multirun")


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of the console command; returns the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return _dispatch(words)
    except InputError as error:
        print(f"surecode: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("surecode: interrupted; the same command goes on from here", file=sys.stderr)
        return 130


def _dispatch(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help"):
        print(_usage())
        return 0
    if words[0] == "--version":
        from importlib.metadata import version

        print(version("surecode"))
        return 0
    verb, rest = words[0], words[1:]
    if verb not in VERBS:
        raise InputError(f"unknown verb {verb!r}; choose one of: {', '.join(VERBS)}")
    if any(word in MULTIRUN for word in rest):
        return _sweep(verb, [word for word in rest if word not in MULTIRUN])
    extra, overrides = _config_folder(rest)
    if any(word in ("-h", "--help") for word in overrides):
        return _help(verb, [word for word in overrides if not word.startswith("-")], extra)
    _act(verb, overrides, extra)
    return 0


def _act(verb: str, overrides: Sequence[str], extra: Path | None) -> None:
    """Compose, check and do. The rooms are imported here, so that ``--help`` is quick."""
    from surecode.config import compose_config, parse
    from surecode.settings import Config, PredictConfig, ServeConfig

    composed = compose_config(verb, overrides, extra)
    if verb == "predict":
        settings = parse(PredictConfig, composed)
        from surecode.stages.predict import predict

        print(predict(settings).to_json(indent=2))
    elif verb == "serve":
        serving = parse(ServeConfig, composed)
        from surecode.registry.models import model_uri
        from surecode.registry.server import serve
        from surecode.registry.tracking import connect

        connect(serving.tracking)
        serve(serving, serving.model or model_uri(serving.specialty.name, serving.alias))
    else:
        _run_stages(verb, parse(Config, composed))


def _run_stages(verb: str, config: Config) -> None:
    from surecode.stages.report import announce, start, summary
    from surecode.stages.run import STAGES, run

    start(config)
    if verb == "run":
        summary(config, run(config, announce))
    else:
        announce(verb, STAGES[verb](config))


def _sweep(verb: str, overrides: Sequence[str]) -> int:
    """One run after the other for every combination of comma-separated values (Hydra's syntax)."""
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    extra, plain = _config_folder(overrides)
    try:
        parsed = OverridesParser.create().parse_overrides(overrides=list(plain))
        batches = BasicSweeper.split_arguments(parsed, max_batch_size=None)
    except HydraException as error:
        raise InputError(
            f"configuration: {str(error).splitlines()[0]}; write overrides as key=value"
        ) from None
    for batch in batches:
        for job in batch:
            _act(verb, job, extra)
    return 0


def _config_folder(words: Sequence[str]) -> tuple[Path | None, list[str]]:
    """Take ``--config-dir DIR`` out of the words: a user's own conf/ beside the shipped one."""
    overrides = list(words)
    if "--config-dir" not in overrides:
        return None, overrides
    place = overrides.index("--config-dir")
    if place + 1 >= len(overrides) or not Path(overrides[place + 1]).is_dir():
        raise InputError("--config-dir: no such folder; give the path of a configuration folder")
    folder = Path(overrides[place + 1])
    return folder, overrides[:place] + overrides[place + 2 :]


def _help(verb: str, overrides: Sequence[str], extra: Path | None) -> int:
    """The verb's configuration as it would be, or its groups where a choice is missing."""
    from omegaconf import OmegaConf

    from surecode.config import compose_config, groups

    print(f"surecode {verb} [key=value ...]: {VERBS[verb]}\n")
    for group, choices in groups().items():
        print(f"  {group + '=':14}{' | '.join(choices)}")
    chosen = (
        [*overrides]
        if any(o.startswith("specialty=") for o in overrides)
        else [
            "specialty=radiology",
            *overrides,
        ]
    )
    print("\nKeys and their values (here for " + chosen[0] + "):\n")
    print(OmegaConf.to_yaml(compose_config(verb, chosen, extra)))
    return 0


def _usage() -> str:
    verbs = "\n".join(f"  {verb:10} {what}" for verb, what in VERBS.items())
    return (
        "surecode VERB [key=value ...] [-m] [--config-dir DIR]\n\n"
        f"{verbs}\n\n"
        "`surecode VERB --help` lists the verb's keys; -m runs every combination of\n"
        "comma-separated values. Example:\n"
        "  surecode run specialty=radiology"
    )


if __name__ == "__main__":
    sys.exit(main())
