"""How high similarity to official titles ranks the gold diagnoses of CodiEsp's English documents.

    python scripts/similarity_on_codiesp.py [DOCUMENTS] [CODIESP_FOLDER]

Nothing is trained. Candidates are all diagnoses of the train split (with their titles and
inclusion terms), ranked for the first DOCUMENTS (50) documents of that split by id. The last line
is one JSON object.
"""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import date
from pathlib import Path

import numpy as np

from surecode.codes.descriptions import wordings
from surecode.codes.releases import title
from surecode.codes.systems import normalise
from surecode.config import compose_config, parse
from surecode.encounter import Code, Document, Encounter
from surecode.errors import InputError
from surecode.hybrid.sentences import Embedder, doubtful, pieces, texts_of, units
from surecode.hybrid.similarity import DescriptionSimilarity, ranked
from surecode.settings import Config

CUTS = (10, 50, 100)


def gold(path: Path) -> dict[str, set[Code]]:
    """The diagnoses of each document that a table of titles has."""
    found: dict[str, set[Code]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        name, value = line.split("\t")[:2]
        try:
            code = normalise("ICD-10-CM", value)
        except InputError:
            continue
        if title(code) is not None:
            found.setdefault(name, set()).add(code)
    return found


def main(arguments: list[str]) -> int:
    count = int(arguments[0]) if arguments else 50
    data = os.environ.get("SURECODE_DATA", "../shared/data")
    folder = Path(arguments[1] if len(arguments) > 1 else f"{data}/codiesp") / "train"
    codes_of = gold(next(folder.glob("*D.tsv")))
    texts = {path.stem: path for path in (folder / "text_files_en").glob("*.txt")}
    names = sorted(codes_of.keys() & texts.keys())[:count]
    codes = sorted({code for found in codes_of.values() for code in found})
    embed = Embedder.load(parse(Config, compose_config("run", ["specialty=mixed"])).encoder)
    began = time.process_time()
    table = DescriptionSimilarity.build(codes, [wordings(c) for c in codes], embed, embed.encoder)
    embedded = time.process_time() - began
    position = {code: k for k, code in enumerate(codes)}
    found: dict[str, list[int]] = {"cosine": [], "placed": []}
    for name in names:
        document = Document(name, "note", texts[name].read_text(encoding="utf-8"))
        note = Encounter(
            name, name, "x", "professional", "x", date(2020, 1, 1), documents=(document,)
        )
        spans = pieces(note.documents)
        sentences = embed(texts_of(note.documents, spans))
        placed = table.placed(sentences, units(spans), doubtful(note.documents, spans)).score
        for way, score in (("cosine", table.similar(sentences).cosine), ("placed", placed)):
            rank = ranked(score)
            found[way] += [int(rank[position[code]]) for code in codes_of[name]]
    figures = {
        "documents": len(names),
        "candidates": len(codes),
        "gold": len(found["cosine"]),
        "recall": {
            way: {f"@{cut}": round(float(np.mean(np.array(r) < cut)), 3) for cut in CUTS}
            for way, r in found.items()
        },
        "processor_seconds": {
            "table": round(embedded, 1),
            "documents": round(time.process_time() - began - embedded, 1),
        },
    }
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
