"""The cue lists of the package, `cue_lists/en.txt` and `cue_lists/es.txt`.

A list is lines of phrases (see `evidence/cues`) under headers in square brackets:
``[negated before list]`` says effect, side and reach, ``[stops negated uncertain]`` which effects
end there (``all`` of them), ``[ignored]`` that the phrases only look like cues. A line such as
``{be} = is|was`` names alternatives that phrases may use. Lines that start with ``#`` are comments.
"""

from __future__ import annotations

import re
from importlib.resources import files
from typing import get_args

from surecode.errors import InputError
from surecode.evidence.cues import CueGroup, Effect, Reach, Side

EFFECTS: tuple[Effect, ...] = get_args(Effect)
_NAMED = re.compile(r"(\{\w+\}) = (\S+)")


def cue_groups(language: str) -> list[CueGroup]:
    """The groups of ``en`` or ``es``."""
    name = f"cue_lists/{language}.txt"
    return parse_cues(files("surecode.evidence").joinpath(name).read_text("utf-8"), name)


def parse_cues(text: str, name: str) -> list[CueGroup]:
    """The groups of a cue list.

    Raises:
        InputError: a header that says nothing, or a phrase before the first header.
    """
    named: dict[str, str] = {}
    headers: list[tuple[Effect | None, Side, Reach, frozenset[Effect]]] = []
    phrases: list[list[str]] = []
    for number, line in enumerate(map(str.strip, text.splitlines()), start=1):
        if not line or line.startswith("#"):
            continue
        if definition := _NAMED.fullmatch(line):
            named[definition[1]] = definition[2]
        elif line.startswith("[") and line.endswith("]"):
            headers.append(_header(line[1:-1].split(), f"{name}, line {number}"))
            phrases.append([])
        elif not headers:
            raise InputError(f"{name}, line {number}: a phrase before the first [header]; add one")
        else:
            for key, alternatives in named.items():
                line = line.replace(key, alternatives)
            phrases[-1].append(line)
    return [
        CueGroup(effect, side, reach, tuple(lines), stops)
        for (effect, side, reach, stops), lines in zip(headers, phrases, strict=True)
    ]


def _header(words: list[str], where: str) -> tuple[Effect | None, Side, Reach, frozenset[Effect]]:
    """Effect, side, reach and stopped effects of a header."""
    if words == ["ignored"]:
        return None, "before", "near", frozenset()
    if words == ["stops", "all"]:
        return None, "before", "near", frozenset(EFFECTS)
    if words[:1] == ["stops"] and words[1:] and set(words[1:]) <= set(EFFECTS):
        return None, "before", "near", frozenset(e for e in EFFECTS if e in words[1:])
    if len(words) == 3:
        for effect in EFFECTS:
            for side in get_args(Side):
                for reach in get_args(Reach):
                    if words == [effect, side, reach]:
                        return effect, side, reach, frozenset()
    raise InputError(
        f"{where}: the header is not [ignored], [stops EFFECT ...] or [EFFECT SIDE REACH] with an "
        f"effect of {', '.join(EFFECTS)}; correct it"
    )
