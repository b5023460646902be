"""Infections of the skin, coded by side."""

from __future__ import annotations

from surecode.data.sources.synthetic.emergency.chronic import ABBREVIATED, COMORBID, HYPERTENSION
from surecode.data.sources.synthetic.emergency.treatments import CEFTRIAXONE
from surecode.data.sources.synthetic.tables import Condition, Scenario, side_left_out

_LEG = Condition(
    values=("L03.115", "L03.116"),
    names=(
        "{side} leg cellulitis",
        "cellulitis of the {side} leg",
        "cellulitis of the {side} lower limb",
    ),
    bare=("leg cellulitis", "cellulitis of the leg", "lower limb cellulitis"),
    reasons=("a red, warm shin for {2-4} days", "redness of the {side} shin after a scratch"),
    findings=("{4-9} x {3-6} cm warm erythema of the shin, no crepitus, margins marked.",),
    plans=("Cephalexin for 7 days, wound check in 48 h.",),
    orders=((CEFTRIAXONE, 0.5),),
)
SKIN = Scenario(
    name="skin",
    weight=8,
    principals=(_LEG,),
    unclear=(side_left_out(_LEG),),
    comorbid=COMORBID,
    unclear_also=ABBREVIATED,
    grey=(HYPERTENSION,),
    past=("shingles", "gout"),
    family=("type 2 diabetes", "hypertension"),
    excluded=("DVT", "abscess", "necrotizing fasciitis", "osteomyelitis"),
)
