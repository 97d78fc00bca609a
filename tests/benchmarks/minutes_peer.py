#!/usr/bin/env python3
"""A plain U-Net in PyTorch on the CPU, trained as our plan says, within a time: the peer of minutes.py.

  minutes_peer.py FILE.h5 PLAN.json PREDICTIONS.h5 --seconds 120 --threads 2 --seed 1

It writes its labels of the test cases and prints one line of JSON. The time is that of the whole process, without the
steps that choose the fastest way to compute.
"""
import argparse
import ctypes
import inspect
import json
import math
import sys
import time
from pathlib import Path

START = time.perf_counter()
# The C library shall keep the memory of maps. If it gave it back to the system each time, as PyTorch lets it do, steps on
# volumes of 64^3 would take 1.6 times the time.
LIBRARY, MMAP_MAX, TRIM_THRESHOLD = ctypes.CDLL(None), -4, -1
if hasattr(LIBRARY, "mallopt"):
    LIBRARY.mallopt(MMAP_MAX, 0)
    LIBRARY.mallopt(TRIM_THRESHOLD, 2**31 - 1)

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "nn"))
import h5py  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402
from minutes_data import Dataset, Samples, padded, resize  # noqa: E402
from reference import UNet  # noqa: E402

WARM_UP = 0.03    # of the time of the training, as ours
VALIDATION = 0.1  # of the time of the training, at most
LAYOUTS = {"contiguous": [torch.contiguous_format] * 2, "channels_last": [torch.channels_last, torch.channels_last_3d]}


def dice_ce(logits, labels, ignore):
    """dice_ce with its default options; voxels to ignore count nowhere."""
    labels, space = labels.long(), tuple(range(2, logits.dim()))
    known = (labels != ignore).unsqueeze(1)
    p = torch.softmax(logits, 1)
    t = torch.zeros_like(p).scatter_(1, torch.where(known, labels.unsqueeze(1), 0), 1)
    if not known.all():
        p, t = p * known, t * known
    dice = (2 * (p * t).sum(space) + 1e-5) / (p.sum(space) + t.sum(space) + 1e-5)
    return (1 - dice).mean() + F.cross_entropy(logits, labels, ignore_index=ignore)


