"""Emergency department, facility billing: chest, abdomen, injury, head and skin."""

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
    sentences,
    side_left_out,
)

_GIVEN = "{M} given."
_KETOROLAC = hcpcs(
    "J1885", "ketorolac 30 mg IM", "ketorolac 15 mg IV", "Toradol 30 mg IM", said=_GIVEN
)
_CEFTRIAXONE = hcpcs(
    "J0696", "ceftriaxone 1 g IV", "ceftriaxone 1 g IM", "Rocephin 1 g IV", said=_GIVEN
)
_ONDANSETRON = hcpcs("J2405", "ondansetron 4 mg IV", "Zofran 4 mg IV", said=_GIVEN)
_REPAIR = cpt(
    "12001",
    "simple closure of {1.2-2.4} cm wound with nylon",
    "wound closed with {3-5} simple sutures, {1.2-2.4} cm",
)

_HYPERTENSION = Condition(
    values=("I10",),
    absence="denied",
    resolving=False,
    weight=5,
    names=("hypertension", "HTN", "essential hypertension", "high blood pressure"),
)
_COMORBID = (
    _HYPERTENSION,
    Condition(
        values=("E11.9",),
        absence="denied",
        resolving=False,
        weight=3,
        names=("type 2 diabetes", "T2DM", "type 2 diabetes mellitus", "type II DM"),
    ),
)
_ABBREVIATED = (
    Unclear(names=("DM",), options=(("E11.9", 0.6), ("E10.9", 0.4))),
    Unclear(names=("MS",), options=(("G35.D", 0.5), ("I05.0", 0.5))),
)
_CHEST = Scenario(
    name="chest",
    weight=30,
    principals=(
        Condition(
            values=("J18.9",),
            weight=5,
            integral=("chest pain",),
            names=("pneumonia", "community-acquired pneumonia", "CAP", "infectious pneumonia"),
            reasons=("fever and productive sputum for {2-5} days", "chills and feeling winded"),
            findings=(
                "T {100.6-103.1} F, SpO2 {90-94}% RA, crackles at the base.",
                "Film shows a lobar infiltrate.",
            ),
            plans=("Discharged on doxycycline.", "Oral antibiotics for {5-7} days."),
            orders=((_CEFTRIAXONE, 0.6),),
        ),
        Condition(
            values=("J44.1",),
            absence="never",
            resolving=False,
            weight=4,
            names=(
                "COPD exacerbation",
                "acute exacerbation of COPD",
                "AECOPD",
                "decompensated COPD",
            ),
            reasons=("worsening dyspnea and sputum", "trouble breathing for two days"),
            findings=("SpO2 {88-92}% RA, diffuse wheezes, pursed-lip breathing.",),
            plans=("Prednisone 40 mg for 5 days, duonebs with relief.",),
        ),
        Condition(
            values=("J45.901",),
            resolving=False,
            weight=3,
            names=("asthma exacerbation", "acute asthma exacerbation", "asthma flare"),
            reasons=("wheezing since last night", "tight chest, inhaler not helping"),
            findings=("SpO2 {93-96}% RA, expiratory wheezes, peak flow {180-260}.",),
            plans=("Albuterol x{2-4} with relief, prednisone taper.",),
        ),
        Condition(
            values=("R07.9",),
            absence="denied",
            weight=5,
            symptom=True,
            names=("chest pain", "CP", "acute chest pain"),
            reasons=("pressure in the chest for {2-6} hours",),
            findings=("Chest wall non-tender. Troponin <0.01 x2, ECG normal sinus rhythm.",),
            plans=("HEART score {1-3}, outpatient stress test.",),
        ),
    ),
    unclear=(
        Unclear(
            names=("acute exacerbation of airway disease", "reactive airway flare"),
            options=(("J44.1", 0.5), ("J45.901", 0.5)),
            reasons=("trouble breathing", "wheezing and dyspnea"),
            findings=("SpO2 {91-95}% RA, expiratory wheezes.",),
            plans=("Nebulizers with relief, steroid burst.",),
        ),
    ),
    comorbid=_COMORBID,
    unclear_also=_ABBREVIATED,
    grey=(_HYPERTENSION,),
    past=("lung cancer", "tuberculosis", "COVID-19"),
    family=("hypertension", "heart attack"),
    excluded=("pulmonary embolism", "PE", "ACS", "pneumothorax"),
)
_ABDOMEN = Scenario(
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
            orders=((_CEFTRIAXONE, 0.35),),
        ),
        Condition(
            values=("N20.1",),
            weight=3,
            integral=("nausea and vomiting",),
            names=("ureteral stone", "ureteral calculus", "ureteric stone"),
            reasons=("colicky flank to groin ache",),
            findings=("CVA tenderness. CT: {3-6} mm distal stone, creatinine {0.8-1.2}.",),
            plans=("Tamsulosin, strain urine, urology in one week.",),
            orders=((_KETOROLAC, 0.7),),
        ),
        Condition(
            values=("K52.9",),
            weight=4,
            integral=("nausea and vomiting",),
            names=("gastroenteritis", "acute gastroenteritis", "enteritis"),
            reasons=("loose stools since yesterday", "cramps and loose stools"),
            findings=("Abdomen soft, mild diffuse tenderness. Lactate {0.8-1.6}.",),
            plans=("PO challenge passed, oral rehydration.",),
            orders=((_ONDANSETRON, 0.5),),
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
            orders=((_ONDANSETRON, 0.7),),
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
    comorbid=_COMORBID,
    unclear_also=_ABBREVIATED,
    grey=(_HYPERTENSION,),
    past=("appendectomy", "hernia repair", "colon polyp removal"),
    family=("kidney stones", "type 2 diabetes"),
    excluded=("appendicitis", "pyelonephritis", "cholecystitis", "bowel obstruction"),
)
_RADIUS = Condition(
    values=("S52.501A", "S52.502A"),
    weight=4,
    names=(
        "{side} distal radius fracture",
        "{side} distal radius fx",
        "closed fracture of the distal {side} radius",
    ),
    bare=("distal radius fracture", "distal radius fx"),
    reasons=(
        "wrist injury after a fall on the outstretched hand",
        "injury after slipping on ice and landing on the {side} hand",
    ),
    findings=(
        "Dorsal deformity, NV intact, film with {1-3} mm step-off.",
        "Tender over the {side} wrist, NV intact.",
    ),
    plans=("Sugar-tong splint, ortho in {3-7} days.",),
    orders=((_KETOROLAC, 0.4),),
)
_ANKLE = Condition(
    values=("S93.401A", "S93.402A"),
    absence="never",
    weight=5,
    names=("{side} ankle sprain", "sprained {side} ankle", "sprain of the {side} ankle"),
    bare=("ankle sprain", "sprained ankle"),
    reasons=(
        "ankle injury after stepping off a curb",
        "injury after rolling the {side} ankle at soccer",
    ),
    findings=("Lateral malleolar swelling, Ottawa negative, film normal.",),
    plans=("RICE, air cast, crutches.",),
    orders=((_KETOROLAC, 0.25),),
)
_HAND = Condition(
    values=("S61.411A", "S61.412A"),
    absence="never",
    weight=4,
    names=("{side} hand laceration", "laceration of the {side} hand", "{side} hand lac"),
    bare=("hand laceration", "laceration of the hand"),
    reasons=("a cut hand from broken glass", "a {side} hand cut from a kitchen knife"),
    findings=("{1.2-2.4} cm linear wound, no tendon involvement, full ROM.",),
    plans=("Suture removal in {7-10} days, Tdap up to date.",),
    orders=((_REPAIR, 0.8),),
)
_INJURY = Scenario(
    name="injury",
    weight=24,
    principals=(_ANKLE, _RADIUS, _HAND),
    unclear=(side_left_out(_ANKLE), side_left_out(_RADIUS), side_left_out(_HAND)),
    comorbid=_COMORBID,
    unclear_also=_ABBREVIATED,
    grey=(_HYPERTENSION,),
    past=("gout", "ACL repair", "shingles"),
    family=("osteoporosis", "type 2 diabetes"),
    excluded=("dislocation", "retained foreign body", "compartment syndrome"),
)
_HEAD = Scenario(
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
            orders=((_KETOROLAC, 0.6), (_ONDANSETRON, 0.3)),
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
    comorbid=_COMORBID,
    unclear_also=_ABBREVIATED,
    grey=(_HYPERTENSION,),
    past=("concussion", "shingles"),
    family=("migraine", "stroke"),
    excluded=("subarachnoid hemorrhage", "meningitis", "TIA"),
)
_LEG = Condition(
    values=("L03.115", "L03.116"),
    names=(
        "{side} leg cellulitis",
        "cellulitis of the {side} leg",
        "cellulitis of the {side} lower limb",
    ),
    bare=("leg cellulitis", "cellulitis of the leg", "lower limb cellulitis"),
    reasons=("a red, warm shin for {2-4} days", "redness of the {side} shin after a scratch"),
    findings=("{4-9} x {3-6} cm warm erythema of the shin, no crepitus, margins marked.",),
    plans=("Cephalexin for 7 days, wound check in 48 h.",),
    orders=((_CEFTRIAXONE, 0.5),),
)
_SKIN = Scenario(
    name="skin",
    weight=8,
    principals=(_LEG,),
    unclear=(side_left_out(_LEG),),
    comorbid=_COMORBID,
    unclear_also=_ABBREVIATED,
    grey=(_HYPERTENSION,),
    past=("shingles", "gout"),
    family=("type 2 diabetes", "hypertension"),
    excluded=("DVT", "abscess", "necrotizing fasciitis", "osteomyelitis"),
)
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


