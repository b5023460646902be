"""``surecode codes add``: fetch a registered model, give it more codes, register it as new."""

from __future__ import annotations

import hashlib
from datetime import date
from pathlib import Path
from typing import Any

from surecode.bundle.grow import add_codes
from surecode.bundle.seal import restriction_of
from surecode.codes.code_list import read_code_list
from surecode.codes.systems import parse
from surecode.encounter import Code
from surecode.loading import REGISTERED
from surecode.registry.models import fetch_bundle, model_uri, register_bundle
from surecode.registry.tracking import named_run, point_to
from surecode.verb_settings import CodesAddConfig


def codes_add(config: CodesAddConfig) -> dict[str, Any]:
    """Write the grown bundle and register it; what the command prints.

    An entry of ``codes`` that ends in ``.csv`` is a file with the columns system and value.

    Raises:
        InputError: as `add_codes`, or there is no such model.
    """
    codes = [code for text in config.codes for code in _codes(text)]
    model = config.model or model_uri(config.specialty.name, config.alias)
    if model.startswith(REGISTERED) or config.output is None:
        point_to(config.tracking)
    source = fetch_bundle(model) if model.startswith(REGISTERED) else Path(model)
    day = config.date_of_service or date.today()
    if config.output is not None:
        figures = add_codes(source, codes, config.output, config.descriptions, day)
        return figures | {"bundle": str(config.output)}
    names = hashlib.sha256(" ".join(sorted(map(str, codes))).encode()).hexdigest()[:12]
    with named_run(
        config.tracking, f"{config.specialty.name}-codes-{names}", {"based_on": model}
    ) as run:
        target = config.runs / config.specialty.name / f"codes-{names}-{run.run_id[:8]}" / "bundle"
        figures = add_codes(source, codes, target, config.descriptions, day)
        run.log({"codes/added": len(codes), "codes/all": figures["codes"]})
        name, version = register_bundle(
            config.specialty.name,
            target,
            config.alias,
            {
                "manifest": str(figures["manifest"]),
                "certified": "false",
                "codes_added": str(len(codes)),
                "restricted": str(restriction_of(target) is not None).lower(),
            },
        )
    return figures | {"bundle": str(target), "model_name": name, "version": version}


def _codes(text: str) -> list[Code]:
    """``SYSTEM:VALUE``, or all codes of a file: a release has too many for a command line."""
    return read_code_list(Path(text)) if text.endswith(".csv") else [parse(text)]
