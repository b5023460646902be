"""Emergency department, facility billing: chest, abdomen, injury, head and skin."""

from __future__ import annotations

from surecode.data.sources.synthetic.emergency.abdomen import ABDOMEN
from surecode.data.sources.synthetic.emergency.chest import CHEST
from surecode.data.sources.synthetic.emergency.head import HEAD
from surecode.data.sources.synthetic.emergency.injury import INJURY
from surecode.data.sources.synthetic.emergency.note import write
from surecode.data.sources.synthetic.emergency.skin import SKIN
from surecode.data.sources.synthetic.tables import Distractions, Specialty

EMERGENCY = Specialty(
    name="emergency",
    setting="facility",
    ages=(32, 90),
    scenarios=(CHEST, ABDOMEN, INJURY, HEAD, SKIN),
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
    write=write,
)
