"""The PyTorch side of a network benchmark, as a process of its own (its peak memory is measured).

twin.py check FILE ..   compares a dump of `voxgrad bench train --dump` with the same step in PyTorch
twin.py serve ..        answers each line "N" on stdin with the milliseconds of N runs, "peak" with bytes of memory
"""
import argparse
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "nn"))
from common import load_safetensors  # noqa: E402  first: it may stand in for the next
import torch  # noqa: E402
from torch.nn import functional as F  # noqa: E402
from reference import UNet  # noqa: E402


def peak_memory():
    """Of this process. Not getrusage: that begins with the size of the process that started this one."""
    line = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
    return 1024 * int(line.split()[1])


AFTER_IMPORT = peak_memory()


def dice_ce(logits, labels):
    """dice_ce with its default options: the Dice part per sample and class, 1e-5 above and below."""
    p = torch.softmax(logits, 1)
    t = torch.zeros_like(p).scatter_(1, labels.unsqueeze(1), 1)
    space = tuple(range(2, logits.dim()))
    dice = (2 * (p * t).sum(space) + 1e-5) / (p.sum(space) + t.sum(space) + 1e-5)
    return (1 - dice).mean() + F.cross_entropy(logits, labels)


def make(a):
    net = UNet(dims=a.dims, classes=a.classes, base=a.base, depth=a.depth, max_channels=1 << 20, norm=a.norm)
    if a.layout == "channels_last":
        net = net.to(memory_format=torch.channels_last if a.dims == 2 else torch.channels_last_3d)
    return net


def batch(a):
    space = (a.patch,) * a.dims
    x = torch.randn(a.batch, 1, *space)
    if a.layout == "channels_last":
        x = x.contiguous(memory_format=torch.channels_last if a.dims == 2 else torch.channels_last_3d)
    return x, torch.randint(0, a.classes, (a.batch, *space))


def one_step(a, file, dtype):
    """Logits, loss and gradients of the dumped step in this type."""
    net = make(a).to(dtype)
    weights = {k: v.to(dtype) for k, v in file.items() if not k.startswith(("bench.", "gradient."))}
    net.load_state_dict(weights, strict=False)
    logits = net(file["bench.x"].to(dtype).movedim(-1, 1))
    loss = dice_ce(logits, file["bench.labels"].long())
    loss.backward()
    return logits.detach().double(), loss.item(), {name: p.grad.double() for name, p in net.named_parameters()}


def distance(gradients, exact):
    """Of all gradients as one vector, relative to its length."""
    difference = sum(float((gradients[name].double() - g).square().sum()) for name, g in exact.items())
    length = sum(float(g.square().sum()) for g in exact.values())
    return (difference / length) ** 0.5 if length else difference


def check(a):
    file = {name: torch.tensor(value) for name, value in load_safetensors(a.file).items()}
    logits, loss, exact = one_step(a, file, torch.float64)
    found = file["bench.logits"].movedim(-1, 1).double()
    print(json.dumps({
        "logits": float((found - logits).abs().max() / logits.abs().max()),
        "loss": float(abs(file["bench.loss"].item() - loss)),
        # The slope of a leaky ReLU jumps at 0, so any rounding before it changes gradients: PyTorch's own, too.
        "gradients": distance({name: file[f"gradient.{name}"] for name in exact}, exact),
        "gradients_of_pytorch_f32": distance(one_step(a, file, torch.float32)[2], exact)}))


def serve(a):
    torch.set_num_threads(a.threads)
    net, (x, labels) = make(a), batch(a)
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-4, fused=True)

    def step():
        dice_ce(net(x), labels).backward()
        optimizer.step()
        optimizer.zero_grad()

    def infer():
        with torch.inference_mode():
            net(x)

    work = step
    if a.mode == "infer":
        net.eval()
        work = infer
    work()
    for line in sys.stdin:
        if line.strip() == "peak":
            print(json.dumps({"peak": peak_memory(), "import": AFTER_IMPORT}), flush=True)
            continue
        times = []
        for _ in range(int(line)):
            start = time.perf_counter()
            work()
            times.append(1000 * (time.perf_counter() - start))
        print(json.dumps(times), flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("action", choices=["check", "serve"])
    parser.add_argument("file", nargs="?")
    parser.add_argument("--mode", choices=["train", "infer"], default="train")
    parser.add_argument("--layout", choices=["contiguous", "channels_last"], default="contiguous")
    parser.add_argument("--norm", default="instance")
    for name, value in (("dims", 2), ("base", 32), ("depth", 4), ("batch", 4), ("patch", 128), ("classes", 2),
                        ("threads", 1)):
        parser.add_argument(f"--{name}", type=int, default=value)
    a = parser.parse_args()
    check(a) if a.action == "check" else serve(a)


if __name__ == "__main__":
    main()
