"""Injuries of limbs, coded by side."""

from __future__ import annotations

from surecode.data.sources.synthetic.emergency.chronic import ABBREVIATED, COMORBID, HYPERTENSION
from surecode.data.sources.synthetic.emergency.treatments import KETOROLAC, REPAIR
from surecode.data.sources.synthetic.tables import Condition, Scenario, side_left_out

_RADIUS = Condition(
    values=("S52.501A", "S52.502A"),
    weight=4,
    names=(
        "{side} distal radius fracture",
        "{side} distal radius fx",
        "closed fracture of the distal {side} radius",
    ),
    bare=("distal radius fracture", "distal radius fx"),
    reasons=(
        "wrist injury after a fall on the outstretched hand",
        "injury after slipping on ice and landing on the {side} hand",
    ),
    findings=(
        "Dorsal deformity, NV intact, film with {1-3} mm step-off.",
        "Tender over the {side} wrist, NV intact.",
    ),
    plans=("Sugar-tong splint, ortho in {3-7} days.",),
    orders=((KETOROLAC, 0.4),),
)
_ANKLE = Condition(
    values=("S93.401A", "S93.402A"),
    absence="never",
    weight=5,
    names=("{side} ankle sprain", "sprained {side} ankle", "sprain of the {side} ankle"),
    bare=("ankle sprain", "sprained ankle"),
    reasons=(
        "ankle injury after stepping off a curb",
        "injury after rolling the {side} ankle at soccer",
    ),
    findings=("Lateral malleolar swelling, Ottawa negative, film normal.",),
    plans=("RICE, air cast, crutches.",),
    orders=((KETOROLAC, 0.25),),
)
_HAND = Condition(
    values=("S61.411A", "S61.412A"),
    absence="never",
    weight=4,
    names=("{side} hand laceration", "laceration of the {side} hand", "{side} hand lac"),
    bare=("hand laceration", "laceration of the hand"),
    reasons=("a cut hand from broken glass", "a {side} hand cut from a kitchen knife"),
    findings=("{1.2-2.4} cm linear wound, no tendon involvement, full ROM.",),
    plans=("Suture removal in {7-10} days, Tdap up to date.",),
    orders=((REPAIR, 0.8),),
)
INJURY = Scenario(
    name="injury",
    weight=24,
    principals=(_ANKLE, _RADIUS, _HAND),
    unclear=(side_left_out(_ANKLE), side_left_out(_RADIUS), side_left_out(_HAND)),
    comorbid=COMORBID,
    unclear_also=ABBREVIATED,
    grey=(HYPERTENSION,),
    past=("gout", "ACL repair", "shingles"),
    family=("osteoporosis", "type 2 diabetes"),
    excluded=("dislocation", "retained foreign body", "compartment syndrome"),
)
