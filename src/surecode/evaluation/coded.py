"""What a coder said of encounters, read from its files or asked from a dictionary.

Every coder is measured from the same two things: the codes that it assigned and, where it left
them, all that it ranked. Letters: N encounters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from surecode.coder.dictionary import Dictionary
from surecode.data.located import located
from surecode.encounter import Code, Encounter
from surecode.errors import InputError
from surecode.evaluation.cantemist import mentions_of, mentions_of_record
from surecode.evaluation.codiesp_x import Reference
from surecode.evaluation.ranked import read_ranked
from surecode.files import read_json_lines
from surecode.record import DecisionRecord

DECISIONS, RANKED = "decisions.jsonl", "ranked.parquet"


@dataclass(frozen=True)
class Coded:
    """One coder's work on N encounters, all in one order.

    Attributes:
        name: what tables call the coder.
        encounter_ids: ``[N]``.
        predicted: ``[N]`` assigned codes.
        ranked: ``[N]`` codes by falling probability, assigned or not; None where the coder left no
            ranking.
        mentions: ``[N]`` places of the assigned codes.
        probabilities: ``[N]`` of the codes that have one.
    """

    name: str
    encounter_ids: tuple[str, ...]
    predicted: tuple[frozenset[Code], ...]
    ranked: tuple[tuple[Code, ...], ...] | None
    mentions: tuple[tuple[Reference, ...], ...]
    probabilities: tuple[Mapping[Code, float], ...] = field(repr=False)

    def of(self, encounter_ids: Sequence[str]) -> Coded:
        """The same for these encounters, in their order.

        Raises `InputError` for an encounter that the coder has not coded.
        """
        row = {name: number for number, name in enumerate(self.encounter_ids)}
        missing = [name for name in encounter_ids if name not in row]
        if missing:
            raise InputError(
                f"{self.name}: {len(missing)} of {len(encounter_ids)} encounters are not coded, "
                f"the first is {missing[0]}; compare coders on the same split"
            )
        rows = [row[name] for name in encounter_ids]
        return Coded(
            self.name,
            tuple(encounter_ids),
            tuple(self.predicted[n] for n in rows),
            None if self.ranked is None else tuple(self.ranked[n] for n in rows),
            tuple(self.mentions[n] for n in rows),
            tuple(self.probabilities[n] for n in rows),
        )


def read_coded(path: Path, name: str | None = None) -> Coded:
    """The work of a finished `surecode evaluate`.

    Args:
        path: a run folder, or a file of decision records; ``ranked.parquet`` is looked for beside
            the records.
        name: of the coder; by default the folder's.

    Raises:
        InputError: a file is absent or damaged, an encounter has two records, or the rankings are
            of other encounters.
    """
    file = path / DECISIONS if path.is_dir() else path
    remedy = "write it anew with `surecode evaluate`"
    records: list[DecisionRecord] = []
    for number, row in enumerate(read_json_lines(file, remedy), start=1):
        with located(f"{file}, record {number}"):
            records.append(DecisionRecord.from_dict(row))
    ids = tuple(record.encounter_id for record in records)
    if len(set(ids)) != len(ids):
        raise InputError(f"{file}: an encounter has two records; {remedy}")
    probabilities: list[dict[Code, float]] = [
        {Code(c.system, c.value): c.probability for c in record.codes} for record in records
    ]
    ranked = None
    beside = file.parent / RANKED
    if beside.is_file():
        of_id = {ranking.encounter_id: ranking for ranking in read_ranked(beside)}
        if set(of_id) != set(ids):
            raise InputError(f"{beside}: ranks other encounters than {file.name} codes; {remedy}")
        ranked = tuple(of_id[name].codes for name in ids)
        for own, name_of in zip(probabilities, ids, strict=True):
            ranking = of_id[name_of]
            own |= dict(zip(ranking.codes, ranking.probabilities, strict=True))
    return Coded(
        name or file.parent.name,
        ids,
        tuple(frozenset(Code(c.system, c.value) for c in record.codes) for record in records),
        ranked,
        tuple(tuple(mentions_of_record(record)) for record in records),
        tuple(probabilities),
    )


def look_up(dictionary: Dictionary, encounters: Sequence[Encounter]) -> Coded:
    """The work of the dictionary; its ranking ends with the codes that it assigns."""
    found = [dictionary.code(encounter) for encounter in encounters]
    return Coded(
        "dictionary",
        tuple(encounter.encounter_id for encounter in encounters),
        tuple(frozenset(codes) for codes in found),
        tuple(tuple(codes) for codes in found),
        tuple(tuple(mentions_of(dictionary.mentions(encounter))) for encounter in encounters),
        tuple({} for _ in encounters),
    )
