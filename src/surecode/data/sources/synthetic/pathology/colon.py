"""Polyps of the colon."""

from __future__ import annotations

from surecode.data.sources.synthetic.pathology.histology import BIOPSY
from surecode.data.sources.synthetic.tables import Condition, Scenario, Unclear

_PROLAPSE = Condition(
    values=("K64.8",),
    names=("internal hemorrhoids", "prolapsed hemorrhoids", "internal hemorrhoidal tissue"),
    absence="never",
    resolving=False,
)
COLON = Scenario(
    name="colon",
    weight=32,
    procedures=(BIOPSY,),
    principals=(
        Condition(
            values=("K63.5",),
            absence="never",
            weight=6,
            names=("hyperplastic polyp", "hyperplastic colonic polyp", "benign polyp of colon"),
            findings=("Serrated surface crypts with straight bases.",),
        ),
        Condition(
            values=("D12.2",),
            weight=4,
            names=("tubular adenoma, ascending colon", "ascending colon adenoma"),
            absence="never",
            bare=("ascending colon adenoma",),
            findings=("Crypts with pencillate nuclei.",),
        ),
        Condition(
            values=("D12.3",),
            weight=3,
            names=(
                "tubular adenoma, transverse colon",
                "transverse colon adenoma",
                "tubular adenoma, hepatic flexure",
            ),
            absence="never",
            bare=("transverse colon adenoma",),
            findings=("Crypts with pencillate nuclei.",),
        ),
        Condition(
            values=("D12.5",),
            weight=5,
            names=("tubular adenoma, sigmoid colon", "sigmoid adenoma"),
            absence="never",
            bare=("sigmoid adenoma",),
            findings=("Crowded crypts with pseudostratified nuclei.",),
        ),
    ),
    unclear=(
        Unclear(
            names=("tubular adenoma", "adenomatous polyp"),
            options=(("D12.5", 0.5), ("D12.2", 0.3), ("D12.3", 0.2)),
            findings=("Crypts with pencillate nuclei.",),
        ),
    ),
    comorbid=(_PROLAPSE,),
    unclear_also=(
        Unclear(names=("IBD", "quiescent IBD"), options=(("K51.90", 0.5), ("K50.90", 0.5))),
    ),
    grey=(_PROLAPSE,),
    excluded=("high-grade dysplasia", "invasive carcinoma", "lymphoma"),
    past=("colon cancer", "appendectomy"),
    family=("colon cancer", "polyposis"),
    phrases={
        "specimen": ("Colon, polypectomy", "Large bowel polyp, snare"),
        "history": ("Polypectomy at colonoscopy.", "Altered bowel habit."),
        "gross": (
            "Received in formalin, {2-4} tan soft fragments, {0.3-0.9} cm in aggregate.",
            "One tan polypoid piece, {0.4-1.2} x {0.3-0.6} x {0.2-0.4} cm.",
        ),
        "micro": ("Lamina propria is unremarkable.", "Multiple levels examined.", "Margins free."),
    },
)
