"""Radiology, professional billing: plain films of chest and wrist, CT of head and abdomen."""

from __future__ import annotations

from surecode.data.sources.synthetic.radiology.abdomen import ABDOMEN
from surecode.data.sources.synthetic.radiology.chest import CHEST
from surecode.data.sources.synthetic.radiology.head import HEAD
from surecode.data.sources.synthetic.radiology.report import write
from surecode.data.sources.synthetic.radiology.wrist import WRIST
from surecode.data.sources.synthetic.tables import Distractions, Specialty

RADIOLOGY = Specialty(
    name="radiology",
    setting="professional",
    ages=(40, 90),
    scenarios=(CHEST, ABDOMEN, WRIST, HEAD),
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
    write=write,
)
