"""The networks of voxgrad as PyTorch modules, read from its files and written to them.

    net, spec = load("best.safetensors")   # spec says how images are prepared and what the outputs mean
    logits = net(image)                    # [N, channels, *S] to [N, classes, *S]
    save("tuned.safetensors", net, spec)   # for `voxgrad predict tuned.safetensors ..`

It needs PyTorch and safetensors, and nothing else of voxgrad.
"""
import inspect
import json
import math

from torch import cat, nn
from torch.nn import functional as F


def norm_of(kind, dims, channels):
    if kind == "batch":
        return (nn.BatchNorm2d if dims == 2 else nn.BatchNorm3d)(channels)
    if kind == "instance":
        return (nn.InstanceNorm2d if dims == 2 else nn.InstanceNorm3d)(channels, affine=True)
    return nn.GroupNorm(math.gcd(channels, 8), channels) if kind == "group" else nn.Identity()


class ConvBlock(nn.Module):
    """Two times a convolution, a norm and an activation. A residual block adds its input before the last activation."""

    def __init__(self, dims, in_channels, out, norm, slope, residual, dropout, kernel, stride=1):
        super().__init__()
        conv = nn.Conv2d if dims == 2 else nn.Conv3d
        padding = tuple(extent // 2 for extent in kernel)
        self.conv1 = conv(in_channels, out, kernel, stride, padding, bias=norm == "none")
        self.norm1 = norm_of(norm, dims, out)
        self.conv2 = conv(out, out, kernel, padding=padding, bias=norm == "none")
        self.norm2 = norm_of(norm, dims, out)
        self.slope, self.residual = slope, residual
        if residual and (in_channels != out or self.conv1.stride != self.conv2.stride):
            self.shortcut = conv(in_channels, out, 1, stride)
        self.dropout = (nn.Dropout2d if dims == 2 else nn.Dropout3d)(dropout)

    def forward(self, x):
        y = F.leaky_relu(self.norm1(self.conv1(x)), self.slope, inplace=True)
        y = self.norm2(self.conv2(y))
        if self.residual:
            y = y + (self.shortcut(x) if hasattr(self, "shortcut") else x)
        return self.dropout(F.leaky_relu(y, self.slope, inplace=True))


class UNet(nn.Module):
    """The U-Net of nn/unet.h. The arguments have the names and values of the metadata "model" of a file.

    Parameters start as those of PyTorch's layers do: `init` is how voxgrad would start them, and is only kept.
    """

    def __init__(self, dims=2, in_channels=1, classes=2, base=32, max_channels=320, widths=None, depth=4,
                 norm="instance", activation="leaky_relu", slope=0.01, residual=False, dropout=0.0,
                 upsampling="linear", transposed=True, deep_supervision=False, strides=None, kernels=None,
                 strided=False, init="he"):
        super().__init__()
        self.strides = [tuple(stride) for stride in strides or [(2,) * dims] * (depth - 1)]
        kernels = [tuple(kernel) for kernel in kernels or [(3,) * dims] * depth]
        self.config = dict(dims=dims, in_channels=in_channels, classes=classes, base=base, max_channels=max_channels,
                           widths=widths or [], depth=depth, norm=norm, activation=activation, slope=slope,
                           residual=residual, dropout=dropout, upsampling=upsampling, transposed=transposed,
                           deep_supervision=deep_supervision, strides=[list(stride) for stride in self.strides],
                           kernels=[list(kernel) for kernel in kernels], strided=strided, init=init)
        self.pool = F.max_pool2d if dims == 2 else F.max_pool3d
        self.mode = "nearest" if upsampling == "nearest" else "bilinear" if dims == 2 else "trilinear"
        self.transposed, self.strided = transposed, strided
        conv = nn.Conv2d if dims == 2 else nn.Conv3d
        back = nn.ConvTranspose2d if dims == 2 else nn.ConvTranspose3d
        width = widths or [min(base << level, max_channels) for level in range(depth)]
        below = {"none": 1.0, "relu": 0.0, "leaky_relu": slope}[activation]
        block = lambda i, l, stride=1: ConvBlock(dims, i, width[l], norm, below, residual, dropout, kernels[l], stride)
        self.encoder = nn.ModuleList(
            block(width[l - 1] if l else in_channels, l, self.strides[l - 1] if l and strided else 1)
            for l in range(depth))
        self.up = nn.ModuleList(
            back(width[l + 1], width[l], self.strides[l], self.strides[l]) if transposed
            else conv(width[l + 1], width[l], 1) for l in range(depth - 1))
        self.decoder = nn.ModuleList(block(2 * width[l], l) for l in range(depth - 1))
        heads = max(depth - 1, 1) if deep_supervision else 1
        self.heads = nn.ModuleList(conv(width[l], classes, 1) for l in range(heads))

    def outputs(self, x):
        """The logits at all resolutions, the finest first; without deep supervision there is one."""
        skips = []
        for level, block in enumerate(self.encoder):
            x = block(self.pool(x, self.strides[level - 1]) if level and not self.strided else x)
            skips.append(x)
        if not self.decoder:
            return [self.heads[0](x)]
        logits = []
        for level in reversed(range(len(self.decoder))):
            x = self.up[level](x)
            if not self.transposed:
                x = F.interpolate(x, scale_factor=self.strides[level], mode=self.mode)
            x = self.decoder[level](cat([skips[level], x], 1))
            if level < len(self.heads):
                logits.insert(0, self.heads[level](x))
        return logits

    def forward(self, x):
        return self.outputs(x)[0]


def load(path):
    """The network of a file of voxgrad, in evaluation mode, and the metadata "model" of the file as a dictionary."""
    from safetensors import safe_open  # the modules themselves do not need it

    with safe_open(path, framework="pt") as file:
        spec = json.loads(file.metadata()["model"])
        state = {name: file.get_tensor(name) for name in file.keys() if not name.startswith(("optim.", "ema."))}
    known = inspect.signature(UNet).parameters
    net = UNet(**{name: value for name, value in spec.items() if name in known})
    net.load_state_dict(state, strict=True)
    return net.eval(), spec


def save(path, net, spec):
    """Writes a file that voxgrad reads. `spec` is that of load(), or has "patch", "class_names" and "normalisation"."""
    from safetensors.torch import save_file

    state = {name: tensor.detach().cpu().contiguous() for name, tensor in net.state_dict().items()}
    save_file(state, path, {"model": json.dumps({**spec, "network": "unet", **net.config})})
