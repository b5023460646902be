"""Invented notes of the October drill: encounters that say some codes and speak of others.

Every note is made from its own seed. What a note affirms is gold, with its span; what it denies,
rules out or tells of a relative is not.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from october_wordings import Kind, Wording, edited, verbatim, written

from surecode.encounter import Code, Document, Encounter, Evidence, GoldCode, Span, Split

AFFIRMED = (
    "{x}.",
    "Diagnosis: {x}.",
    "Known {x}.",
    "Seen today: {x}.",
    "The patient has {x}.",
    "Assessment of {x}.",
    "Also {x}, discussed with the patient.",
    "Continues to be treated for {x}.",
    "Work-up confirms {x}; plan reviewed.",
    "Main problem is {x}, stable.",
    "Chart lists {x}.",
    "Impression: {x}",
)
DENIED = (
    "No evidence of {x}.",
    "{x} was ruled out.",
    "Denies {x}.",
    "No {x}.",
    "Negative for {x}.",
    "Her sister has {x}.",
    "Family history: {x} in the father.",
)
FILLER = (
    "BP 128/76, HR 72, afebrile.",
    "Lungs clear, heart regular.",
    "Abdomen soft, not tender.",
    "Labs from last week reviewed.",
    "Medication list updated.",
    "Sleeps and eats well.",
    "Lives with family.",
    "Does not smoke.",
    "Questions were answered.",
    "Return in three months or sooner if worse.",
    "Alert and oriented, in no distress.",
    "Imaging was discussed.",
    "Came with a relative.",
    "Vaccinations are recorded elsewhere.",
    "Walks without aid.",
    "Weight unchanged since the last visit.",
)
HEADINGS = (
    ("HISTORY", "EXAM", "ASSESSMENT"),
    ("Subjective:", "Objective:", "A/P:"),
    ("HPI", "PE", "IMPRESSION"),
)


@dataclass(frozen=True)
class Written:
    """A note: the encounter, and how it words each of its gold codes."""

    encounter: Encounter
    wordings: tuple[Wording, ...]


def word(code: Code, kind: Kind, rng: random.Random) -> Wording:
    if kind == "verbatim":
        return verbatim(code)
    if kind == "written" and code in written():
        return Wording(code, rng.choice(written()[code]), "written")
    return edited(code, rng)


def note(
    name: str,
    wordings: Sequence[Wording],
    denied: Sequence[Wording],
    day: date,
    rng: random.Random,
    split: Split | None = None,
) -> Written:
    """A note of three sections that affirms the wordings and denies the others."""
    lines: list[tuple[str, Wording | None]] = [
        (rng.choice(AFFIRMED), wording) for wording in wordings
    ]
    spoken: list[tuple[str, Wording | None]] = [(rng.choice(DENIED), wording) for wording in denied]
    filler: list[tuple[str, Wording | None]] = [
        (line, None) for line in rng.sample(FILLER, rng.randint(3, 6))
    ]
    history = [*lines[::2], *spoken[::2]]
    exam = [*spoken[1::2], *filler]
    assessment = lines[1::2]
    text, evidence = f"{rng.randint(1, 90)}-year-old {rng.choice(('man', 'woman'))}.\n", []
    headings = rng.choice(HEADINGS)
    for heading, section in zip(headings, (history, exam, assessment), strict=True):
        rng.shuffle(section)
        if not section:
            continue
        text += f"\n{heading}\n"
        for frame, wording in section:
            before, place, after = frame.partition("{x}")
            said = "" if wording is None else wording.text
            if place and not before:
                said = said[0].upper() + said[1:]
            start = len(text) + len(before)
            text += before + said + after + rng.choice((" ", "\n"))
            if wording is not None and any(wording is item for item in wordings):
                evidence.append((wording.code, start, start + len(said)))
    document = Document(f"{name}-1", "note", text.rstrip() + "\n")
    encounter = Encounter(
        encounter_id=name,
        patient_id=name,
        specialty="october",
        setting="professional",
        payer="unknown",
        date_of_service=day,
        documents=(document,),
        codes=tuple(GoldCode(w.code, place) for place, w in enumerate(wordings, start=1)),
        evidence=tuple(
            Evidence(code, Span(document.document_id, start, end), number)
            for number, (code, start, end) in enumerate(evidence)
        ),
    )
    return Written(replace(encounter, split=split), tuple(wordings))


def old_notes(
    prefix: str, codes: Sequence[Code], count: int, day: date, seed: int, split: Split | None = None
) -> list[Written]:
    """Notes of these codes alone, two to four of them each; every code comes up in turn."""
    order = random.Random(f"{seed}/{prefix}/order")
    queue: list[Code] = []
    found = []
    for number in range(count):
        rng = random.Random(f"{seed}/{prefix}/{number}")
        chosen: list[Code] = []
        for _ in range(rng.randint(2, 4)):
            if not queue:
                queue = order.sample(codes, len(codes))
            if queue[-1] not in chosen:
                chosen.append(queue.pop())
        others = [code for code in rng.sample(codes, 8) if code not in chosen]
        said = [word(code, rng.choice(("verbatim", "edited", "edited")), rng) for code in chosen]
        denied = [word(code, "edited", rng) for code in others[: rng.randint(0, 2)]]
        found.append(note(f"{prefix}-{number:05d}", said, denied, day, rng, split))
    return found


def new_notes(
    prefix: str,
    added: Sequence[Code],
    old: Sequence[Code],
    count: int,
    kinds: Sequence[Kind],
    day: date,
    seed: int,
) -> list[Written]:
    """Notes that need one or two added codes beside up to two old ones.

    The first added code of note i is worded as ``kinds[i % len(kinds)]``; hand-written codes come
    up in turn, so that none is left out. What is denied may be an added code, too.
    """
    order = random.Random(f"{seed}/{prefix}/order")
    by_hand = [code for code in added if code in written()]
    queue: list[Code] = []
    found = []
    for number in range(count):
        rng = random.Random(f"{seed}/{prefix}/{number}")
        kind = kinds[number % len(kinds)]
        if kind == "written":
            if not queue:
                queue = order.sample(by_hand, len(by_hand))
            first = queue.pop()
        else:
            first = rng.choice(added)
        said = [word(first, kind, rng)]
        if rng.random() < 0.4:
            second = rng.choice(added)
            if second != first:
                said.append(word(second, rng.choice(("verbatim", "edited")), rng))
        said += [word(code, "edited", rng) for code in rng.sample(old, rng.randint(0, 2))]
        rng.shuffle(said)
        codes = {item.code for item in said}
        others = [rng.choice(added), rng.choice(old)]
        denied = [word(code, "edited", rng) for code in others if code not in codes]
        found.append(note(f"{prefix}-{number:05d}", said, denied[: rng.randint(0, 2)], day, rng))
    return found
