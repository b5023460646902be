"""Synthetic encounters whose gold codes, evidence and reachable exact match are known exactly.

The text is written first; only then are the options of unclear wordings drawn, from a stream of
random numbers of their own. Encounter i depends on its own seeds alone, so that a longer run
extends a shorter one. Price: about a millisecond an encounter.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from difflib import get_close_matches

from surecode.data.sources.synthetic.case import Case, Claim, Patient
from surecode.data.sources.synthetic.draw import draw_case
from surecode.data.sources.synthetic.emergency import EMERGENCY
from surecode.data.sources.synthetic.pathology import PATHOLOGY
from surecode.data.sources.synthetic.pen import Mention, Pen
from surecode.data.sources.synthetic.primary_care import PRIMARY_CARE
from surecode.data.sources.synthetic.radiology import RADIOLOGY
from surecode.data.sources.synthetic.reachable import SEXES, ambiguity, exact_match
from surecode.data.sources.synthetic.tables import Specialty
from surecode.encounter import Code, Document, Encounter, Evidence, GoldCode, Span
from surecode.errors import InputError

DEPARTMENTS = {s.name: s for s in (RADIOLOGY, EMERGENCY, PRIMARY_CARE, PATHOLOGY)}
SPECIALTIES: tuple[str, ...] = tuple(DEPARTMENTS)
RELEASE_START, RELEASE_END = date(2025, 10, 1), date(2026, 9, 30)
MOST_TYPOS = 0.5
_RETURN_VISIT = 0.1
_RETURN_WITHIN = 50
_PENSION_AGE = 65


@dataclass(frozen=True)
class Draft:
    """A written encounter before the clinician's knowledge settles what is unclear.

    ``uncoded`` are the spans of negated, uncertain, historical and family mentions.
    """

    encounter_id: str
    patient: Patient
    date_of_service: date
    case: Case
    documents: tuple[Document, ...]
    mentions: tuple[Mention, ...]
    uncoded: tuple[Span, ...]


def generate(
    *,
    specialty: str,
    encounters: int,
    seed: int,
    difficulty: float,
    typo_rate: float,
    start: date,
    end: date,
) -> Iterator[Encounter]:
    """Yield encounters of one specialty with gold codes and gold evidence.

    ``difficulty`` in [0, 1] sets the reachable exact match (:func:`reachable_exact_match`) and
    with it rarer codes and names, more mentions that must not be coded, and longer notes.
    ``typo_rate`` in [0, 0.5] is the share of misspelt words among those of four letters or more.
    Dates of service are uniform from ``start`` to ``end``, both inside ICD-10-CM FY2026. The
    first code of a code set is the principal one (sequence 1). Raises `InputError` at once.
    """
    department = _department(specialty)
    _check(encounters, difficulty, typo_rate, start, end)

    def run() -> Iterator[Encounter]:
        for index in range(encounters):
            draft = write_draft(department, index, seed, difficulty, typo_rate, start, end)
            yield settle(draft, department, random.Random(f"{seed}/{specialty}/{index}/outcome"))

    return run()


def reachable_exact_match(specialty: str, difficulty: float) -> float:
    """The exact match of the best possible coder on such notes, exact; see ``reachable.py``.

    It holds for any typo rate so far as misspelt words stay readable. Raises `InputError`.
    """
    department = _department(specialty)
    _check_difficulty(difficulty)
    return exact_match(department, ambiguity(department, difficulty), difficulty)


def write_draft(
    department: Specialty,
    index: int,
    seed: int,
    difficulty: float,
    typo_rate: float,
    start: date,
    end: date,
) -> Draft:
    """Write the encounter with the index; nothing in it depends on the outcome."""
    rng = random.Random(f"{seed}/{department.name}/{index}/text")
    encounter_id = f"{department.name}-{index:06d}"
    date_of_service = start + timedelta(days=int(rng.random() * ((end - start).days + 1)))
    patient = _patient(department, seed, index, date_of_service)
    case = draw_case(department, difficulty, ambiguity(department, difficulty), patient, rng)
    pen = Pen(encounter_id, patient, difficulty, typo_rate, rng)
    department.write(pen, case)
    pen.close()
    return Draft(
        encounter_id=encounter_id,
        patient=patient,
        date_of_service=date_of_service,
        case=case,
        documents=tuple(pen.documents),
        mentions=tuple(pen.mentions),
        uncoded=tuple(pen.uncoded),
    )


def settle(draft: Draft, department: Specialty, rng: random.Random) -> Encounter:
    """Draw each claim's option and attach the gold codes with their evidence."""
    meant: dict[Claim, Code] = {}
    for claim in draft.case.claims:
        code = _outcome(claim, rng)
        if code is not None:
            meant[claim] = code
    evidence = tuple(
        Evidence(meant[mention.claim], mention.span, number)
        for number, mention in enumerate(draft.mentions)
        if mention.claim in meant
    )
    return Encounter(
        encounter_id=draft.encounter_id,
        patient_id=draft.patient.patient_id,
        specialty=department.name,
        setting=department.setting,
        payer=draft.patient.payer,
        date_of_service=draft.date_of_service,
        documents=draft.documents,
        codes=tuple(GoldCode(code, place) for place, code in enumerate(meant.values(), start=1)),
        evidence=evidence,
    )


