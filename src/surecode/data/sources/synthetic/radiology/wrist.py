"""The plain film of the wrist."""

from __future__ import annotations

from surecode.data.sources.synthetic.tables import Condition, Scenario, cpt, side_left_out

_FRACTURE = Condition(
    values=("S52.501A", "S52.502A"),
    weight=7,
    integral=("wrist pain",),
    names=(
        "{side} distal radius fracture",
        "fracture of the distal {side} radius",
        "fx of the {side} distal radius",
        "fracture of the lower end of the {side} radius",
    ),
    bare=("distal radius fracture", "fracture of the distal radius", "fx of the distal radius"),
    reasons=("Fell on outstretched hand.", "FOOSH today, deformity."),
    findings=(
        "Transverse lucency through the distal metaphysis, {1-3} mm displaced.",
        "Cortical step-off at the distal metaphysis.",
    ),
)
WRIST = Scenario(
    name="wrist film",
    weight=18,
    procedures=(cpt("73110", "Wrist x-ray, three views", "{side} wrist, 3 views", "XR wrist"),),
    principals=(
        _FRACTURE,
        Condition(
            values=("M25.531", "M25.532"),
            absence="denied",
            weight=4,
            symptom=True,
            names=("{side} wrist pain", "pain in the {side} wrist", "painful {side} wrist"),
            bare=("wrist pain", "painful wrist"),
        ),
    ),
    unclear=(side_left_out(_FRACTURE),),
    comorbid=(
        Condition(
            values=("M85.80",),
            resolving=False,
            names=("osteopenia", "low bone density", "diffuse bony demineralization"),
        ),
    ),
    grey=(
        Condition(values=("M85.80",), resolving=False, names=("osteopenia", "low bone density")),
    ),
    excluded=("scaphoid fracture", "dislocation", "radiopaque foreign body"),
    past=("carpal tunnel release", "gout"),
    family=("osteoporosis",),
    phrases={
        "technique": ("PA, lateral and oblique projections.", "Three projections."),
        "normal": (
            "Carpal alignment is maintained.",
            "Joint spaces are preserved.",
            "Soft tissues are unremarkable.",
            "Scapholunate interval is normal.",
        ),
        "clear": ("No acute osseous abnormality.",),
    },
)
