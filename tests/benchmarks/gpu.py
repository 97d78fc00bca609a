#!/usr/bin/env python3
"""The benchmarks of a card against PyTorch on the same card, in turns: results/<card>.md and .json.

  VOXGRAD=build/cuda/voxgrad python3 tests/benchmarks/gpu.py [--rounds 5] [--only copy,training,networks,kernels,losses]
                                                            [--data FILE.h5 ..] [--steps 300] [--seeds 3]

Without PyTorch it measures voxgrad alone and says so. --tiny: small inputs on the CPU, to try the script.
"""
import argparse
import json
import math
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import PROGRAM, ROOT, machine, markdown, ours, summary, write_results

try:
    import torch
except ImportError:
    torch = None

NETWORKS = {
    "2-D base 64 depth 5, 16x512^2": dict(dims=2, base=64, depth=5, batch=16, patch=512),
    "3-D base 32 depth 5, 2x128^3": dict(dims=3, base=32, depth=5, batch=2, patch=128),
}
TINY = {"2-D base 8 depth 3, 2x64^2": dict(dims=2, base=8, depth=3, batch=2, patch=64)}
# Name, flags of voxgrad, the precision that PyTorch is asked for.
PRECISIONS = (("f32", [], "f32"), ("tf32", ["--tf32"], "tf32"), ("tf32, --fast", ["--tf32", "--fast"], "tf32"),
              ("bf16", ["--tf32", "--amp"], "bf16"), ("bf16, --fast", ["--tf32", "--amp", "--fast"], "bf16"))


def flags(network):
    return [word for name, value in network.items() for word in (f"--{name}", str(value))]


def milliseconds(work, repeats, device):
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    for _ in range(3):
        work()
    times = []
    for _ in range(repeats):
        wait()
        start = time.perf_counter()
        work()
        wait()
        times.append(1e3 * (time.perf_counter() - start))
    return summary(times)["median"]


class Peer:
    """The same network in PyTorch, in one of the ways to run it."""
    WAYS = ("contiguous", "channels_last", "compiled", "compiled, CUDA graphs")

    def __init__(self, network, mode, way, device, precision):
        sys.path.insert(0, str(ROOT / "tests/nn"))
        from reference import UNet
        from twin import dice_ce
        dims = network["dims"]
        space = (network["patch"],) * dims
        layout = torch.contiguous_format if way == "contiguous" else [torch.channels_last, torch.channels_last_3d][dims - 2]
        net = UNet(dims, 1, 2, network["base"], network["depth"], max_channels=1 << 20).to(device, memory_format=layout)
        x = torch.randn(network["batch"], 1, *space, device=device).contiguous(memory_format=layout)
        labels = torch.randint(0, 2, (network["batch"], *space), device=device)
        optimizer = torch.optim.AdamW(net.parameters(), fused=device == "cuda")
        plain = lambda: net(x)[0]
        if way.startswith("compiled"):
            compiled = torch.compile(net, mode="reduce-overhead" if "graphs" in way else "default")
            plain = lambda: compiled(x)[0]

        def forward():
            with torch.autocast(device, torch.bfloat16, enabled=precision == "bf16"):
                return plain()

        def train():
            optimizer.zero_grad(set_to_none=True)
            dice_ce(forward().float(), labels).backward()
            optimizer.step()

        def infer():
            with torch.no_grad():
                forward()

        if mode == "infer":
            net.eval()
        self.work = train if mode == "train" else infer


