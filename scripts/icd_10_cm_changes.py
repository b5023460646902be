"""Which ICD-10-CM codes came and went between an order file of CMS and the table at hand.

    python scripts/icd_10_cm_changes.py ORDER_FILE [FY2021]

writes src/surecode/codes/icd_10_cm_changes.csv. ORDER_FILE is CMS's order file of the older
release; the newer one is that of simple-icd-10-cm. Both tables are works of the US government.
"""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path

from surecode.codes.changes import SHIPPED, Changes, write_changes
from surecode.codes.order_file import read_order_file
from surecode.codes.releases import RELEASE_OF_PACKAGE, valid_codes
from surecode.errors import InputError

TARGET = Path(__file__).parents[1] / "src" / "surecode" / "codes" / SHIPPED


def made(order_file: Path, older: str) -> Changes:
    """The changes from the order file's release to that of the package."""
    package = version("simple-icd-10-cm")
    newer = RELEASE_OF_PACKAGE.get(package)
    codes = None if newer is None else valid_codes("ICD-10-CM", newer)
    if newer is None or codes is None:
        raise InputError(
            f"simple-icd-10-cm {package} is of an unknown release; "
            f"install one of {', '.join(RELEASE_OF_PACKAGE)}"
        )
    if older >= newer:
        raise InputError(f"{older} to {newer} is out of order; give an older order file")
    return Changes.between(read_order_file(order_file), older, codes, newer)


def main(arguments: list[str]) -> int:
    if len(arguments) not in (1, 2):
        print(__doc__, file=sys.stderr)
        return 2
    try:
        found = made(Path(arguments[0]), arguments[1] if len(arguments) == 2 else "FY2021")
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    command = "scripts/icd_10_cm_changes.py from the order file of January 2021 (CMS)"
    write_changes(found, TARGET, command)
    print(f"{found.older} to {found.newer}: {len(found.added)} added, {len(found.deleted)} deleted")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
