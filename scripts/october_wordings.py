"""Wordings of codes for the October drill: how a note might put a title.

Three kinds, told apart in every figure: ``verbatim`` (the title but for the case of its first
letter), ``edited`` (the title or an inclusion term, by the rules below) and ``written`` (by hand,
october_wordings.csv, before any coder was run on them).
"""

from __future__ import annotations

import csv
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import simple_icd_10_cm

from surecode.encounter import Code

Kind = Literal["verbatim", "edited", "written"]
KINDS: tuple[Kind, ...] = ("verbatim", "edited", "written")
WRITTEN = Path(__file__).with_name("october_wordings.csv")

# What clinicians write for words of the tables, the commoner first.
SHORTER: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("initial encounter", ("first visit", "seen initially")),
    ("subsequent encounter", ("follow-up", "seen again")),
    ("sequela", ("late effect", "late sequelae")),
    ("without mention of", ("without", "no")),
    ("secondary malignant neoplasm of", ("metastasis to", "metastatic disease of")),
    ("malignant neoplasm of", ("cancer of", "carcinoma of")),
    ("benign neoplasm of", ("benign tumor of",)),
    ("personal history of", ("h/o", "hx of", "history of")),
    ("family history of", ("FH of", "fam hx of")),
    ("long term (current) use of", ("on long-term", "chronic use of")),
    ("long-term (current) use of", ("on long-term", "chronic use of")),
    ("contact with and (suspected) exposure to", ("exposed to", "exposure to")),
    ("encounter for", ("here for", "visit for")),
    ("multiple sclerosis", ("MS",)),
    ("myocardial infarction", ("MI", "heart attack")),
    ("atherosclerotic heart disease", ("CAD", "coronary disease")),
    ("pulmonary embolism", ("PE",)),
    ("heart failure", ("HF", "cardiac failure")),
    ("atrial fibrillation", ("AF", "afib")),
    ("supraventricular tachycardia", ("SVT",)),
    ("chronic obstructive pulmonary disease", ("COPD",)),
    ("type 1 diabetes mellitus", ("T1DM", "type 1 diabetes")),
    ("type 2 diabetes mellitus", ("T2DM", "type 2 diabetes")),
    ("diabetes mellitus", ("DM", "diabetes")),
    ("chronic kidney disease", ("CKD",)),
    ("hypertension", ("HTN", "high blood pressure")),
    ("hypotension", ("low blood pressure",)),
    ("rheumatoid arthritis", ("RA",)),
    ("traumatic subdural hemorrhage", ("traumatic SDH",)),
    ("loss of consciousness status unknown", ("LOC unknown",)),
    ("loss of consciousness", ("LOC",)),
    ("abdominal aortic aneurysm", ("AAA",)),
    ("thoracic aortic aneurysm", ("TAA",)),
    ("parkinson's disease", ("PD", "Parkinson's")),
    ("vascular dementia", ("VaD",)),
    ("hodgkin lymphoma", ("HL", "Hodgkin's")),
    ("diffuse large b-cell lymphoma", ("DLBCL",)),
    ("in remission", ("remission", "now in remission")),
    ("not having achieved remission", ("active, no remission",)),
    ("due to", ("from", "secondary to", "2/2")),
    ("following", ("after", "s/p")),
    ("associated with", ("with",)),
    ("without", ("w/o",)),
    ("unspecified severity", ("severity not stated",)),
    ("hemorrhage", ("bleeding", "bleed")),
    ("contusion", ("bruise",)),
    ("laceration", ("cut",)),
    ("fracture", ("fx", "broken bone")),
    ("displaced", ("displaced",)),
    ("malignant", ("malignant",)),
    ("bilateral", ("both sides", "b/l")),
    ("unspecified", ("", "NOS")),
    ("not elsewhere classified", ("", "NEC")),
    ("infection", ("infection",)),
    ("pneumonia", ("PNA", "pneumonia")),
    ("hepatic", ("liver",)),
    ("renal", ("kidney",)),
    ("pulmonary", ("lung",)),
    ("cardiac", ("heart",)),
    ("gastric", ("stomach",)),
    ("cutaneous", ("skin",)),
    ("pruritus", ("itching",)),
    ("dyspnea", ("shortness of breath", "SOB")),
    ("syncope", ("fainting",)),
    ("edema", ("swelling",)),
    ("neonatal", ("newborn",)),
    ("patient's noncompliance", ("nonadherence",)),
    ("poisoning by", ("intoxication with", "poisoned with")),
    ("adverse effect of", ("side effect of",)),
    ("foreign body", ("FB",)),
    ("right", ("right", "R")),
    ("left", ("left", "L")),
    ("chronic", ("chronic", "longstanding")),
    ("acute", ("acute", "sudden")),
    ("deficiency", ("deficit", "lack")),
    ("disorder", ("disorder", "problem")),
    ("other specified", ("other", "")),
    ("other", ("other", "")),
)
_REPLACED = 0.6  # of the places where a rule would apply
_REORDERED = 0.5


