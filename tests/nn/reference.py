#!/usr/bin/env python3
"""The PyTorch twin of nn/unet, and the numbers that unet.cpp and optimizer.cpp compare with.

Not part of the test run: `python3 reference.py` needs PyTorch and prints the constants of the tests. The class UNet
loads the weights of a run: net.load_state_dict(safetensors.torch.load_file("best.safetensors")).
"""
import math

import torch
from torch import nn
from torch.nn import functional as F


def norm_of(kind, dims, channels):
    if kind == "batch":
        return (nn.BatchNorm2d if dims == 2 else nn.BatchNorm3d)(channels)
    if kind == "instance":
        return (nn.InstanceNorm2d if dims == 2 else nn.InstanceNorm3d)(channels, affine=True)
    return nn.GroupNorm(math.gcd(channels, 8), channels) if kind == "group" else nn.Identity()


class ConvBlock(nn.Module):
    def __init__(self, dims, in_channels, out, norm, slope, residual, kernel):
        super().__init__()
        padding = tuple(extent // 2 for extent in kernel)
        conv = nn.Conv2d if dims == 2 else nn.Conv3d
        self.conv1 = conv(in_channels, out, kernel, padding=padding, bias=norm == "none")
        self.norm1 = norm_of(norm, dims, out)
        self.conv2 = conv(out, out, kernel, padding=padding, bias=norm == "none")
        self.norm2 = norm_of(norm, dims, out)
        self.slope, self.residual = slope, residual
        if residual and in_channels != out:
            self.shortcut = conv(in_channels, out, 1)

    def forward(self, x):
        y = F.leaky_relu(self.norm1(self.conv1(x)), self.slope, inplace=True)
        y = self.norm2(self.conv2(y))
        if self.residual:
            y = y + (self.shortcut(x) if hasattr(self, "shortcut") else x)
        return F.leaky_relu(y, self.slope, inplace=True)


class UNet(nn.Module):
    def __init__(self, dims, in_channels, classes, base, depth, max_channels=320, norm="instance", slope=0.01,
                 residual=False, transposed=True, upsampling="linear", deep_supervision=False, strides=None,
                 kernels=None):
        super().__init__()
        self.strides = strides or [(2,) * dims] * (depth - 1)
        self.pool = F.max_pool2d if dims == 2 else F.max_pool3d
        self.mode = "nearest" if upsampling == "nearest" else "bilinear" if dims == 2 else "trilinear"
        self.transposed = transposed
        conv = nn.Conv2d if dims == 2 else nn.Conv3d
        back = nn.ConvTranspose2d if dims == 2 else nn.ConvTranspose3d
        width = [min(base << level, max_channels) for level in range(depth)]
        kernels = kernels or [(3,) * dims] * depth
        block = lambda i, l: ConvBlock(dims, i, width[l], norm, slope, residual, kernels[l])
        self.encoder = nn.ModuleList(block(width[l - 1] if l else in_channels, l) for l in range(depth))
        self.up = nn.ModuleList(
            back(width[l + 1], width[l], self.strides[l], self.strides[l]) if transposed
            else conv(width[l + 1], width[l], 1) for l in range(depth - 1))
        self.decoder = nn.ModuleList(block(2 * width[l], l) for l in range(depth - 1))
        self.heads = nn.ModuleList(conv(width[l], classes, 1) for l in range(depth - 1 if deep_supervision else 1))

    def forward(self, x):
        skips = []
        for level, block in enumerate(self.encoder):
            x = block(self.pool(x, self.strides[level - 1]) if level else x)
            skips.append(x)
        logits = []
        for level in reversed(range(len(self.decoder))):
            x = self.up[level](x)
            if not self.transposed:
                x = F.interpolate(x, scale_factor=self.strides[level], mode=self.mode)
            x = self.decoder[level](torch.cat([skips[level], x], 1))
            if level < len(self.heads):
                logits.insert(0, self.heads[level](x))
        return logits


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
    outputs = net(x)
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
    unet("residual", (8, 16), 2, dims=2, in_channels=2, classes=3, base=4, depth=3, norm="batch", slope=0.0,
         residual=True, deep_supervision=True)
    unet("linear", (4, 8, 8), 1, dims=3, in_channels=1, classes=1, base=3, depth=3, max_channels=8,
         transposed=False, strides=[(1, 2, 2), (2, 2, 2)])
    unet("nearest", (8, 8), 1, dims=2, in_channels=1, classes=2, base=4, depth=2, norm="group", transposed=False,
         upsampling="nearest")
    unet("kernels", (4, 8, 6), 1, dims=3, in_channels=1, classes=2, base=2, depth=2, strides=[(2, 2, 1)],
         kernels=[(1, 3, 3), (3, 3, 1)])
    unet("plain", (4, 4, 6), 1, dims=3, in_channels=1, classes=2, base=2, depth=2, norm="none")
    optimizer("sgd", lambda p: torch.optim.SGD(p, lr=1))
    optimizer("sgd, momentum 0.9, weight_decay 0.01", lambda p: torch.optim.SGD(p, 1, 0.9, weight_decay=0.01))
    optimizer("sgd, momentum 0.9, nesterov", lambda p: torch.optim.SGD(p, 1, 0.9, nesterov=True))
    optimizer("adam, weight_decay 0.01", lambda p: torch.optim.Adam(p, 1, weight_decay=0.01))
    optimizer("adamw, weight_decay 0.1", lambda p: torch.optim.AdamW(p, 1, weight_decay=0.1))
