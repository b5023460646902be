"""A certificate as one HTML file for those who answer for it: plain words first, then all figures.

The page says what was promised, what was found, on what evidence, until when, and on what
assumptions. Shares that speak for the coder are rounded against it; the file itself, with every
figure as it is, stands at the end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from surecode.calibration.certificate import Certificate
from surecode.calibration.certificate_file import certificate_to_json
from surecode.calibration.certificate_tables import (
    group_table,
    percent,
    required_tables,
    said,
    sentence,
    target_tables,
)
from surecode.calibration.required import Plan
from surecode.errors import InputError
from surecode.page.characters import text
from surecode.page.elements import items, page, paragraph, picture, section, table

CHECK = (
    'python -c "import hashlib, json; '
    "c = json.load(open('certificate.json')); del c['schema'], c['id']; "
    'print(hashlib.sha256(json.dumps(c, sort_keys=True).encode()).hexdigest()[:16])"'
)


def certificate_page(
    certificate: Certificate,
    *,
    data: str,
    pictures: Mapping[str, bytes] | None = None,
    plan: Sequence[Plan] = (),
) -> str:
    """The HTML of a certificate.

    ``data`` names the encounters and says whether they are synthetic; ``pictures`` are PNGs by the
    words that say what they show; ``plan`` is that of `surecode.calibration.plan`. Raises
    `InputError` where the data has no name, a picture is no PNG or the id does not fit.
    """
    if not data.strip():
        raise InputError("certificate page: the data has no name; say which encounters these are")
    if certificate.with_id().id != certificate.id:
        raise InputError(
            "certificate page: the content does not fit the id; take the certificate from its file"
        )
    tables = [group_table(certificate), *target_tables(certificate)]
    shown = [picture(words, png) for words, png in (pictures or {}).items()]
    return page(
        f"Certificate for {certificate.specialty}",
        [
            *_head(certificate, data),
            _promise(certificate),
            _answer(certificate),
            section("The evidence", [*tables, *shown]),
            section(
                "What it takes to certify",
                required_tables(certificate, plan) or [paragraph("No plan was made.")],
            ),
            _ends(certificate),
            section("What it assumes", [items(certificate.assumptions)]),
            _method(certificate),
            _check(certificate),
        ],
    )


def _head(certificate: Certificate, data: str) -> list[str]:
    certified, known = [g for g in certificate.groups if g.certified], len(certificate.groups)
    status = "Nothing is certified: every encounter goes to a person"
    if certified:
        some = f" for {len(certified)} of {known} groups" if len(certified) < known else ""
        status = f"Automation is certified{some}"
    parts = [
        f"<h1>Certificate for {text(certificate.specialty)}</h1>",
        paragraph(f"{status}.", "status good" if certified else "status bad"),
        paragraph(f"Data: {data}. Certificate {certificate.id}.", "quiet"),
    ]
    if "synthetic" in data.lower():
        words = "The encounters are synthetic: these figures say nothing about real patients."
        parts.append(paragraph(words, "note"))
    if certificate.test_number > 1:
        words = (
            f"This is test number {certificate.test_number} on the same encounters: the promise is "
            "that of the first. Encounters not used before make it whole again."
        )
        parts.append(paragraph(words, "note"))
    return parts


def _promise(certificate: Certificate) -> str:
    delta = certificate.targets[0].delta
    certainty = percent(1.0 - delta)
    scope = "in each group by itself" if len(certificate.groups) > 1 else ""
    if certificate.family != "each" and max(certificate.family_size, len(certificate.groups)) > 1:
        scope = f"in all groups of all {certificate.family_size} specialties of the family together"
    opening = (
        f"With {certainty} certainty" + (f", {scope}" if scope else "") + ":"
        if certificate.certified
        else f"No promise is made. With {certainty} certainty it was asked that:"
    )
    return section(
        "The promise",
        [
            paragraph(opening),
            items(f"{sentence(target.says())}." for target in certificate.targets),
            paragraph(
                f"{certainty} certainty means: of the certificates made in this way, at most "
                f"{percent(delta)} promise something that does not hold. The promise is about "
                "automated encounters as a whole; a single one may still be wrong."
            ),
        ],
    )


def _answer(certificate: Certificate) -> str:
    parts = []
    if len(certificate.groups) > 1:
        parts.append(
            paragraph(
                f"Of all {certificate.n_calibrate:,} encounters "
                f"{certificate.automation_rate:.1%} would be coded automatically."
            )
        )
    for group in certificate.groups:
        if group.threshold is None:
            words = f"Nothing is automated: {group.reason}."
        else:
            low, high = group.automation_rate_interval
            words = (
                f"{group.automation_rate:.1%} (95% interval {low:.1%} to {high:.1%}) would be "
                f"coded automatically: {group.n_selected:,} of {group.n_calibrate:,} encounters, "
                f"those with a confidence of at least {group.threshold:.6g}. "
                "All others go to a person."
            )
        parts.append(paragraph(f"{group.name}: {words}" if group.name else words))
    return section("The answer", parts)


def _ends(certificate: Certificate) -> str:
    bound = [*sorted(certificate.hashes.items())]
    bound += [("code weights", t.weights) for t in certificate.targets if t.weights]
    made = [("calibrate split", certificate.split_fingerprint)]
    made += [(f"thresholds, {said(group)}", group.grid_hash) for group in certificate.groups]
    return section(
        "When it ends",
        [
            paragraph(
                f"Made on {certificate.created.isoformat()}. It no longer holds from "
                f"{certificate.expires.isoformat()} on, or as soon as one of these changes:"
            ),
            table("What it is bound to, by SHA-256.", ("What", "SHA-256"), bound),
            table("What it was made from, by SHA-256.", ("What", "SHA-256"), made),
            paragraph(
                "No hash notices when the encounters themselves change: other notes, payers or "
                "sites than those audited. Random audits of automated encounters do."
            ),
        ],
    )


def _method(certificate: Certificate) -> str:
    delta = percent(certificate.targets[0].delta)
    each = certificate.family == "each" and len(certificate.groups) > 1
    scope = " in each group" if each else ""
    tests = sorted({result.bound for group in certificate.groups for result in group.results})
    return section(
        "How it was made",
        [
            paragraph(
                "On encounters that had no part in building the coder, thresholds of confidence "
                "were tried from the strictest to the most lenient, in an order that was fixed "
                "without knowing which encounters were right. For each threshold it was computed "
                "how likely so few errors would be if automated encounters missed the target; the "
                "last threshold before that became likelier than the delta of the group is "
                "certified. Because the order was fixed, the procedure as a whole certifies a "
                f"threshold that misses the target with a probability of at most {delta}{scope}, "
                "however few the encounters."
            ),
            paragraph(
                f"Method: {certificate.method}. Tests: {', '.join(tests) or 'none'}. Family: "
                f"{certificate.family} of {certificate.family_size}. Clusters: "
                f"{certificate.clustering}. Groups by: "
                f"{', '.join(certificate.group_by) or 'nothing'}. Test number on this split: "
                f"{certificate.test_number}.",
                "quiet",
            ),
        ],
    )


def _check(certificate: Certificate) -> str:
    return section(
        "The certificate itself",
        [
            paragraph(
                f"The id {certificate.id} is made from all that follows, so it shows any change "
                "to the file. It is no signature: compare it with the one in the decision records, "
                "or with one kept elsewhere. This prints it, given the file:"
            ),
            f"<pre>{text(CHECK)}</pre>",
            paragraph("certificate.json:"),
            f"<pre>{text(certificate_to_json(certificate))}</pre>",
        ],
    )
