"""How a practice puts it: intake note and progress note."""

from __future__ import annotations

from surecode.data.sources.synthetic.case import Case
from surecode.data.sources.synthetic.pen import Pen

_EXAM = (
    "Well appearing.",
    "Heart regular, lungs clear to auscultation.",
    "Abdomen soft.",
    "No edema.",
    "Skin without lesions.",
    "Neck supple.",
)
_COURSE = (
    "Feels otherwise well.",
    "Sleep and appetite are fair.",
    "Taking medicines as prescribed.",
    "No hospital stays since the last visit.",
    "Walks {10-30} minutes most days.",
)


def write(pen: Pen, case: Case) -> None:
    """Write the progress note, and the intake note where the case has one."""
    principal = case.principal
    reasons = tuple(f"Here for {reason}." for reason in principal.wording.reasons)
    if case.several_documents:
        pen.open("intake note")
        pen.section("INTAKE", "MA NOTE")
        pen.say("{age} y/o {sex}, medications reviewed.")
        pen.one_of(reasons, principal.side)
    pen.open("progress note")
    pen.section("SUBJECTIVE", "S")
    pen.say("{age}-year-old {sex}.")
    pen.one_of(reasons, principal.side)
    pen.some_of(_COURSE)
    for distractor in case.distractors_of("denied", "historical", "family"):
        pen.say(distractor.template, distractor.subject)
    pen.section("OBJECTIVE", "O")
    pen.say("BP {108-132}/{64-82}, HR {60-88}, T {97.4-98.8} F, wt {58-104} kg.")
    pen.some_of(_EXAM, least=2)
    pen.one_of(principal.wording.findings, principal.side)
    for distractor in case.distractors_of("negated"):
        pen.say(distractor.template, distractor.subject)
    pen.section("ASSESSMENT", "A", "ASSESSMENT/DX")
    pen.numbered(case.diagnoses)
    for distractor in case.distractors_of("uncertain"):
        pen.say(distractor.template, distractor.subject)
    pen.section("PLAN", "P")
    for procedure in case.procedures:
        pen.claim("{M}.", procedure)
    for claim in case.diagnoses:
        pen.one_of(claim.wording.plans, claim.side)
