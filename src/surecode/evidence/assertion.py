"""How a mention is meant: affirmed or negated, certain, current, of the patient.

ConText (Harkema et al. 2009, doi 10.1016/j.jbi.2009.05.002), the successor of NegEx (Chapman et al.
2001, doi 10.1006/jbin.2001.1029), in English and Spanish: phrases before or behind a mention change
how it is meant, as far as their scope reaches. The phrases are in `cue_lists`.

A span is judged at its head, the first of its words that belongs to no phrase. Evidence "no
evidence of pneumothorax" is therefore negated, though nothing stands before it, and so is "no
fracture" as evidence of a code that means that all is well, and "absent pulses" as evidence of a
code that means just that: what a code expects is not known here (see `assertion_codes`).

Past is not over: "history of hypertension" and what stands under past medical history are
historical, and much of it is coded all the same. `time` alone should send nothing to a person.

Rules err. They flag for a person; they delete no evidence and assign no code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from surecode.evidence.cue_lists import cue_groups
from surecode.evidence.cues import Lexicon
from surecode.evidence.folding import fold
from surecode.evidence.language import Language, language_of
from surecode.evidence.scope import Mention
from surecode.evidence.sections import Section, section_of
from surecode.evidence.sentences import sentence_around

Polarity = Literal["affirmed", "negated"]
Certainty = Literal["certain", "uncertain", "hypothetical"]
Time = Literal["current", "historical"]
Experiencer = Literal["patient", "family"]


@dataclass(frozen=True)
class Assertion:
    """How a mention is meant. The defaults are those of a plain statement about the patient."""

    polarity: Polarity = "affirmed"
    certainty: Certainty = "certain"
    time: Time = "current"
    experiencer: Experiencer = "patient"

    @property
    def billable(self) -> bool:
        """Affirmed, certain, current and of the patient: what an outpatient claim may stand on.

        Outpatient diagnoses that are "probable", "suspected" or "rule out" are not coded (ICD-10-CM
        Official Guidelines, section IV.H); at an inpatient discharge they are (II.H), there
        :attr:`contrary` is the question to ask.
        """
        return self == Assertion()

    @property
    def contrary(self) -> bool:
        """Negated, hypothetical or of the family: the mention speaks against a diagnosis code."""
        return (
            self.polarity == "negated"
            or self.certainty == "hypothetical"
            or self.experiencer == "family"
        )


def assertion(text: str, start: int, end: int, sections: Sequence[Section] = ()) -> Assertion:
    """How the span ``text[start:end]`` is meant.

    Args:
        text: the document.
        start: the span's first character, in code points of ``text``.
        end: the character behind the span.
        sections: the document's (`evidence/sections`); without them only phrases count.

    The cost does not depend on the document's length.
    """
    first, last = sentence_around(text, start, end)
    folded = fold(text[first:last])
    head, tail = folded.inside(start - first), folded.inside(max(start, end) - first)
    lexicon = _lexicon(language_of(text, start))
    # No phrase runs into the mention: "no | change in vision" is not "no change".
    cues = lexicon.find(folded.text, 0, head) + lexicon.find(folded.text, head)
    mention = Mention(folded.text, cues, head, tail)
    section = section_of(sections, start)
    kind = section.kind if section else None

    negated = mention.under("negated")
    hypothetical = mention.under("hypothetical")
    family = mention.under("family") or (kind == "family" and not mention.names_patient)
    past = mention.under("historical") or kind == "history"
    certainty: Certainty = "certain"
    if hypothetical:
        certainty = "hypothetical"
    elif mention.under("uncertain") and not negated:  # "nothing suggestive of" negates
        certainty = "uncertain"
    return Assertion(
        polarity="negated" if negated else "affirmed",
        certainty=certainty,
        # Time is the patient's: "mother had cancer in 2010" says nothing of it.
        time="historical" if past and not family and not mention.under("current") else "current",
        experiencer="family" if family else "patient",
    )


@lru_cache(maxsize=3)
def _lexicon(language: Language | None) -> Lexicon:
    """The phrases of a language, compiled at first use; of both where the language is not known."""
    languages = (language,) if language else ("en", "es")
    return Lexicon(group for each in languages for group in cue_groups(each))
