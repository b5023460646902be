"""How a radiologist puts it: order, report and addendum."""

from __future__ import annotations

from surecode.data.sources.synthetic.case import Case
from surecode.data.sources.synthetic.pen import Pen


def write(pen: Pen, case: Case) -> None:
    """Write order, report and addendum, as many of them as the case has."""
    (exam,) = case.procedures
    principal = case.principal
    late = case.also[-1:] if case.several_documents else ()
    if case.several_documents and not late:
        pen.open("order")
        pen.section("ORDER")
        pen.claim("{M}.", exam)
        pen.section("REASON")
        pen.one_of(principal.wording.reasons or ("See clinic note.",))
    pen.open("radiology report")
    pen.section("EXAM")
    pen.claim("{M}.", exam)
    _indication(pen, case)
    pen.section("TECHNIQUE")
    pen.one_of(case.phrases("technique"))
    pen.section("COMPARISON")
    pen.one_of(("None.", "Prior study {2-11} months ago.", "Outside study, {2-3} years ago."))
    pen.section("FINDINGS")
    pen.one_of(principal.wording.findings)
    pen.some_of(case.phrases("normal"), least=3)
    for claim in case.also:
        if not claim.template and claim not in late and pen.chance(0.5):
            pen.claim("{M} is noted.", claim)
    for distractor in case.distractors_of("negated"):
        pen.say(distractor.template, distractor.subject)
    pen.section("IMPRESSION", "CONCLUSION")
    if principal.symptom:
        pen.one_of(case.phrases("clear"))
    shown = [c for c in case.diagnoses if not c.symptom and c not in late]
    pen.numbered(shown)
    if late:
        pen.open("addendum")
        pen.section("ADDENDUM")
        pen.say("Images reviewed again.")
        pen.numbered(late)


def _indication(pen: Pen, case: Case) -> None:
    pen.section("INDICATION", "CLINICAL HISTORY", "HISTORY")
    pen.say("{age}-year-old {sex}.")
    if case.principal.symptom:
        pen.claim("{M}.", case.principal)
    else:
        pen.one_of(case.principal.wording.reasons)
    if case.passing_symptom:
        pen.say("{M}.", case.passing_symptom)
    for distractor in case.distractors_of("denied", "uncertain", "historical", "family"):
        pen.say(distractor.template, distractor.subject)
