"""Core biopsies of the breast, coded by side."""

from __future__ import annotations

from surecode.data.sources.synthetic.pathology.histology import BIOPSY
from surecode.data.sources.synthetic.tables import Condition, Scenario, side_left_out

_CARCINOMA = Condition(
    values=("C50.911", "C50.912"),
    weight=4,
    names=(
        "invasive ductal carcinoma of the {side} breast",
        "{side} breast invasive ductal carcinoma",
        "IDC, {side} breast",
    ),
    bare=("invasive ductal carcinoma of the breast", "IDC"),
    findings=("Infiltrating ducts, Nottingham grade {1-3}.", "Malignant ducts in fibrous stroma."),
)
_FIBROADENOMA = Condition(
    values=("D24.1", "D24.2"),
    weight=4,
    names=("fibroadenoma of the {side} breast", "{side} breast fibroadenoma"),
    bare=("fibroadenoma of the breast", "fibroadenoma"),
    findings=("Biphasic lesion, intracanalicular pattern.", "Bland stroma around slit-like ducts."),
)
_FAT_NECROSIS = Condition(
    values=("N64.1",), names=("fat necrosis of the breast", "breast fat necrosis")
)
BREAST = Scenario(
    name="breast",
    weight=20,
    sex="female",
    procedures=(BIOPSY,),
    principals=(_FIBROADENOMA, _CARCINOMA),
    unclear=(side_left_out(_FIBROADENOMA), side_left_out(_CARCINOMA)),
    comorbid=(_FAT_NECROSIS,),
    grey=(_FAT_NECROSIS,),
    excluded=("atypia", "lymphovascular invasion", "DCIS"),
    past=("breast cyst aspiration", "hysterectomy"),
    family=("breast cancer", "ovarian cancer"),
    phrases={
        "specimen": ("Breast, core needle", "Breast core, ultrasound guided"),
        "history": ("BI-RADS 4 mass.", "Palpable mass, {8-22} mm on ultrasound."),
        "gross": (
            "{3-6} cores, up to {0.9-1.6} cm long, 0.2 cm across.",
            "Fragmented fibrofatty cores, {1.0-1.8} cm in aggregate.",
        ),
        "micro": ("Calcifications are present.", "Adjacent ducts are unremarkable."),
    },
)
