"""Words of notes as keyed hashes: the form in which a dictionary may leave the run folder."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable
from typing import Any

from surecode.errors import InputError

_HASH = re.compile(r"[0-9a-f]{16}")


def hashes(words: Iterable[str], key: str) -> dict[str, str]:
    """The hash of each word: 64 bits of BLAKE2b (RFC 7693) under the key, in hexadecimal.

    Raises `InputError` where the key is empty or longer than 64 bytes.
    """
    secret = key.encode("utf-8")
    if not 0 < len(secret) <= hashlib.blake2b.MAX_KEY_SIZE:
        raise InputError(f"dictionary: a key of {len(secret)} bytes; give 1 to 64 bytes of UTF-8")
    return {
        word: hashlib.blake2b(word.encode("utf-8"), digest_size=8, key=secret).hexdigest()
        for word in words
    }


def is_row(row: Any) -> bool:
    """Whether a row of a hashed dictionary's file is a mention of hashes with its codes."""
    if not isinstance(row, list) or len(row) != 2 or not all(isinstance(v, list) for v in row):
        return False
    mention, found = row
    return bool(
        mention
        and found
        and all(isinstance(token, str) and _HASH.fullmatch(token) for token in mention)
        and all(isinstance(entry, list) and len(entry) == 3 for entry in found)
        and all(isinstance(s, str) and isinstance(v, str) for s, v, _ in found)
        and all(isinstance(p, float) and math.isfinite(p) and 0.0 < p <= 1.0 for *_, p in found)
    )
