"""How a pathologist puts it: report and addendum."""

from __future__ import annotations

from surecode.data.sources.synthetic.case import Case
from surecode.data.sources.synthetic.pen import Pen

_SUBMITTED = (
    "Entirely submitted.",
    "Entirely submitted in {2-3} cassettes.",
    "Representative sections submitted.",
)
_MICROSCOPIC = (
    "Sections stained with H&E.",
    "Controls stain as expected.",
    "Fixation and orientation are adequate.",
)


def write(pen: Pen, case: Case) -> None:
    """Write the report, and the addendum where the case has one."""
    accession, *stains = case.procedures
    late = case.also[-1:] if case.several_documents else ()
    pen.open("surgical pathology report")
    pen.section("SPECIMEN", "SPECIMEN SUBMITTED")
    pen.one_of(tuple(f"{phrase}." for phrase in case.phrases("specimen")))
    pen.claim("Submitted: {m}.", accession)
    pen.section("CLINICAL HISTORY", "CLINICAL INFORMATION")
    pen.say("{age}-year-old {sex}.")
    pen.one_of(case.phrases("history"))
    for distractor in case.distractors_of("uncertain", "historical", "family"):
        pen.say(distractor.template, distractor.subject)
    pen.section("GROSS", "GROSS DESCRIPTION")
    pen.one_of(case.phrases("gross"))
    pen.one_of(_SUBMITTED)
    pen.section("MICROSCOPIC", "MICROSCOPIC DESCRIPTION")
    pen.one_of(case.principal.wording.findings)
    pen.some_of(case.phrases("micro") + _MICROSCOPIC, least=3)
    for stain in stains:
        pen.claim("{M} examined.", stain)
    pen.section("DIAGNOSIS", "FINAL DIAGNOSIS")
    pen.numbered([claim for claim in case.diagnoses if claim not in late])
    for distractor in case.distractors_of("negated"):
        pen.say(distractor.template, distractor.subject)
    if case.several_documents:
        pen.open("addendum")
        pen.section("ADDENDUM")
        if late:
            pen.say("Deeper levels reviewed.")
            pen.numbered(late)
        else:
            pen.say("Deeper levels were examined; the interpretation is unchanged.")
