"""Complaints of the abdomen."""

from __future__ import annotations

from surecode.data.sources.synthetic.emergency.chronic import ABBREVIATED, COMORBID, HYPERTENSION
from surecode.data.sources.synthetic.emergency.treatments import CEFTRIAXONE, KETOROLAC, ONDANSETRON
from surecode.data.sources.synthetic.tables import Condition, Scenario, Unclear

ABDOMEN = Scenario(
    name="abdomen",
    weight=26,
    principals=(
        Condition(
            values=("N39.0",),
            weight=6,
            names=("UTI", "urinary tract infection", "acute UTI"),
            reasons=("burning with urination for {2-4} days", "urinary frequency and urgency"),
            findings=("Suprapubic tenderness, no CVA tenderness. UA: LE 3+, nitrite positive.",),
            plans=("Cephalexin 500 mg for {5-7} days, urine culture sent.",),
            orders=((CEFTRIAXONE, 0.35),),
        ),
        Condition(
            values=("N20.1",),
            weight=3,
            integral=("nausea and vomiting",),
            names=("ureteral stone", "ureteral calculus", "ureteric stone"),
            reasons=("colicky flank to groin ache",),
            findings=("CVA tenderness. CT: {3-6} mm distal stone, creatinine {0.8-1.2}.",),
            plans=("Tamsulosin, strain urine, urology in one week.",),
            orders=((KETOROLAC, 0.7),),
        ),
        Condition(
            values=("K52.9",),
            weight=4,
            integral=("nausea and vomiting",),
            names=("gastroenteritis", "acute gastroenteritis", "enteritis"),
            reasons=("loose stools since yesterday", "cramps and loose stools"),
            findings=("Abdomen soft, mild diffuse tenderness. Lactate {0.8-1.6}.",),
            plans=("PO challenge passed, oral rehydration.",),
            orders=((ONDANSETRON, 0.5),),
        ),
        Condition(
            values=("R11.2",),
            absence="denied",
            weight=4,
            symptom=True,
            names=("nausea and vomiting", "N/V", "persistent nausea with vomiting"),
            reasons=("an upset stomach since this morning",),
            findings=("Abdomen soft, non-tender. Lipase {18-45}.",),
            plans=("Tolerating fluids, clear liquid diet.",),
            orders=((ONDANSETRON, 0.7),),
        ),
    ),
    unclear=(
        Unclear(
            names=("UTI/cystitis",),
            options=(("N39.0", 0.55), ("N30.00", 0.45)),
            reasons=("burning with urination for {2-4} days",),
            findings=("UA: LE 2+, nitrite positive.",),
            plans=("Nitrofurantoin for 5 days.",),
        ),
    ),
    comorbid=COMORBID,
    unclear_also=ABBREVIATED,
    grey=(HYPERTENSION,),
    past=("appendectomy", "hernia repair", "colon polyp removal"),
    family=("kidney stones", "type 2 diabetes"),
    excluded=("appendicitis", "pyelonephritis", "cholecystitis", "bowel obstruction"),
)
