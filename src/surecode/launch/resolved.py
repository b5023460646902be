"""The resolved configuration as a file: written once, read by every process of a training."""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import ValidationError

from surecode.errors import InputError
from surecode.files import write_text
from surecode.settings import Config


def write_resolved(config: Config, path: Path) -> None:
    """Write settings so that `read_resolved` gives them back; whole or not at all."""
    write_text(path, yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False))


def read_resolved(path: Path) -> Config:
    """Read settings that another process has composed; Hydra has no part in it.

    Raises:
        InputError: the file is absent, or not what this version of surecode writes.
    """
    remedy = "give the resolved.yaml that `surecode prepare` wrote"
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); {remedy}") from None
    except (ValueError, yaml.YAMLError):
        raise InputError(f"{path}: is no YAML; {remedy}") from None
    try:
        return Config.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        raise InputError(f"{path}: {place}: {first['msg']}; {remedy}") from None