def _write(pen: Pen, case: Case) -> None:
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


EMERGENCY = Specialty(
    name="emergency",
    setting="facility",
    ages=(32, 90),
    scenarios=(_CHEST, _ABDOMEN, _INJURY, _HEAD, _SKIN),
    distractions=Distractions(
        denied=("Denies {m}.", "No {m}.", "Never had {m}."),
        negated=(
            "No evidence of {m}.",
            "No signs of {m}.",
            "Negative for {m}.",
            "Without {m}.",
            "{M} was ruled out.",
        ),
        historical=("History of {m}.", "Remote {m}.", "{M} years ago, resolved."),
        family=("Family history of {m}.", "Father had {m}.", "FHx: {m}."),
        uncertain=(
            "Considered {m}.",
            "Possible {m}.",
            "R/o {m}.",
            "Cannot exclude {m}.",
            "Doubt {m}.",
        ),
    ),
    hedges=(
        ("{M} per outside record only.", 0.5),
        ("{M} per family, no records.", 0.5),
        ("Readings compatible with {m}.", 0.55),
    ),
    exclusive=(
        ("E11.9", "E10.9"),
        ("J44.1", "J45.901", "J18.9"),
        ("N39.0", "N30.00"),
        ("G43.909", "R51.9"),
        ("G35.D", "I05.0"),
    ),
    write=_write,
)
