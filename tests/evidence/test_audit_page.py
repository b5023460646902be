"""The page shows the note, whole, with each code's words marked; it runs nothing and leads back."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surecode.encounter import Span
from surecode.evidence.audit_cards import CONTEXT, down, up
from surecode.evidence.audit_content import (
    STATUSES,
    AuditCode,
    AuditDocument,
    AuditPage,
    AuditSpan,
    AuditVerification,
)
from surecode.evidence.audit_marks import LANES, SHOWN_MENTIONS, line_of
from surecode.evidence.audit_page import CAUTION, audit_page
from surecode.page.characters import visible

VOID = {"meta", "br"}
HOSTILE = "</div><script>alert(1)</script> & \"quoted\" 'x' ]]> &lt;b&gt; &amp;amp; <!-- --> \0"
STRANGE = (
    "HISTORY:\r\n\tCough\0 and fever.\r\n\r\n  Ne\u0301phropathie, 👩🏽‍⚕️ 😷 fi\u00adbrosis\u200b"
    "\xa0mg\r\n"
    "המטופל סובל מדלקת ריאות (pneumonia) מאז.\nold\rMac <b>not bold</b> &amp; ]]> \x07\x85\x9f"
    "\u202etxet\u202c \ufeff\n\n"
)


# ---- what a browser makes of it ------------------------------------------------------------------


class Shown(HTMLParser):
    """A page taken apart; fails where tags are not balanced or an attribute stands twice."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.words: list[tuple[str, str]] = []
        self.texts: list[str] = []  # of each document, characters of ``div.text``
        self.marked: list[dict[str, set[int]]] = []  # of each document: mark → characters
        self.lines: list[dict[int, list[str]]] = []  # of each document: character → lines below
        self._open: list[tuple[str, dict[str, str]]] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs)
        attributes = {name: value or "" for name, value in attrs}
        self.tags.append((tag, attributes))
        if tag not in VOID:
            self._open.append((tag, attributes))
        if attributes.get("class") == "text":
            self.texts.append("")
            self.marked.append(defaultdict(set))
            self.lines.append({})

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        names = [tag for tag, _ in self._open]
        self.words.append((names[-1] if names else "", data))
        if not any(attributes.get("class") == "text" for _, attributes in self._open):
            return
        characters = range(len(self.texts[-1]), len(self.texts[-1]) + len(data))
        self.texts[-1] += data
        lines = [a["class"] for tag, a in self._open if tag == "span" and "u " in a["class"]]
        for at in characters:
            self.lines[-1][at] = lines
        for tag, attributes in self._open:
            if tag == "mark":
                for name in attributes["class"].split()[1:]:
                    self.marked[-1][name].update(characters)

    def all(self, name: str, **having: str) -> list[dict[str, str]]:
        return [
            attributes
            for tag, attributes in self.tags
            if tag == name and having.items() <= attributes.items()
        ]

    def text(self) -> str:
        return "".join(words for tag, words in self.words if tag not in ("style", "title"))

    @property
    def ids(self) -> list[str]:
        return [attributes["id"] for _, attributes in self.tags if "id" in attributes]


# ---- encounters ----------------------------------------------------------------------------------


def document(text: str, document_id: str = "d1", kind: str = "note") -> AuditDocument:
    return AuditDocument(document_id, kind, text, hashlib.sha256(text.encode()).hexdigest(), "en")


def span(source: AuditDocument, start: int, end: int, *mentions: Span) -> AuditSpan:
    quote = source.text[start:end]
    return AuditSpan(source.document_id, start, end, quote, 0.25, mentions=mentions)


def quoted(source: AuditDocument, quote: str, *mentions: Span) -> AuditSpan:
    start = source.text.index(quote)
    return span(source, start, start + len(quote), *mentions)


def code(value: str, *spans: AuditSpan, probability: float = 0.9) -> AuditCode:
    return AuditCode("ICD-10-CM", value, f"Title {value}", "FY2027", probability, "neural", spans)


