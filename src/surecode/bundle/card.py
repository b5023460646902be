"""The card of a bundle: what it is, what it was measured at, what it must not be used for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from surecode.calibration.certificate import Certificate
from surecode.codes.systems import system_of
from surecode.settings import Config
from surecode.source_settings import is_synthetic, restriction


def render_card(
    config: Config,
    prepare: Mapping[str, Any],
    evaluate: Mapping[str, Any],
    certificate: Certificate,
    pretraining_data: Sequence[str] = (),
) -> str:
    """Markdown; every figure stands beside the name of the data it was measured on.

    ``pretraining_data`` names what the encoder's lock says that it has read.
    """
    coder, dictionary = evaluate["coder"], evaluate["dictionary"]
    rate, accuracy = evaluate["automation_rate"], evaluate["accuracy_among_automated"]
    among = (
        "no encounter was automated"
        if accuracy is None
        else f"{accuracy['value']:.3f} ({accuracy['count']} of {accuracy['total']}, "
        f"95% interval {accuracy['low']:.3f} to {accuracy['high']:.3f})"
    )
    lines = [
        f"# surecode-{config.specialty.name}",
        "",
        f"Assigns {prepare['codes']} codes of {', '.join(config.specialty.label_space.systems)} to "
        f"encounters of the specialty {config.specialty.name}.",
        "",
        *_restricted(restriction(config.data)),
        f"- Coder: {_coder(config, pretraining_data)}",
        f"- Data: {prepare['data']}; encounters {_counts(prepare['encounters'])}",
        f"- Certificate {certificate.id}: {certificate.reason}",
        *(
            f"- Target, with probability {1 - certificate.delta:.0%}: {target.says()}"
            for target in certificate.targets
        ),
        f"- Certified threshold: {_thresholds(certificate)}; expires "
        f"{certificate.expires.isoformat()}",
        "",
        f"Measured on the {evaluate['split']} split, {evaluate['encounters']} encounters "
        f"({evaluate['data']}):",
        "",
        "| | this coder | dictionary |",
        "|---|---|---|",
        *(
            f"| {name.replace('_', ' ')} | {coder[name]:.3f} | {dictionary[name]:.3f} |"
            for name in (
                "micro_precision",
                "micro_recall",
                "micro_f1",
                "macro_f1_of_means",
                "macro_f1_mean",
                "mean_average_precision",
                "exact_match",
            )
        ),
        "",
        f"- Automation rate: {rate['value']:.3f} ({rate['count']} of {rate['total']}, "
        f"95% interval {rate['low']:.3f} to {rate['high']:.3f})",
        f"- Accuracy among automated: {among}",
        *(
            f"- {row['target']}: {row['value']:.3f}"
            for row in evaluate["promised"]
            if row["value"] is not None
        ),
        "",
        "## Assumptions of the certificate",
        "",
        *(f"- {assumption}" for assumption in certificate.assumptions),
        "",
        "## Limits",
        "",
        "- It knows no code outside its label space and no specialty but its own.",
        "- Evidence shows what the coder used, not clinical truth.",
        "- Synthetic data say nothing about real notes."
        if is_synthetic(config.data)
        else "- Figures hold for data like those named above.",
    ]
    return "\n".join(lines) + "\n"


def restricted_line(licence: str) -> str:
    """What the card of a bundle says that may not be published; sealing looks for it."""
    return f"Restricted: trained on data under the {licence}; do not publish."


def _restricted(licence: str | None) -> list[str]:
    if licence is None:
        return []
    return [
        f"**{restricted_line(licence)}** This holds for the whole bundle: the weights, and what "
        "the calibrator keeps of training, such as hashed mentions and the set of token ids seen, "
        "are derived from those texts. Share it only as that licence allows.",
        "",
    ]


def _thresholds(certificate: Certificate) -> str:
    return ", ".join(
        f"{group.name} ".lstrip()
        + ("none" if group.threshold is None else f"{group.threshold:.4f}")
        for group in certificate.groups
    )


def _coder(config: Config, pretraining_data: Sequence[str]) -> str:
    """Network, terms, or both."""
    terms = "terms of train and tune"
    if config.coder.tables:
        terms += f" and of the tables of {', '.join(config.coder.tables)}"
    systems = {system_of(name).name for name in config.specialty.label_space.systems}
    if listed := [name for name in config.coder.wordings if name in systems]:
        terms += f" and of shipped lists of {', '.join(listed)}"
    if config.coder.terms:
        terms += f" and of {len(config.coder.terms)} lists"
    if config.coder.similarity != "none":
        terms += ", similarity to wordings of codes"
    if config.coder.tagger != "none":
        terms += f", a tagger of words that people mark ({config.coder.tagger})"
    if config.coder.denied == "withhold":
        terms += ", denied codes withheld"
    if config.coder.senses == "decide":
        terms += ", rules of senses decide"
    if config.coder.kind == "lexicon":
        return f"lexicon; {terms}, words as hashes; no network"
    network = (
        f"encoder {config.encoder.name}{_read_before(config, pretraining_data)}; adapter "
        f"{_adapter(config)}; head {config.head.kind.replace('_', ' ')}"
    )
    return network if config.coder.kind == "neural" else f"hybrid; {terms}; {network}"


def _adapter(config: Config) -> str:
    kind = config.adapter.kind
    ranked = f" of rank {config.adapter.rank}" if kind in ("lora", "rslora", "dora") else ""
    layers = config.adapter.layers
    return f"{kind}{ranked}" + ("" if layers is None else f" on layers {list(layers)}")


def _read_before(config: Config, known: Sequence[str]) -> str:
    """Corpora that the encoder was trained on before: figures on them flatter the coder."""
    corpora = dict.fromkeys([*config.encoder.pretraining_data, *known])
    return f" (pre-trained on {', '.join(corpora)}: figures on those flatter it)" if corpora else ""


def _counts(encounters: Mapping[str, int]) -> str:
    return ", ".join(f"{split} {count}" for split, count in encounters.items())
