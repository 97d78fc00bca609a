"""Losses as functions of PyTorch."""
import torch
from torch.autograd.function import once_differentiable

from .binding import known

HALF = torch.float16, torch.bfloat16


def evaluate(loss, logits, labels, progress):
    if not isinstance(logits, torch.Tensor):
        raise TypeError("logits: must be a tensor of PyTorch; arrays are for evaluate(logits, labels)")
    return _Value.apply(logits, torch.as_tensor(labels), loss, progress)


class _Value(torch.autograd.Function):
    @staticmethod
    def forward(ctx, logits, labels, loss, progress):
        # Tensors of a card are copied to the memory of the host, and half precision becomes f32; all else is
        # read where it is, in its memory format.
        dtype = torch.float32 if logits.dtype in HALF else logits.dtype
        values = logits.detach().to("cpu", dtype)
        gradient = torch.empty_like(values) if ctx.needs_input_grad[0] else None
        if labels.dtype == torch.bfloat16:  # which numpy has not
            labels = labels.float()
        value = loss._evaluate(known(values.numpy()), known(labels.detach().cpu().numpy()),
                               None if gradient is None else gradient.numpy(), progress)
        if gradient is not None:
            # Rounded to half precision when it has its factor, which a GradScaler chooses so that less is lost.
            ctx.save_for_backward(gradient.to(logits.device))
            ctx.dtype = logits.dtype
        return torch.tensor(value, dtype=dtype, device=logits.device)

    @staticmethod
    @once_differentiable
    def backward(ctx, upstream):
        (gradient,) = ctx.saved_tensors
        scaled = gradient if upstream == 1 else gradient * upstream.to(gradient.dtype)
        return scaled.to(ctx.dtype), None, None, None
