"""Drugs given and wounds closed in the department."""

from __future__ import annotations

from surecode.data.sources.synthetic.tables import cpt, hcpcs

_GIVEN = "{M} given."
KETOROLAC = hcpcs(
    "J1885", "ketorolac 30 mg IM", "ketorolac 15 mg IV", "Toradol 30 mg IM", said=_GIVEN
)
CEFTRIAXONE = hcpcs(
    "J0696", "ceftriaxone 1 g IV", "ceftriaxone 1 g IM", "Rocephin 1 g IV", said=_GIVEN
)
ONDANSETRON = hcpcs("J2405", "ondansetron 4 mg IV", "Zofran 4 mg IV", said=_GIVEN)
REPAIR = cpt(
    "12001",
    "simple closure of {1.2-2.4} cm wound with nylon",
    "wound closed with {3-5} simple sutures, {1.2-2.4} cm",
)
