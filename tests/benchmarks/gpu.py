#!/usr/bin/env python3
"""The benchmarks of a card beside PyTorch on the same card: results/<card>.md and .json. ./dev gpu run calls it.

  VOXGRAD=build/cuda/voxgrad python3 tests/benchmarks/gpu.py [PART ..] [--seconds 500] [--out FOLDER] [--data FILE.h5 ..]

Every row is measured in a process of its own and written at once, the most wanted ones first. A row that fails says
why, and the next one is measured; what does not fit into the seconds is named. Parts may be run one by one: the rows of
the others stay in the file. Without PyTorch it measures voxgrad alone. --tiny: small inputs on the CPU, to try the script.
"""
import argparse
import importlib.util
import re
import sys
import tempfile
import time
from pathlib import Path

from common import PROGRAM, ROOT, Failed, Results, flags, json_of, machine, markdown, ours, summary

PEER = Path(__file__).with_name("peer.py")
NETWORKS = {
    "2-D base 64 depth 5, 16x512^2": dict(dims=2, base=64, depth=5, batch=16, patch=512),
    "3-D base 32 depth 5, 2x128^3": dict(dims=3, base=32, depth=5, batch=2, patch=128),
}
SMALL = {"2-D base 32 depth 4, 4x128^2": dict(dims=2, base=32, depth=4, batch=4, patch=128)}
TINY = {"2-D base 8 depth 3, 2x64^2": dict(dims=2, base=8, depth=3, batch=2, patch=64)}
PRECISIONS = {"bf16": ["--tf32", "--amp"], "tf32": ["--tf32"], "f32": []}
LOSSES = "ce dice dice_ce focal tversky lovasz_softmax topk boundary generalized_dice unified_focal".split()


