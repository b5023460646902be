"""Groups inside a specialty, each with a threshold of its own: by payer, site or setting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

# The name of the only group where nothing is grouped.
EVERYONE = ""


def group_name(values: Mapping[str, str], fields: Sequence[str]) -> str:
    """``payer=medicare, setting=facility`` for an encounter's values of the grouping fields."""
    return ", ".join(f"{field}={values[field]}" for field in fields)
