"""Radiology, professional billing: plain films of chest and wrist, CT of head and abdomen."""

from __future__ import annotations

from surecode.data.sources.synthetic.case import Case
from surecode.data.sources.synthetic.pen import Pen
from surecode.data.sources.synthetic.tables import (
    UNCODED,
    Condition,
    Distractions,
    Scenario,
    Specialty,
    Unclear,
    cpt,
    side_left_out,
)

_AORTA = Condition(
    values=("I70.0",),
    absence="never",
    resolving=False,
    weight=3,
    names=(
        "aortic atherosclerosis",
        "atherosclerotic calcification of the aorta",
        "atherosclerosis of the aorta",
    ),
)
_CHEST = Scenario(
    name="chest film",
    weight=42,
    procedures=(
        cpt(
            "71046",
            "Chest x-ray, two views",
            "XR chest, PA and lateral",
            "Frontal and lateral chest film",
        ),
    ),
    principals=(
        Condition(
            values=("J18.9",),
            weight=9,
            integral=("cough", "shortness of breath"),
            names=("pneumonia", "infectious pneumonia", "community-acquired pneumonia", "PNA"),
            bare=("pneumonia", "PNA"),
            reasons=("Fever and rigors for {2-5} days.", "Crackles at the base on auscultation."),
            findings=(
                "Focal airspace opacity in the lower lobe with air bronchograms.",
                "Patchy consolidation measuring {2.0-5.5} cm in the middle lobe.",
            ),
        ),
        Condition(
            values=("J90",),
            weight=6,
            integral=("shortness of breath", "cough"),
            names=(
                "pleural effusion",
                "small pleural effusion",
                "pleurisy with effusion",
                "encysted pleurisy",
            ),
            reasons=("Dullness to percussion at the base.", "Decreased breath sounds."),
            findings=(
                "Blunting of the costophrenic angle with a fluid meniscus.",
                "Dependent pleural fluid, depth about {1.0-4.0} cm.",
            ),
        ),
        Condition(
            values=("J98.11",),
            weight=5,
            integral=("shortness of breath",),
            names=("atelectasis", "subsegmental atelectasis", "bibasilar atelectasis"),
            reasons=("Low saturation after bed rest.", "Shallow breathing."),
            findings=("Linear basal densities with volume loss.", "Low lung volumes."),
        ),
        Condition(
            values=("R91.1",),
            weight=4,
            names=(
                "solitary pulmonary nodule",
                "single pulmonary nodule",
                "SPN",
                "coin lesion of the lung",
            ),
            reasons=("Abnormal outside film.", "Density on outside film."),
            findings=(
                "Well-circumscribed {6-14} mm rounded focus in the upper lobe.",
                "{6-14} mm rounded focus projecting over the {4-7}th posterior rib.",
            ),
        ),
        Condition(
            values=("R05.9",),
            absence="denied",
            weight=7,
            symptom=True,
            names=("cough", "persistent cough", "nagging cough"),
        ),
        Condition(
            values=("R06.02",),
            absence="denied",
            weight=4,
            symptom=True,
            names=("shortness of breath", "SOB", "breathlessness"),
        ),
    ),
    unclear=(
        Unclear(
            names=("basilar airspace disease",),
            options=(("J18.9", 0.5), ("J98.11", 0.5)),
            reasons=("Low saturation.",),
            findings=("Ill-defined basal density.",),
        ),
        Unclear(
            names=("nodular density in the upper lobe",),
            options=(("R91.1", 0.55), ("R91.8", 0.45)),
            reasons=("Abnormal outside film.",),
            findings=("Indistinct {8-15} mm focus.",),
        ),
    ),
    comorbid=(
        Condition(
            values=("J44.9",),
            absence="never",
            resolving=False,
            weight=5,
            names=(
                "COPD",
                "chronic obstructive pulmonary disease",
                "chronic obstructive lung disease",
                "chronic obstructive airway disease",
            ),
        ),
        Condition(
            values=("I50.9",),
            absence="never",
            resolving=False,
            weight=4,
            names=("congestive heart failure", "CHF", "heart failure", "congestive heart disease"),
        ),
        _AORTA,
    ),
    unclear_also=(
        Unclear(
            names=("pulmonary vascular prominence", "cephalization of the vessels"),
            options=(("I50.9", 0.5), (UNCODED, 0.5)),
        ),
    ),
    grey=(_AORTA,),
    excluded=("pneumothorax", "rib fracture", "mediastinal widening"),
    past=("tuberculosis", "lung cancer", "COVID-19"),
    family=("lung cancer", "COPD"),
    phrases={
        "technique": ("Upright PA and lateral projections.", "Two projections obtained."),
        "normal": (
            "Cardiomediastinal silhouette is within normal limits.",
            "Trachea is midline.",
            "Osseous structures are intact.",
            "Hila are unremarkable.",
            "Visualized upper abdomen is unremarkable.",
            "Median sternotomy wires are in place.",
        ),
        "clear": ("Lungs are clear.", "No acute cardiopulmonary process."),
    },
)
_HEAD = Scenario(
    name="head CT",
    weight=16,
    procedures=(
        cpt("70450", "CT head without contrast", "Noncontrast head CT", "CT brain, no contrast"),
    ),
    principals=(
        Condition(
            values=("I62.01",),
            weight=3,
            integral=("headache",),
            names=("acute subdural hematoma", "acute SDH", "acute subdural hemorrhage"),
            reasons=("New lethargy.", "Acute mental status change."),
            findings=("Hyperdense crescentic convexity collection, {4-12} mm thick.",),
        ),
        Condition(
            values=("I62.03",),
            weight=3,
            integral=("headache",),
            names=("chronic subdural hematoma", "chronic SDH", "chronic subdural hemorrhage"),
            reasons=("Gait decline over weeks.", "Slowly progressive confusion."),
            findings=("Hypodense crescentic convexity collection, {5-15} mm thick.",),
        ),
        Condition(
            values=("R51.9",),
            absence="denied",
            weight=6,
            symptom=True,
            names=("headache", "HA", "cephalgia"),
        ),
    ),
    unclear=(
        Unclear(
            names=("subdural hematoma", "subdural collection"),
            options=(("I62.01", 0.5), ("I62.03", 0.5)),
            reasons=("Altered from baseline.",),
            findings=("Convexity collection of mixed density, {5-12} mm thick.",),
        ),
    ),
    comorbid=(
        Condition(
            values=("J32.9",),
            absence="never",
            resolving=False,
            weight=4,
            names=("chronic sinusitis", "chronic sinus inflammation", "chronic rhinosinusitis"),
        ),
        Condition(
            values=("I67.82",),
            absence="never",
            resolving=False,
            weight=4,
            names=(
                "chronic small vessel ischemia",
                "chronic cerebral ischemia",
                "chronic microvascular ischemia",
            ),
        ),
    ),
    unclear_also=(
        Unclear(
            names=("sinusitis", "sinus disease with air-fluid level"),
            options=(("J32.9", 0.55), ("J01.90", 0.45)),
        ),
    ),
    grey=(
        Condition(
            values=("I67.82",),
            absence="never",
            resolving=False,
            names=("chronic small vessel ischemia", "chronic cerebral ischemia"),
        ),
    ),
    excluded=("acute infarct", "midline shift", "herniation", "intracranial mass"),
    past=("concussion", "meningioma resection", "stroke"),
    family=("brain aneurysm", "stroke"),
    phrases={
        "technique": (
            "Axial 5 mm images, coronal and sagittal reformats.",
            "Helical acquisition without IV contrast.",
        ),
        "normal": (
            "Ventricles and sulci are normal for age.",
            "Basal cisterns are patent.",
            "Mastoid air cells are clear.",
            "Orbits are unremarkable.",
            "Gray-white differentiation is preserved.",
        ),
        "clear": ("No acute intracranial abnormality.", "Unremarkable brain for age."),
    },
)
_ABDOMEN = Scenario(
    name="abdomen CT",
    weight=24,
    procedures=(
        cpt(
            "74177",
            "CT abdomen and pelvis with IV contrast",
            "CT A/P with contrast",
            "Contrast-enhanced CT of the abdomen and pelvis",
        ),
    ),
    principals=(
        Condition(
            values=("K57.32",),
            weight=5,
            integral=("abdominal pain",),
            names=(
                "acute sigmoid diverticulitis",
                "diverticulitis of the sigmoid colon",
                "uncomplicated colonic diverticulitis",
            ),
            reasons=("LLQ tenderness, WBC {11.5-17.0}.",),
            findings=("Sigmoid wall thickening, {6-11} mm, with pericolonic fat stranding.",),
        ),
        Condition(
            values=("N20.1",),
            weight=5,
            integral=("abdominal pain",),
            names=("ureteral stone", "ureteral calculus", "ureteric stone", "UVJ stone"),
            reasons=("Flank tenderness and microhematuria.",),
            findings=("{3-8} mm calcific focus along the course of the distal ureter.",),
        ),
        Condition(
            values=("N20.0",),
            weight=3,
            names=("renal stone", "nephrolithiasis", "renal calculus", "stone in the kidney"),
            reasons=("Microhematuria.",),
            findings=("{3-9} mm calcific focus in the lower pole collecting system.",),
        ),
        Condition(
            values=("R10.9",),
            absence="denied",
            weight=6,
            symptom=True,
            names=("abdominal pain", "abd pain", "diffuse abdominal pain"),
        ),
    ),
    unclear=(
        Unclear(
            names=("urinary tract stone", "calculus at the renal pelvis or proximal ureter"),
            options=(("N20.0", 0.5), ("N20.1", 0.5)),
            reasons=("Microhematuria.",),
            findings=("{3-8} mm calcific focus in the urinary tract.",),
        ),
        Unclear(
            names=("sigmoid diverticular disease with mild wall thickening",),
            options=(("K57.32", 0.55), ("K57.30", 0.45)),
            reasons=("LLQ tenderness.",),
            findings=("Sigmoid wall up to {4-6} mm.",),
        ),
    ),
    comorbid=(
        Condition(
            values=("K76.0",),
            resolving=False,
            weight=4,
            names=(
                "hepatic steatosis",
                "fatty liver",
                "nonalcoholic fatty liver disease",
                "MASLD",
            ),
        ),
        Condition(
            values=("K57.30",),
            resolving=False,
            weight=4,
            names=("colonic diverticulosis", "diverticulosis", "diverticular disease of the colon"),
        ),
        _AORTA,
    ),
    unclear_also=(
        Unclear(
            names=("mildly hypodense liver parenchyma",),
            options=(("K76.0", 0.5), (UNCODED, 0.5)),
        ),
    ),
    grey=(_AORTA,),
    excluded=("appendicitis", "bowel obstruction", "free air", "hydronephrosis"),
    past=("appendectomy", "hernia repair", "colon cancer"),
    family=("colon cancer", "kidney stones"),
    phrases={
        "technique": (
            "Axial images after {90-110} mL IV contrast.",
            "Portal venous phase, coronal and sagittal reformats.",
        ),
        "normal": (
            "Gallbladder, pancreas and spleen are unremarkable.",
            "Adrenal glands are normal.",
            "Appendix measures {4-6} mm and is normal.",
            "Urinary bladder is unremarkable.",
            "Lung bases are clear.",
            "No suspicious osseous lesion.",
        ),
        "clear": ("No acute abdominal or pelvic process.",),
    },
)
_FRACTURE = Condition(
    values=("S52.501A", "S52.502A"),
    weight=7,
    integral=("wrist pain",),
    names=(
        "{side} distal radius fracture",
        "fracture of the distal {side} radius",
        "fx of the {side} distal radius",
        "fracture of the lower end of the {side} radius",
    ),
    bare=("distal radius fracture", "fracture of the distal radius", "fx of the distal radius"),
    reasons=("Fell on outstretched hand.", "FOOSH today, deformity."),
    findings=(
        "Transverse lucency through the distal metaphysis, {1-3} mm displaced.",
        "Cortical step-off at the distal metaphysis.",
    ),
)
_WRIST = Scenario(
    name="wrist film",
    weight=18,
    procedures=(cpt("73110", "Wrist x-ray, three views", "{side} wrist, 3 views", "XR wrist"),),
    principals=(
        _FRACTURE,
        Condition(
            values=("M25.531", "M25.532"),
            absence="denied",
            weight=4,
            symptom=True,
            names=("{side} wrist pain", "pain in the {side} wrist", "painful {side} wrist"),
            bare=("wrist pain", "painful wrist"),
        ),
    ),
    unclear=(side_left_out(_FRACTURE),),
    comorbid=(
        Condition(
            values=("M85.80",),
            resolving=False,
            names=("osteopenia", "low bone density", "diffuse bony demineralization"),
        ),
    ),
    grey=(
        Condition(values=("M85.80",), resolving=False, names=("osteopenia", "low bone density")),
    ),
    excluded=("scaphoid fracture", "dislocation", "radiopaque foreign body"),
    past=("carpal tunnel release", "gout"),
    family=("osteoporosis",),
    phrases={
        "technique": ("PA, lateral and oblique projections.", "Three projections."),
        "normal": (
            "Carpal alignment is maintained.",
            "Joint spaces are preserved.",
            "Soft tissues are unremarkable.",
            "Scapholunate interval is normal.",
        ),
        "clear": ("No acute osseous abnormality.",),
    },
)