class Network:
    """The U-Net of the plan, without deep supervision, in one layout and with one form of its instance norm."""

    def __init__(self, plan, seed, layout, norm):
        m = plan["model"]
        options = {name: value for name, value in m.items() if name in inspect.signature(UNet).parameters}
        unknown = set(m) - set(options) - {"network", "patch", "class_names", "normalisation", "training", "preparation",
                                           "mirror_axes", "mirror", "clean_up"}
        if unknown:
            raise SystemExit(f"error: the peer does not know {sorted(unknown)} of this plan")
        torch.manual_seed(seed)
        self.net = UNet(**{**options, "deep_supervision": False})
        for module in self.net.modules():
            for name, layer in list(module.named_children()):
                if isinstance(layer, (nn.Conv2d, nn.Conv3d)):
                    nn.init.kaiming_normal_(layer.weight, 0.01)
                elif norm == "group" and isinstance(layer, (nn.InstanceNorm2d, nn.InstanceNorm3d)):
                    setattr(module, name, nn.GroupNorm(layer.num_features, layer.num_features))  # the same function
        self.format = LAYOUTS[layout][m["dims"] - 2]
        self.net.to(memory_format=self.format)
        config, self.ignore = plan["config"], -100
        self.rate, self.clip = config["lr"], config["clip"] or math.inf
        self.optimizer = torch.optim.AdamW(self.net.parameters(), lr=self.rate, weight_decay=config["weight_decay"],
                                           fused=True)
        divisor = np.prod(m["strides"], axis=0, dtype=int).tolist() if m["strides"] else [1] * m["dims"]
        self.window = lambda space: [min(p, max(-(-n // d) * d, 4 * d)) for p, n, d in zip(m["patch"], space, divisor)]

    def step(self, images, labels, rate):
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        loss = dice_ce(self.net(images.contiguous(memory_format=self.format)), labels, self.ignore)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.net.parameters(), self.clip)
        if torch.isfinite(norm):
            self.optimizer.step()

    @torch.inference_mode()
    def predict(self, case):
        """The classes u8 of all voxels of a case as it was read."""
        self.net.eval()
        own = case.image.shape[1:]
        window = self.window(own)
        x = padded(case.image, window)
        weight = torch.ones(())
        for extent in window:
            line = torch.exp(-0.5 * ((torch.arange(extent) - (extent - 1) / 2) / (extent / 8)) ** 2)
            weight = weight[..., None] * line
        weight, total, weights = weight.clamp(min=1e-4), 0, torch.zeros(x.shape[1:])
        for corner in np.ndindex(*(len(starts(n, w)) for n, w in zip(x.shape[1:], window))):
            at = [starts(n, w)[i] for n, w, i in zip(x.shape[1:], window, corner)]
            cut = tuple(slice(a, a + w) for a, w in zip(at, window))
            logits = self.net(x[(slice(None), *cut)][None].contiguous(memory_format=self.format))[0]
            if not isinstance(total, torch.Tensor):
                total = torch.zeros(len(logits), *x.shape[1:])
            total[(slice(None), *cut)] += logits * weight
            weights[cut] += weight
        self.net.train()
        inside = tuple(slice((n - o) // 2, (n - o) // 2 + o) for n, o in zip(x.shape[1:], own))
        scores = torch.softmax((total / weights)[(slice(None), *inside)], 0)
        extents = [part.stop - part.start for part in case.box]
        if extents != list(own):
            scores = resize(scores, extents)
        labels = np.zeros(case.truth.shape, np.uint8)
        labels[case.box] = scores.argmax(0).numpy()
        return labels


def starts(extent, window):
    """Evenly spread; neighbours overlap by half of a window or more."""
    room = max(0, extent - window)
    gaps = -(-room // max(1, window // 2))
    return [0] + [(i * room + gaps // 2) // gaps for i in range(1, gaps + 1)]


def mean_dice(network, cases, classes, ignore):
    """The mean over the foreground classes of the mean over the cases; a class that is in neither mask does not count."""
    values = np.full((len(cases), classes - 1), np.nan)
    for i, case in enumerate(cases):
        labels, known = network.predict(case), case.truth != ignore
        for c in range(1, classes):
            found, there = (labels == c) & known, case.truth == c
            if found.any() or there.any():
                values[i, c - 1] = 2 * (found & there).sum() / (found.sum() + there.sum())
    means = [np.nanmean(column) for column in values.T if not np.isnan(column).all()]
    return float(np.mean(means)) if means else math.nan


def fastest(plan, seed):
    """The layout and the form of instance norm with the fastest step."""
    model, found = plan["model"], {}
    x = torch.randn(plan["batch"], model["in_channels"], *plan["patch"])
    labels = torch.randint(0, model["classes"], (plan["batch"], *plan["patch"]))
    for layout in LAYOUTS:
        for norm in ("instance", "group") if model["norm"] == "instance" else ("",):
            network, times = Network(plan, seed, layout, norm), []
            for _ in range(4):
                start = time.perf_counter()
                network.step(x, labels, 1e-3)
                times.append(time.perf_counter() - start)
            found[layout, norm] = min(times[1:])
    return min(found, key=found.get), {" ".join(key): round(1e3 * value, 1) for key, value in found.items()}


def train(network, plan, dataset, cases, seed, seconds, now):
    """Leaves the best weights in the network."""
    loader = torch.utils.data.DataLoader(Samples(cases["train"], plan, dataset.ignore, seed), batch_size=None,
                                         num_workers=1, prefetch_factor=4)
    batches, val = iter(loader), cases["val"]
    evaluate = lambda: mean_dice(network, val, dataset.classes, dataset.ignore)

    # The last validation and the test take as long as a case in the middle says.
    voxels = lambda chosen: sum(case.label.numel() for case in chosen)
    middle = (val or cases["train"])[len(val or cases["train"]) // 2]
    network.predict(middle)  # the first one is slower
    begun = now()
    network.predict(middle)
    second = (now() - begun) / voxels([middle])
    validation = second * voxels(val)
    begin = now()
    end = max(begin + 1e-3, seconds - 1.1 * (validation + second * voxels(cases["test"])) - 0.3)  # one step at least
    epoch = min(250, max(20, -(-len(cases["train"]) // plan["batch"])))
    best, steps, validated, waited, last = dict(dice=-math.inf), 0, begin, 0, False
    while not last:
        asked = now()
        images, labels = next(batches)
        waited += now() - asked
        done = (now() - begin) / (end - begin)
        rate = done / WARM_UP if done < WARM_UP else (1 + math.cos(math.pi * min(1, (done - WARM_UP) / (1 - WARM_UP)))) / 2
        network.step(images, labels, network.rate * max(rate, 1e-3))
        steps, last = steps + 1, now() >= end
        if val and (last or (steps % epoch == 0 and validation <= VALIDATION * (now() - validated))):
            dice = evaluate()
            validated = now()
            if dice > best["dice"]:
                best = dict(dice=dice, step=steps,
                            weights={name: value.clone() for name, value in network.net.state_dict().items()})
    trained = now() - begin
    if "weights" in best:
        network.net.load_state_dict(best.pop("weights"))
    return dict(steps=steps, val_dice=best["dice"], best_step=best.get("step", steps), train_seconds=round(trained, 1),
                waited=round(waited / trained, 3))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    parser.add_argument("plan")
    parser.add_argument("out")
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    a = parser.parse_args()
    plan = json.loads(Path(a.plan).read_text())
    torch.set_num_threads(a.threads)
    torch.set_flush_denormal(True)
    chosen = time.perf_counter()
    (layout, norm), ways = fastest(plan, a.seed)
    free = time.perf_counter() - chosen
    now = lambda: time.perf_counter() - START - free
    dataset = Dataset(a.data, plan)
    cases = {split: [dataset.read(index) for index in indices] for split, indices in plan["cases"].items()}
    network = Network(plan, a.seed, layout, norm)
    network.ignore = dataset.ignore
    found = train(network, plan, dataset, cases, a.seed, a.seconds, now)
    with h5py.File(a.out, "w") as out:
        out.attrs["class_names"] = plan["model"]["class_names"]
        out["case_ids"] = [case.id for case in cases["test"]]
        for case in cases["test"]:
            out[f"cases/{case.id}/label"] = np.ascontiguousarray(case.turn.back(network.predict(case)))
    print(json.dumps(dict(found, layout=layout, norm=norm, ways_ms=ways, seconds=round(now(), 1),
                          torch=str(torch.__version__))), flush=True)


if __name__ == "__main__":
    main()
