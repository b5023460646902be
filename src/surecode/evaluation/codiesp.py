"""The scores of CodiEsp-D and CodiEsp-P, the coding subtracks of CLEF eHealth 2020.

Precision, recall and F1 are those of ``comp_f1_diag_proc.py``, mean average precision that of
``codiespD_P_evaluation.py`` (TeMU-BSC/codiesp-evaluation-script, MIT; Miranda-Escalada et al. 2020,
CEUR 2696, paper 263). Their rules:

- the unit is the code of a document; a code listed twice counts once, case does not matter (our
  codes are normalised);
- predicted codes outside of the track's list of codes are dropped, gold codes never;
- a document without gold codes of the subtrack counts in precision, with all that is predicted for
  it, and not in the mean average precision;
- mean average precision leaves out documents for which a system names no valid code, which
  flatters a system that is silent; `CodingScore.map_of_all` counts them as 0;
- systems handed in one ranked list, which was also their code set. Here the set is what the coder
  assigns, and the ranking may go on below the cut.

CodiEsp-X is in `surecode.evaluation.codiesp_x`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal

from surecode.encounter import Code
from surecode.evaluation.coding_score import CodingScore, coding_score, keep_codes

Subtrack = Literal["D", "P"]
SYSTEM: dict[Subtrack, str] = {"D": "ICD-10-CM", "P": "ICD-10-PCS"}


def codiesp_score(
    subtrack: Subtrack,
    gold: Sequence[Collection[Code]],
    predicted: Sequence[Collection[Code]],
    ranked: Sequence[Sequence[Code]] | None,
    *,
    valid: Collection[Code] | None = None,
) -> CodingScore:
    """The subtrack's score of N encounters with codes of both kinds.

    Args:
        subtrack: ``D`` looks at ICD-10-CM codes only, ``P`` at ICD-10-PCS codes only.
        gold: ``[N]`` code sets.
        predicted: ``[N]`` assigned code sets.
        ranked: ``[N]`` codes by falling probability; None leaves MAP out.
        valid: the track's list of codes; None keeps all.

    Raises:
        InputError: there are no encounters, or the sequences differ in length.
    """
    system = SYSTEM[subtrack]
    return coding_score(
        keep_codes(gold, system),
        keep_codes(predicted, system),
        None if ranked is None else keep_codes(ranked, system),
        valid=valid,
    )
