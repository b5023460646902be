"""Biopsies of the stomach."""

from __future__ import annotations

from surecode.data.sources.synthetic.pathology.histology import BIOPSY, STAIN
from surecode.data.sources.synthetic.tables import Condition, Scenario, Unclear

_METAPLASIA = Condition(
    values=("K31.A0",),
    weight=2,
    names=("intestinal metaplasia", "gastric intestinal metaplasia"),
)
STOMACH = Scenario(
    name="stomach",
    weight=22,
    procedures=(BIOPSY,),
    principals=(
        Condition(
            values=("K29.50",),
            weight=6,
            names=(
                "chronic gastritis",
                "chronic inactive gastritis",
                "chronic antral gastritis",
            ),
            findings=("Lymphoplasmacytic infiltrate of the lamina propria.",),
        ),
        Condition(
            values=("K29.00",),
            weight=3,
            names=("acute gastritis", "acute erosive gastritis, not bleeding"),
            findings=("Neutrophils in the surface epithelium with edema.",),
        ),
    ),
    unclear=(
        Unclear(
            names=("gastritis", "gastritis with mixed infiltrate"),
            options=(("K29.50", 0.55), ("K29.00", 0.45)),
            findings=("Inflammatory infiltrate of the lamina propria.",),
        ),
    ),
    comorbid=(
        Condition(
            values=("B96.81",),
            weight=4,
            names=("H. pylori", "Helicobacter pylori", "H. pylori organisms"),
            orders=((STAIN, 0.6),),
        ),
        _METAPLASIA,
    ),
    unclear_also=(Unclear(names=("HP", "HP present"), options=(("B96.81", 0.5), ("K31.7", 0.5))),),
    grey=(_METAPLASIA,),
    excluded=("dysplasia", "malignancy", "celiac disease"),
    past=("gastric ulcer", "cholecystectomy"),
    family=("gastric cancer",),
    phrases={
        "specimen": ("Stomach, antrum", "Gastric antrum and body"),
        "history": ("Dyspepsia, EGD.", "Epigastric discomfort."),
        "gross": (
            "Two tan fragments, {0.2-0.5} cm each, wrapped in paper.",
            "Three mucosal pieces, {0.2-0.6} cm in aggregate.",
        ),
        "micro": ("Oxyntic glands are preserved.", "Glandular architecture is intact."),
    },
)
