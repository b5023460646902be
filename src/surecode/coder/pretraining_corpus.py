"""Texts to pre-train on, from wherever they lie, without the documents of an evaluation.

What an encoder has read, even without its codes, it knows better than new text: a coder measured on
such documents looks better than it is, and a certificate made with them promises too much. So no
document of tune, calibrate or test may be among the texts. Two documents are the same where
nothing but white space and case tells them apart.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from surecode.coder.pretraining_settings import (
    CodiespBackgroundSettings,
    CorpusSettings,
    TextFolderSettings,
    TextTableSettings,
)
from surecode.coder.pretraining_texts import Located, file_texts, table_texts
from surecode.data.sources import table
from surecode.data.sources.text_files import corpus_folder
from surecode.errors import InputError

_TEXTS = {"es": "text_files", "en": "text_files_en"}


@dataclass(frozen=True)
class Corpus:
    """Texts to learn from, each of them once.

    Attributes:
        name: what to print beside every figure.
        texts: D texts, none blank, no two the same.
        empty: texts left out because they were blank.
        repeated: texts left out because they stood there before.
        overlapping: texts left out because they are documents of an evaluation.
        compared: distinct documents of evaluations that the texts were compared with.
    """

    name: str
    texts: tuple[str, ...]
    empty: int = 0
    repeated: int = 0
    overlapping: int = 0
    compared: int = 0

    @property
    def sha256(self) -> str:
        """Hash of all texts in their order, white space and case included."""
        digest = hashlib.sha256()
        for text in self.texts:
            digest.update(hashlib.sha256(text.encode()).digest())
        return digest.hexdigest()

    def split(self, share: float, seed: int) -> tuple[list[str], list[str]]:
        """Texts to learn from, and ``share`` of them, at least one, to measure on.

        Which are held out depends on seed and texts alone.

        Raises:
            InputError: there are too few texts for both.
        """
        count = max(round(share * len(self.texts)), 1)
        if count >= len(self.texts):
            raise InputError(
                f"corpus {self.name}: {len(self.texts)} documents, of which {count} would be held "
                "out; give more documents, or cut long ones into several"
            )
        order = sorted(self.texts, key=lambda text: _position(text, seed))
        heldout = set(order[:count])
        return [text for text in self.texts if text not in heldout], order[:count]


def read_corpus(
    settings: CorpusSettings, exclude: Collection[Path] = (), drop: bool = False
) -> Corpus:
    """Read a corpus, and compare it with documents of evaluations.

    CodiEsp's background documents are always compared with its other folders as well.

    Args:
        settings: where the texts lie.
        exclude: run folders, tables of encounters, or folders of text files.
        drop: leave out documents of evaluations instead of refusing the corpus.

    Raises:
        InputError: a file is absent or damaged, no text is left, or a document of an evaluation is
            among the texts and ``drop`` is false; the message names no text and no document.
    """
    name, found, files = _read(settings)
    forbidden: set[str] = set()
    for place in [*_beside(settings), *exclude]:
        forbidden |= _keys_of_evaluation(place, files)
    texts: dict[str, str] = {}
    empty = repeated = overlapping = 0
    for where, text in found:
        if len(text) > settings.maximum_characters:
            raise InputError(
                f"{where}: {len(text):,} characters, the limit is "
                f"{settings.maximum_characters:,}; cut it into documents or raise "
                "corpus.maximum_characters"
            )
        key = text_key(text)
        if not text.strip():
            empty += 1
        elif key in forbidden:
            overlapping += 1
        elif key in texts:
            repeated += 1
        else:
            texts[key] = text
    if overlapping and not drop:
        raise InputError(
            f"corpus {name}: {overlapping} of its texts are documents of an evaluation; leave them "
            "out by overlap=drop, or give other texts"
        )
    if not texts:
        raise InputError(f"corpus {name}: no text in {settings.root}; give documents with text")
    return Corpus(name, tuple(texts.values()), empty, repeated, overlapping, len(forbidden))


def text_key(text: str) -> str:
    """SHA-256 of a text whose white space is collapsed and whose case is folded."""
    return hashlib.sha256(" ".join(text.split()).casefold().encode()).hexdigest()


def _read(settings: CorpusSettings) -> tuple[str, Located, set[Path]]:
    """Name, texts, and the files that they are read from."""
    match settings:
        case CodiespBackgroundSettings():
            folder = corpus_folder(settings.root, "codiesp", "background") / "background"
            files = [
                path
                for language in settings.languages
                for path in sorted((folder / _TEXTS[language]).glob("*.txt"))
            ]
            name = f"CodiEsp background {'+'.join(settings.languages)}"
        case TextFolderSettings():
            if not settings.root.is_dir():
                raise InputError(f"{settings.root}: no such folder; set corpus.root to one")
            files = sorted(settings.root.rglob("*.txt"))
            name = settings.root.resolve().name
        case TextTableSettings():
            return settings.root.name, table_texts(settings.root, settings.column), set()
    return name, file_texts(files), {path.resolve() for path in files}


def _beside(settings: CorpusSettings) -> list[Path]:
    """CodiEsp's own train, dev and test: the coder's splits are made of all of them."""
    if not isinstance(settings, CodiespBackgroundSettings):
        return []
    folder = corpus_folder(settings.root, "codiesp", "background")
    places = [
        folder / split / _TEXTS[language]
        for split in ("train", "dev", "test")
        for language in settings.languages
    ]
    return [place for place in places if place.is_dir()]


def _keys_of_evaluation(place: Path, own: set[Path]) -> set[str]:
    """Keys of the documents of a place that a coder is tuned, certified or tested on.

    Of a table with splits, ``train`` is none of these. A folder of text files has no splits, so all
    of its documents count, but for the corpus itself.
    """
    file = place / "encounters.parquet" if place.is_dir() else place
    if file.is_file():
        encounters = table.read(file, "syntax")
        texts = [
            document.text
            for item in encounters
            if item.official_split != "train"
            for document in item.encounter.documents
        ]
    elif place.is_dir():
        files = [path for path in sorted(place.rglob("*.txt")) if path.resolve() not in own]
        texts = [text for _, text in file_texts(files)]
    else:
        raise InputError(
            f"exclude: {place} is neither a run folder, a table of encounters nor a folder of text "
            "files; correct it"
        )
    if not any(text.strip() for text in texts):
        raise InputError(f"exclude: {place} has no document with text; correct it or leave it out")
    return {text_key(text) for text in texts if text.strip()}


def _position(text: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed} {text_key(text)}".encode()).digest()
