"""``conf/`` → frozen settings: one clear line for a wrong key, file or value.

No DictConfig passes this file.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
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
from surecode.source_settings import Settings

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
    try:
        return _compose(root, overrides, extra_folder)
    except (HydraException, OmegaConfBaseException) as error:
        raise InputError(_one_line(error, root, overrides, extra_folder)) from None
    except ValueError as error:  # a group that is set to something else than a name
        raise InputError(f"configuration: {error}; write overrides as key=value") from None


def _compose(
    root: str, overrides: Sequence[str], extra_folder: Path | None, with_hydra: bool = False
) -> DictConfig:
    search = [] if extra_folder is None else [f"hydra.searchpath=[file://{extra_folder.resolve()}]"]
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(conf_folder()), version_base="1.3", job_name=root):
        return compose(root, overrides=[*overrides, *search], return_hydra_config=with_hydra)


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
        # pydantic puts the kind of source into the place; no key has that name.
        kinds = {(1, "data"), (1, "corpus")}
        place = [str(p) for n, p in enumerate(first["loc"]) if (n, first["loc"][0]) not in kinds]
        raise InputError(f"configuration: {'.'.join(place)}: {_explain(first)}") from None


def _one_line(
    error: Exception, root: str, overrides: Sequence[str], extra_folder: Path | None
) -> str:
    """Hydra's many lines as one: what is wrong, the choices or the nearest key, the remedy."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = re.sub(r"^In '\w+': ", "", lines[0])
    if text.startswith("Could not override '"):
        key = text.split("'")[1]
        known = _known_keys(root, overrides, extra_folder)
        return f"configuration: unknown key {key}{_nearest(key, known)}"
    marker = next((n for n, line in enumerate(lines) if line.startswith("Available options")), None)
    if marker is not None:
        end = next((n for n, line in enumerate(lines) if "search path" in line), len(lines))
        choices = ", ".join(lines[marker + 1 : end])
        return f"configuration: {text.removesuffix(', e.g,')}; choose one of: {choices}"
    text = " ".join(lines[:2]).partition(" See http")[0]
    return f"configuration: {text}; write overrides as key=value"


def _known_keys(root: str, overrides: Sequence[str], extra_folder: Path | None) -> list[str]:
    """Keys of the configuration under those overrides that choose a group (``specialty=...``)."""
    names = {folder.name for folder in conf_folder().iterdir()}
    chosen = [override for override in overrides if override.split("=")[0] in names]
    try:
        return _flatten(OmegaConf.to_container(_compose(root, chosen, extra_folder)))
    except HydraException:
        return []


def _flatten(node: Any, prefix: str = "") -> list[str]:
    if not isinstance(node, Mapping):
        return [prefix.removesuffix(".")]
    keys = [] if not prefix else [prefix.removesuffix(".")]
    return keys + [
        key for name, child in node.items() for key in _flatten(child, f"{prefix}{name}.")
    ]


def _nearest(key: str, known: Sequence[str]) -> str:
    # A key that is right but for its group, such as rank for adapter.rank, is near as well.
    close = difflib.get_close_matches(key, known, n=1) or [
        name for name in known if name.endswith(f".{key}")
    ]
    return f"; did you mean {close[0]}?" if close else "; `surecode VERB --help` lists the keys"


def _explain(first: ErrorDetails) -> str:
    if first["type"] == "extra_forbidden":
        return "unknown key; remove it or correct its spelling"
    if first["type"] == "missing":
        return "missing; add it"
    # The input is a setting, never patient text, so it may be shown; a whole group is too long.
    shown = "" if isinstance(first["input"], Mapping) else f" (it is {first['input']!r})"
    return f"{first['msg'][0].lower()}{first['msg'][1:]}{shown}; correct it"


def _choices(folder: Path, group: str) -> Iterable[Path]:
    """The files of a group, which may be placed elsewhere: ``target@specialty.target``."""
    return (folder / group.partition("@")[0]).glob("*.yaml")


def groups(
    root: str, overrides: Sequence[str], extra_folder: Path | None = None
) -> dict[str, list[str]]:
    """The groups that ``conf/<root>.yaml`` is composed of, and their choices."""
    config = _compose(root, overrides, extra_folder, with_hydra=True)
    folders = [conf_folder()] if extra_folder is None else [conf_folder(), extra_folder]
    return {
        group: sorted({file.stem for f in folders for file in _choices(f, group)})
        for group in sorted(config.hydra.runtime.choices)
        if "/" not in group  # those are Hydra's own
    }
