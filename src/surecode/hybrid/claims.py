"""The mentions that a tagger sees, and the codes that claim them by their words."""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

from surecode.encounter import Code
from surecode.hybrid.found import Found
from surecode.hybrid.mention_codes import MentionCodes
from surecode.hybrid.place import Place


class Claim(NamedTuple):
    """A code's claim to one mention.

    Attributes:
        place: the mention's; people mark exactly it for the code with a chance of ``chance`` times
            ``share``.
        chance: P(people mark exactly the mention, whatever the code).
        share: P(the code | people marked the mention).
        largest: whether no other code's share is larger; of equal ones the first code's is.
    """

    place: Place
    chance: float
    share: float
    largest: bool


def claims(found: Found, codes: MentionCodes | None) -> dict[Code, list[Claim]]:
    """The claims of each code that has any: to mentions of which none overlaps a likelier one."""
    if codes is None:
        return {}
    texts = [found.encounter.text(one.span.document_id) for one in found.mentions]
    words = [
        text[one.span.start : one.span.end] for text, one in zip(texts, found.mentions, strict=True)
    ]
    claimed: defaultdict[Code, list[Claim]] = defaultdict(list)
    for one, shares in zip(found.mentions, codes(words), strict=True):
        largest = min(shares, key=lambda code: (-shares[code], code), default=None)
        for code, share in sorted(shares.items()):
            place = Place(
                (one.span,),
                "training",
                f"{code}:mention",
                "tagged",
                share,
                one.meant,
                one.chance * share,
            )
            claimed[code].append(Claim(place, one.chance, share, code == largest))
    return dict(claimed)
