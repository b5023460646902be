"""``conf/`` → frozen settings: one clear line for a wrong key, file or value.

No DictConfig passes this file.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from surecode.errors import InputError
from surecode.settings import Settings

SettingsT = TypeVar("SettingsT", bound=Settings)


def conf_folder() -> Path:
    """The configuration tree: inside the installed package, or beside ``src`` in a checkout."""
    packaged = Path(__file__).parent / "conf"
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "conf"


def compose_config(
    root: str, overrides: Sequence[str], extra_folder: Path | None = None
) -> DictConfig:
    """Compose ``conf/<root>.yaml`` with overrides; raises `InputError` in one line.

    ``extra_folder`` is a user's own configuration tree, searched after the shipped one.
    """
    search = [] if extra_folder is None else [f"hydra.searchpath=[file://{extra_folder.resolve()}]"]
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(conf_folder()), version_base="1.3", job_name=root):
            return compose(root, overrides=[*overrides, *search])
    except (HydraException, OmegaConfBaseException) as error:
        raise InputError(_one_line(error, root, overrides)) from None


def parse(model: type[SettingsT], config: DictConfig) -> SettingsT:
    """Resolve a composed configuration into its frozen model; raises `InputError` in one line."""
    try:
        plain = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
        return model.model_validate(plain)
    except OmegaConfBaseException as error:
        key = getattr(error, "full_key", None) or "a setting"
        raise InputError(f"configuration: {key} has no value; set {key}=VALUE") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InputError(f"configuration: {place}: {_explain(first)}") from None


def _one_line(error: Exception, root: str, overrides: Sequence[str]) -> str:
    """Hydra's many lines as one: what is wrong, the choices or the nearest key, the remedy."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = re.sub(r"^In '\w+': ", "", lines[0])
    if text.startswith("Could not override '"):
        key = text.split("'")[1]
        return f"configuration: unknown key {key}{_nearest(key, _known_keys(root, overrides))}"
    marker = next((n for n, line in enumerate(lines) if line.startswith("Available options")), None)
    if marker is not None:
        end = next((n for n, line in enumerate(lines) if "search path" in line), len(lines))
        choices = ", ".join(lines[marker + 1 : end])
        return f"configuration: {text.removesuffix(', e.g,')}; choose one of: {choices}"
    return f"configuration: {' '.join(lines[:2])}; write overrides as key=value"


def _known_keys(root: str, overrides: Sequence[str]) -> list[str]:
    """Keys of the configuration under those overrides that choose a group (``specialty=...``)."""
    groups = {folder.name for folder in conf_folder().iterdir() if folder.is_dir()}
    choices = [o for o in overrides if o.split("=")[0] in groups]
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        try:
            config = compose(root, overrides=choices)
        except HydraException:
            return []
    return _flatten(OmegaConf.to_container(config))


def _flatten(node: Any, prefix: str = "") -> list[str]:
    if not isinstance(node, Mapping):
        return [prefix.removesuffix(".")]
    keys = [] if not prefix else [prefix.removesuffix(".")]
    return keys + [
        key for name, child in node.items() for key in _flatten(child, f"{prefix}{name}.")
    ]


def _nearest(key: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(key, known, n=1)
    return f"; did you mean {close[0]}?" if close else "; `surecode VERB --help` lists the keys"


def _explain(first: ErrorDetails) -> str:
    if first["type"] == "extra_forbidden":
        return "unknown key; remove it or correct its spelling"
    if first["type"] == "missing":
        return "missing; add it"
    # The input is a setting, never patient text, so it may be shown.
    return f"{first['msg'][0].lower()}{first['msg'][1:]} (it is {first['input']!r}); correct it"


def groups() -> dict[str, list[str]]:
    """The configuration groups and their choices."""
    return {
        folder.name: sorted(file.stem for file in folder.glob("*.yaml"))
        for folder in sorted(conf_folder().iterdir())
        if folder.is_dir()
    }