@dataclass(frozen=True)
class Wording:
    """How a note puts a code."""

    code: Code
    text: str
    kind: Kind


def words_of(text: str) -> str:
    """Letters and digits alone, for telling whether two texts say it in the same words."""
    return " ".join(re.findall(r"[^\W_]+", text.casefold()))


def title_of(code: Code) -> str:
    return str(simple_icd_10_cm.get_description(code.value))


def verbatim(code: Code) -> Wording:
    title = title_of(code)
    lower = title[0].lower() + title[1:] if title[1:2].islower() else title
    return Wording(code, lower, "verbatim")


def edited(code: Code, rng: random.Random) -> Wording:
    """The title or, one time in three, an inclusion term, edited until it is another text."""
    title, terms = title_of(code), simple_icd_10_cm.get_inclusion_term(code.value)
    said = [title, *terms]
    for _ in range(20):
        origin = str(rng.choice(terms)) if terms and rng.random() < 1 / 3 else title
        text = _edit(origin, rng)
        if words_of(text) and all(words_of(text) != words_of(other) for other in said):
            return Wording(code, text, "edited")
    # Nothing to shorten and nothing to turn round, such as "Cholera".
    return Wording(code, f"a case of {title.lower()}", "edited")


@lru_cache(maxsize=1)
def written() -> Mapping[Code, tuple[str, ...]]:
    """The wordings of october_wordings.csv by code."""
    found: dict[Code, list[str]] = {}
    with WRITTEN.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            found.setdefault(Code("ICD-10-CM", row["value"]), []).append(row["wording"])
    return {code: tuple(texts) for code, texts in found.items()}


def _edit(text: str, rng: random.Random) -> str:
    text = text.lower()
    text = re.sub(r"\s*\[[^\]]*\]", "", text)
    for phrase, choices in SHORTER:
        if phrase in text and rng.random() < _REPLACED:
            text = re.sub(rf"\b{re.escape(phrase)}\b", rng.choice(choices), text)
    if rng.random() < _REPLACED:
        text = re.sub(r"\s*\([^)]*\)", "", text)
    if rng.random() < _REORDERED:
        text = _turned(text, rng)
    return _tidy(text)


def _turned(text: str, rng: random.Random) -> str:
    """Another order: the last part first, or "x of y" as "y x"."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if len(parts) > 1:
        return ", ".join([parts[-1], *parts[:-1]]) if rng.random() < 0.5 else " ".join(parts[::-1])
    before, of, after = text.partition(" of ")
    if of and len(after.split()) <= 4:
        return f"{after} {before}" if rng.random() < 0.5 else f"{after}: {before}"
    return text


def _tidy(text: str) -> str:
    text = re.sub(r"\s+", " ", text)
    text = re.sub(r"\s+([,;:])", r"\1", text)
    text = re.sub(r"[,;:]+(?=[,;:])", "", text)
    return text.strip(" ,;:")
