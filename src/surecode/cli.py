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
    from surecode.source_settings import Settings
    from surecode.verb_settings import CodesAddConfig, PredictConfig, PretrainConfig, ServeConfig

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
    "codes add": "new codes for a registered model, without training",
    "pretrain": "an encoder reads texts without codes before any training",
}
# Verbs that are no stage of a run, and their settings.
_MODELS = {
    "predict": "PredictConfig",
    "serve": "ServeConfig",
    "codes add": "CodesAddConfig",
    "pretrain": "PretrainConfig",
}
# What it makes is for all specialties.
_WITHOUT_SPECIALTY = ("pretrain",)
MULTIRUN = ("-m", "--multirun")
HELP = ("-h", "--help")


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of the console command; returns the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return _dispatch(words)
    except InputError as error:
        return _refuse(str(error))
    except OSError as error:
        place = error.filename or "a file"
        return _refuse(f"{place}: {error.strerror}; check that it can be read and written")
    except SystemExit as stop:  # a training that gave way to a signal says so
        if line := getattr(stop, "line", None):
            print(f"surecode: {line}", file=sys.stderr)
        return stop.code if isinstance(stop.code, int) else 1
    except KeyboardInterrupt:
        print("surecode: interrupted; the same command goes on from here", file=sys.stderr)
        return 130


def _refuse(reason: str) -> int:
    print("surecode:", *reason.splitlines(), file=sys.stderr)
    return 2


def _dispatch(words: list[str]) -> int:
    if not words or words[0] in HELP:
        print(_usage())
        return 0
    if words[0] == "--version":
        from importlib.metadata import version

        print(version("surecode"))
        return 0
    verb, rest = words[0], words[1:]
    if " ".join(words[:2]) in VERBS:
        verb, rest = " ".join(words[:2]), words[2:]
    if verb not in VERBS:
        raise InputError(f"unknown verb {verb!r}; choose one of: {', '.join(VERBS)}")
    if any(word.partition("=")[0] == "--config" for word in rest):
        _act(verb, _resolved(verb, rest))
        return 0
    extra, rest = _config_folder(rest)
    overrides = [word for word in rest if word not in (*MULTIRUN, *HELP)]
    if any(word in HELP for word in rest):
        return _help(verb, overrides, extra)
    jobs = _sweep(overrides) if any(word in MULTIRUN for word in rest) else [overrides]
    # All are checked before the first begins: a typo must not show after hours of training.
    for settings in [_parse(verb, job, extra) for job in jobs]:
        _act(verb, settings)
    return 0


def _resolved(verb: str, words: Sequence[str]) -> Settings:
    """Settings that a run composed before: every process of a training reads the same file."""
    from surecode.launch.resolved import read_resolved

    name, equals, value = words[0].partition("=")
    file = value if equals else "".join(words[1:2])
    if name != "--config" or len(words) != (1 if equals else 2) or verb in _MODELS:
        raise InputError(
            "--config: write `surecode STAGE --config FILE` and nothing else, with a resolved.yaml"
        )
    return read_resolved(Path(file))


def _parse(verb: str, overrides: Sequence[str], extra: Path | None) -> Settings:
    from surecode import settings, verb_settings
    from surecode.config import compose_config, parse

    model: type[Settings] = settings.Config
    if verb in _MODELS:
        model = getattr(verb_settings, _MODELS[verb])
    return parse(model, compose_config(_root(verb), overrides, extra))


def _root(verb: str) -> str:
    """The composition root of a verb."""
    return verb.replace(" ", "_")


def _act(verb: str, settings: Settings) -> None:
    """Do what the verb says. The rooms are imported here, so that ``--help`` is quick."""
    from surecode.settings import Config
    from surecode.verb_settings import CodesAddConfig, PredictConfig, PretrainConfig, ServeConfig

    match settings:
        case PredictConfig():
            _predict(settings)
        case CodesAddConfig():
            _codes_add(settings)
        case PretrainConfig():
            _pretrain(settings)
        case ServeConfig():
            _serve(settings)
        case Config():
            _run_stages(verb, settings)


def _predict(settings: PredictConfig) -> None:
    from surecode.stages.predict import predict

    print(predict(settings).to_json(indent=2))


def _codes_add(settings: CodesAddConfig) -> None:
    import json

    from surecode.stages.codes_add import codes_add

    print(json.dumps(codes_add(settings), indent=2))


