"""Chronic disease: what a follow-up is about, and what comes up at any other visit."""

from __future__ import annotations

from surecode.data.sources.synthetic.tables import Condition, Scenario, Unclear, cpt

_A1C = cpt("83036", "A1c {6.6-9.4}% in office", "Office hemoglobin A1c {6.6-9.4}%")
_HYPERTENSION = Condition(
    values=("I10",),
    absence="denied",
    weight=7,
    resolving=False,
    names=("hypertension", "HTN", "essential hypertension", "high blood pressure"),
    reasons=("BP check",),
    findings=("Repeat BP {136-156}/{86-96}.",),
    plans=("Continue lisinopril 20 mg, home BP log.",),
)
_SUGAR = Condition(
    values=("E11.9",),
    absence="denied",
    weight=5,
    resolving=False,
    names=("type 2 diabetes", "T2DM", "type 2 diabetes mellitus", "type II DM"),
    reasons=("sugar check", "follow-up of blood sugars"),
    findings=("Monofilament intact, fasting glucose {98-126} mg/dL.",),
    plans=("Diet counseling, eye exam referral.",),
    orders=((_A1C, 0.5),),
)
_LIPIDS = Condition(
    values=("E78.5",),
    absence="denied",
    weight=5,
    resolving=False,
    names=("hyperlipidemia", "HLD", "dyslipidemia"),
    plans=("Continue atorvastatin 20 mg.",),
)
VITAMIN_D = Condition(
    values=("E55.9",),
    weight=2,
    resolving=False,
    names=("vitamin D deficiency", "vit D deficiency", "avitaminosis D"),
    plans=("Cholecalciferol 2000 IU daily.",),
)
_CIGARETTES = Condition(
    values=("F17.210",),
    absence="never",
    weight=3,
    resolving=False,
    names=(
        "nicotine dependence, cigarettes",
        "cigarette dependence",
        "nicotine dependence on cigarettes",
    ),
)
COMORBID = (_HYPERTENSION, _LIPIDS, _SUGAR, _CIGARETTES, VITAMIN_D)
UNCLEAR_ALSO = (
    Unclear(names=("smoker", "smokes daily"), options=(("F17.210", 0.5), ("Z72.0", 0.5))),
    Unclear(names=("elevated lipids",), options=(("E78.5", 0.55), ("E78.2", 0.45))),
)
FOLLOW_UP = Scenario(
    name="follow-up",
    weight=32,
    principals=(
        _HYPERTENSION,
        _SUGAR,
        Condition(
            values=("E11.65",),
            absence="never",
            weight=4,
            resolving=False,
            names=(
                "type 2 diabetes with hyperglycemia",
                "T2DM with hyperglycemia",
                "hyperglycemic type 2 diabetes",
            ),
            reasons=("sugar check", "home sugars above 200"),
            findings=("Fasting glucose {182-264} mg/dL.",),
            plans=("Diet counseling, recheck in {4-8} weeks.",),
            orders=((_A1C, 0.6),),
        ),
        Condition(
            values=("E03.9",),
            absence="never",
            weight=3,
            resolving=False,
            names=("hypothyroidism", "low thyroid", "myxedema"),
            reasons=("thyroid lab review", "fatigue and cold intolerance"),
            findings=("Thyroid non-enlarged, TSH {5.1-9.8} mIU/L.",),
            plans=("Levothyroxine 75 mcg, TSH in 6 weeks.",),
        ),
        Condition(
            values=("F32.A",),
            absence="denied",
            weight=3,
            names=("depression", "depressive disorder", "clinical depression"),
            reasons=("low mood for {2-6} months", "mood check"),
            findings=("PHQ-9 score {10-17}, affect blunted, no SI.",),
            plans=("Sertraline 50 mg, counseling referral.",),
        ),
    ),
    unclear=(
        Unclear(
            names=("uncontrolled T2DM", "poorly controlled diabetes"),
            options=(("E11.65", 0.55), ("E11.649", 0.45)),
            reasons=("sugar check",),
            findings=("Glucose log brought in, readings vary.",),
            plans=("Diet counseling, recheck in {4-8} weeks.",),
        ),
    ),
    comorbid=COMORBID,
    unclear_also=UNCLEAR_ALSO,
    grey=(VITAMIN_D,),
    past=("kidney stones", "appendectomy", "gout"),
    family=("type 2 diabetes", "hypertension", "hypothyroidism"),
    excluded=("retinopathy", "neuropathy", "angina"),
)
