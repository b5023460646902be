"""Complaints of the head."""

from __future__ import annotations

from surecode.data.sources.synthetic.emergency.chronic import ABBREVIATED, COMORBID, HYPERTENSION
from surecode.data.sources.synthetic.emergency.treatments import KETOROLAC, ONDANSETRON
from surecode.data.sources.synthetic.tables import Condition, Scenario, Unclear

HEAD = Scenario(
    name="head",
    weight=12,
    principals=(
        Condition(
            values=("G43.909",),
            absence="never",
            resolving=False,
            weight=4,
            integral=("headache",),
            names=("migraine", "migraine headache", "acute migraine, not intractable"),
            reasons=("throbbing head and light sensitivity",),
            findings=("Photophobic, neuro exam non-focal, neck supple.",),
            plans=("Relief after cocktail, neurology follow-up.",),
            orders=((KETOROLAC, 0.6), (ONDANSETRON, 0.3)),
        ),
        Condition(
            values=("R51.9",),
            absence="denied",
            weight=3,
            symptom=True,
            names=("headache", "cephalgia", "diffuse headache"),
            reasons=("head discomfort since yesterday",),
            findings=("Neuro exam non-focal, neck supple.",),
            plans=("Acetaminophen, return precautions.",),
        ),
        Condition(
            values=("R55",),
            absence="denied",
            weight=3,
            symptom=True,
            names=("syncope", "syncopal episode", "fainting", "vasovagal attack"),
            reasons=("a brief loss of consciousness while standing in line",),
            findings=("Orthostatics negative, ECG normal, glucose {85-120}.",),
            plans=("Hydration, PCP in {2-5} days.",),
        ),
    ),
    unclear=(
        Unclear(
            names=("HA with light sensitivity", "recurrent HA"),
            options=(("G43.909", 0.5), ("R51.9", 0.5)),
            reasons=("head discomfort since yesterday",),
            findings=("Neuro exam non-focal.",),
            plans=("Relief after fluids, PCP follow-up.",),
        ),
    ),
    comorbid=COMORBID,
    unclear_also=ABBREVIATED,
    grey=(HYPERTENSION,),
    past=("concussion", "shingles"),
    family=("migraine", "stroke"),
    excluded=("subarachnoid hemorrhage", "meningitis", "TIA"),
)
