"""Colds, sore throats and sinuses."""

from __future__ import annotations

from surecode.data.sources.synthetic.primary_care.chronic import COMORBID, UNCLEAR_ALSO, VITAMIN_D
from surecode.data.sources.synthetic.tables import Condition, Scenario, Unclear, cpt

_STREP = cpt("87880", "Rapid strep swab done", "Office strep swab")
COLD = Scenario(
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
    comorbid=COMORBID,
    unclear_also=UNCLEAR_ALSO,
    grey=(VITAMIN_D,),
    past=("pneumonia", "tonsillectomy", "nasal polyps"),
    family=("asthma", "type 2 diabetes"),
    excluded=("pneumonia", "influenza", "strep throat", "COVID-19"),
)
