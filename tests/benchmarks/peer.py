#!/usr/bin/env python3
"""One measurement of PyTorch, in a process of its own: one line of JSON.

  peer.py train|infer --dims 2 --base 64 --depth 5 --batch 16 --patch 512 --precision bf16 --way graphs
  peer.py loss --loss dice_ce --shape 16,512,512
  peer.py copy
"""
import argparse
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "nn"))
from common import summary  # noqa: E402  first: it may stand in for the next
import torch  # noqa: E402
from reference import UNet  # noqa: E402
from twin import dice_ce  # noqa: E402

# How torch.compile is asked; the other ways are eager, in the order in which maps lie.
MODES = {"compiled": "default", "graphs": "reduce-overhead"}
WAYS = [*MODES, "channels_last", "contiguous"]


def measured(work, a):
    """Milliseconds of a call, how long the first ones took in seconds, and the memory of the card in bytes."""
    wait = torch.cuda.synchronize if a.device == "cuda" else lambda: None
    start = time.perf_counter()
    for _ in range(2 if a.device == "cpu" else 5):
        work()
    wait()
    warm, times = time.perf_counter() - start, []
    for _ in range(a.repeats):
        wait()
        start = time.perf_counter()
        work()
        wait()
        times.append(1e3 * (time.perf_counter() - start))
    found = dict(theirs_ms=summary(times)["median"], fastest_ms=min(times), warm_s=round(warm, 1),
                 torch=str(torch.__version__))
    if a.device == "cuda":
        found.update(theirs_bytes=torch.cuda.max_memory_allocated(), cudnn=torch.backends.cudnn.version())
    return found


def network(a):
    layout = torch.contiguous_format if a.way == "contiguous" else [torch.channels_last, torch.channels_last_3d][a.dims - 2]
    net = UNet(dims=a.dims, base=a.base, depth=a.depth, max_channels=1 << 20).to(a.device, memory_format=layout)
    space = (a.patch,) * a.dims
    x = torch.randn(a.batch, 1, *space, device=a.device).contiguous(memory_format=layout)
    labels = torch.randint(0, 2, (a.batch, *space), device=a.device)
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-4, fused=a.device == "cuda")

    def forward(x):
        with torch.autocast(a.device, torch.bfloat16, enabled=a.precision == "bf16"):
            return net(x)

    def loss_of(x, labels):
        return dice_ce(forward(x).float(), labels)

    if a.way in MODES:  # the loss is compiled with the network
        loss_of, forward = (torch.compile(f, mode=MODES[a.way]) for f in (loss_of, forward))

    def train():
        optimizer.zero_grad(set_to_none=True)
        loss_of(x, labels).backward()
        optimizer.step()

    def infer():
        with torch.no_grad():
            forward(x)

    if a.what == "infer":
        net.eval()
    return train if a.what == "train" else infer


def loss(a):
    """The fastest of the peers that compute this loss, each eager and compiled."""
    from loss_peers import peers
    shape = tuple(map(int, a.shape.split(",")))
    logits = torch.randn(shape[0], 2, *shape[1:], device=a.device).requires_grad_()
    labels = torch.randint(0, 2, shape, device=a.device)
    best, failed = {}, []
    for peer in [peer for peer in peers() if peer.loss == a.loss and peer.classes in (0, 2)]:
        for way, run in (("", peer.run), (", compiled", torch.compile(peer.run) if a.device == "cuda" else None)):
            def work():
                logits.grad = None
                run(logits, labels).backward()
            try:
                found = dict(measured(work, a), peer=peer.who + way) if run else {}
            except Exception as problem:  # a library that is missing, or a peer that knows the CPU alone
                failed.append(f"{peer.who}{way}: {(str(problem) or repr(problem)).splitlines()[0]}")
                continue
            if found and (not best or found["theirs_ms"] < best["theirs_ms"]):
                best = found
    if not best:
        raise SystemExit("error: " + ("; ".join(failed) or f"no peer of {a.loss}"))
    return best


def copy(a):
    """Bytes per second of a copy on the card, read and written: what a kernel can reach."""
    x = torch.zeros(1 << (28 if a.device == "cuda" else 20), device=a.device)
    y = torch.zeros_like(x)
    found = measured(lambda: y.copy_(x), a)
    return dict(found, gb_per_s=2 * 4 * (1 << (28 if a.device == "cuda" else 20)) / found["theirs_ms"] / 1e6)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["train", "infer", "loss", "copy"])
    for name in ("dims", "base", "depth", "batch", "patch"):
        parser.add_argument(f"--{name}", type=int)
    parser.add_argument("--precision", choices=["f32", "tf32", "bf16"], default="f32")
    parser.add_argument("--way", choices=WAYS, default="channels_last")
    parser.add_argument("--loss")
    parser.add_argument("--shape")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--repeats", type=int, default=20)
    a = parser.parse_args()
    torch.backends.cudnn.benchmark = True  # its plans are chosen by measurement
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = a.precision != "f32"
    found = loss(a) if a.what == "loss" else copy(a) if a.what == "copy" else measured(network(a), a)
    print(json.dumps(found), flush=True)


main()