def page(*codes: AuditCode, documents: tuple[AuditDocument, ...]) -> AuditPage:
    return AuditPage(
        encounter_id="e1",
        specialty="radiology",
        route="review",
        mode="autonomous",
        reasons=("confidence 0.500000 is below the certified 0.900000",),
        confidence=0.5,
        threshold=0.9,
        certificate_id="c0ffee00c0ffee00",
        versions={"surecode": "0.1.0"},
        hashes={"model": "a1" * 32},
        documents=documents,
        codes=codes,
    )


CHARACTERS = st.characters(codec="utf-8") | st.sampled_from(
    [*"<>&\"'\n\r\0\tא\u0301\u202e😷", "\r\n"]
)
TEXTS = st.lists(CHARACTERS, max_size=30).map("".join)


@st.composite
def encounters(draw: st.DrawFn) -> AuditPage:
    texts = draw(st.lists(TEXTS, min_size=1, max_size=3))
    documents = tuple(document(text, f"d{at}") for at, text in enumerate(texts))
    full = [source for source in documents if source.text]

    @st.composite
    def spans(draw: st.DrawFn) -> AuditSpan:
        source = draw(st.sampled_from(full))
        start = draw(st.integers(0, len(source.text) - 1))
        end = draw(st.integers(start + 1, len(source.text)))
        same = [
            Span(other.document_id, at, at + end - start)
            for other in full
            for at in range(len(other.text))
            if other.text[at : at + end - start] == source.text[start:end]
        ]
        return span(source, start, end, *draw(st.lists(st.sampled_from(same), max_size=3)))

    found = st.lists(spans(), max_size=3) if full else st.just([])
    return page(
        *(code(f"R{at}", *draw(found)) for at in range(draw(st.integers(0, 7)))),
        documents=documents,
    )


def where(content: AuditPage) -> list[dict[str, set[int]]]:
    """By document: what each mark must cover, from the definition."""
    found: dict[str, dict[str, set[int]]] = {d.document_id: {} for d in content.documents}
    for number, item in enumerate(content.codes, start=1):
        taken = {(s.document_id, s.start, s.end) for s in item.spans}
        for at, evidence in enumerate(item.spans, start=1):
            characters = set(range(evidence.start, evidence.end))
            found[evidence.document_id][f"e{number}-{at}"] = characters
            places = dict.fromkeys((m.document_id, m.start, m.end) for m in evidence.mentions)
            more = [place for place in places if place not in taken]
            for place, (document_id, start, end) in enumerate(more[:SHOWN_MENTIONS], start=1):
                found[document_id][f"e{number}-{at}-{place}"] = set(range(start, end))
    return [found[d.document_id] for d in content.documents]


# ---- the documents -------------------------------------------------------------------------------


@settings(deadline=None)
@given(encounters())
def test_the_note_stands_there_whole_and_each_mark_covers_its_words(content: AuditPage) -> None:
    html = audit_page(content)
    shown = Shown(html)
    assert shown.texts == [visible(d.text) for d in content.documents]
    assert [dict(marked) for marked in shown.marked] == where(content)
    # Line ends of the note are written as references, or a browser would change them.
    assert "\r" not in html


@settings(deadline=None)
@given(encounters())
def test_links_lead_from_codes_to_words_and_back(content: AuditPage) -> None:
    shown = Shown(audit_page(content))
    assert len(shown.ids) == len(set(shown.ids))
    targets = {a["id"]: a for a in shown.all("a") if "id" in a}
    for link in shown.all("a"):
        assert link["href"][0] == "#"
        assert link["href"][1:] in shown.ids
    for number, item in enumerate(content.codes, start=1):
        for at in range(1, len(item.spans) + 1):
            assert targets[f"c{number}-{at}"]["href"] == f"#e{number}-{at}"
            assert targets[f"e{number}-{at}"]["href"] == f"#c{number}-{at}"
            assert f"ICD-10-CM {item.value}" in targets[f"e{number}-{at}"]["aria-label"]
    # Each mark is announced in front of its first piece, and no other mark is.
    marks = {name for found in where(content) for name in found}
    assert {name for name in targets if name.startswith("e")} == marks


