"""How far rounding moves the gradients of a U-Net: through its kinks, not through the sums.

In f64, every convolution gets noise of a relative size eps on its output. With leaky ReLUs and max pooling the gradients
move by about sqrt(eps): a value within eps of a kink changes sides, and the number of such values is proportional to eps.
Without kinks (slope 1, average pooling) they move by eps.
"""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "nn"))
from common import markdown  # noqa: E402  first: it may stand in for the next
import torch  # noqa: E402
from torch.nn import functional as F  # noqa: E402
from reference import UNet  # noqa: E402

NOISE = (1e-8, 1e-7, 1e-6)


def gradients(slope, pool, eps):
    torch.manual_seed(0)
    net = UNet(2, 1, 2, base=16, depth=4, slope=slope).double()
    net.pool = pool
    x, labels = torch.randn(2, 1, 128, 128).double(), torch.randint(0, 2, (2, 128, 128))
    generator = torch.Generator().manual_seed(1)

    def disturb(_, __, y):
        return y + eps * y.abs().max() * torch.randn(y.shape, dtype=y.dtype, generator=generator)

    for module in net.modules():
        if isinstance(module, (torch.nn.Conv2d, torch.nn.ConvTranspose2d)):
            module.register_forward_hook(disturb)
    F.cross_entropy(net(x), labels).backward()
    return torch.cat([p.grad.flatten() for p in net.parameters()])


header = markdown(["slope of the leaky ReLU", "pooling", *(f"noise {eps:.0e}" for eps in NOISE)], [])
print(header, end="")
for slope in (0.01, 1.0):
    for pool in ("max_pool2d", "avg_pool2d"):
        exact = gradients(slope, getattr(F, pool), 0)
        moved = [(gradients(slope, getattr(F, pool), eps) - exact).norm() / exact.norm() for eps in NOISE]
        print("|", slope, "|", pool, "|", " | ".join(f"{float(m):.1e}" for m in moved), "|", flush=True)
