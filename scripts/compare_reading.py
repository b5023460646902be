"""Which coders are compared, on which encounters: what `compare_coders.py` reads."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from surecode.coder.dictionary import Dictionary
from surecode.data import table
from surecode.data.read import read
from surecode.encounter import SPLITS, Encounter
from surecode.errors import InputError
from surecode.evaluation.coded import Coded, look_up, read_coded
from surecode.launch.resolved import read_resolved


@dataclass(frozen=True)
class Compared:
    """Coders on the same N encounters, and what they were trained on."""

    coders: list[Coded]
    encounters: list[Encounter]
    train: list[Encounter]


def compared_coders(words: argparse.Namespace) -> Compared:
    """Read what the command line names; raises `InputError` where coders and gold do not meet."""
    paths = [Path(word) for word in words.coders if word != "dictionary"]
    folder = next((path for path in paths if path.is_dir()), None)
    file = words.encounters or (folder and folder / "encounters.parquet")
    if file is None:
        raise InputError("no gold: give a run folder or --encounters TABLE")
    prepared = table.read(file)
    taught = _splits("--train", words.train)
    train = [encounter for encounter in prepared if encounter.split in taught]
    known = {encounter.encounter_id: encounter for encounter in prepared}
    if words.root is not None:
        if folder is None:
            raise InputError("--root needs a run folder, whose resolved.yaml names the source")
        config = read_resolved(folder / "resolved.yaml")
        source = config.data.model_copy(update={"root": words.root})
        found = read(source, config.specialty, config.seed)
        known |= {e.encounter_id: e for e in found.encounters if e.encounter_id not in known}
    coders = [read_coded(path) for path in paths]
    if coders:
        ids = coders[0].encounter_ids
        strangers = [name for name in ids if name not in known]
        if strangers:
            raise InputError(
                f"{file}: {len(strangers)} coded encounters are not in it, the first is "
                f"{strangers[0]}; give --root or --encounters with the coded documents"
            )
        encounters = [known[name] for name in ids]
    else:
        wanted = _splits("--split", words.split)
        encounters = [encounter for encounter in prepared if encounter.split in wanted]
    names = [encounter.encounter_id for encounter in encounters]
    learned = {encounter.encounter_id for encounter in train}.intersection(names)
    if learned:
        raise InputError(
            f"{len(learned)} of {len(names)} encounters are in train as well, the first is "
            f"{min(learned)}; compare coders on encounters that none has learned from"
        )
    if "dictionary" in words.coders:
        coders.insert(words.coders.index("dictionary"), look_up(Dictionary.fit(train), encounters))
    return Compared([coder.of(names) for coder in coders], encounters, train)


def _splits(option: str, names: str) -> list[str]:
    unknown = [name for name in names.split(",") if name not in SPLITS]
    if unknown:
        raise InputError(f"{option}: {unknown[0]!r} is not one of {', '.join(SPLITS)}")
    return names.split(",")
