"""How strongly an encounter's loss reacts to its inputs: a penalty that is differentiated twice.

Input-gradient regularisation (Ross et al. 2017, arXiv 1703.03717, eq. 2, with the norm in place of
its square as in Edin et al. 2024, arXiv 2406.08958): for encounter e with word embeddings E_e,

    penalty_e = || d loss_e / d E_e ||_2

E are activations, one row for each token of each window, special tokens included. The gradient of
the embedding matrix would add up the tokens that repeat a word, and with an adapter the first
parameter that is trained is no embedding at all. Where a cache has the states of frozen layers, E
are the states that enter the first trained layer: nothing below them is computed any more.

Training on the penalty needs the gradient of a gradient:

- Fused attention has no second derivative, so attention is computed by its formula.
- A folded adapter (`surecode.coder.folded_lora`) holds ``W + s B A`` constant in its backward pass,
  so that the second derivative would silently lack a term: PEFT's own layers compute. DoRA takes
  the norm of its weight as constant in both derivatives, as in all of its training.
- Keeping no activations saves nothing where the backward pass itself is kept. A batch that is more
  than one encoder call may be is therefore differentiated call by call, with v the gradient of the
  losses with respect to the states s = f(E) and g_c the gradient of call c:

      v = d loss / d s          g_c = (d s_c / d E_c)^T v_c

  Only E_c and v_c are kept of a call; its forward pass and its product are computed again when the
  penalty is differentiated. Same numbers, memory of one call.

Price: about three times the time of a plain step and five times its memory, which a lower
``trainer.batch_tokens`` bounds; four and a half times the time where a batch goes call by call. The
head's memory grows with the label space: ``head.code_chunk`` bounds first derivatives only.

Legend: W windows, L tokens of a window, T content tokens, D width, E encounters, K codes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from peft import PeftModel
from peft.tuners.lora import Linear
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel

from surecode.coder.losses import Loss, gradient_norms, widened
from surecode.coder.network import Network
from surecode.data.batches import Batch


@dataclass(frozen=True)
class Penalised:
    """What one forward pass gives to minimise; all of it can be differentiated."""

    states: Tensor  # [T, D], for losses of attention
    losses: Tensor  # [E] in nats
    penalties: Tensor  # [E] norms, in nats per unit of an embedding


def unfold_lora(encoder: PreTrainedModel | PeftModel) -> None:
    """Undo `surecode.coder.folded_lora.fold_lora`: the same function, and a second derivative."""
    for module in encoder.modules():
        if isinstance(module, Linear):
            # The folded pass is an attribute of the layer; the class keeps PEFT's own.
            module.__dict__.pop("forward", None)
            module.__dict__.pop("_folded_weight", None)


def penalised(network: Network, batch: Batch, loss: Loss) -> Penalised:
    """States, losses and penalties of the encounters of a batch.

    No encounter's penalty depends on the other encounters.

    Args:
        network: whose adapter is not folded (`unfold_lora`).
        batch: with gold.
        loss: of logits ``[E, K]`` and gold ``[E, K]`` → ``[E]``.
    """
    assert batch.gold is not None
    entering = _entering(network, batch)
    by_calls = _ByCalls(network, batch, entering) if batch.recompute else None
    states = _encode(network, batch, entering) if by_calls is None else by_calls.states()
    losses = loss(network.read(states, batch.tokens), batch.gold)
    # Encounters meet nowhere: the gradient of the sum is each one's own, side by side.
    if by_calls is None:
        gradient = _gradient(losses.sum(), entering)
    else:
        gradient = by_calls.product(_gradient(losses.sum(), states))
    return Penalised(states, losses, gradient_norms(gradient, _owners(batch), len(batch.tokens)))


def _entering(network: Network, batch: Batch) -> Tensor:
    """E ``[W, L, D]``: what is differentiated by, in a graph of its own unless it is trained."""
    if batch.hidden is not None:
        return widened(batch.hidden.detach()).requires_grad_()  # in bf16 it would be rounded
    embeddings = network.embed(batch.input_ids)
    return embeddings if embeddings.requires_grad else embeddings.detach().requires_grad_()


def _encode(network: Network, batch: Batch, entering: Tensor) -> Tensor:
    """States ``[T, D]`` from E ``[W, L, D]``, by arithmetic that has a second derivative."""
    with sdpa_kernel(SDPBackend.MATH):
        if batch.hidden is None:
            return network.encode(batch, entering)
        return network.encode(replace(batch, hidden=entering))


def _gradient(of: Tensor, by: Tensor, cotangent: Tensor | None = None) -> Tensor:
    """A gradient that can be differentiated, in the types of the forward pass."""
    with torch.autocast(by.device.type, enabled=False):
        (gradient,) = torch.autograd.grad(of, by, cotangent, create_graph=True)
    return gradient


def _owners(batch: Batch) -> Tensor:
    """``[W]``: the encounter of each window; one without content has no gradient to own."""
    device = batch.content.device
    encounters = torch.arange(len(batch.tokens), device=device)
    owners = torch.zeros(len(batch.lengths), dtype=torch.int64, device=device)
    rows = batch.content // batch.input_ids.shape[1]
    owners[rows] = encounters.repeat_interleave(torch.tensor(batch.tokens, device=device))
    return owners


class _ByCalls:
    """A batch of several encoder calls: forward pass and product, each call by itself."""

    def __init__(self, network: Network, batch: Batch, entering: Tensor) -> None:
        self._network = network
        device = batch.content.device
        self._rows = [torch.tensor(rows, device=device) for rows in batch.groups]
        window = batch.content // batch.input_ids.shape[1]
        self._content = [torch.isin(window, rows).nonzero()[:, 0] for rows in self._rows]
        self._batches = [
            _part(batch, rows, content)
            for rows, content in zip(self._rows, self._content, strict=True)
        ]
        self._entering = [entering[rows] for rows in self._rows]
        self._draws: list[_Draws] = []

    def states(self) -> Tensor:
        """States ``[T, D]`` of the content tokens."""
        states = []
        for batch, entering in zip(self._batches, self._entering, strict=True):
            self._draws.append(_Draws.now(entering.device))
            states.append(checkpoint(_encode, self._network, batch, entering, use_reentrant=False))
        return torch.cat(states)[torch.cat(self._content).argsort()]

    def product(self, cotangents: Tensor) -> Tensor:
        """The gradient ``[W, L, D]`` from that of the states, ``[T, D]``; after `states`."""
        parts = zip(self._batches, self._entering, self._content, self._draws, strict=True)
        products = [
            checkpoint(
                _product,
                self._network,
                batch,
                entering,
                cotangents[rows],
                draws,
                use_reentrant=False,
            )
            for batch, entering, rows, draws in parts
        ]
        return torch.cat(products)[torch.cat(self._rows).argsort()]


def _product(
    network: Network, batch: Batch, entering: Tensor, cotangents: Tensor, draws: _Draws
) -> Tensor:
    with draws.again():
        states = _encode(network, batch, entering)
    return _gradient(states, entering, cotangents)


def _part(batch: Batch, rows: Tensor, content: Tensor) -> Batch:
    """One call's windows as a batch, its content tokens in the order of the whole batch."""
    longest = batch.input_ids.shape[1]
    place = torch.zeros(len(batch.lengths), dtype=torch.int64, device=rows.device)
    place[rows] = torch.arange(len(rows), device=rows.device)
    own = batch.content[content]
    return replace(
        batch,
        input_ids=batch.input_ids[rows],
        attention_mask=batch.attention_mask[rows],
        content=place[own // longest] * longest + own % longest,
        tokens=(len(own),),
        lengths=tuple(batch.lengths[row] for row in rows.tolist()),
        groups=(tuple(range(len(rows))),),
        call_tokens=None,  # kept or not is decided here
    )


@dataclass(frozen=True)
class _Draws:
    """The state of the random numbers, for an adapter's dropout to fall twice alike."""

    cpu: Tensor
    cuda: Tensor | None
    device: torch.device

    @classmethod
    def now(cls, device: torch.device) -> _Draws:
        on_gpu = device.type == "cuda"
        return cls(
            torch.get_rng_state(), torch.cuda.get_rng_state(device) if on_gpu else None, device
        )

    @contextmanager
    def again(self) -> Iterator[None]:
        with torch.random.fork_rng(devices=[] if self.cuda is None else [self.device]):
            torch.set_rng_state(self.cpu)
            if self.cuda is not None:
                torch.cuda.set_rng_state(self.cuda, self.device)
            yield
