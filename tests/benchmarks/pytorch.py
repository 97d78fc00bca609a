"""Losses as functions of PyTorch, by apps/python, against their peers (loss_peers.py), in turns: value and gradient, with
channels first and labels of type int64, as PyTorch has them. VOXGRAD_LIBRARY names another libvoxgrad.so than that of
build/release."""
import os
import sys
import tempfile

from common import ROOT, Failed, load_safetensors, markdown, ours, spread, summary  # first: it may stand in for the next
import torch
from loss_peers import peers
from losses import PATIENCE, TOLERANCE, timed

SETTINGS = {"[4, 2, 256, 256]": ("4,256,256", 2), "[1, 5, 96, 96, 96]": ("1,96,96,96", 5)}
TINY = {"[3, 2, 32, 32]": ("3,32,32", 2)}


def binding(threads):
    """The package of apps/python with as many threads."""
    os.environ["VOXGRAD_THREADS"] = str(threads)
    os.environ.setdefault("VOXGRAD_LIBRARY", str(ROOT / "build/release/apps/embed/libvoxgrad.so"))
    if not os.environ.get("VOXGRAD_STAND_IN"):
        sys.path.insert(0, str(ROOT / "apps/python"))
    import voxgrad
    vars(voxgrad.binding._local).pop("context", None)  # a new one reads VOXGRAD_THREADS again
    return voxgrad


def inputs(shape, classes):
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/inputs.safetensors"
        ours("losses", "--shape", shape, "--classes", classes, "--losses", "ce", "--repeats", 1, "--dump", path)
        found = load_safetensors(path)
    logits = torch.tensor(found["bench.logits"]).movedim(-1, 1).contiguous().requires_grad_()
    return logits, torch.tensor(found["bench.labels"]).long()


def run(rounds, repeats, threads, settings=None):
    for name, (shape, classes) in (settings or SETTINGS).items():
        logits, labels = inputs(shape, classes)
        for count in threads:
            torch.set_num_threads(count)
            voxgrad = binding(count)
            for peer in peers():
                if peer.classes not in (0, classes):
                    continue
                loss = voxgrad.loss(peer.loss)
                row = dict(loss=peer.loss, peer=peer.who, differs=peer.differs, shape=name, threads=count, ours=[], theirs=[])
                while len(row["ours"]) < rounds and (len(row["ours"]) < 2 or sum(row["theirs"]) < 1000 * PATIENCE):
                    (mine, value), (their, expected) = timed(loss, logits, labels, repeats), timed(peer.run, logits, labels, repeats)
                    if not peer.differs and abs(value - expected) > TOLERANCE * max(1e-3, abs(expected)):
                        raise Failed(f"{peer.loss}: {value} here, {expected} with {peer.who}")
                    row["ours"].append(1000 * summary(mine)["median"])
                    row["theirs"].append(1000 * summary(their)["median"])
                ratio = summary([b / a for a, b in zip(row["ours"], row["theirs"])])
                print(name, count, peer.loss, peer.who, spread(ratio, 1), file=sys.stderr)
                yield dict(row, ours=summary(row["ours"]), theirs=summary(row["theirs"]), ratio=ratio)


def table(results):
    return markdown(["loss", "peer", "logits", "threads", "ms in PyTorch", "peer ms", "times faster (middle half)"],
                    [[f"`{r['loss']}`", r["peer"] + (" (*)" if r["differs"] else ""), r["shape"], r["threads"],
                      f"{r['ours']['median']:.2f}", f"{r['theirs']['median']:.1f}", spread(r["ratio"], 1)] for r in results])
