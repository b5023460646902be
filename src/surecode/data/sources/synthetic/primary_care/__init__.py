"""Primary care, professional billing: chronic disease, colds, joints, ears, wellness visits."""

from __future__ import annotations

from surecode.data.sources.synthetic.primary_care.chronic import FOLLOW_UP
from surecode.data.sources.synthetic.primary_care.cold import COLD
from surecode.data.sources.synthetic.primary_care.ear import EAR
from surecode.data.sources.synthetic.primary_care.joints import JOINTS
from surecode.data.sources.synthetic.primary_care.note import write
from surecode.data.sources.synthetic.primary_care.physical import PHYSICAL
from surecode.data.sources.synthetic.tables import Distractions, Specialty

PRIMARY_CARE = Specialty(
    name="primary_care",
    setting="professional",
    ages=(35, 85),
    scenarios=(FOLLOW_UP, COLD, JOINTS, PHYSICAL, EAR),
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
    write=write,
)
