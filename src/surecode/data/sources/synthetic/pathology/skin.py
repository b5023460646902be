"""Lesions of the skin."""

from __future__ import annotations

from surecode.data.sources.synthetic.pathology.histology import BIOPSY
from surecode.data.sources.synthetic.tables import Condition, Scenario, Unclear

_NEVUS = Condition(
    values=("D22.5",),
    absence="never",
    weight=4,
    names=("melanocytic nevus of the back", "compound nevus, trunk", "intradermal nevus, trunk"),
    bare=("melanocytic nevus",),
)
SKIN = Scenario(
    name="skin",
    weight=24,
    procedures=(BIOPSY,),
    principals=(
        Condition(
            values=("L82.1",),
            weight=5,
            names=("seborrheic keratosis", "pigmented seborrheic keratosis"),
            findings=("Acanthosis with horn pseudocysts.",),
        ),
        Condition(
            values=("L57.0",),
            weight=4,
            names=("actinic keratosis", "solar keratosis", "senile keratosis"),
            findings=("Basal atypia with parakeratosis and elastosis.",),
        ),
        Condition(
            values=("C44.519",),
            weight=4,
            names=(
                "basal cell carcinoma of the back",
                "BCC, trunk",
                "nodular basal cell carcinoma, back",
            ),
            bare=("basal cell carcinoma", "BCC"),
            findings=("Basaloid nests with peripheral palisading, depth {0.6-2.4} mm.",),
        ),
    ),
    unclear=(
        Unclear(
            names=("SK", "superficial SK"),
            options=(("L82.1", 0.55), ("L57.0", 0.45)),
            findings=("Hyperkeratosis and acanthosis.",),
        ),
    ),
    comorbid=(
        _NEVUS,
        Condition(
            values=("L72.0",),
            absence="never",
            weight=2,
            names=("epidermal cyst", "epidermal inclusion cyst", "infundibular cyst"),
        ),
    ),
    unclear_also=(
        Unclear(
            names=("keratinous cyst", "keratin-filled cyst"),
            options=(("L72.0", 0.55), ("L72.11", 0.45)),
        ),
    ),
    grey=(_NEVUS,),
    excluded=("melanoma", "squamous cell carcinoma", "ulceration"),
    past=("melanoma", "squamous cell carcinoma"),
    family=("melanoma",),
    phrases={
        "specimen": ("Skin, biopsy", "Skin lesion"),
        "history": ("Changing lesion.", "Irritated lesion."),
        "gross": (
            "Skin fragment, {0.5-1.2} x {0.4-0.9} x {0.1-0.2} cm, inked and bisected.",
            "Punch, {3-6} mm in diameter, {0.3-0.6} cm deep.",
        ),
        "micro": (
            "Deep margin free.",
            "Solar elastosis in the dermis.",
            "Epidermis present throughout.",
        ),
    },
)
