"""What more than one exam of the trunk shows beside its question."""

from __future__ import annotations

from surecode.data.sources.synthetic.tables import Condition

AORTA = Condition(
    values=("I70.0",),
    absence="never",
    resolving=False,
    weight=3,
    names=(
        "aortic atherosclerosis",
        "atherosclerotic calcification of the aorta",
        "atherosclerosis of the aorta",
    ),
)
