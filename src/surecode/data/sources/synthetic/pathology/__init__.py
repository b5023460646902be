"""Surgical pathology, professional billing: colon, stomach, skin, breast and gallbladder."""

from __future__ import annotations

from surecode.data.sources.synthetic.pathology.breast import BREAST
from surecode.data.sources.synthetic.pathology.colon import COLON
from surecode.data.sources.synthetic.pathology.gallbladder import GALLBLADDER
from surecode.data.sources.synthetic.pathology.report import write
from surecode.data.sources.synthetic.pathology.skin import SKIN
from surecode.data.sources.synthetic.pathology.stomach import STOMACH
from surecode.data.sources.synthetic.tables import Distractions, Specialty

PATHOLOGY = Specialty(
    name="pathology",
    setting="professional",
    ages=(40, 85),
    scenarios=(COLON, SKIN, STOMACH, BREAST, GALLBLADDER),
    distractions=Distractions(
        denied=("Denies {m}.",),
        negated=(
            "No {m}.",
            "Negative for {m}.",
            "No evidence of {m}.",
            "{M} is not identified.",
            "Without {m}.",
            "{M} is ruled out.",
        ),
        historical=("History of {m}.", "Prior {m}, treated.", "Status post removal of {m}."),
        family=("Family history of {m}.", "Mother had {m}.", "FHx: {m}."),
        uncertain=(
            "Rule out {m}.",
            "R/o {m}.",
            "Clinically suspicious for {m}.",
            "Clinically ?{m}.",
        ),
    ),
    hedges=(("{M} is favored.", 0.5), ("Features compatible with {m}.", 0.55)),
    exclusive=(
        ("D12.5", "D12.2", "D12.3"),
        ("K51.90", "K50.90"),
        ("K29.50", "K29.00"),
        ("B96.81", "K31.7"),
        ("L82.1", "L57.0"),
        ("L72.0", "L72.11"),
        ("K80.10", "K81.1"),
        ("C50.911", "C50.912", "D24.1", "D24.2"),
    ),
    write=write,
)
