"""Primary care, professional billing: chronic disease, colds, joints, ears, wellness visits."""

from __future__ import annotations

from surecode.data.sources.synthetic.case import Case
from surecode.data.sources.synthetic.pen import Pen
from surecode.data.sources.synthetic.tables import (
    Condition,
    Distractions,
    Scenario,
    Specialty,
    Unclear,
    cpt,
    hcpcs,
    side_left_out,
)

_A1C = cpt("83036", "A1c {6.6-9.4}% in office", "Office hemoglobin A1c {6.6-9.4}%")
_STREP = cpt("87880", "Rapid strep swab done", "Office strep swab")
_WELLNESS = hcpcs(
    "G0439",
    "Medicare wellness visit, subsequent",
    "Subsequent AWV",
    "Yearly Medicare wellness visit",
    minimum_age=66,
)
_FLU_SHOT = hcpcs("G0008", "Flu shot administered, deltoid", "Flu vaccine given IM", minimum_age=66)

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
_VITAMIN_D = Condition(
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
_COMORBID = (_HYPERTENSION, _LIPIDS, _SUGAR, _CIGARETTES, _VITAMIN_D)
_UNCLEAR_ALSO = (
    Unclear(names=("smoker", "smokes daily"), options=(("F17.210", 0.5), ("Z72.0", 0.5))),
    Unclear(names=("elevated lipids",), options=(("E78.5", 0.55), ("E78.2", 0.45))),
)
_FOLLOW_UP = Scenario(
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
    comorbid=_COMORBID,
    unclear_also=_UNCLEAR_ALSO,
    grey=(_VITAMIN_D,),
    past=("kidney stones", "appendectomy", "gout"),
    family=("type 2 diabetes", "hypertension", "hypothyroidism"),
    excluded=("retinopathy", "neuropathy", "angina"),
)
_COLD = Scenario(
    name="cold",
    weight=25,
    principals=(
        Condition(
            values=("J06.9",),
            weight=6,
            names=("URI", "upper respiratory infection", "acute upper respiratory infection"),
            reasons=("congestion for {2-6} days", "runny nose and congestion"),
            findings=("Nasal mucosa boggy, lungs clear.",),
            plans=("Fluids and rest.",),
        ),
        Condition(
            values=("J02.9",),
            weight=4,
            names=("pharyngitis", "acute pharyngitis", "acute sore throat"),
            reasons=("painful swallowing for {2-4} days",),
            findings=("Tonsils 2+ with erythema, no exudate.",),
            plans=("Salt-water gargles, ibuprofen.",),
            orders=((_STREP, 0.6),),
        ),
        Condition(
            values=("J01.90",),
            weight=4,
            names=("acute sinusitis", "acute rhinosinusitis", "acute sinus infection"),
            reasons=("facial pressure for {7-12} days",),
            findings=("Maxillary tenderness, purulent drainage.",),
            plans=("Amoxicillin-clavulanate for 7 days.",),
        ),
        Condition(
            values=("J30.9",),
            absence="denied",
            weight=3,
            resolving=False,
            names=(
                "allergic rhinitis",
                "AR with seasonal flare",
                "hay fever-like allergic rhinitis",
            ),
            reasons=("sneezing and itchy nose",),
            findings=("Pale boggy turbinates.",),
            plans=("Fluticasone spray daily.",),
        ),
    ),
    unclear=(
        Unclear(
            names=("sinusitis", "sinus infection"),
            options=(("J01.90", 0.55), ("J32.9", 0.45)),
            reasons=("facial pressure",),
            findings=("Maxillary tenderness.",),
            plans=("Saline rinses, amoxicillin-clavulanate.",),
        ),
    ),
    comorbid=_COMORBID,
    unclear_also=_UNCLEAR_ALSO,
    grey=(_VITAMIN_D,),
    past=("pneumonia", "tonsillectomy", "nasal polyps"),
    family=("asthma", "type 2 diabetes"),
    excluded=("pneumonia", "influenza", "strep throat", "COVID-19"),
)
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
_JOINTS = Scenario(
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
    comorbid=_COMORBID,
    unclear_also=_UNCLEAR_ALSO,
    grey=(_VITAMIN_D,),
    past=("kidney stones", "shingles"),
    family=("gout", "rheumatoid arthritis", "hypertension"),
    excluded=("gout", "meniscal tear", "lumbar radiculopathy"),
)
_OTITIS = Condition(
    values=("H66.91", "H66.92"),
    weight=4,
    names=("{side} otitis media", "otitis media of the {side} ear", "{side} AOM"),
    bare=("otitis media", "AOM"),
    reasons=("earache for {2-4} days", "{side} earache"),
    findings=("TM bulging and red.", "{Side} TM bulging and red."),
    plans=("Amoxicillin for {7-10} days.",),
)
_CERUMEN = Condition(
    values=("H61.21", "H61.22"),
    weight=3,
    names=("{side} cerumen impaction", "impacted cerumen, {side} ear", "wax in the {side} ear"),
    bare=("cerumen impaction", "impacted cerumen", "wax in ear"),
    reasons=("muffled hearing", "{side} ear feels plugged"),
    findings=("Canal occluded, TM not visible.",),
    plans=("Canal irrigated, drops as needed.",),
)
_EAR = Scenario(
    name="ear",
    weight=13,
    principals=(_OTITIS, _CERUMEN),
    unclear=(side_left_out(_OTITIS), side_left_out(_CERUMEN)),
    comorbid=_COMORBID,
    unclear_also=_UNCLEAR_ALSO,
    grey=(_VITAMIN_D,),
    past=("ear tubes", "tonsillectomy"),
    family=("hearing loss", "hypertension"),
    excluded=("mastoiditis", "otitis externa", "hearing loss"),
)
_PHYSICAL = Scenario(
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
        *_COMORBID,
    ),
    unclear_also=_UNCLEAR_ALSO,
    grey=(_VITAMIN_D,),
    past=("appendectomy", "shingles", "kidney stones"),
    family=("colon cancer", "breast cancer", "type 2 diabetes"),
    excluded=("breast lump", "rectal bleeding", "weight loss"),
)
_EXAM = (
    "Well appearing.",
    "Heart regular, lungs clear to auscultation.",
    "Abdomen soft.",
    "No edema.",
    "Skin without lesions.",
    "Neck supple.",
)