@settings(deadline=None)
@given(encounters())
def test_lines_over_the_same_words_lie_in_lanes_of_their_own(content: AuditPage) -> None:
    shown = Shown(audit_page(content))
    for marked, lines in zip(where(content), shown.lines, strict=True):
        for at, below in lines.items():
            over = [name for name, characters in marked.items() if at in characters]
            lanes = [line.split()[-1] for line in below]
            assert len(set(lanes)) == len(lanes) <= min(len(over), LANES)
            assert bool(below) == bool(over)
            own = {line_of(int(name[1:].split("-")[0])) for name in over}
            for line in below:
                assert line[2:-3] in own | {"again"}


def test_overlapping_and_nested_words_have_each_their_line() -> None:
    source = document("right lower lobe pneumonia with effusion")
    content = page(
        code("J18.9", quoted(source, "right lower lobe pneumonia")),
        code("J18.1", quoted(source, "lobe pneumonia with effusion")),
        code("J90", quoted(source, "pneumonia")),
        documents=(source,),
    )
    shown = Shown(audit_page(content))
    below = {at: {line.split()[1] for line in lines} for at, lines in shown.lines[0].items()}
    assert below[source.text.index("right")] == {"k0"}
    assert below[source.text.index("lobe")] == {"k0", "k1"}
    assert below[source.text.index("pneumonia")] == {"k0", "k1", "k2"}
    assert below[source.text.index("with")] == {"k1"}
    assert [a["data-n"] for a in shown.all("a") if "data-n" in a] == ["1.1", "2.1", "3.1"]
    titles = [mark["title"] for mark in shown.all("mark") if "title" in mark]
    assert "1 ICD-10-CM J18.9, 2 ICD-10-CM J18.1, 3 ICD-10-CM J90" in titles


def test_words_under_more_codes_than_lines_fit_are_never_without_a_line() -> None:
    source = document("one two three four five six")
    first = [code(f"A{at}", quoted(source, "one two three")) for at in range(LANES)]
    content = page(*first, code("B0", quoted(source, "three four five six")), documents=(source,))
    shown = Shown(audit_page(content))
    three, six = source.text.index("three"), source.text.index("six")
    assert len(shown.lines[0][three]) == LANES
    assert shown.lines[0][six] == [f"u {line_of(LANES + 1)} l{LANES - 1}"]
    titles = [mark["title"] for mark in shown.all("mark") if "title" in mark]
    assert f"{LANES + 1} ICD-10-CM B0" in titles[1]


def test_a_span_may_split_what_looks_like_one_character() -> None:
    source = document("ne\u0301phropathie\r\n👩🏽‍⚕️")
    content = page(
        code("N28.9", span(source, 0, 2), span(source, 2, 14), span(source, 15, 17)),
        documents=(source,),
    )
    assert Shown(audit_page(content)).texts == [source.text]


def test_symbols_stand_for_what_is_not_seen_and_move_no_mark() -> None:
    source = document("a\0\x07b\rc fever")
    shown = Shown(audit_page(page(code("R50.9", quoted(source, "fever")), documents=(source,))))
    assert shown.texts == ["a␀␇b\nc fever"]
    assert shown.marked[0]["e1-1"] == set(range(7, 12))
    assert "2 characters have no form that is seen" in shown.text()


def test_every_mark_of_a_text_in_two_directions_is_isolated() -> None:
    source = document(STRANGE)
    shown = Shown(audit_page(page(code("J18.9", quoted(source, "דלקת")), documents=(source,))))
    (text,) = shown.all("div", **{"class": "text"})
    assert (text["dir"], text["translate"], text["lang"]) == ("auto", "no", "en")
    assert len(shown.all("bdi", **{"class": "context"})) == 1


# ---- the cards -----------------------------------------------------------------------------------