class Rows:
    """The rows of every part: (subject, what is measured, seconds at most, function of seconds that measures it)."""

    def __init__(self, a):
        self.a, self.device = a, "cpu" if a.tiny else "cuda"
        self.networks = TINY if a.tiny else NETWORKS
        self.precisions = ["f32"] if a.tiny else list(PRECISIONS)
        self.shape = "2,32,32" if a.tiny else "16,512,512"
        self.has_peer = importlib.util.find_spec("torch") is not None

    def ours(self, *words, limit, repeats=None):
        return ours(*words, "--device", self.device, "--repeats", repeats or self.a.repeats, limit=limit)

    def peer(self, *words, limit):
        return json_of([sys.executable, PEER, *words, "--device", self.device, "--repeats", self.a.repeats], limit)

    def step(self, network, precision, mode):
        def measure(limit):
            found = self.ours(mode, *flags(network), *PRECISIONS[precision], limit=limit)
            keep = ("called_ms", "recorded", "refusal", "min_ms")
            return dict(ours_ms=found["median_ms"], bytes=found["peak_memory_bytes"],
                        **{name: found[name] for name in keep if name in found})
        return measure

    def steps(self):
        for precision in self.precisions:
            for mode in ("train", "infer"):
                for name, network in self.networks.items():
                    yield "steps", dict(network=name, precision=precision, mode=mode), 90, self.step(network, precision, mode)
        for batch in () if self.a.tiny else (1, 2, 4, 8):  # what a batch that fits into the L2 cache is worth
            name = f"2-D base 64 depth 5, {batch}x512^2"
            network = dict(NETWORKS["2-D base 64 depth 5, 16x512^2"], batch=batch)
            yield "steps", dict(network=name, precision="bf16", mode="train"), 60, self.step(network, "bf16", "train")
        for name, network in {} if self.a.tiny else SMALL.items():
            yield "steps", dict(network=name, precision="bf16", mode="train"), 60, self.step(network, "bf16", "train")

    def peers(self):
        """PyTorch, and ours just before on the same warm card."""
        if not self.has_peer:
            return
        first, *others = self.precisions
        # What needs no compiler comes first: it is quick, and a compiled step takes up to 80 s to come up.
        wanted = [(way, mode, first) for way in ("channels_last", "contiguous", "graphs") for mode in ("train", "infer")]
        wanted += [("graphs", "train", precision) for precision in others]
        wanted.append(("compiled", "train", first))
        for way, mode, precision in wanted:
            for name, network in self.networks.items():
                def measure(limit, name=name, network=network, way=way, mode=mode, precision=precision):
                    start = time.time()
                    mine = self.step(network, precision, mode)(limit)["ours_ms"]
                    words = [mode, *flags(network), "--precision", precision, "--way", way]
                    return dict(ours_ms=mine, **self.peer(*words, limit=max(1, limit - (time.time() - start))))
                yield "peers", dict(network=name, precision=precision, mode=mode, way=way), 150, measure

    def kernels(self):
        """Kernels that move maps, with their share of the rate of a copy."""
        if self.has_peer:
            yield "copy", dict(what="a copy on the card"), 60, lambda limit: self.peer("copy", limit=limit)
        shape = "2,16,16,8" if self.a.tiny else "16,512,512,64"
        for precision in self.precisions[:1] if self.a.tiny else ("bf16", "f32"):
            words = ["kernels", "--shape", shape, *(["--amp"] if precision == "bf16" else [])]
            yield "kernels", dict(type=precision), 90, lambda limit, words=words: self.ours(*words, limit=limit)

    def losses(self):
        """Value and gradient of all losses, ours first, then the fastest peer of loss_peers.py of each."""
        def mine(limit):
            return self.ours("losses", "--shape", self.shape, "--losses", "all", limit=limit)
        yield "losses", dict(losses="all"), 120, mine
        for name in (LOSSES[:2] if self.a.tiny else LOSSES) if self.has_peer else ():
            def measure(limit, name=name):
                row = self.ours("losses", "--shape", self.shape, "--losses", name, limit=limit)[0]
                found = self.peer("loss", "--loss", name, "--shape", self.shape, limit=limit)
                return dict(ours_ms=row["forward_ms"] + row["backward_ms"], **found)
            yield "loss_peers", dict(loss=name), 60, measure

    def training(self):
        """The same trainings on the CPU and on the card: the Dice of the test cases of every seed."""
        ways = {"cpu": ["--device", "cpu"]}
        ways.update({name: ["--device", self.device, *more] for name, more in PRECISIONS.items() if not self.a.tiny})
        for seed in range(1, self.a.seeds + 1):
            for data in self.a.data:
                for way, more in ways.items():
                    def measure(limit, seed=seed, data=data, more=more):
                        with tempfile.TemporaryDirectory() as folder:
                            run = json_of([PROGRAM, "train", data, "--loss", "dice_ce", "--steps", self.a.steps, "--seed",
                                           seed, "-o", f"{folder}/run", "-q", "--json", *more], limit)
                        return dict(dice=run["test"]["dice_mean"], seconds=run["seconds"])
                    yield "training", dict(data=Path(data).name, way=way, seed=seed), 150, measure


def step_table(rows):
    return markdown(["network", "precision", "work", "ms", "without a graph", "kernels, copies, fills", "MiB"],
                    [[r["network"], r["precision"], r["mode"], f"{r['ours_ms']:.2f}",
                      f"{r['called_ms']:.2f}" if "called_ms" in r else "-", r.get("refusal") or r.get("recorded", "-"),
                      f"{r['bytes'] / 2**20:.0f}"] for r in rows])


def peer_table(rows):
    return markdown(["network", "precision", "work", "PyTorch's way", "voxgrad ms", "PyTorch ms", "times faster",
                     "PyTorch MiB", "its first calls, s"],
                    [[r["network"], r["precision"], r["mode"], r["way"], f"{r['ours_ms']:.2f}", f"{r['theirs_ms']:.2f}",
                      f"{r['theirs_ms'] / r['ours_ms']:.2f}", f"{r.get('theirs_bytes', 0) / 2**20:.0f}", r["warm_s"]]
                     for r in rows])


def copy_table(rows):
    return f"A copy on the card moves {rows[-1]['gb_per_s']:.0f} GB/s, read and written.\n"


def kernel_table(rows):
    return markdown(["kernel", "type", "ms", "GB/s", "of a copy"],
                    [[r["kernel"], r["type"], f"{r['median_ms']:.3f}", f"{r['gb_per_s']:.0f}",
                      f"{r['share_of_copy']:.0%}"] for r in rows])


