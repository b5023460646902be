"""How the department puts it: triage note and provider note."""

from __future__ import annotations

from surecode.data.sources.synthetic.case import Case
from surecode.data.sources.synthetic.pen import Pen
from surecode.data.sources.synthetic.tables import sentences

_EXAM = (
    "Alert, no acute distress.",
    "Heart regular, no murmur.",
    "Skin warm and dry.",
    "Moves all extremities.",
    "Oropharynx clear.",
)
_COURSE = (
    "Symptoms are moderate.",
    "Nothing similar in the past year.",
    "Came by private car.",
    "Took acetaminophen at home without much relief.",
    "Lives at home with family.",
)


def write(pen: Pen, case: Case) -> None:
    """Write the provider note, and the triage note where the case has one."""
    principal = case.principal
    if case.several_documents:
        pen.open("triage note")
        pen.section("TRIAGE")
        pen.say("{age} y/o {sex}, ESI {2-4}.")
        pen.one_of(sentences(principal.wording.reasons), principal.side)
        pen.say("BP {112-158}/{64-92}, HR {68-104}, pain {2-8}/10.")
    pen.open("provider note")
    pen.section("CHIEF COMPLAINT", "CC")
    if principal.symptom:
        pen.claim("{M}.", principal)
    elif case.passing_symptom:
        pen.say("{M}.", case.passing_symptom)
    else:
        pen.one_of(sentences(principal.wording.reasons), principal.side)
    _history(pen, case)
    pen.section("EXAM", "PHYSICAL EXAM")
    pen.some_of(_EXAM, least=2)
    pen.one_of(principal.wording.findings, principal.side)
    pen.section("ED COURSE", "MDM")
    for procedure in case.procedures:
        pen.claim("{M}.", procedure)
    for distractor in case.distractors_of("uncertain", "negated"):
        pen.say(distractor.template, distractor.subject)
    pen.one_of(principal.wording.plans, principal.side)
    pen.section("DIAGNOSIS", "ED DIAGNOSIS", "CLINICAL IMPRESSION")
    pen.numbered(case.diagnoses)


def _history(pen: Pen, case: Case) -> None:
    pen.section("HPI")
    reasons = case.principal.wording.reasons
    pen.one_of(
        tuple(f"{{age}}-year-old {{sex}} presents with {reason}." for reason in reasons),
        case.principal.side,
    )
    pen.some_of(_COURSE)
    for distractor in case.distractors_of("denied"):
        pen.say(distractor.template, distractor.subject)
    past = case.distractors_of("historical", "family")
    known = [claim for claim in case.also if not claim.template and pen.chance(0.5)]
    pen.section("PMH")
    if not past and not known:
        pen.say("Reviewed in chart.")
    for claim in known:
        pen.claim("{M}, on treatment.", claim)
    for distractor in past:
        pen.say(distractor.template, distractor.subject)
