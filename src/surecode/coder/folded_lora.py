"""Low-rank updates folded into the weight while training: one matrix product instead of three.

PEFT computes ``W x + s B (A x)`` and keeps the intermediate states for the backward pass. Here
``W + s B A`` is formed once per optimizer step, in fp32, and used by every call of the step. The
gradients come from thin products (Hu et al. 2021, arXiv 2106.09685, eq. 3, differentiated):

    dB = s dy^T (x A^T)          dA = s (dy B)^T x          dx = dy (W + s B A)

Same function, same gradients up to rounding. Price: a second copy of the adapted weights. It holds
for plain LoRA and rsLoRA without dropout; every other layer is left to PEFT.

Legend: T tokens, I width of the input, O of the output, r rank.
"""

from __future__ import annotations

from types import MethodType
from typing import Any

import torch
from peft import PeftModel
from peft.tuners.lora import Linear
from torch import Tensor, nn
from transformers import PreTrainedModel

ADAPTER = "default"


def fold_lora(encoder: PreTrainedModel | PeftModel) -> int:
    """Have every layer that allows it compute with its folded weight; returns how many do.

    Names and values of the parameters stay as they are.
    """
    layers = [module for module in encoder.modules() if _allows(module)]
    for layer in layers:
        # An attribute of the one layer: PEFT's class keeps its own forward pass.
        layer.forward = MethodType(_forward, layer)
    return len(layers)


def _allows(module: nn.Module) -> bool:
    return (
        isinstance(module, Linear)
        and list(module.lora_A) == [ADAPTER]
        and ADAPTER not in module.lora_variant  # DoRA
        and not module.lora_bias[ADAPTER]
        and isinstance(module.lora_dropout[ADAPTER], nn.Identity)
        and isinstance(module.base_layer, nn.Linear)
        and not module.base_layer.weight.requires_grad
    )


def _forward(layer: Linear, x: Tensor) -> Tensor:
    base = layer.base_layer
    if layer.merged or layer.disable_adapters:
        plain: Tensor = base(x)
        return plain
    a, b = layer.lora_A[ADAPTER].weight, layer.lora_B[ADAPTER].weight
    kind = torch.get_autocast_dtype(x.device.type) if _autocasts(x) else x.dtype
    weight = _folded(layer, a, b, kind)
    folded: Tensor = _FoldedLinear.apply(  # type: ignore[no-untyped-call]
        x.to(kind), weight, base.bias, a, b, layer.scaling[ADAPTER]
    )
    return folded


def _autocasts(x: Tensor) -> bool:
    return torch.is_autocast_enabled(x.device.type)


def _folded(layer: Linear, a: Tensor, b: Tensor, kind: torch.dtype) -> Tensor:
    """``W + s B A`` of the step: formed again when an optimizer or a checkpoint wrote to A or B."""
    state = (a._version, b._version, a.data_ptr(), b.data_ptr(), kind, a.device)
    known: tuple[Any, Tensor] | None = getattr(layer, "_folded_weight", None)
    if known is None or known[0] != state:
        # Validation runs in inference mode, and the next training step takes what it made.
        with (
            torch.inference_mode(False),
            torch.no_grad(),
            torch.autocast(a.device.type, enabled=False),
        ):
            weight = torch.addmm(
                layer.base_layer.weight.float(), b.float(), a.float(), alpha=layer.scaling[ADAPTER]
            ).to(kind)
        known = (state, weight)
        layer._folded_weight = known
    return known[1]


class _FoldedLinear(torch.autograd.Function):
    """``y = x (W + s B A)^T + c`` with gradients for x, A and B."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, a: Tensor, b: Tensor, scale: float
    ) -> Tensor:
        ctx.save_for_backward(x, weight, a, b)
        ctx.scale = scale
        with torch.autocast(x.device.type, enabled=False):
            return nn.functional.linear(x, weight, None if bias is None else bias.to(x.dtype))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, a, b = ctx.saved_tensors
        (dy,) = gradients
        dx = dy @ weight if ctx.needs_input_grad[0] else None
        rows, thin = dy.flatten(0, -2), x.flatten(0, -2)
        da = db = None
        if ctx.needs_input_grad[3]:
            da = ctx.scale * ((rows @ b.to(rows.dtype)).T @ thin).to(a.dtype)
        if ctx.needs_input_grad[4]:
            db = ctx.scale * (rows.T @ (thin @ a.to(thin.dtype).T)).to(b.dtype)
        return dx, None, None, da, db, None