def _write(pen: Pen, case: Case) -> None:
    (exam,) = case.procedures
    principal = case.principal
    late = case.also[-1:] if case.several_documents else ()
    if case.several_documents and not late:
        pen.open("order")
        pen.section("ORDER")
        pen.claim("{M}.", exam)
        pen.section("REASON")
        pen.one_of(principal.wording.reasons or ("See clinic note.",))
    pen.open("radiology report")
    pen.section("EXAM")
    pen.claim("{M}.", exam)
    _indication(pen, case)
    pen.section("TECHNIQUE")
    pen.one_of(case.phrases("technique"))
    pen.section("COMPARISON")
    pen.one_of(("None.", "Prior study {2-11} months ago.", "Outside study, {2-3} years ago."))
    pen.section("FINDINGS")
    pen.one_of(principal.wording.findings)
    pen.some_of(case.phrases("normal"), least=3)
    for claim in case.also:
        if not claim.template and claim not in late and pen.chance(0.5):
            pen.claim("{M} is noted.", claim)
    for distractor in case.distractors_of("negated"):
        pen.say(distractor.template, distractor.subject)
    pen.section("IMPRESSION", "CONCLUSION")
    if principal.symptom:
        pen.one_of(case.phrases("clear"))
    shown = [c for c in case.diagnoses if not c.symptom and c not in late]
    pen.numbered(shown)
    if late:
        pen.open("addendum")
        pen.section("ADDENDUM")
        pen.say("Images reviewed again.")
        pen.numbered(late)


