"""Value and gradient of losses against MONAI, or plain PyTorch where MONAI has none, in turns."""
import sys
import tempfile
import time

import torch
from common import load_safetensors, markdown, ours, spread, summary
from torch.nn import functional as F

SHAPES = {"4x256^2": "4,256,256", "96^3": "1,96,96,96"}


def focal(logits, labels):
    ce = F.cross_entropy(logits, labels, reduction="none")
    return ((1 - torch.exp(-ce)) ** 2 * ce).mean()


def peers():
    """name -> (who, loss(logits [N, C, *S], labels [N, *S]))."""
    found = {"ce": ("PyTorch", F.cross_entropy), "focal": ("PyTorch", focal)}
    try:
        from monai import losses as monai
    except ImportError:
        print("MONAI is not installed: its losses are left out", file=sys.stderr)
        return found
    options = dict(softmax=True, to_onehot_y=True)
    smooth = dict(smooth_nr=1e-5, smooth_dr=1e-5)
    column = lambda loss: lambda logits, labels: loss(logits, labels.unsqueeze(1))
    dice = monai.DiceLoss(**options, **smooth)
    found |= {
        "dice": ("MONAI", column(dice)),
        "jaccard": ("MONAI", column(monai.DiceLoss(jaccard=True, **options, **smooth))),
        "dice_ce": ("MONAI", column(monai.DiceCELoss(**options, **smooth))),
        "tversky": ("MONAI", column(monai.TverskyLoss(alpha=0.3, beta=0.7, **options, **smooth))),
        "generalized_dice": ("MONAI", column(monai.GeneralizedDiceLoss(**options, **smooth))),
        "dice_focal": ("MONAI + PyTorch", lambda x, y: dice(x, y.unsqueeze(1)) + focal(x, y)),
    }
    return found


def timed(loss, logits, labels, repeats):
    times = []
    for _ in range(repeats + 1):
        logits.grad = None
        start = time.perf_counter()
        value = loss(logits, labels)
        value.backward()
        times.append(1000 * (time.perf_counter() - start))
    return summary(times[1:])["median"], value.item()


def run(rounds, repeats, threads, shapes=None, classes=(2, 5)):
    results = []
    for shape_name, shape in (shapes or SHAPES).items():
        for count in classes:
            with tempfile.TemporaryDirectory() as folder:
                path = f"{folder}/inputs.safetensors"
                words = ["losses", "--losses", ",".join(peers()), "--shape", shape, "--classes", count]
                ours(*words, "--repeats", 1, "--dump", path)
                inputs = load_safetensors(path)
            logits = torch.tensor(inputs["bench.logits"]).movedim(-1, 1).contiguous().requires_grad_()
            labels = torch.tensor(inputs["bench.labels"]).long()
            for number in threads:
                results += compare(shape_name, count, number, words, logits, labels, rounds, repeats)
    return results


def compare(shape, classes, threads, words, logits, labels, rounds, repeats):
    torch.set_num_threads(threads)
    rows = {name: dict(loss=name, peer=who, shape=shape, classes=classes, threads=threads, ours=[], theirs=[], ratios=[])
            for name, (who, _) in peers().items()}
    for _ in range(rounds):
        for entry in ours(*words, "--repeats", repeats, "--threads", threads):
            row = rows[entry["loss"]]
            row["ours"].append(entry["forward_ms"] + entry["backward_ms"])
            row["gb_per_s"] = entry["gb_per_s"]
            their, value = timed(peers()[entry["loss"]][1], logits, labels, repeats)
            if abs(value - entry["value"]) > 1e-4 * max(1, abs(value)):
                raise SystemExit(f"{entry['loss']}: {entry['value']} here, {value} with {row['peer']}")
            row["theirs"].append(their)
            row["ratios"].append(their / row["ours"][-1])
    for row in rows.values():
        row["ours_ms"], row["theirs_ms"] = summary(row.pop("ours")), summary(row.pop("theirs"))
        row["ratio"] = summary(row.pop("ratios"))
        print(row["loss"], shape, classes, "classes", threads, "threads:", spread(row["ratio"], 1), file=sys.stderr)
    return list(rows.values())


def table(results):
    rows = [[r["loss"], r["shape"], r["classes"], r["threads"], f"{r['ours_ms']['median']:.2f}",
             f"{r['theirs_ms']['median']:.2f}", r["peer"], spread(r["ratio"], 1), f"{r['gb_per_s']:.1f}"] for r in results]
    return markdown(["loss", "shape", "classes", "threads", "voxgrad ms", "theirs ms", "peer", "times faster (middle half)",
                     "GB/s"], rows)