_COURSE = (
    "Feels otherwise well.",
    "Sleep and appetite are fair.",
    "Taking medicines as prescribed.",
    "No hospital stays since the last visit.",
    "Walks {10-30} minutes most days.",
)


def _write(pen: Pen, case: Case) -> None:
    principal = case.principal
    reasons = tuple(f"Here for {reason}." for reason in principal.wording.reasons)
    if case.several_documents:
        pen.open("intake note")
        pen.section("INTAKE", "MA NOTE")
        pen.say("{age} y/o {sex}, medications reviewed.")
        pen.one_of(reasons, principal.side)
    pen.open("progress note")
    pen.section("SUBJECTIVE", "S")
    pen.say("{age}-year-old {sex}.")
    pen.one_of(reasons, principal.side)
    pen.some_of(_COURSE)
    for distractor in case.distractors_of("denied", "historical", "family"):
        pen.say(distractor.template, distractor.subject)
    pen.section("OBJECTIVE", "O")
    pen.say("BP {108-132}/{64-82}, HR {60-88}, T {97.4-98.8} F, wt {58-104} kg.")
    pen.some_of(_EXAM, least=2)
    pen.one_of(principal.wording.findings, principal.side)
    for distractor in case.distractors_of("negated"):
        pen.say(distractor.template, distractor.subject)
    pen.section("ASSESSMENT", "A", "ASSESSMENT/DX")
    pen.numbered(case.diagnoses)
    for distractor in case.distractors_of("uncertain"):
        pen.say(distractor.template, distractor.subject)
    pen.section("PLAN", "P")
    for procedure in case.procedures:
        pen.claim("{M}.", procedure)
    for claim in case.diagnoses:
        pen.one_of(claim.wording.plans, claim.side)


PRIMARY_CARE = Specialty(
    name="primary_care",
    setting="professional",
    ages=(35, 85),
    scenarios=(_FOLLOW_UP, _COLD, _JOINTS, _PHYSICAL, _EAR),
    distractions=Distractions(
        denied=("Denies {m}.", "No {m}.", "Never told of {m}."),
        negated=(
            "No evidence of {m}.",
            "No signs of {m}.",
            "Negative for {m}.",
            "Without {m}.",
            "{M} was ruled out last year.",
        ),
        historical=("History of {m}.", "Remote {m}.", "Past {m}, resolved."),
        family=("Mother with {m}.", "Family history of {m}.", "FHx: {m}.", "Brother has {m}."),
        uncertain=(
            "Possible {m}, will monitor.",
            "Rule out {m}.",
            "Cannot exclude {m}.",
            "Probable {m}, labs pending.",
            "?{m}.",
        ),
    ),
    hedges=(
        ("{M} per patient report.", 0.5),
        ("Labs in keeping with {m}.", 0.55),
    ),
    exclusive=(
        ("E11.9", "E11.65", "E11.649"),
        ("J01.90", "J32.9", "J06.9"),
        ("F17.210", "Z72.0"),
        ("E78.5", "E78.2"),
        ("Z00.00", "Z00.01"),
        ("H66.91", "H66.92"),
        ("H61.21", "H61.22"),
    ),
    write=_write,
)