def best_peer(network, mode, precision, repeats, device):
    """The fastest way that works: name, milliseconds and all that was tried."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision != "f32"
    tried = {}
    for way in Peer.WAYS if device == "cuda" else Peer.WAYS[:2]:
        try:
            tried[way] = milliseconds(Peer(network, mode, way, device, precision).work, repeats, device)
        except Exception as problem:  # out of memory, or a compiler that is missing: the other ways still count
            tried[way] = f"failed: {str(problem).splitlines()[0]}"
        if device == "cuda":
            torch.cuda.empty_cache()
    working = {way: ms for way, ms in tried.items() if not isinstance(ms, str)}
    best = min(working, key=working.get)
    return best, working[best], tried


def networks(a, device):
    results, peers = [], {}
    for name, network in (TINY if a.tiny else NETWORKS).items():
        for precision, more, asked in PRECISIONS if device == "cuda" else PRECISIONS[:1]:
            for mode in ("train", "infer"):
                words = [mode, *flags(network), "--device", device, *more]
                rounds = [ours(*words, "--repeats", a.repeats) for _ in range(a.rounds)]
                row = dict(network=name, precision=precision, mode=mode, bytes=rounds[0]["peak_memory_bytes"],
                           ours_ms=summary([r["median_ms"] for r in rounds])["median"])
                if "called_ms" in rounds[0]:  # the gradient kernel by kernel instead of as one graph
                    row.update(called_ms=summary([r["called_ms"] for r in rounds])["median"],
                               recorded=rounds[0]["recorded"], refusal=rounds[0]["refusal"])
                if torch:
                    key = (name, asked, mode)
                    if key not in peers:
                        peers[key] = best_peer(network, mode, asked, a.repeats, device)
                    row["way"], row["theirs_ms"], row["tried"] = peers[key]
                results.append(row)
                print(row, file=sys.stderr)
    return results


def network_table(rows):
    cells = [[r["network"], r["precision"], r["mode"], f"{r['ours_ms']:.2f}",
              f"{r['called_ms']:.2f}" if "called_ms" in r else "-", r.get("refusal") or r.get("recorded", "-"),
              f"{r['bytes'] / 2**20:.0f}"] +
             ([f"{r['theirs_ms']:.2f}", r["way"], f"{r['theirs_ms'] / r['ours_ms']:.2f}"] if "way" in r else ["-"] * 3)
             for r in rows]
    return markdown(["network", "precision", "work", "voxgrad ms", "without a graph", "kernels, copies, fills", "voxgrad MiB", "PyTorch ms", "PyTorch's best way",
                     "times faster"], cells)


def kernels(a, device):
    """Kernels that move maps, f32 and bf16, with their share of the rate of a copy."""
    words = ["kernels", "--shape", "2,16,16,8" if a.tiny else "16,512,512,64", "--device", device, "--repeats", a.repeats]
    return [row for amp in ([], ["--amp"] if device == "cuda" else None) if amp is not None for row in ours(*words, *amp)]


def kernel_table(rows):
    return markdown(["kernel", "type", "ms", "GB/s", "of a copy"],
                    [[r["kernel"], r["type"], f"{r['median_ms']:.3f}", f"{r['gb_per_s']:.0f}",
                      f"{r['share_of_copy']:.0%}"] for r in rows])


def losses(a, device):
    """Value and gradient, and the fastest peer of loss_peers.py that runs here. MONAI is Python alone: a copy of it on
    PYTHONPATH will do."""
    shape = (2, 32, 32) if a.tiny else (16, 512, 512)
    words = ["losses", "--shape", ",".join(map(str, shape)), "--device", device, "--repeats", a.repeats]
    rows = {row["loss"]: row for row in ours(*words, "--losses", "all")}
    if not torch:
        return list(rows.values())
    from loss_peers import peers
    able = [peer for peer in peers() if peer.classes in (0, 2)]
    more = ",".join(dict.fromkeys(peer.loss for peer in able if peer.loss not in rows))
    rows.update({row["loss"]: row for row in (ours(*words, "--losses", more) if more else [])})
    logits = torch.randn(shape[0], 2, *shape[1:], device=device, requires_grad=True)
    labels = torch.randint(0, 2, shape, device=device)
    for peer in able:
        def work():
            logits.grad = None
            peer.run(logits, labels).backward()
        row = rows[peer.loss]
        try:
            ms = milliseconds(work, a.repeats, device)
        except Exception as problem:  # a library that is missing, or a peer that knows the CPU alone
            row.setdefault("failed", []).append(f"{peer.who}: {(str(problem) or repr(problem)).splitlines()[0]}")
            continue
        if ms < row.get("theirs_ms", math.inf):
            row.update(theirs_ms=ms, peer=peer.who)
    return list(rows.values())


def loss_table(rows):
    cells = [[f"`{r['loss']}`", f"{r['forward_ms']:.3f}", f"{r['backward_ms']:.3f}",
              f"{r['recorded_ms']:.3f}" if r.get("recorded") else "-", r.get("refusal") or r.get("recorded", "-"),
              f"{r['gb_per_s']:.0f}"] +
             ([f"{r['theirs_ms']:.3f}", r["peer"], f"{r['theirs_ms'] / (r['forward_ms'] + r['backward_ms']):.1f}"]
              if "peer" in r else ["-", "; ".join(r.get("failed", [])) or "-", "-"]) for r in rows]
    return markdown(["loss", "forward ms", "backward ms", "as one graph ms", "kernels, copies, fills", "GB/s", "peer ms",
                     "peer", "times faster"], cells)


def trained(data, seed, a, flags):
    """What `voxgrad train --json` says of one training."""
    with tempfile.TemporaryDirectory() as folder:
        words = [PROGRAM, "train", data, "--loss", "dice_ce", "--steps", a.steps, "--seed", seed, "-o", f"{folder}/run",
                 "-q", "--json", *flags]
        done = subprocess.run(list(map(str, words)), capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, words))}: {done.stderr}")
    return json.loads(done.stdout)


def training(a, device):
    """The same trainings on the CPU and on the card: the Dice of the test cases of every seed."""
    ways = [("cpu", ["--device", "cpu"])]
    ways += [(name, ["--device", device, *flags]) for name, flags, _ in PRECISIONS if device == "cuda"] or [("again", [])]
    results = []
    for data in a.data:
        for way, flags in ways:
            runs = [trained(data, seed, a, flags) for seed in range(1, a.seeds + 1)]
            results.append(dict(data=Path(data).name, way=way, dice=[run["test"]["dice_mean"] for run in runs],
                                seconds=[run["seconds"] for run in runs]))
            print(results[-1], file=sys.stderr)
    return results


def training_table(rows):
    mean = {(r["data"], r["way"]): sum(r["dice"]) / len(r["dice"]) for r in rows}
    return markdown(["data", "on", "Dice of every seed", "mean", "mean - CPU's", "seconds of a training"],
                    [[r["data"], r["way"], ", ".join(f"{d:.3f}" for d in r["dice"]), f"{mean[r['data'], r['way']]:.3f}",
                      f"{mean[r['data'], r['way']] - mean[r['data'], 'cpu']:+.3f}",
                      f"{summary(r['seconds'])['median']:.1f}"] for r in rows])


def copy(a, device):
    """Bytes per second of a copy on the card, read and written: what a kernel can reach."""
    if not torch:
        return None
    x = torch.empty((1 << 20) if a.tiny else (1 << 28), device=device)
    y = torch.empty_like(x)
    return 2 * 4 * x.numel() / milliseconds(lambda: y.copy_(x), 10, device) / 1e6


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--only", default="copy,training,networks,kernels,losses")
    parser.add_argument("--data", nargs="+", default=[str(ROOT / "data/bundled/nuclei2d.h5"),
                                                      str(ROOT / "data/bundled/organ3d.h5")], help="datasets to train on")
    parser.add_argument("--steps", type=int, default=300, help="of a training")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--name", default="", help="of the result; empty: that of the card")
    a = parser.parse_args()
    device = "cpu" if a.tiny else "cuda"
    about = dict(machine(), torch=torch.__version__ if torch else "none", command="python " + " ".join(sys.argv))
    card = about["voxgrad"]["cuda"]["description"]
    name = a.name or re.sub(r"[^a-z0-9]+", "_", card.split(",")[0].lower())
    results = {"machine": about}
    text = (f"# Speed on a card\n\n{card}; voxgrad {about['commit']}, PyTorch {about['torch']}. `{about['command']}`\n\n"
            f"Medians of {a.rounds} rounds. PyTorch runs in the fastest of: {', '.join(Peer.WAYS)}.\n")
    for subject in a.only.split(","):
        if subject == "copy":
            results["copy_gb_per_s"] = copy(a, device)
            text += f"\nA copy on the card moves {results['copy_gb_per_s'] or 0:.0f} GB/s, read and written.\n"
        elif subject == "training":
            results["training"] = training(a, device)
            text += (f"\n## Training: what the CPU learns\n\n{a.steps} steps with dice_ce, batch and network by default, "
                     f"seeds 1 to {a.seeds}.\n\n{training_table(results['training'])}")
        elif subject == "networks":
            results["networks"] = networks(a, device)
            text += f"\n## Networks\n\n{network_table(results['networks'])}"
        elif subject == "kernels":
            results["kernels"] = kernels(a, device)
            text += f"\n## Kernels that move maps\n\n{kernel_table(results['kernels'])}"
        elif subject == "losses":
            results["losses"] = losses(a, device)
            text += f"\n## Losses: value and gradient\n\n{loss_table(results['losses'])}"
        else:
            raise SystemExit(f"--only {subject}: copy, training, networks, kernels or losses")
    folder = ROOT / "tests/benchmarks/results"
    folder.mkdir(exist_ok=True)
    write_results(folder / f"{name}.json", results)
    (folder / f"{name}.md").write_text(text)
    print(text)


main()
