"""The encounter table: one row for each encounter, in Parquet, with one schema.

Every source yields it and every stage reads it. A file from outside is checked row by row; the
message names the row and the column and never quotes a text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from surecode.codes import releases
from surecode.codes.systems import check_syntax
from surecode.data.located import located
from surecode.encounter import Encounter
from surecode.errors import InputError
from surecode.files import whole

CodeCheck = Literal["syntax", "release"]


def _struct_list(**fields: pa.DataType) -> pa.ListType:
    # An absent sha256 is computed; every other field must be there.
    struct = [pa.field(name, kind, nullable=name == "sha256") for name, kind in fields.items()]
    return pa.list_(pa.field("element", pa.struct(struct), nullable=False))


_text, _number = pa.string(), pa.int64()
SCHEMA = pa.schema(
    [
        pa.field("encounter_id", _text, nullable=False),
        pa.field("patient_id", _text, nullable=False),
        pa.field("specialty", _text, nullable=False),
        pa.field("setting", _text, nullable=False),
        pa.field("payer", _text, nullable=False),
        pa.field("date_of_service", pa.date32(), nullable=False),
        pa.field(
            "documents",
            _struct_list(document_id=_text, kind=_text, text=_text, sha256=_text),
            nullable=False,
        ),
        pa.field(
            "codes",
            _struct_list(system=_text, value=_text, sequence=_number, source=_text),
            nullable=False,
        ),
        pa.field(
            "evidence",
            _struct_list(
                system=_text,
                value=_text,
                document_id=_text,
                start=_number,
                end=_number,
                # Pieces of one discontinuous mention share the number.
                mention=_number,
            ),
            nullable=False,
        ),
        pa.field("split", _text, nullable=True),
    ]
)
_ROWS_AT_ONCE = 1024


def write(encounters: Iterable[Encounter], path: Path) -> None:
    """Write the table in the order given; the same encounters give the same bytes.

    The file appears whole or not at all.
    """
    remaining = iter(encounters)
    with (
        whole(path) as temporary,
        pq.ParquetWriter(temporary, SCHEMA, compression="zstd") as writer,
    ):
        while batch := list(islice(remaining, _ROWS_AT_ONCE)):
            rows = [e.to_dict() | {"date_of_service": e.date_of_service} for e in batch]
            writer.write_table(pa.Table.from_pylist(rows, schema=SCHEMA))


def read(path: Path) -> list[Encounter]:
    """The encounters of a table, in its order.

    Raises `InputError` for a missing or damaged file, for a row that does not fit the schema, for
    a code that its system does not spell so and for an encounter id that stands there twice.
    """
    encounters = [
        to_encounter(row, f"{path}, row {number}") for number, row in enumerate(rows(path), start=1)
    ]
    check_encounters(encounters)
    return encounters


def rows(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a Parquet file as plain values; `InputError` where the file is none."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; write the table with `surecode prepare`")
    try:
        with pq.ParquetFile(path) as table:
            for batch in table.iter_batches(_ROWS_AT_ONCE):
                yield from batch.to_pylist()
    except (pa.ArrowInvalid, OSError, UnicodeDecodeError):
        raise InputError(
            f"{path}: the file is no Parquet or is damaged; write it anew from its source"
        ) from None


def to_encounter(row: Mapping[str, Any], where: str) -> Encounter:
    """The encounter of one row of the table; ``where`` names file and row in messages.

    Raises `InputError` naming the column where one is missing, unknown or of the wrong type, and
    for everything that `Encounter` refuses.
    """
    unknown = sorted(set(row) - set(SCHEMA.names))
    if unknown:
        raise InputError(
            f"{where}: column {unknown[0]!r} is unknown; the columns are {', '.join(SCHEMA.names)}"
        )
    for field in SCHEMA:
        _check_value(row.get(field.name), field, where, field.name)
    with located(where):
        return Encounter.from_dict(row)


def check_encounters(
    encounters: Iterable[Encounter],
    *,
    maximum_characters: int | None = None,
    code_check: CodeCheck = "syntax",
) -> None:
    """The check at the edge that every source passes.

    Raises `InputError` for an encounter id that occurs twice, a document of more than
    ``maximum_characters`` code points, a code that its system (``"syntax"``) or the release of
    the date of service (``"release"``) does not have, and evidence of a code that the encounter
    does not have.
    """
    seen: set[str] = set()
    for encounter in encounters:
        where = f"encounter {encounter.encounter_id}"
        if encounter.encounter_id in seen:
            raise InputError(f"{where}: the id occurs twice; make encounter ids unique")
        seen.add(encounter.encounter_id)
        for document in encounter.documents:
            if maximum_characters is not None and len(document.text) > maximum_characters:
                raise InputError(
                    f"{where}: document {document.document_id} has {len(document.text)} "
                    f"characters, more than the limit of {maximum_characters}; "
                    "split it into documents or raise the limit"
                )
        _check_codes(encounter, where, code_check)


def _check_codes(encounter: Encounter, where: str, code_check: CodeCheck) -> None:
    code_set = encounter.code_set
    with located(where):
        for code in sorted(code_set):
            if code_check == "release":
                releases.check(code, encounter.date_of_service)
            else:
                check_syntax(code)
    for item in encounter.evidence:
        if item.code not in code_set:
            raise InputError(
                f"{where}: evidence of {item.code}, which is none of the encounter's codes; "
                "add the code or drop the evidence"
            )


def _check_value(value: Any, field: pa.Field, where: str, column: str) -> None:
    if value is None:
        if field.nullable:
            return
        raise InputError(f"{where}, column {column}: the value is missing; fill it in")
    kind = field.type
    if pa.types.is_list(kind):
        _expect(isinstance(value, list), "a list", where, column)
        for position, item in enumerate(value):
            _check_value(item, kind.value_field, where, f"{column}[{position}]")
    elif pa.types.is_struct(kind):
        _expect(isinstance(value, dict), "an object", where, column)
        unknown = sorted(set(value) - {part.name for part in kind})
        if unknown:
            raise InputError(f"{where}, column {column}.{unknown[0]}: the field is unknown")
        for part in kind:
            _check_value(value.get(part.name), part, where, f"{column}.{part.name}")
    elif pa.types.is_integer(kind):
        _expect(isinstance(value, int) and not isinstance(value, bool), "an integer", where, column)
    elif pa.types.is_date(kind):
        is_day = isinstance(value, date | str) and not isinstance(value, datetime)
        _expect(is_day, "a date such as 2026-03-31", where, column)
    else:
        _expect(isinstance(value, str) and _is_unicode(value), "a Unicode text", where, column)


def _expect(holds: bool, what: str, where: str, column: str) -> None:
    if not holds:
        raise InputError(f"{where}, column {column}: the value is not {what}; correct it")


def _is_unicode(value: str) -> bool:
    """Whether the text has a UTF-8 form: JSON can smuggle in half a surrogate pair."""
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