def loss_table(rows):
    return markdown(["loss", "forward ms", "backward ms", "as one graph ms", "kernels, copies, fills", "GB/s"],
                    [[f"`{r['loss']}`", f"{r['forward_ms']:.3f}", f"{r['backward_ms']:.3f}",
                      f"{r['recorded_ms']:.3f}" if r.get("recorded") else "-", r.get("refusal") or r.get("recorded", "-"),
                      f"{r['gb_per_s']:.0f}"] for r in rows])


def loss_peer_table(rows):
    return markdown(["loss", "voxgrad ms", "peer ms", "peer", "times faster"],
                    [[f"`{r['loss']}`", f"{r['ours_ms']:.3f}", f"{r['theirs_ms']:.3f}", r["peer"],
                      f"{r['theirs_ms'] / r['ours_ms']:.1f}"] for r in rows])


def training_table(rows):
    groups = {}
    for r in rows:
        groups.setdefault((r["data"], r["way"]), []).append(r)
    mean = {key: sum(r["dice"] for r in group) / len(group) for key, group in groups.items()}
    return markdown(["data", "on", "Dice of every seed", "mean", "mean - CPU's", "seconds of a training"],
                    [[data, way, ", ".join(f"{r['dice']:.3f}" for r in group), f"{mean[data, way]:.3f}",
                      f"{mean[data, way] - mean[data, 'cpu']:+.3f}" if (data, "cpu") in mean else "-",
                      f"{summary([r['seconds'] for r in group])['median']:.1f}"] for (data, way), group in groups.items()])


PARTS = ["steps", "peers", "kernels", "losses", "training"]
TABLES = {
    "steps": ("Training steps and inference", step_table),
    "peers": ("PyTorch on the same card", peer_table),
    "copy": ("A copy", copy_table),
    "kernels": ("Kernels that move maps", kernel_table),
    "losses": ("Losses: value and gradient", loss_table),
    "loss_peers": ("Losses: the fastest peer", loss_peer_table),
    "training": ("Training: what the CPU learns", training_table),
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("parts", nargs="*", metavar="PART", choices=[*PARTS, []], help=", ".join(PARTS))
    parser.add_argument("--seconds", type=float, help="for all parts together; no row is begun or goes on after that")
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--data", nargs="+", default=[str(ROOT / "data/bundled/nuclei2d.h5"),
                                                      str(ROOT / "data/bundled/organ3d.h5")], help="datasets to train on")
    parser.add_argument("--steps", type=int, default=300, help="of a training")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--name", default="", help="of the result; empty: that of the card")
    parser.add_argument("--out", default=str(ROOT / "tests/benchmarks/results"), help="folder of the results")
    a = parser.parse_args()
    rows = Rows(a)
    about = dict(machine(), command="python3 " + " ".join(sys.argv))
    card = about["voxgrad"]["cuda"]["description"]
    name = a.name or re.sub(r"[^a-z0-9]+", "_", card.split(",")[0].lower())
    head = (f"# Speed on a card\n\n{card}; voxgrad {about['commit']}. `{about['command']}`\n\n"
            f"Medians of {a.repeats} runs. PyTorch with cudnn.benchmark; compiled: with torch.compile, the loss too.\n")
    results = Results(a.out, name, about, head, TABLES, earlier=True)
    deadline = time.time() + a.seconds if a.seconds else float("inf")
    failed = 0
    for part in a.parts or PARTS:
        for subject, what, limit, measure in getattr(rows, part)():
            start = time.time()
            try:
                if deadline - start < 5:
                    raise Failed("no time was left")
                found = measure(min(limit, deadline - start))
            except Exception as problem:  # whatever it is: the next row counts
                found, failed = dict(failed=str(problem) or repr(problem)), failed + 1
            for row in found if isinstance(found, list) else [found]:
                results.add(subject, dict(what, **row))
            print(f"{time.time() - start:6.1f} s", subject, *what.values(), found.get("failed", "") if isinstance(
                found, dict) else "", file=sys.stderr, flush=True)
    print(results.text(results.fresh))
    if failed:
        print(f"{failed} rows were not measured: see above", file=sys.stderr)


main()
