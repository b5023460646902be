"""Windows of encounters from disk: the same texts are tokenised once, not once for each run.

One Arrow file holds the windows of one list of encounters, one row for each, under a name that
hashes all that they depend on: the tokenizer, the window's length and overlap, the documents. The
arrays that come back are views of the mapped file: they take no memory of their own and cannot be
written to. Encounter ids are not in it: the same texts under other ids have the same windows.

Tokens are patient text in another spelling: the folder belongs where the notes may be. File names
are hashes.

Price: 40 bytes of disk for each token, because a view needs the arrays as the program has them.

Legend: W windows of an encounter, T content tokens, I tokens with the special ones.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from surecode.data.windows import Windower, Windows
from surecode.encounter import Encounter
from surecode.files import whole

# A change of what a row holds needs another number, or old files would be read as new ones.
_FORMAT = 1
_ROWS_AT_ONCE = 128
_LISTS = {
    "input_ids": "[I], the windows one after the other",
    "windows": "[W, 3]: tokens, where the content starts, where it stops",
    "document": "[T]",
    "offsets": "[T, 2]",
}
_SCHEMA = pa.schema(
    [pa.field(name, pa.list_(pa.field("item", pa.int64(), nullable=False))) for name in _LISTS]
    + [pa.field("checksum", pa.uint32())]
)


def cached_windows(
    encounters: Sequence[Encounter], windower: Windower, folder: Path, tokenizer_hash: str
) -> list[Windows]:
    """Windows of many encounters, in their order: from the cache, or through it.

    A file that is damaged is written anew. Where the folder takes no file, the work goes on without
    a cache.

    Args:
        encounters: their documents are read, and nothing else of them but their ids.
        windower: is asked only where the cache has no file for these encounters.
        folder: where the files lie; made where it is missing.
        tokenizer_hash: identity of the tokenizer's file.

    Raises:
        InputError: as the windower does.
    """
    if not encounters:
        return []
    path = folder / f"{_key(encounters, windower, tokenizer_hash)}.arrow"
    windows = _read(path, encounters)
    if windows is None:
        with suppress(OSError):
            _write(path, encounters, windower)
        windows = _read(path, encounters)
    return windower.all(encounters) if windows is None else windows


def _key(encounters: Sequence[Encounter], windower: Windower, tokenizer_hash: str) -> str:
    digest = hashlib.sha256()
    parts = (_FORMAT, version("tokenizers"), tokenizer_hash, windower.length, windower.overlap)
    digest.update("\n".join(map(str, parts)).encode())
    for encounter in encounters:
        # The number of documents goes in, so that two encounters never hash as one.
        digest.update(f"\n{len(encounter.documents)}".encode())
        for document in encounter.documents:
            digest.update(f" {document.sha256}".encode())
    return digest.hexdigest()


def _write(path: Path, encounters: Sequence[Encounter], windower: Windower) -> None:
    """Tokenise and write, at the memory of a few encounters."""
    with (
        whole(path) as temporary,
        pa.OSFile(str(temporary), "wb") as file,
        pa.ipc.new_file(file, _SCHEMA) as writer,
    ):
        for start in range(0, len(encounters), _ROWS_AT_ONCE):
            rows = [_row(windower(e)) for e in encounters[start : start + _ROWS_AT_ONCE]]
            columns = [_lists([row[name] for row in rows]) for name in _LISTS]
            checksums = pa.array([_checksum(row) for row in rows], type=pa.uint32())
            writer.write_batch(pa.record_batch([*columns, checksums], schema=_SCHEMA))


def _read(path: Path, encounters: Sequence[Encounter]) -> list[Windows] | None:
    """The windows as views of the file; None where it is absent or damaged."""
    try:
        rows = list(_rows(path))
        return [_windows(e.encounter_id, row) for e, row in zip(encounters, rows, strict=True)]
    except (pa.ArrowException, OSError, ValueError, KeyError, MemoryError, OverflowError):
        return None


def _rows(path: Path) -> Iterator[dict[str, NDArray[np.int64]]]:
    """The rows of a file; raises an exception of Arrow or ValueError where one is damaged."""
    reader = pa.ipc.open_file(pa.memory_map(str(path)))
    if not reader.schema.equals(_SCHEMA):
        raise ValueError("another schema")
    for number in range(reader.num_record_batches):
        batch = reader.get_batch(number)
        batch.validate(full=True)
        columns = {name: _views(batch.column(name)) for name in _LISTS}
        for place, checksum in enumerate(batch.column("checksum").to_pylist()):
            row = {name: views[place] for name, views in columns.items()}
            if _checksum(row) != checksum:
                raise ValueError("another checksum")
            yield row


def _row(windows: Windows) -> dict[str, NDArray[np.int64]]:
    shape = [
        (len(ids), place.start, place.stop)
        for ids, place in zip(windows.input_ids, windows.content, strict=True)
    ]
    return {
        "input_ids": np.concatenate(windows.input_ids),
        "windows": np.array(shape, dtype=np.int64).ravel(),
        "document": windows.document.astype(np.int64, copy=False),
        "offsets": windows.offsets.astype(np.int64, copy=False).ravel(),
    }


def _windows(encounter_id: str, row: dict[str, NDArray[np.int64]]) -> Windows:
    shape = row["windows"].reshape(-1, 3).tolist()
    bounds = np.cumsum([0, *(tokens for tokens, _, _ in shape)]).tolist()
    return Windows(
        encounter_id,
        tuple(row["input_ids"][start:stop] for start, stop in pairwise(bounds)),
        tuple(slice(start, stop) for _, start, stop in shape),
        row["document"],
        row["offsets"].reshape(-1, 2),
    )


def _lists(arrays: Sequence[NDArray[np.int64]]) -> Any:
    """Arrow's list column of some arrays."""
    bounds = np.cumsum([0, *map(len, arrays)], dtype=np.int32)
    return pa.ListArray.from_arrays(pa.array(bounds), pa.array(np.concatenate(arrays)))


def _views(column: Any) -> list[NDArray[np.int64]]:
    """The arrays of a list column, without a copy."""
    values = column.values.to_numpy(zero_copy_only=True)
    return [values[start:stop] for start, stop in pairwise(column.offsets.to_pylist())]


def _checksum(row: dict[str, NDArray[np.int64]]) -> int:
    checksum = 0
    for name in _LISTS:
        # The length goes in, so that no token moves from one list to the next.
        checksum = zlib.crc32(row[name].data, zlib.crc32(str(len(row[name])).encode(), checksum))
    return checksum
