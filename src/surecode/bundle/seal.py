"""The manifest: the sha256 of every file of a bundle, and the refusal of anything else."""

from __future__ import annotations

from pathlib import Path

from surecode.bundle import layout
from surecode.bundle.card import restricted_line
from surecode.coder.encoder import file_sha256
from surecode.errors import InputError
from surecode.files import read_json, write_json


def seal(folder: Path) -> str:
    """Write the manifest of a finished bundle and return the manifest's own sha256.

    Raises:
        InputError: a file that does not belong into a bundle lies in the folder, or the bundle was
            trained on restricted data and its card does not say so.
    """
    _check_restriction(folder)
    manifest = {name: file_sha256(folder / name) for name in _files(folder)}
    write_json(folder / layout.MANIFEST, manifest)
    return file_sha256(folder / layout.MANIFEST)


def restriction_of(folder: Path) -> str | None:
    """The licence that forbids publishing a bundle, or None.

    Raises `InputError` where there is no bundle or its settings are damaged.
    """
    settings = read_json(folder / layout.CODER, "train again or fetch the bundle anew")
    licence = settings.get("restricted") if isinstance(settings, dict) else None
    return None if licence is None else str(licence)


def verify(folder: Path) -> None:
    """Check every file against the manifest before anything of the bundle is used.

    Raises:
        InputError: there is no manifest, a file is missing, unknown or changed.
    """
    manifest = read_json(
        folder / layout.MANIFEST, "this is no finished bundle; run `surecode register`"
    )
    if not isinstance(manifest, dict):
        raise InputError(f"{folder / layout.MANIFEST}: is damaged; fetch the bundle anew")
    found = set(_files(folder))
    for name in sorted(found ^ set(manifest)):
        what = "is missing" if name in manifest else "is not in the manifest"
        raise InputError(f"bundle {folder}: {name} {what}; fetch the bundle anew")
    for name, expected in sorted(manifest.items()):
        if file_sha256(folder / name) != expected:
            raise InputError(f"bundle {folder}: {name} is damaged; fetch the bundle anew")


def _check_restriction(folder: Path) -> None:
    """A card that is silent about a restriction would let a bundle out."""
    licence = restriction_of(folder)
    if licence is None:
        return
    card = folder / layout.CARD
    if not card.is_file() or restricted_line(licence) not in card.read_text(encoding="utf-8"):
        raise InputError(
            f"bundle {folder}: it was trained on restricted data ({licence}), and {layout.CARD} "
            "does not say so; run `surecode register`, which writes the card"
        )


def _files(folder: Path) -> list[str]:
    names = sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )
    for name in names:
        if Path(name).suffix not in layout.SUFFIXES:
            raise InputError(
                f"bundle {folder}: {name} does not belong there, a bundle holds only "
                f"{', '.join(sorted(layout.SUFFIXES))}; remove it"
            )
    return [name for name in names if name != layout.MANIFEST]
