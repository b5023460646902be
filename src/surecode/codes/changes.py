"""What changed between two releases of a code system: the billable codes added and deleted.

ICD-10-CM between FY2021 (the order file of January 2021) and FY2026 (the tables of April 2026)
ships beside this file. With the table of the newer release it gives the older one's: newer, less
what was added, and what was deleted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

from surecode.codes.order_file import OrderRow
from surecode.codes.systems import check_syntax, system_of
from surecode.encounter import Code
from surecode.errors import InputError
from surecode.files import csv_rows, write_text

SHIPPED = "icd_10_cm_changes.csv"
_HEAD = re.compile(r"# (?P<system>\S+) (?P<older>FY\d{4}) to (?P<newer>FY\d{4}); made by .+")
_COLUMNS = ["change", "value", "title"]
_REMEDY = "make it anew with scripts/icd_10_cm_changes.py"


@dataclass(frozen=True)
class Changes:
    """Billable codes that only the newer release has, and those that only the older one has.

    ``deleted`` has their titles, which no table of the newer release knows.
    """

    system: str
    older: str
    newer: str
    added: frozenset[str]
    deleted: dict[str, str]

    def older_codes(self, newer: frozenset[str]) -> frozenset[str]:
        """The billable codes of the older release, from those of the newer."""
        return (newer - self.added) | frozenset(self.deleted)

    @classmethod
    def between(
        cls, rows: Iterable[OrderRow], older: str, codes: frozenset[str], newer: str
    ) -> Changes:
        """From the older release's order file to the codes of the newer one."""
        was = {row.value: row.title for row in rows if row.billable}
        gone = {value: title for value, title in was.items() if value not in codes}
        return cls("ICD-10-CM", older, newer, codes - was.keys(), gone)


def changes(system: str, older: str, newer: str) -> Changes:
    """What changed from one release of a system to a later one, where that is at hand.

    Raises:
        InputError: the releases are out of order, or what changed between them is not at hand.
    """
    found = shipped()
    known = f"at hand is {found.system} {found.older} to {found.newer}"
    if system_of(system).name == found.system and older >= newer:
        raise InputError(
            f"changes of {system} from {older} to {newer}: out of order; name the older first "
            f"({known})"
        )
    if (system, older, newer) != (found.system, found.older, found.newer):
        raise InputError(
            f"changes of {system} from {older} to {newer}: of an unknown release; {known}"
        )
    return found


@lru_cache(maxsize=1)
def shipped() -> Changes:
    """The changes that ship with the package."""
    return read_changes(Path(str(files("surecode.codes") / SHIPPED)))


def write_changes(found: Changes, path: Path, command: str) -> None:
    """Write the CSV whose first line names the releases and the command that makes it."""
    rows = [("added", value, "") for value in sorted(found.added)]
    rows += [("deleted", value, found.deleted[value]) for value in sorted(found.deleted)]
    lines = [f"# {found.system} {found.older} to {found.newer}; made by {command}"]
    lines.append(",".join(_COLUMNS))
    lines += [f"{change},{value},{_cell(title)}" for change, value, title in rows]
    write_text(path, "\n".join(lines) + "\n")


def read_changes(path: Path) -> Changes:
    """Read what `write_changes` wrote.

    Raises:
        InputError: the file is absent or damaged, the releases or the codes are out of order, or a
            value is no code.
    """
    try:
        first, _, rest = path.read_text(encoding="utf-8").partition("\n")
    except (OSError, UnicodeDecodeError):
        raise InputError(f"{path}: cannot be read; {_REMEDY}") from None
    head = _HEAD.fullmatch(first)
    rows = csv_rows(path, rest)
    if head is None or next(rows)[1] != _COLUMNS:
        raise InputError(f"{path}: names no releases or not its columns; {_REMEDY}")
    system, older, newer = system_of(head["system"]).name, head["older"], head["newer"]
    if older >= newer:
        raise InputError(f"{path}: {older} to {newer} is out of order; {_REMEDY}")
    titles: dict[str, dict[str, str]] = {"added": {}, "deleted": {}}
    last = ("", "")
    for where, (change, value, title) in rows:
        if change not in titles:
            raise InputError(f"{where}: change is neither added nor deleted; {_REMEDY}")
        try:
            check_syntax(Code(system, value))
        except InputError as error:
            raise InputError(f"{where}: {error}") from None
        if (change, value) <= last:
            raise InputError(f"{where}: {value} is out of order or stands twice; {_REMEDY}")
        last = (change, value)
        titles[change][value] = title
    added = frozenset(titles["added"])
    if both := sorted(added & titles["deleted"].keys()):
        raise InputError(f"{path}: {both[0]} is added and deleted; {_REMEDY}")
    return Changes(system, older, newer, added, titles["deleted"])


def _cell(text: str) -> str:
    doubled = text.replace('"', '""')
    return f'"{doubled}"' if any(sign in text for sign in ',"\n') else text
