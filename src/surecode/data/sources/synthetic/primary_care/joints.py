"""Knees and backs."""

from __future__ import annotations

from surecode.data.sources.synthetic.primary_care.chronic import COMORBID, UNCLEAR_ALSO, VITAMIN_D
from surecode.data.sources.synthetic.tables import Condition, Scenario, side_left_out

_KNEE = Condition(
    values=("M17.11", "M17.12"),
    weight=5,
    resolving=False,
    names=(
        "{side} knee osteoarthritis",
        "osteoarthritis of the {side} knee",
        "{side} knee OA",
        "primary osteoarthritis of the {side} knee",
    ),
    bare=("knee osteoarthritis", "knee OA", "primary osteoarthritis of knee"),
    reasons=("achy knee on stairs", "{side} knee stiffness in the morning"),
    findings=("Crepitus and joint-line tenderness, ROM 0-{110-125}.",),
    plans=("Topical diclofenac, quad strengthening.",),
)
JOINTS = Scenario(
    name="joints",
    weight=16,
    principals=(
        _KNEE,
        Condition(
            values=("M54.50",),
            absence="denied",
            weight=5,
            names=("low back pain", "LBP", "lumbago"),
            reasons=("sore back after lifting", "achy back for {2-4} weeks"),
            findings=("Paraspinal tenderness, straight leg raise negative.",),
            plans=("Naproxen 500 mg BID, PT referral.",),
        ),
    ),
    unclear=(side_left_out(_KNEE),),
    comorbid=COMORBID,
    unclear_also=UNCLEAR_ALSO,
    grey=(VITAMIN_D,),
    past=("kidney stones", "shingles"),
    family=("gout", "rheumatoid arthritis", "hypertension"),
    excluded=("gout", "meniscal tear", "lumbar radiculopathy"),
)
