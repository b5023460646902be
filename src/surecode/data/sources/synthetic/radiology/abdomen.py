"""CT of the abdomen and pelvis with contrast."""

from __future__ import annotations

from surecode.data.sources.synthetic.radiology.incidental import AORTA
from surecode.data.sources.synthetic.tables import UNCODED, Condition, Scenario, Unclear, cpt

ABDOMEN = Scenario(
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
        AORTA,
    ),
    unclear_also=(
        Unclear(
            names=("mildly hypodense liver parenchyma",),
            options=(("K76.0", 0.5), (UNCODED, 0.5)),
        ),
    ),
    grey=(AORTA,),
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
