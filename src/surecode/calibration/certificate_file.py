"""``certificate.json``: written whole or not at all, read with every key and type checked."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import date
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from surecode.calibration.certificate import Certificate
from surecode.errors import InputError
from surecode.files import read_json, write_text

SCHEMA = "surecode.certificate/2"
AGAIN = "run surecode calibrate again"

_READER = TypeAdapter(Certificate)


def certificate_to_json(certificate: Certificate) -> str:
    """JSON text; floats are written so that they read back exactly."""
    content = {"schema": SCHEMA} | asdict(certificate)
    return json.dumps(content, indent=2, allow_nan=False, default=date.isoformat) + "\n"


def write_certificate(certificate: Certificate, path: Path) -> None:
    """Write ``path`` as JSON."""
    write_text(path, certificate_to_json(certificate))


def read_certificate(path: Path) -> Certificate:
    """The certificate in ``path``.

    Raises `InputError` where the file is absent or no JSON, of another schema, a key is missing or
    unknown, a value has the wrong type, or the content does not fit the id.
    """
    values = read_json(path, AGAIN)
    if not isinstance(values, dict) or values.pop("schema", None) != SCHEMA:
        raise InputError(f"{path}: is no certificate of schema {SCHEMA}; {AGAIN}")
    try:
        # As JSON, so that dates and tuples are told from text and lists, and nothing else is.
        certificate = _READER.validate_json(json.dumps(values))
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        place = " ".join(".".join(str(part) for part in first["loc"]).split()) or "certificate"
        raise InputError(f"{path}: {place}: {first['msg']}; {AGAIN}") from None
    except InputError as error:
        raise InputError(f"{path}: {error}; {AGAIN}") from None
    if certificate.with_id().id != certificate.id:
        raise InputError(
            f"{path}: the content does not fit the id, so it was changed after it was written; "
            f"{AGAIN}"
        )
    return certificate
