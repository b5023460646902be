"""Ears, coded by side."""

from __future__ import annotations

from surecode.data.sources.synthetic.primary_care.chronic import COMORBID, UNCLEAR_ALSO, VITAMIN_D
from surecode.data.sources.synthetic.tables import Condition, Scenario, side_left_out

_OTITIS = Condition(
    values=("H66.91", "H66.92"),
    weight=4,
    names=("{side} otitis media", "otitis media of the {side} ear", "{side} AOM"),
    bare=("otitis media", "AOM"),
    reasons=("earache for {2-4} days", "{side} earache"),
    findings=("TM bulging and red.", "{Side} TM bulging and red."),
    plans=("Amoxicillin for {7-10} days.",),
)
_CERUMEN = Condition(
    values=("H61.21", "H61.22"),
    weight=3,
    names=("{side} cerumen impaction", "impacted cerumen, {side} ear", "wax in the {side} ear"),
    bare=("cerumen impaction", "impacted cerumen", "wax in ear"),
    reasons=("muffled hearing", "{side} ear feels plugged"),
    findings=("Canal occluded, TM not visible.",),
    plans=("Canal irrigated, drops as needed.",),
)
EAR = Scenario(
    name="ear",
    weight=13,
    principals=(_OTITIS, _CERUMEN),
    unclear=(side_left_out(_OTITIS), side_left_out(_CERUMEN)),
    comorbid=COMORBID,
    unclear_also=UNCLEAR_ALSO,
    grey=(VITAMIN_D,),
    past=("ear tubes", "tonsillectomy"),
    family=("hearing loss", "hypertension"),
    excluded=("mastoiditis", "otitis externa", "hearing loss"),
)