def _pretrain(settings: PretrainConfig) -> None:
    import json

    from surecode.stages.pretrain import pretrain_encoder

    print(json.dumps(pretrain_encoder(settings), indent=2))


def _serve(settings: ServeConfig) -> None:
    from surecode.registry.models import model_uri
    from surecode.registry.server import serve
    from surecode.registry.tracking import point_to

    point_to(settings.tracking)
    serve(settings, settings.model or model_uri(settings.specialty.name, settings.alias))


def _run_stages(verb: str, config: Config) -> None:
    from surecode.launch import ranks
    from surecode.stages.report import announce, console, level_table, start, summary
    from surecode.stages.run import STAGES, run
    from surecode.stages.run_folder import CERTIFICATE_PAGE
    from surecode.stages.train import Queued

    if ranks.world() > 1 and verb != "train":
        raise InputError(
            f"surecode {verb}: {ranks.world()} processes were started, but only `surecode train` "
            "shares its work; start one process"
        )
    if ranks.rank() > 0:  # the first of several processes speaks for all
        STAGES[verb](config)
        return
    start(config)
    try:
        if verb == "run":
            summary(config, run(config, announce))
        else:
            figures = STAGES[verb](config)
            announce(verb, figures)
            if verb == "calibrate":
                console.print(level_table(figures))
                console.print(f"certificate {config.run_folder / CERTIFICATE_PAGE}")
    except Queued as queued:
        print(
            f"  train      queued as job {queued.job}; the same command goes on when it has ended"
        )


def _sweep(overrides: Sequence[str]) -> list[Sequence[str]]:
    """The overrides of every combination of comma-separated values (Hydra's syntax)."""
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        parsed = OverridesParser.create().parse_overrides(overrides=list(overrides))
        batches = BasicSweeper.split_arguments(parsed, max_batch_size=None)
    except HydraException as error:
        raise InputError(
            f"configuration: {str(error).splitlines()[0]}; write overrides as key=value"
        ) from None
    return [job for batch in batches for job in batch]


def _config_folder(words: Sequence[str]) -> tuple[Path | None, list[str]]:
    """Take ``--config-dir DIR`` out of the words: a user's own conf/ beside the shipped one."""
    rest, folder = [], None
    remaining = iter(words)
    for word in remaining:
        name, equals, value = word.partition("=")
        if name == "--config-dir":
            folder = Path(value if equals else next(remaining, ""))
        elif word.startswith("-") and word not in (*MULTIRUN, *HELP):
            raise InputError(f"unknown option {name}; `surecode --help` lists the options")
        else:
            rest.append(word)
    if folder is not None and (folder == Path() or not folder.is_dir()):
        raise InputError("--config-dir: no such folder; give the path of a configuration folder")
    return folder, rest


def _help(verb: str, overrides: Sequence[str], extra: Path | None) -> int:
    """The verb's groups with their choices, and its configuration as it would be."""
    from omegaconf import OmegaConf

    from surecode.config import compose_config, groups

    chosen = any(word.startswith("specialty=") for word in overrides)
    as_it_is = chosen or verb in _WITHOUT_SPECIALTY
    shown = [*overrides] if as_it_is else ["specialty=radiology", *overrides]
    config = compose_config(_root(verb), shown, extra)
    print(f"surecode {verb} [key=value ...]: {VERBS[verb]}\n")
    for group, choices in groups(_root(verb), shown, extra).items():
        print(f"  {group + '=':14}{' | '.join(choices)}")
    print(f"\nKeys and their values{f' (here for {shown[0]})' if shown else ''}:\n")
    print(OmegaConf.to_yaml(config))
    return 0


def _usage() -> str:
    verbs = "\n".join(f"  {verb:10} {what}" for verb, what in VERBS.items())
    return (
        "surecode VERB [key=value ...] [-m] [--config-dir DIR]\n\n"
        f"{verbs}\n\n"
        "`surecode VERB --help` lists the verb's keys; -m runs every combination of\n"
        "comma-separated values. A stage takes its settings from a run's resolved.yaml with\n"
        "`surecode STAGE --config FILE`. Example:\n"
        "  surecode run specialty=radiology"
    )


if __name__ == "__main__":
    sys.exit(main())
