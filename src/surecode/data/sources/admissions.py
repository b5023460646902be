"""Notes and codes of hospital admissions → encounters with their official splits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from surecode.data.sources.admission_codes import gold
from surecode.data.sources.admission_notes import Note
from surecode.data.sources.published_splits import (
    Published,
    check_coded,
    check_noted,
    sourced,
)
from surecode.data.splits import Sourced
from surecode.encounter import Code, Encounter


def join(
    notes: Mapping[str, Sequence[Note]],
    codes: Mapping[str, tuple[Code, ...]],
    split_of: Mapping[str, str],
    published: Published | None,
    where: str,
) -> list[Sourced]:
    """The admissions that have codes, sorted by HADM_ID.

    The date of service is that of the first note, shifted by MIMIC's publisher into the years
    after 2100.

    Args:
        notes: the notes of each admission, in their order.
        codes: the codes of each admission.
        split_of: the split of each listed admission.
        published: how many admissions must have codes; None where that is not to be checked.
        where: file of the notes, for messages.

    Raises:
        InputError: a listed admission has no note, or the counts are not the published ones.
    """
    check_noted(notes, split_of, where)
    encounters = (
        Encounter(
            encounter_id=admission,
            patient_id=of_one[0].patient,
            specialty="inpatient",
            setting="facility",
            payer="unknown",
            date_of_service=of_one[0].day,
            documents=tuple(note.document for note in of_one),
            codes=gold(codes[admission]),
        )
        for admission, of_one in notes.items()
        if codes.get(admission)
    )
    items = sourced(encounters, split_of)
    if published is not None:
        check_coded(items, published, where)
    return items
