"""The types of the knowledge tables: what a department sees, and how its notes put it.

Every phrase is a template. ``{side}`` is right or left (``{Side}`` with a capital); ``{age}``
and ``{sex}`` come from the patient; ``{2.0-4.5}`` is a number drawn between the bounds with as
many decimals as they have; ``{m}`` and ``{M}`` are the place of a mention, ``{M}`` with a capital.
Names and phrases stand from the commonest to the rarest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from surecode.encounter import Code, Setting

if TYPE_CHECKING:
    from surecode.data.sources.synthetic.case import Case
    from surecode.data.sources.synthetic.pen import Pen

Absence = Literal["excluded", "denied", "never"]
Kind = Literal["negated", "denied", "uncertain", "historical", "family"]

SIDES = ("right", "left")
UNCODED = ""


@dataclass(frozen=True)
class Wording:
    """What can be claimed: names, and phrases that go with them.

    The phrases (``reasons``, ``findings``, ``plans``) contain no name of any code. ``orders`` are
    procedures and the chance of each. ``integral`` are names of symptoms that belong to the
    diagnosis and are not coded beside it.
    """

    names: tuple[str, ...]
    reasons: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()
    plans: tuple[str, ...] = ()
    orders: tuple[tuple[Procedure, float], ...] = ()
    integral: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Procedure(Wording):
    """A service or drug with its code; ``names`` are plain words, never the AMA's descriptor."""

    code: Code
    said: str = ""
    minimum_age: int = 0


@dataclass(frozen=True, kw_only=True)
class Condition(Wording):
    """One diagnosis: one ICD-10-CM value, or the right and the left one.

    ``bare`` are the names of a lateral condition without a side. ``absence`` says
    who may say that it is not there: the clinician excludes it, the patient denies it, or nobody
    would mention it. Only what is ``resolving`` is mentioned as past,
    because a coder codes "history of COPD" as COPD.
    """

    values: tuple[str, ...]
    weight: float = 1.0
    symptom: bool = False
    absence: Absence = "excluded"
    resolving: bool = True
    bare: tuple[str, ...] = ()

    @property
    def lateral(self) -> bool:
        """Whether the code depends on the side."""
        return len(self.values) == 2

    @property
    def sideless(self) -> tuple[str, ...]:
        """The names without a side, as used where the condition is not coded."""
        return self.bare or self.names


@dataclass(frozen=True, kw_only=True)
class Unclear(Wording):
    """A wording whose code only the clinician knows.

    ``options`` are the values and the probability with which each is meant; ``UNCODED`` means
    that this department's coders leave the wording without a code. They sum to one.
    """

    options: tuple[tuple[str, float], ...]
    side_left_out: bool = False

    @property
    def best(self) -> float:
        """The probability that the likeliest option is the right one."""
        return max(probability for _, probability in self.options)


@dataclass(frozen=True, eq=False)
class Scenario:
    """One kind of encounter: an exam, a specimen, a complaint.

    ``principals`` lead the code set, ``comorbid`` follow it. ``unclear``, ``unclear_also`` and
    ``grey`` are the three independent places of irreducible uncertainty: a principal wording, a
    further wording, and a hedged mention (``Specialty.hedges``). Their codes are disjoint.
    ``excluded``, ``past`` and ``family`` are conditions that notes mention only as absent, as
    history of the patient or as history of the family.
    """

    name: str
    weight: float
    principals: tuple[Condition, ...]
    unclear: tuple[Unclear, ...]
    grey: tuple[Condition, ...]
    comorbid: tuple[Condition, ...] = ()
    unclear_also: tuple[Unclear, ...] = ()
    procedures: tuple[Procedure, ...] = ()
    excluded: tuple[str, ...] = ()
    past: tuple[str, ...] = ()
    family: tuple[str, ...] = ()
    phrases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sex: str = ""


@dataclass(frozen=True)
class Distractions:
    """Templates of the mentions that must not be coded."""

    negated: tuple[str, ...]
    denied: tuple[str, ...]
    uncertain: tuple[str, ...]
    historical: tuple[str, ...]
    family: tuple[str, ...]

    def of(self, kind: Kind) -> tuple[str, ...]:
        """The templates of one kind, the commonest first."""
        return {
            "negated": self.negated,
            "denied": self.denied,
            "uncertain": self.uncertain,
            "historical": self.historical,
            "family": self.family,
        }[kind]


@dataclass(frozen=True, eq=False)
class Specialty:
    """All that the generator knows of one department.

    ``ages`` are the youngest and the oldest patient's on the first day of the release.
    ``hedges`` pairs a template with the probability that the coders code a condition put so.
    ``exclusive`` lists values that one code set never holds together.
    """

    name: str
    setting: Setting
    ages: tuple[int, int]
    scenarios: tuple[Scenario, ...]
    distractions: Distractions
    hedges: tuple[tuple[str, float], ...]
    exclusive: tuple[tuple[str, ...], ...]
    write: Callable[[Pen, Case], None]

    def group(self, value: str) -> str:
        """The first of the values that exclude ``value``, or itself: equal groups exclude."""
        return next((values[0] for values in self.exclusive if value in values), value)

    def groups(self, wording: Condition | Unclear) -> frozenset[str]:
        """The groups of all codes that the wording may stand for."""
        values = (
            wording.values
            if isinstance(wording, Condition)
            else tuple(value for value, _ in wording.options if value != UNCODED)
        )
        return frozenset(self.group(value) for value in values)


def icd(value: str) -> Code:
    """An ICD-10-CM code."""
    return Code("ICD-10-CM", value)


def cpt(value: str, *names: str) -> Procedure:
    """A procedure with a CPT number, named in words of our own."""
    return Procedure(names, code=Code("CPT", value))


def hcpcs(value: str, *names: str, said: str = "", minimum_age: int = 0) -> Procedure:
    """A drug or service with a HCPCS Level II code."""
    return Procedure(names, code=Code("HCPCS", value), said=said, minimum_age=minimum_age)


def side_left_out(condition: Condition, right: float = 0.5) -> Unclear:
    """The lateral condition documented without its side; only phrases without a side go along."""
    return Unclear(
        names=condition.bare,
        reasons=_neutral(condition.reasons),
        findings=_neutral(condition.findings),
        plans=_neutral(condition.plans),
        integral=condition.integral,
        orders=condition.orders,
        options=((condition.values[0], right), (condition.values[1], 1 - right)),
        side_left_out=True,
    )


def sentences(phrases: tuple[str, ...]) -> tuple[str, ...]:
    """The phrases with a capital and a full stop."""
    return tuple(f"{capitalized(phrase)}." for phrase in phrases)


def capitalized(phrase: str) -> str:
    """The phrase with a capital first letter, also where it begins with a side."""
    if phrase.startswith("{side}"):
        return "{Side}" + phrase.removeprefix("{side}")
    return phrase[0].upper() + phrase[1:]


def _neutral(phrases: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(phrase for phrase in phrases if "{side}" not in phrase.lower())
