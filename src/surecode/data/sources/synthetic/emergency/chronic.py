"""What patients bring along, whatever they come for."""

from __future__ import annotations

from surecode.data.sources.synthetic.tables import Condition, Unclear

HYPERTENSION = Condition(
    values=("I10",),
    absence="denied",
    resolving=False,
    weight=5,
    names=("hypertension", "HTN", "essential hypertension", "high blood pressure"),
)
COMORBID = (
    HYPERTENSION,
    Condition(
        values=("E11.9",),
        absence="denied",
        resolving=False,
        weight=3,
        names=("type 2 diabetes", "T2DM", "type 2 diabetes mellitus", "type II DM"),
    ),
)
ABBREVIATED = (
    Unclear(names=("DM",), options=(("E11.9", 0.6), ("E10.9", 0.4))),
    Unclear(names=("MS",), options=(("G35.D", 0.5), ("I05.0", 0.5))),
)