def test_a_card_says_all_that_is_known_of_its_code() -> None:
    source = document("Father with myocardial infarction.")
    words = replace(
        quoted(source, "myocardial infarction"),
        section="family history",
        assertion=("affirmed", "family"),
        low=True,
    )
    item = AuditCode(
        "ICD-10-CM",
        "I25.2",
        "Old myocardial infarction",
        "FY2027",
        0.99996,
        "neural",
        (words,),
        AuditVerification("verified", 0.0101, 0.9876, True),
        findings=("a rule was here",),
        reasons=("all evidence is of the family",),
    )
    shown = Shown(audit_page(page(item, documents=(source,))))
    text = shown.text()
    for part in (
        "I25.2 Old myocardial infarction",
        "Probability 99.9%.",
        "verified",
        "all evidence is of the family",
        "Finding: a rule was here",
        "Father with myocardial infarction.",
        "25.0% of what speaks for the code, section family history, affirmed, family",
        "Probability 1.1% without them, 98.7% with nothing else.",
        "Without them the code would not be assigned.",
        "ICD-10-CM, release FY2027, source neural.",
    ):
        assert part in text
    # What speaks against a code is set off, what lets it stand is not.
    assert [w for tag, w in shown.words if tag == "strong"] == ["family", "weak"]


def test_badges_differ_by_sign_and_word() -> None:
    source = document("fever")
    items = [
        replace(code(f"R{at}"), verification=found)
        for at, found in enumerate([None, *map(AuditVerification, STATUSES)])
    ]
    html = audit_page(page(*items, documents=(source,)))
    badges = re.findall(
        r'<span class="badge \w+"><span aria-hidden="true">(.)</span> ([^<]+)<', html
    )
    assert len(badges) == len(items)
    assert len({word for _, word in badges}) == len(items)
    assert len({sign for sign, _ in badges[:4]}) == 4


@given(st.floats(0.0, 1.0))
def test_shares_are_never_rounded_in_favour_of_the_coder(share: float) -> None:
    low, high = float(down(share)[:-1]) / 100, float(up(share)[:-1]) / 100
    assert share - 0.001 - 1e-9 <= low <= share + 1e-9
    assert share - 1e-9 <= high <= share + 0.001 + 1e-9


def test_shares_at_the_border() -> None:
    assert [down(p) for p in (1.0, 0.9999, 0.57, 0.0, 1.0000001)] == [
        "100.0%",
        "99.9%",
        "57.0%",
        "0.0%",
        "100.0%",
    ]
    assert [up(p) for p in (0.0, 0.0001, 0.57, 1.0)] == ["0.0%", "0.1%", "57.0%", "100.0%"]


def context(content: AuditPage) -> str:
    html = re.findall(r'<bdi class="context"[^>]*>.*?</bdi>', audit_page(content), re.DOTALL)
    return "".join(words for _, words in Shown(html[0]).words)


def test_the_context_is_forty_characters_of_whole_words() -> None:
    source = document("first " + "before " * 12 + "fever" + " behind" * 12 + " last")
    found = context(page(code("R50.9", quoted(source, "fever")), documents=(source,)))
    assert found == "…" + "before " * 5 + "fever" + " behind" * 5 + "…"
    near = document("no fever")
    assert context(page(code("R50.9", quoted(near, "fever")), documents=(near,))) == "no fever"


@pytest.mark.parametrize("shift", range(9))
def test_the_context_cuts_no_character_in_two(shift: int) -> None:
    """A word longer than the context, of e with an accent and a doctor of three code points."""
    run = "e\u0301👩🏽\u200d" * 20
    source = document(run + "x" * shift + "fever" + "x" * shift + run)
    before, after = context(
        page(code("R50.9", quoted(source, "fever")), documents=(source,))
    ).split("fever")
    assert before[1] not in "\u0301\u200d🏽"
    assert len(before) <= CONTEXT + 1
    rest = source.text.split("fever")[1][len(after) - 1 :]
    assert rest[0] not in "\u0301\u200d🏽"


def test_a_very_long_quote_is_cut_in_the_card_and_whole_in_the_text() -> None:
    source = document("word " * 500)
    content = page(code("R50.9", span(source, 0, 2499)), documents=(source,))
    assert len(context(content)) < 400
    assert Shown(audit_page(content)).marked[0]["e1-1"] == set(range(2499))


