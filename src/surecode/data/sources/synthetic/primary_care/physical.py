"""Yearly examinations and immunization."""

from __future__ import annotations

from surecode.data.sources.synthetic.primary_care.chronic import COMORBID, UNCLEAR_ALSO, VITAMIN_D
from surecode.data.sources.synthetic.tables import Condition, Scenario, Unclear, hcpcs

_WELLNESS = hcpcs(
    "G0439",
    "Medicare wellness visit, subsequent",
    "Subsequent AWV",
    "Yearly Medicare wellness visit",
    minimum_age=66,
)
_FLU_SHOT = hcpcs("G0008", "Flu shot administered, deltoid", "Flu vaccine given IM", minimum_age=66)
PHYSICAL = Scenario(
    name="physical",
    weight=14,
    principals=(
        Condition(
            values=("Z00.00",),
            weight=5,
            absence="never",
            names=(
                "annual physical without abnormal findings",
                "routine adult exam, no abnormal findings",
                "adult health check-up",
            ),
            reasons=("yearly visit",),
            findings=("Exam within normal limits.",),
            plans=("Age-appropriate screening discussed.",),
            orders=((_WELLNESS, 0.6),),
        ),
        Condition(
            values=("Z00.01",),
            weight=3,
            absence="never",
            names=(
                "annual physical with abnormal findings",
                "routine adult exam, abnormal findings noted",
            ),
            reasons=("yearly visit",),
            findings=("See problem list.",),
            plans=("Findings reviewed, labs ordered.",),
            orders=((_WELLNESS, 0.6),),
        ),
    ),
    unclear=(
        Unclear(
            names=("annual physical", "yearly physical"),
            options=(("Z00.00", 0.55), ("Z00.01", 0.45)),
            reasons=("yearly visit",),
            findings=("Complete exam performed.",),
            plans=("Age-appropriate screening discussed.",),
            orders=((_WELLNESS, 0.4),),
        ),
    ),
    comorbid=(
        Condition(
            values=("Z23",),
            weight=16,
            absence="never",
            names=("need for immunization", "immunization today", "encounter for immunization"),
            plans=("Vaccine information sheet given.",),
            orders=((_FLU_SHOT, 0.8),),
        ),
        *COMORBID,
    ),
    unclear_also=UNCLEAR_ALSO,
    grey=(VITAMIN_D,),
    past=("appendectomy", "shingles", "kidney stones"),
    family=("colon cancer", "breast cancer", "type 2 diabetes"),
    excluded=("breast lump", "rectal bleeding", "weight loss"),
)
