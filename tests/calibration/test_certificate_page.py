from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surecode.calibration.certificate import Certificate
from surecode.calibration.certificate_file import certificate_to_json, write_certificate
from surecode.calibration.certificate_page import CHECK, certificate_page
from surecode.calibration.certificate_tables import p_value
from surecode.calibration.certify import certify
from surecode.calibration.protocol import Protocol
from surecode.calibration.required import Plan
from surecode.calibration.sample import Sample
from surecode.calibration.targets import Losses, Target
from surecode.errors import InputError
from surecode.page.elements import PNG

VOID = {"meta", "img", "br", "hr", "link", "input"}
HOSTILE = "<script>alert(1)</script> & \"quoted\" 'x' ]]>"


class Page(HTMLParser):
    """Tags, whether they are balanced, attributes, and text outside ``style``."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[tuple[str, str]] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs)
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.words.append((self.open[-1] if self.open else "", data))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    def text(self, *without: str) -> str:
        """The text outside ``style``, the title and the tags ``without``."""
        return " ".join(
            words for tag, words in self.words if tag not in ("style", "title", *without)
        )


def made(
    *,
    right: float = 0.99,
    n: int = 600,
    targets: tuple[Target, ...] = (Target(),),
    groups: int = 1,
    specialty: str = "radiology",
    group: str = "payer={}",
    protocol: Protocol | None = None,
) -> Certificate:
    rng = np.random.default_rng(0)
    names = [group.format(i % groups) for i in range(n)] if groups > 1 else None

    def sample(split: str) -> Sample:
        error = (rng.random(n) > right).astype(float)
        losses = Losses(error, np.ones(n), 1.0, True, np.zeros(n, dtype=bool))
        ids = [f"{split}{i}" for i in range(n)]
        return Sample(ids, rng.random(n), (losses,) * len(targets), groups=names)

    return certify(
        sample("c"),
        sample("t"),
        protocol or Protocol(targets=targets),
        specialty=specialty,
        created=date(2026, 11, 25),
        expires=date(2027, 5, 24),
        hashes={"model": "a1" * 32, "rules": "b2" * 32},
        group_by=("payer",) if groups > 1 else (),
    )


def numbers(value: object) -> Iterator[int | float]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from numbers(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from numbers(inner)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield value


CERTIFICATES = {
    "certified": made(),
    "error too high": made(right=0.5),
    "too few": made(n=20),
    "nobody": made(n=0),
    "several groups": made(groups=3, protocol=Protocol(family="holm")),
    "one of the groups": made(groups=2, n=150),
    "several targets": made(
        targets=(Target(), Target("f1", 0.9), Target("recall", 0.8, average="codes", cap=5.0))
    ),
    "tested before": replace(made(), test_number=3).with_id(),
}
every = pytest.mark.parametrize("certificate", CERTIFICATES.values(), ids=list(CERTIFICATES))


@every
def test_the_page_is_well_formed_and_runs_nothing(certificate: Certificate) -> None:
    html = certificate_page(certificate, data="500 encounters of one hospital")
    page = Page(html)
    tags = {name for name, _ in page.tags}
    assert html.startswith("<!DOCTYPE html>")
    assert not tags & {"script", "link", "iframe", "object", "form", "a", "base"}
    assert page.all("html") == [{"lang": "en"}]
    (policy,) = [m for m in page.all("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'" in str(policy["content"])
    assert not [name for _, attributes in page.tags for name in attributes if name[:2] == "on"]
    assert "url(" not in html
    assert "@import" not in html
    assert len(html.encode()) < 300_000


@every
def test_tables_have_captions_and_scopes_and_headings_are_in_order(
    certificate: Certificate,
) -> None:
    page = Page(certificate_page(certificate, data="x"))
    assert len(page.all("caption")) == len(page.all("table")) > 0
    assert {str(head.get("scope")) for head in page.all("th")} == {"col", "row"}
    headings = [words for tag, words in page.words if tag == "h2"]
    assert headings == [
        "The promise",
        "The answer",
        "The evidence",
        "What it takes to certify",
        "When it ends",
        "What it assumes",
        "How it was made",
        "The certificate itself",
    ]
    assert len(page.all("h1")) == 1


@every
def test_every_figure_of_the_certificate_stands_on_the_page(certificate: Certificate) -> None:
    """Exactly, at the end; rounded, in words and tables before it."""
    page = Page(certificate_page(certificate, data="x"))
    text = page.text()
    content = json.loads(certificate_to_json(certificate))
    for number in numbers(content):
        assert json.dumps(number) in text
    (_, shown) = [words for tag, words in page.words if tag == "pre"]
    assert json.loads(shown) == content
    before = page.text("pre")
    for digest in (
        *certificate.hashes.values(),
        certificate.split_fingerprint,
        *(group.grid_hash for group in certificate.groups),
    ):
        assert digest in before
    for words in (certificate.id, "2026-11-25", "2027-05-24", *certificate.assumptions):
        assert words in before
    for target in certificate.targets:
        assert target.says()[1:] in before
    for group in certificate.groups:
        for count in (group.n_calibrate, group.n_eligible, group.start_n, group.n_selected):
            assert f"{count:,}" in before
        assert f"{group.automation_rate:.1%}" in before
        assert group.certified or group.reason in before
        assert group.threshold is None or f"{group.threshold:.6g}" in before
        for result in group.results:
            assert f"{result.errors:g} of {result.size:g}" in before


@every
def test_promise_and_answer_say_whether_anything_is_certified(certificate: Certificate) -> None:
    text = Page(certificate_page(certificate, data="x")).text()
    assert ("Nothing is certified: every encounter goes to a person" in text) == (
        not certificate.certified
    )
    assert ("No promise is made" in text) == (not certificate.certified)
    assert text.count("All others go to a person") == sum(g.certified for g in certificate.groups)
    assert ("synthetic" in text.lower()) is False
    assert ("test number 3" in text) == (certificate.test_number == 3)


def test_shares_are_never_rounded_in_favour_of_the_coder() -> None:
    group = made().groups[0]
    result = replace(group.results[0], estimate=0.949999, lower_bound=0.9499999, p_value=0.1000001)
    certificate = replace(made(), groups=(replace(group, results=(result,)),)).with_id()
    cells = [w for tag, w in Page(certificate_page(certificate, data="x")).words if tag == "td"]
    assert cells.count("94.99%") == 2
    assert "0.101" in cells


@given(st.floats(1e-300, 1.0))
def test_a_p_value_is_shown_no_smaller_than_it_is(p: float) -> None:
    assert p * (1 - 1e-9) <= float(p_value(p)) <= p * 1.011


def test_p_values_at_the_border() -> None:
    assert [p_value(p) for p in (0.1, 1.0, 0.09605, 0.0)] == ["0.1", "1", "0.0961", "below 1e-300"]


def test_hostile_names_stay_text() -> None:
    certificate = made(specialty=HOSTILE, groups=2, group=HOSTILE + "{}")
    picture = {HOSTILE: PNG + b"..."}
    page = Page(certificate_page(certificate, data=HOSTILE, pictures=picture))
    tags = {name for name, _ in page.tags}
    assert "script" not in tags
    assert HOSTILE in page.text()
    assert HOSTILE + "1" in page.text("pre")
    assert f"Certificate for {HOSTILE}" in [words for tag, words in page.words if tag == "title"]
    assert [image["alt"] for image in page.all("img")] == [HOSTILE]


def test_synthetic_says_synthetic_at_the_top() -> None:
    page = Page(certificate_page(made(), data="Synthetic notes, difficulty 2"))
    assert (
        "p",
        "Data: Synthetic notes, difficulty 2. Certificate " + made().id + ".",
    ) in page.words
    assert "say nothing about real patients" in page.text()


def test_pictures_stand_in_the_page_itself() -> None:
    page = Page(certificate_page(made(), data="x", pictures={"Error by coverage": PNG + b"12"}))
    (image,) = page.all("img")
    assert image["alt"] == "Error by coverage"
    assert image["src"] == "data:image/png;base64,iVBORw0KGgoxMg=="
    assert "Error by coverage" in page.text()
    with pytest.raises(InputError, match="no PNG"):
        certificate_page(made(), data="x", pictures={"a": b"GIF89a"})


def test_the_plan_says_how_many_encounters_each_level_takes() -> None:
    rows = [Plan(0.95, 0.8125, 0.98765, 0.41, 1234), Plan(0.99, None, None, None, None)]
    page = Page(certificate_page(made(), data="x", plan=rows))
    cells = [words for tag, words in page.words if tag in ("td", "th")]
    at = cells.index("1,234")
    assert cells[at - 1 : at + 4] == ["95%", "1,234", "41.0%", "98.76%", "0.8125"]
    assert cells[cells.index("no number is enough") - 1] == "99%"


def test_what_zero_errors_need_is_exact() -> None:
    """.95^45 is the first power of .95 below .1, .95^59 the first below .05."""
    cells = [w for tag, w in Page(certificate_page(made(), data="x")).words if tag in ("td", "th")]
    assert cells[cells.index("Automated encounters needed") + 2] == "45"
    strict = made(targets=(Target(delta=0.05),))
    cells = [w for tag, w in Page(certificate_page(strict, data="x")).words if tag in ("td", "th")]
    assert cells[cells.index("Automated encounters needed") + 2] == "59"


def test_the_family_says_for_whom_the_promise_holds() -> None:
    def said(certificate: Certificate) -> str:
        return Page(certificate_page(certificate, data="x")).text("pre")

    assert "With 90% certainty:" in said(made())
    assert "With 90% certainty, in each group by itself:" in said(made(groups=2))
    together = made(protocol=Protocol(family="bonferroni", others=4))
    assert "in all groups of all 5 specialties of the family together" in said(together)


def test_the_command_on_the_page_prints_the_id(tmp_path: Path) -> None:
    certificate = made(specialty="cardiología", groups=2)
    write_certificate(certificate, tmp_path / "certificate.json")
    assert CHECK in Page(certificate_page(certificate, data="x")).text()
    command = [sys.executable, *shlex.split(CHECK)[1:]]
    printed = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == certificate.id


def test_paper_and_dark_screens_have_rules_of_their_own() -> None:
    html = certificate_page(made(), data="x")
    assert "@media print" in html
    assert "@media (prefers-color-scheme: dark)" in html
    assert "color-scheme: light dark" in html


def test_every_colour_of_words_is_read_on_its_paper(
    contrast: Callable[[str, str], float],
) -> None:
    """Level AA: 4.5, on the screen by day, in the dark and on paper."""
    html = certificate_page(made(), data="x")
    palettes = re.findall(r":root \{([^}]*)\}", html)
    assert len(palettes) == 3
    for palette in palettes:
        colors = dict(re.findall(r"--(\w+): (#\w{6})", palette))
        for ink in ("ink", "quiet", "good", "bad"):
            for paper in ("paper", "note"):
                assert contrast(colors[ink], colors[paper]) >= 4.5, (ink, paper)


def test_a_certificate_that_was_changed_or_data_without_a_name_is_refused() -> None:
    with pytest.raises(InputError, match="does not fit the id"):
        certificate_page(replace(made(), specialty="other"), data="x")
    with pytest.raises(InputError, match="no name"):
        certificate_page(made(), data=" ")


def test_a_large_certificate_stays_small() -> None:
    targets = (Target(), Target(level=0.9), Target(level=0.8))
    certificate = made(groups=50, n=5000, targets=targets)
    assert len(certificate.groups) == 50
    assert len(certificate_page(certificate, data="x").encode()) < 300_000


BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)


@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine to render the page with")
def test_a_browser_shows_it_without_complaint(tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    file.write_text(certificate_page(made(), data="x", pictures={}), encoding="utf-8")
    command = [
        str(BROWSER),
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--enable-logging=stderr",
    ]
    command += [f"--user-data-dir={tmp_path}", "--dump-dom", file.as_uri()]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert "The promise" in shown.stdout
    assert "CONSOLE" not in shown.stderr
