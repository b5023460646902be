"""Numbers that stand for words, by which words stand around them: like words have like numbers.

Positive pointwise mutual information of words and contexts, the contexts' counts smoothed, and its
largest singular vectors (Levy et al. 2015, doi 10.1162/tacl_a_00134, sections 2 and 3).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils.extmath import randomized_svd

_AROUND = 4  # words on either side
_SMOOTHED = 0.75  # power of the contexts' counts


def word_vectors(
    texts: Sequence[NDArray[np.int64]], words: int, width: int, seed: int
) -> NDArray[np.float32]:
    """Vectors of length 1 of words that are numbers below ``words``: ``[words, width]``.

    A word that no other stands beside has zeros, and so have places behind the rank of the counts.
    The word before, the word behind and those farther away are contexts of three kinds.

    Args:
        texts: the words ``[n]`` of each; one below 0 is none.
        words: how many there are.
        width: numbers for each word.
        seed: of the singular vectors' approximation.
    """
    counts = _counts(texts, words)
    vectors = np.zeros((words, width), dtype=np.float32)
    if not counts.nnz:
        return vectors
    rank = min(width, words)
    left, values, _ = randomized_svd(_information(counts), rank, random_state=seed)
    found = left * np.sqrt(values)
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    vectors[:, :rank] = np.divide(found, lengths, out=np.zeros_like(found), where=lengths > 0)
    return vectors


def _counts(texts: Sequence[NDArray[np.int64]], words: int) -> sparse.csr_matrix:
    """How often each word stands beside each context ``[words, 3 words]``."""
    rows, columns = [], []
    for text in texts:
        for by in range(1, _AROUND + 1):
            before, behind = text[:-by], text[by:]
            both = (before >= 0) & (behind >= 0)
            one, other = before[both], behind[both]
            rows += [one, other]
            columns += [other, one + words] if by == 1 else [other + 2 * words, one + 2 * words]
    if not rows:
        return sparse.csr_matrix((words, 3 * words))
    row, column = np.concatenate(rows), np.concatenate(columns)
    found = sparse.coo_matrix((np.ones(len(row)), (row, column)), (words, 3 * words)).tocsr()
    found.sum_duplicates()
    return found


def _information(counts: sparse.csr_matrix) -> sparse.csr_matrix:
    """Log of how much oftener a word and a context stand together than by chance, where it is."""
    total = counts.sum()
    of_word = np.asarray(counts.sum(axis=1)).ravel()
    of_context = np.asarray(counts.sum(axis=0)).ravel() ** _SMOOTHED
    of_context *= total / of_context.sum()
    each = counts.tocoo()
    information = np.log(each.data * total / (of_word[each.row] * of_context[each.col]))
    more = information > 0.0
    return sparse.csr_matrix(
        (information[more], (each.row[more], each.col[more])), shape=counts.shape
    )