def test_the_same_words_elsewhere_are_marked_and_counted() -> None:
    source, other = document("cough, " * 20), document("Cough", "d2")
    mentions = [Span("d1", at * 7, at * 7 + 5) for at in range(20)] + [Span("d2", 0, 5)]
    content = page(code("R05", span(source, 0, 5, *mentions)), documents=(source, other))
    shown = Shown(audit_page(content))
    assert len(shown.all("a", **{"class": "n also"})) == SHOWN_MENTIONS
    assert f"and {20 - SHOWN_MENTIONS} more" in shown.text()
    assert "the same words elsewhere: 1 2 3" in shown.text()


def test_the_first_codes_differ_in_pattern_and_all_in_pattern_or_colour() -> None:
    lines = [line_of(number).split() for number in range(1, 36)]
    assert len({tuple(line) for line in lines}) == 35
    assert len({pattern for _, pattern in lines[:5]}) == 5
    html = audit_page(page(documents=(document("x"),)))
    assert set(re.findall(r"text-decoration-style: (\w+)", html)) == {
        "dashed",
        "dotted",
        "double",
        "wavy",
    }


# ---- the page ------------------------------------------------------------------------------------


def several() -> AuditPage:
    one, two = document(STRANGE, "d1", "report"), document("fever\nand cough", "d2")
    return page(
        code("J18.9", quoted(one, "דלקת ריאות"), quoted(one, "Cough\0 and fever")),
        code("R05.9", quoted(one, "fever."), quoted(two, "cough")),
        code("Z79.4"),
        documents=(one, two),
    )


def test_the_page_runs_and_fetches_nothing() -> None:
    html = audit_page(several())
    shown = Shown(html)
    assert not {tag for tag, _ in shown.tags} & {
        *("script", "link", "iframe", "object", "embed", "form", "input", "base", "img", "video"),
    }
    (policy,) = shown.all("meta", **{"http-equiv": "Content-Security-Policy"})
    assert policy["content"] == (
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    )
    assert not [name for _, attributes in shown.tags for name in attributes if name[:2] == "on"]
    assert not re.search(r"https?:|//|url\(|@import|javascript:|data:", html)


def test_hostile_words_stay_words_wherever_they_stand() -> None:
    source = AuditDocument(HOSTILE, HOSTILE, HOSTILE, hashlib.sha256(HOSTILE.encode()).hexdigest())
    source = replace(source, language='"><script>')
    words = replace(span(source, 0, 8), section=HOSTILE, assertion=(HOSTILE,))
    item = AuditCode(
        *(HOSTILE, HOSTILE, HOSTILE, HOSTILE, 0.5, HOSTILE, (words,)),
        findings=(HOSTILE,),
        reasons=(HOSTILE,),
    )
    content = replace(
        page(item, documents=(source,)),
        encounter_id=HOSTILE,
        specialty=HOSTILE,
        reasons=(HOSTILE,),
        certificate_id=HOSTILE,
        versions={HOSTILE: HOSTILE},
        hashes={HOSTILE: HOSTILE},
    )
    html = audit_page(content)
    shown = Shown(html)
    harmless = Shown(audit_page(several()))
    assert {tag for tag, _ in shown.tags} <= {tag for tag, _ in harmless.tags} | {"ul", "strong"}
    assert "<script" not in html
    assert shown.texts == [visible(HOSTILE)]
    assert shown.text().count(visible(HOSTILE)) >= 18
    (title,) = [mark["title"] for mark in shown.all("mark") if "title" in mark]
    assert title == f"1 {visible(HOSTILE)} {visible(HOSTILE)}"


def test_headings_landmarks_and_skip_links() -> None:
    shown = Shown(audit_page(several()))
    headings = [tag for tag, _ in shown.tags if re.fullmatch("h[1-6]", tag)]
    assert headings == ["h1", "h2", "h3", "h3", "h3", "h2", "h3", "h3", "h2"]
    for landmark in ("header", "main", "footer"):
        assert len(shown.all(landmark)) == 1
    assert shown.all("html") == [{"lang": "en"}]
    assert [a["href"] for a in shown.all("a", **{"class": "skip"})] == ["#codes", "#documents"]
    names = {a["aria-labelledby"] for _, a in shown.tags if "aria-labelledby" in a}
    assert names <= set(shown.ids)
    for name in ("codes", "documents"):
        assert shown.all("section", id=name)[0]["tabindex"] == "0"
    # Whoever hears the page hears every link; numbers that only the style writes have words.
    for link in shown.all("a"):
        assert "data-n" not in link or link["aria-label"]


