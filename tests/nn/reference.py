#!/usr/bin/env python3
"""The numbers that unet.cpp and optimizer.cpp compare with, by the network in apps/python/voxgrad/unet.py.

Not part of the test run: `python3 reference.py` needs PyTorch and safetensors, and prints the constants of the tests.
"""
import math
import pathlib
import sys

import torch
from torch import nn

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "apps/python/voxgrad"))
from unet import UNet


def wave(count, phase):
    return torch.sin(1.3 * torch.arange(count, dtype=torch.float64) + phase)


def last(x):  # [N, C, *S] to [N, *S, C]
    return x.movedim(1, -1)


def unet(name, extents, batch, **config):
    net = UNet(**config).double()
    parameters = sorted(net.named_parameters())
    for k, (key, p) in enumerate(parameters):
        values = wave(p.numel(), k).reshape(p.shape)
        with torch.no_grad():
            p.copy_(1 + 0.1 * values if p.dim() == 1 and key.endswith("weight") else 0.3 * values)
    shape = (batch, *extents, config["in_channels"])
    x = wave(math.prod(shape), 0.1).reshape(shape).movedim(-1, 1)
    value = 0
    outputs = net.outputs(x)
    for y in outputs:
        y = last(y)
        value = value + (y * wave(y.numel(), 0.4).reshape(y.shape)).sum()
    value.backward()
    gradient = sum((p.grad * wave(p.numel(), 0.7).reshape(p.shape)).sum() for _, p in parameters)
    square = sum((p.grad**2).sum() for _, p in parameters)
    first = last(outputs[0]).flatten()
    print(f"// {name}: {sum(p.numel() for p in net.parameters())} parameters, {len(parameters)} tensors")
    numbers = torch.stack([value, first[0], first[-1], gradient, square.sqrt()])
    print("  " + ", ".join(f"{v:.15g}" for v in numbers.tolist()))
    for key, b in sorted(net.named_buffers()):
        if key in ("decoder.0.norm2.running_mean", "decoder.0.norm2.running_var"):
            print(f"  // {key}: " + ", ".join(f"{v.item():.15g}" for v in b[:2]))


def optimizer(name, make):
    w = nn.Parameter(torch.tensor([0.5, -1.25, 2.0], dtype=torch.float64))
    opt = make([w])
    print(f"// {name}")
    for step in range(3):
        w.grad = torch.tensor([0.3, -0.2, 1.5], dtype=torch.float64) * (step + 1) - w.detach() * 0.5
        for group in opt.param_groups:
            group["lr"] = 0.1 / (step + 1)
        opt.step()
    print("  " + ", ".join(f"{v.item():.16g}" for v in w))


if __name__ == "__main__":
    unet("residual", (8, 16), 2, dims=2, in_channels=2, classes=3, base=4, depth=3, norm="batch", activation="relu",
         residual=True, deep_supervision=True)
    unet("linear", (4, 8, 8), 1, dims=3, in_channels=1, classes=1, base=3, depth=3, max_channels=8,
         transposed=False, strides=[(1, 2, 2), (2, 2, 2)])
    unet("nearest", (8, 8), 1, dims=2, in_channels=1, classes=2, base=4, depth=2, norm="group", transposed=False,
         upsampling="nearest")
    unet("kernels", (4, 8, 6), 1, dims=3, in_channels=1, classes=2, base=2, depth=2, strides=[(2, 2, 1)],
         kernels=[(1, 3, 3), (3, 3, 1)])
    unet("plain", (4, 4, 6), 1, dims=3, in_channels=1, classes=2, base=2, depth=2, norm="none")
    unet("strided", (8, 12), 2, dims=2, in_channels=2, classes=2, widths=[3, 3, 5], depth=3, norm="group", slope=0.1,
         residual=True, strides=[(1, 2), (2, 3)], strided=True)
    optimizer("sgd", lambda p: torch.optim.SGD(p, lr=1))
    optimizer("sgd, momentum 0.9, weight_decay 0.01", lambda p: torch.optim.SGD(p, 1, 0.9, weight_decay=0.01))
    optimizer("sgd, momentum 0.9, nesterov", lambda p: torch.optim.SGD(p, 1, 0.9, nesterov=True))
    optimizer("adam, weight_decay 0.01", lambda p: torch.optim.Adam(p, 1, weight_decay=0.01))
    optimizer("adamw, weight_decay 0.1", lambda p: torch.optim.AdamW(p, 1, weight_decay=0.1))