def _outcome(claim: Claim, rng: random.Random) -> Code | None:
    codes, chances = zip(*claim.options, strict=True)
    code: Code | None = rng.choices(codes, chances)[0]
    return code


def _patient(department: Specialty, seed: int, index: int, day: date) -> Patient:
    """The patient of an encounter: one in ten encounters is a return of a recent patient."""
    specialty = department.name
    rng = random.Random(f"{seed}/{specialty}/{index}/visit")
    while index and rng.random() < _RETURN_VISIT:
        index -= rng.randint(1, min(index, _RETURN_WITHIN))
        rng = random.Random(f"{seed}/{specialty}/{index}/visit")
    rng = random.Random(f"{seed}/{specialty}/{index}/patient")
    sex = rng.choice(SEXES)
    born = date(RELEASE_START.year - rng.randint(*department.ages), rng.randint(1, 12), 1)
    age = day.year - born.year - (day.month < born.month)
    insured = rng.choices(("commercial", "medicaid"), (0.7, 0.3))[0]
    return Patient(
        patient_id=f"{specialty}-patient-{index:06d}",
        age=age,
        sex=sex,
        payer="medicare" if age >= _PENSION_AGE else insured,
    )


def _department(specialty: str) -> Specialty:
    if specialty in DEPARTMENTS:
        return DEPARTMENTS[specialty]
    near = get_close_matches(str(specialty), SPECIALTIES, n=1, cutoff=0.0)[0]
    raise InputError(
        f"synthetic notes: specialty {specialty!r} is not one of {list(SPECIALTIES)}; "
        f"the nearest name is {near!r}"
    )


def _check_difficulty(difficulty: float) -> None:
    if not 0 <= difficulty <= 1:
        raise InputError(
            f"synthetic notes: difficulty {difficulty} is outside [0, 1]; "
            "0 is easiest, 1 is hardest"
        )


def _check(encounters: int, difficulty: float, typo_rate: float, start: date, end: date) -> None:
    if encounters < 1:
        raise InputError(f"synthetic notes: encounters is {encounters}; ask for at least one")
    _check_difficulty(difficulty)
    if not 0 <= typo_rate <= MOST_TYPOS:
        raise InputError(
            f"synthetic notes: typo_rate {typo_rate} is outside [0, {MOST_TYPOS}]; "
            "it is a share of words, such as 0.01"
        )
    if not RELEASE_START <= start <= end <= RELEASE_END:
        raise InputError(
            f"synthetic notes: dates of service {start} to {end} do not lie in order inside the "
            f"ICD-10-CM release FY2026 ({RELEASE_START} to {RELEASE_END}); move start and end"
        )