def test_header_and_footer_say_what_was_decided_and_by_what() -> None:
    content = several()
    shown = Shown(audit_page(content))
    text = shown.text()
    # Which document it is matters where there are several.
    assert "of what speaks for the code, document d2" in text
    for part in (
        "Coding of encounter e1",
        "Goes to a person.",
        "confidence 0.500000 is below the certified 0.900000",
        "Confidence0.500000",
        "Certified from0.900000",
        "Certificate: c0ffee00c0ffee00.",
        "0.1.0",
        "a1" * 32,
        *(d.sha256 for d in content.documents),
    ):
        assert part in text
    assert text.count(CAUTION) == 2
    assert "not clinical truth" in CAUTION
    automatic = Shown(audit_page(replace(content, route="auto"))).text()
    assert "Released without a person." in automatic
    assert "Goes to a person" not in automatic


@pytest.mark.parametrize(
    ("confidence", "says"),
    [(None, "Confidencenone"), (float("nan"), "Confidencenot a number"), (1.0, "1.000000")],
)
def test_a_confidence_that_is_none_is_not_shown_as_one(confidence: float | None, says: str) -> None:
    content = replace(several(), confidence=confidence, threshold=None)
    text = Shown(audit_page(content)).text()
    assert says in text
    assert "Certified fromnothing is certified" in text


def test_a_page_without_codes_and_without_words_says_so() -> None:
    shown = Shown(audit_page(page(documents=(document("fever"), document(" \n", "d2")))))
    assert "No code was assigned" in shown.text()
    assert "No words are marked in this document." in shown.text()
    assert "This document holds no words." in shown.text()
    assert shown.texts == ["fever", " \n"]
    assert not shown.all("mark")
    alone = Shown(audit_page(page(code("Z79.4"), documents=(document("fever"),)))).text()
    assert "No words of the documents speak for this code" in alone


def test_the_same_content_gives_the_same_page() -> None:
    assert audit_page(several()) == audit_page(several())


def test_the_order_of_documents_moves_no_mark() -> None:
    content = several()
    turned = replace(content, documents=content.documents[::-1])
    first, second = Shown(audit_page(content)), Shown(audit_page(turned))
    assert first.texts == second.texts[::-1]
    assert first.marked == second.marked[::-1]


@pytest.mark.parametrize("seed", range(3))
def test_a_long_note_with_twenty_codes_stays_small(seed: int) -> None:
    rng = np.random.default_rng(seed)
    words = ["fever", "cough", "<38", "R&D", "neumonía", "\r\n", "\tpain", '"x"']
    text = " ".join(rng.choice(words, 20_000))[:20_000]
    source = document(text)

    def words_at() -> AuditSpan:
        start = int(rng.integers(0, 19_900))
        same = [
            Span("d1", m.start(), m.end())
            for m in re.finditer(re.escape(text[start : start + 5]), text)
        ]
        longer = span(source, start, start + int(rng.integers(6, 100)))
        return span(source, start, start + 5, *same) if rng.random() < 0.2 else longer

    content = page(
        *(code(f"R{at}", *(words_at() for _ in range(3))) for at in range(20)), documents=(source,)
    )
    html = audit_page(content)
    assert Shown(html).texts == [visible(text)]
    assert len(html.encode()) < 300_000


def test_sixty_spans_over_the_whole_note_stay_small() -> None:
    source = document("fever < 38. " * 1667)
    length = len(source.text)
    spans = [span(source, at, length - at) for at in range(60)]
    codes = (code(f"R{at}", *spans[3 * at : 3 * at + 3]) for at in range(20))
    html = audit_page(page(*codes, documents=(source,)))
    assert Shown(html).texts == [source.text]
    assert len(html.encode()) < 300_000


# ---- to the eye ----------------------------------------------------------------------------------


