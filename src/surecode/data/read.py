"""A data source's settings → the encounters of one specialty, split and checked."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from surecode.data.sources import (
    cantemist,
    codiesp,
    mdace,
    mimic3,
    mimic4,
    short_notes,
    synthetic,
    table,
)
from surecode.data.splits import KEEP, Assignment, Sourced, assign, assign_official, select
from surecode.data.table import check_encounters
from surecode.encounter import Encounter, Split
from surecode.settings import SpecialtySettings
from surecode.source_settings import (
    CantemistSettings,
    CodiespSettings,
    DataSettings,
    MdaceSettings,
    Mimic3Settings,
    Mimic4Settings,
    RestrictedSettings,
    ShortNotesSettings,
    SyntheticSettings,
    TableSettings,
)


@dataclass(frozen=True)
class Dataset:
    """Encounters with splits, and how they came by them.

    Attributes:
        name: what to print beside every figure, such as "synthetic (generated)".
        encounters: sorted by id.
        cut_groups: source articles or patients that the publisher's own splits cut.
    """

    name: str
    encounters: tuple[Encounter, ...]
    cut_groups: int = 0

    def of(self, split: Split) -> list[Encounter]:
        """The encounters of one split."""
        return [encounter for encounter in self.encounters if encounter.split == split]


def read(data: DataSettings, specialty: SpecialtySettings, seed: int) -> Dataset:
    """Read a source, keep the specialty's encounters and its code systems, make the splits.

    Codes of systems outside of the label space's are not this coder's business and are left out
    of the gold. Raises `InputError` for anything wrong with the source.
    """
    sourced = _items(data, specialty)
    check_encounters(
        (item.encounter for item in sourced), maximum_characters=data.maximum_characters
    )
    items = [
        _in_scope(item, specialty.label_space.systems)
        for item in select(sourced, specialty.include)
    ]
    if isinstance(data, CodiespSettings | CantemistSettings | RestrictedSettings):
        assignment = assign_official(items, data.shares, seed)
    elif isinstance(data, TableSettings) and items[0].official_split is not None:
        assignment = assign_official(items, KEEP, seed)
    else:
        assignment = Assignment(assign(items, data.shares, seed), cut_groups=0)
    return Dataset(_name(data), tuple(assignment.encounters), assignment.cut_groups)


def _items(data: DataSettings, specialty: SpecialtySettings) -> list[Sourced]:
    match data:
        case SyntheticSettings():
            encounters = synthetic.generate(
                specialty=specialty.name,
                encounters=data.encounters,
                seed=data.seed,
                difficulty=data.difficulty,
                typo_rate=data.typo_rate,
                start=data.start,
                end=data.end,
            )
            return [Sourced(encounter, encounter.patient_id) for encounter in encounters]
        case ShortNotesSettings():
            return [Sourced(encounter, encounter.patient_id) for encounter in short_notes.read()]
        case CodiespSettings():
            return list(codiesp.read(data.root, data.language, data.kinds))
        case CantemistSettings():
            return list(cantemist.read(data.root))
        case TableSettings():
            return list(table.read(data.root, data.code_check))
        case Mimic3Settings():
            return mimic3.read(
                data.root, data.benchmark, data.minimum_code_count, data.check_published
            )
        case Mimic4Settings():
            return mimic4.read(
                data.root, data.benchmark, data.minimum_code_count, data.check_published
            )
        case MdaceSettings():
            return mdace.read(
                data.root, data.charts, data.coding, data.categories, data.check_published
            )


def _in_scope(item: Sourced, systems: Collection[str]) -> Sourced:
    encounter = item.encounter
    codes = tuple(gold for gold in encounter.codes if gold.code.system in systems)
    evidence = tuple(mark for mark in encounter.evidence if mark.code.system in systems)
    return replace(item, encounter=replace(encounter, codes=codes, evidence=evidence))


def _name(data: DataSettings) -> str:
    match data:
        case SyntheticSettings():
            return f"synthetic, difficulty {data.difficulty:g}"
        case ShortNotesSettings():
            return "short notes (synthetic, written), en"
        case CodiespSettings():
            return f"CodiEsp v4, {data.language}"
        case CantemistSettings():
            return "CANTEMIST"
        case TableSettings():
            return data.root.name
        case Mimic3Settings():
            return f"MIMIC-III, {data.benchmark}{_unchecked(data)}"
        case Mimic4Settings():
            return f"MIMIC-IV, {data.benchmark}{_unchecked(data)}"
        case MdaceSettings():
            return f"MDACE, {data.charts}, {data.coding}{_unchecked(data)}"


def _unchecked(data: RestrictedSettings) -> str:
    """Figures of a part of a benchmark must not pass for those of the whole."""
    return "" if data.check_published else " (splits not checked)"
