"""The place of an error: file and row put before a message that knows neither."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from surecode.errors import InputError


@contextmanager
def located(where: str) -> Iterator[None]:
    """Put ``where`` before the message of every `InputError` raised inside."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
