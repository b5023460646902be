"""Gallbladders."""

from __future__ import annotations

from surecode.data.sources.synthetic.pathology.histology import ORGAN
from surecode.data.sources.synthetic.tables import Condition, Scenario, Unclear

_CHOLESTEROLOSIS = Condition(values=("K82.4",), names=("cholesterolosis", "strawberry gallbladder"))
GALLBLADDER = Scenario(
    name="gallbladder",
    weight=14,
    procedures=(ORGAN,),
    principals=(
        Condition(
            values=("K80.10",),
            weight=4,
            names=(
                "chronic cholecystitis with cholelithiasis",
                "cholelithiasis with chronic cholecystitis",
                "chronic calculous cholecystitis",
            ),
            findings=("Rokitansky-Aschoff sinuses, thickened muscularis.",),
        ),
        Condition(
            values=("K81.1",),
            weight=3,
            names=("chronic cholecystitis", "chronic acalculous cholecystitis"),
            findings=("Thickened muscularis with lymphocytes.",),
        ),
    ),
    unclear=(
        Unclear(
            names=("chronic cholecystitis, calculi not received",),
            options=(("K80.10", 0.55), ("K81.1", 0.45)),
            findings=("Thickened muscularis with lymphocytes.",),
        ),
    ),
    comorbid=(_CHOLESTEROLOSIS,),
    grey=(_CHOLESTEROLOSIS,),
    excluded=("dysplasia", "malignancy", "gangrene"),
    past=("pancreatitis", "appendectomy"),
    family=("gallstones",),
    phrases={
        "specimen": ("Gallbladder",),
        "history": ("Biliary colic.", "RUQ discomfort."),
        "gross": (
            "Gallbladder {6.5-9.5} x {2.5-3.8} cm, wall {0.2-0.5} cm, opened.",
            "Intact sac, {7.0-10.0} cm long, mucosa bile stained.",
        ),
        "micro": ("Cystic duct margin unremarkable.", "Serosa is smooth."),
    },
)