def _indication(pen: Pen, case: Case) -> None:
    pen.section("INDICATION", "CLINICAL HISTORY", "HISTORY")
    pen.say("{age}-year-old {sex}.")
    if case.principal.symptom:
        pen.claim("{M}.", case.principal)
    else:
        pen.one_of(case.principal.wording.reasons)
    if case.passing_symptom:
        pen.say("{M}.", case.passing_symptom)
    for distractor in case.distractors_of("denied", "uncertain", "historical", "family"):
        pen.say(distractor.template, distractor.subject)


RADIOLOGY = Specialty(
    name="radiology",
    setting="professional",
    ages=(40, 90),
    scenarios=(_CHEST, _ABDOMEN, _WRIST, _HEAD),
    distractions=Distractions(
        denied=("Denies {m}.", "No {m} reported."),
        negated=(
            "No {m}.",
            "No evidence of {m}.",
            "Negative for {m}.",
            "Without {m}.",
            "{M} is not seen.",
            "{M} has been excluded.",
        ),
        historical=("History of {m}.", "Prior {m}, resolved.", "Remote {m}."),
        family=("Family history of {m}.", "Mother had {m}.", "FHx: {m}."),
        uncertain=(
            "Rule out {m}.",
            "Evaluate for {m}.",
            "R/o {m}.",
            "Question of {m}.",
            "Possible {m}.",
        ),
    ),
    hedges=(("{M} is favored.", 0.5), ("Appearance compatible with {m}.", 0.55)),
    exclusive=(
        ("K57.30", "K57.32"),
        ("N20.0", "N20.1"),
        ("I62.01", "I62.03"),
        ("J32.9", "J01.90"),
        ("R91.1", "R91.8"),
        ("J18.9", "J44.9"),
        ("J90", "I50.9"),
        ("S52.501A", "S52.502A", "M25.531", "M25.532"),
    ),
    write=_write,
)
