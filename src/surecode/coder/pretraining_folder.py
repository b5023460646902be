"""The folder that `surecode pretrain` writes, found by its name or by the sha256 of its weights.

A bundle names the encoder's weights by their sha256 and does not carry them, so that several
specialties share one encoder. Wherever the folder was moved to, it is the same encoder as long as
its weights are.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from surecode.errors import InputError
from surecode.files import read_json

WEIGHTS = "model.safetensors"
# What was learned from, by which settings, and the weights' sha256.
PRETRAINING = "pretraining.json"
ENCODERS = Path("encoders")
# Another place where such folders lie, as on a machine that only serves.
ENCODERS_VARIABLE = "SURECODE_ENCODERS"


def pretraining_of(folder: Path) -> dict[str, Any]:
    """What `surecode pretrain` wrote about a folder.

    Raises:
        InputError: the file is absent or damaged.
    """
    remedy = "run `surecode pretrain` again, or read another kind of folder by encoder=hub"
    written = read_json(folder / PRETRAINING, remedy)
    corpora = written.get("pretraining_data") if isinstance(written, dict) else None
    if not isinstance(corpora, list) or not isinstance(written.get("sha256"), str):
        raise InputError(f"{folder / PRETRAINING}: is damaged; {remedy}")
    return dict(written)


def folder_weights(named: Path, sha256: str | None) -> Path:
    """The weights in the folder of that name or, where ``sha256`` is known, in any folder near.

    Looked at are the folder itself, its neighbours, ``encoders/`` and the folder that
    ``SURECODE_ENCODERS`` names. That the weights are those that the folder speaks of is for the
    caller to check.

    Raises:
        InputError: there is no such folder, or it has no weights.
    """
    if sha256 is None:
        if not named.is_dir():
            raise InputError(
                f"encoder {named}: no such folder; name one that `surecode pretrain` wrote"
            )
        pretraining_of(named)
        found = named
    else:
        near = (folder for folder in _near(named) if _sha256_said(folder) == sha256)
        if (nearest := next(near, None)) is None:
            raise InputError(
                f"encoder {named}: no folder here has the weights of sha256 {sha256[:12]}…; put "
                f"the one that `surecode pretrain` wrote into {ENCODERS}/, or set "
                f"{ENCODERS_VARIABLE} to the folder that holds it"
            )
        found = nearest
    if not (found / WEIGHTS).is_file():
        raise InputError(f"encoder {found}: it has no {WEIGHTS}; copy the folder anew")
    return found / WEIGHTS


def _near(named: Path) -> Iterator[Path]:
    """Where a folder may have gone to: its own place first."""
    yield named
    elsewhere = os.environ.get(ENCODERS_VARIABLE)
    for place in (named.parent, ENCODERS, *([Path(elsewhere)] if elsewhere else [])):
        yield from sorted(file.parent for file in place.glob(f"*/{PRETRAINING}"))


def _sha256_said(folder: Path) -> str | None:
    try:
        return str(pretraining_of(folder)["sha256"])
    except InputError:
        return None