def test_words_and_lines_are_seen_by_day_in_the_dark_and_on_paper(
    contrast: Callable[[str, str], float],
) -> None:
    """Level AA: 4.5 for words, 3 for lines."""
    palettes = re.findall(r":root \{([^}]*)\}", audit_page(several()))
    assert len(palettes) == 6  # three of every page, three of this kind
    for common, own in zip(palettes[:3], palettes[3:], strict=True):
        colors = dict(re.findall(r"--(\w+): (#\w{6})", common + own))
        for paper in ("paper", "note", "mark", "mark2", "mark3"):
            assert contrast(colors["ink"], colors[paper]) >= 4.5, paper
            for line in ("k0", "k1", "k2", "k3", "k4", "k5", "k6", "quiet"):
                assert contrast(colors[line], colors[paper]) >= 3.0, (line, paper)
        for ink in ("quiet", "good", "bad", "focus"):
            assert contrast(colors[ink], colors["paper"]) >= 4.5, ink


# ---- in a browser --------------------------------------------------------------------------------

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
in_browser = pytest.mark.skipif(
    BROWSER is None, reason="no Chromium on this machine to render the page with"
)


def browse(html: str, folder: Path, *options: str) -> tuple[str, str]:
    """What the browser prints and what it complains of."""
    file = folder / "page.html"
    file.write_bytes(html.encode("utf-8"))
    command = [str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu"]
    command += ["--enable-logging=stderr", f"--user-data-dir={folder}", *options, file.as_uri()]
    done = subprocess.run(command, capture_output=True, check=True, timeout=60)
    # Not in text mode, which would change line ends.
    return done.stdout.decode("utf-8"), done.stderr.decode("utf-8", "replace")


@in_browser
def test_a_browser_holds_the_same_text_and_complains_of_nothing(tmp_path: Path) -> None:
    content = several()
    printed, complaints = browse(audit_page(content), tmp_path, "--dump-dom")
    shown = Shown(printed)
    assert shown.texts == [visible(d.text) for d in content.documents]
    assert [dict(marked) for marked in shown.marked] == where(content)
    assert "CONSOLE" not in complaints


@in_browser
def test_the_browser_refuses_what_a_page_must_not_do(tmp_path: Path) -> None:
    """The policy holds, and the test above would see a complaint."""
    script = "<script>document.title = 'ran'</script></main>"
    html = audit_page(several()).replace("</main>", script)
    printed, complaints = browse(html, tmp_path, "--dump-dom")
    assert "<title>Coding of encounter e1</title>" in printed
    assert "CONSOLE" in complaints
    assert "Content Security Policy" in complaints


@in_browser
def test_the_page_is_dark_where_the_reader_wants_it_dark(tmp_path: Path) -> None:
    source = document("fever " * 200)
    html = audit_page(page(code("R50.9", span(source, 0, 1199)), documents=(source,)))

    def pixels(*options: str) -> np.ndarray:
        picture = tmp_path / "page.png"
        size = "--window-size=1400,1000"
        browse(html, tmp_path, f"--screenshot={picture}", size, *options)
        return np.asarray(matplotlib.image.imread(picture))[..., :3]

    day = pixels("--blink-settings=preferredColorScheme=1")
    night = pixels("--blink-settings=preferredColorScheme=0")
    assert day.shape == night.shape == (1000, 1400, 3)
    assert np.median(day) > 0.9
    assert np.median(night) < 0.3
    # Marks are yellow by day: much red, less blue.
    yellow = (day[..., 0] > 0.9) & (day[..., 2] < 0.85)
    assert yellow.mean() > 0.02


@in_browser
def test_documents_and_codes_have_pages_of_their_own_on_paper(tmp_path: Path) -> None:
    def pages(*documents: AuditDocument) -> int:
        paper = tmp_path / "page.pdf"
        content = page(code("R50.9", quoted(documents[0], "fever")), documents=documents)
        browse(audit_page(content), tmp_path, f"--print-to-pdf={paper}", "--no-pdf-header-footer")
        return len(re.findall(rb"/Type\s*/Page\b", paper.read_bytes()))

    assert pages(document("fever")) == 2
    assert pages(document("fever"), document("cough", "d2")) == 3
