"""``surecode register``: seal the bundle and register it in MLflow as the challenger."""

from __future__ import annotations

from surecode.bundle import layout
from surecode.bundle.card import render_card
from surecode.bundle.load import load_bundle
from surecode.bundle.seal import seal
from surecode.calibration.certificate_file import read_certificate
from surecode.errors import InputError
from surecode.files import write_json, write_text
from surecode.registry.models import register_bundle
from surecode.registry.tracking import open_run, point_to
from surecode.settings import Config
from surecode.source_settings import restriction
from surecode.stages.run_folder import Figures, RunFolder

ALIAS = "challenger"


def register(config: Config) -> Figures:
    """Write card and manifest, register the bundle, and say where everything lies."""
    folder = RunFolder(config)
    evaluate = folder.figures("evaluate")
    certificate = read_certificate(folder.bundle / layout.CERTIFICATE)
    if evaluate["certificate"] != certificate.id:
        raise InputError(
            f"{folder.path}: the figures were measured under another certificate; "
            "run `surecode evaluate` again"
        )
    point_to(config.tracking)
    read_before = folder.figures("train")["encoder"].get("pretraining_data", ())
    card = render_card(config, folder.figures("prepare"), evaluate, certificate, read_before)
    write_text(folder.bundle / layout.CARD, card)
    manifest = seal(folder.bundle)
    load_bundle(folder.bundle)  # what is registered can be loaded
    with open_run(config, {}) as run:
        name, version = register_bundle(
            config.specialty.name,
            folder.bundle,
            ALIAS,
            {
                "manifest": manifest,
                "certificate": certificate.id,
                "certified": str(certificate.certified).lower(),
                "data": evaluate["data"],
                "config_hash": config.fit_hash,
                "restricted": str(restriction(config.data) is not None).lower(),
            },
        )
        figures = {
            "model": name,
            "version": version,
            "alias": ALIAS,
            "manifest": manifest,
            "certificate": certificate.id,
        }
        reference = {
            "run_folder": str(folder.path),
            "mlflow_run": run.run_id,
            "config_hash": config.fit_hash,
            **figures,
        }
    write_json(config.artifact_folder / "run_ref.json", reference)
    return folder.finish("register", figures)
