#!/usr/bin/env python3
"""Writes recent.golden: values and gradients of the losses since 2021, by an independent program in float64.

    python3 tests/golden/recent.py tests/golden/recent.golden      (needs numpy, scipy, scikit-image and torch)

The formulas are those of the papers or of the authors' public code, each written as loops over samples and classes with
the distance transforms, labels and skeletons of scipy and scikit-image. The file has the format that convert.py
describes.
"""
import itertools
import sys

import numpy as np
import scipy.ndimage as nd
import torch
import torch.nn.functional as F
from skimage.morphology import dilation, skeletonize

rng = np.random.default_rng(20)


def blobs(shape, classes, density):
    """Smooth random labels: a few objects per class."""
    field = nd.gaussian_filter(rng.standard_normal(shape), 1.2, mode="wrap")
    edges = np.quantile(field, np.linspace(1 - density, 1, classes)[:-1])
    return np.digitize(field, edges).astype(np.uint8)


def draw(n, shape, channels, density=0.3, ignore=None, spread=1.5):
    classes = max(channels, 2)
    labels = np.stack([blobs(shape, classes, density) for _ in range(n)])
    logits = rng.standard_normal((n, *shape, channels)) * spread
    if ignore is not None:
        labels[rng.random(labels.shape) < 0.1] = ignore
    return logits, labels


INPUTS = {
    "two": draw(2, (9, 8), 2),
    "three": draw(2, (10, 11), 3, 0.5),
    "one": draw(2, (9, 10), 1),
    "line": draw(2, (20,), 2),
    "volume": draw(1, (6, 7, 7), 2, 0.25),
    "volume_three": draw(1, (4, 6, 5), 3, 0.5),
    "ignored": draw(2, (8, 9), 3, 0.5, ignore=255),
    "sure": draw(2, (6, 7), 2, spread=12),
    "empty": (rng.standard_normal((1, 5, 6, 2)), np.zeros((1, 5, 6), np.uint8)),
}


class Case:
    """p, t and valid are lists over samples of lists over channels of arrays of the shape of the image."""

    def __init__(self, logits, labels, spacing):
        self.z, self.y, self.spacing = logits, labels, spacing or [1.0] * (labels.ndim - 1)
        self.n, self.channels = logits.shape[0], logits.shape[-1]
        p = torch.sigmoid(logits) if self.channels == 1 else torch.softmax(logits, -1)
        self.p = [[p[i, ..., c] for c in range(self.channels)] for i in range(self.n)]
        self.classes = [1] if self.channels == 1 else list(range(self.channels))
        known = max(self.channels, 2)
        self.valid = [torch.from_numpy(labels[i] < known).double() for i in range(self.n)]
        self.t = [[torch.from_numpy(labels[i] == c).double() for c in self.classes] for i in range(self.n)]
        if self.channels == 1:
            both = torch.cat([F.logsigmoid(-logits), F.logsigmoid(logits)], -1)
        else:
            both = torch.log_softmax(logits, -1)
        index = torch.from_numpy(np.where(labels < known, labels, 0).astype(np.int64))
        self.nll = -torch.gather(both, -1, index[..., None])[..., 0]

    def foreground(self, background):
        return [c for c in range(self.channels) if background or self.channels == 1 or c > 0]

    def mask(self, i, c):
        return self.t[i][c].numpy().astype(bool)

    def cross_entropy(self):
        valid = torch.stack(self.valid)
        return (self.nll * valid).sum() / valid.sum()


def mean(values):
    return torch.stack(list(values)).mean()


def border(mask):
    return mask & ~nd.binary_erosion(mask)  # scipy: four or six neighbours, nothing outside


def distance(mask, spacing, valid):
    """To the nearest voxel on the other side; ignored voxels are on neither side."""
    rest = ~mask & valid.numpy().astype(bool)
    if not rest.any() or not mask.any():
        return np.zeros(mask.shape)
    return nd.distance_transform_edt(~rest, spacing) * mask + nd.distance_transform_edt(~mask, spacing) * rest


def boundary_dou(x, most=0.8, batch=1, background=1, s=1e-5):
    losses = []
    for c in x.foreground(background):
        sums = []
        for i in range(x.n):
            p, t, v = x.p[i][c] * x.valid[i], x.t[i][c], x.valid[i]
            C = torch.tensor(float((border(x.mask(i, c)) & (v.numpy() > 0)).sum()))
            sums.append(torch.stack([(p * p).sum(), t.sum(), (p * t).sum(), C]))
        for P, G, I, C in [sum(sums)] if batch else sums:
            alpha = min((1 - 2 * (C + s) / (G + s)).item(), most)
            losses.append((P + G - 2 * I + s) / (P + G - (1 + alpha) * I + s))
    return mean(losses)


def dice_pp(x, gamma=2.0, background=1, s=1e-5):
    losses = []
    for i, c in itertools.product(range(x.n), x.foreground(background)):
        p, t, v = x.p[i][c], x.t[i][c], x.valid[i]
        tp = (p * t).sum()
        fn = ((t * (1 - p)) ** gamma).sum()
        fp = (v * ((1 - t) * p) ** gamma).sum()
        losses.append(1 - (2 * tp + s) / (2 * tp + fn + fp + s))
    return mean(losses)


def generalized_surface(x, ratio="class", background=0):
    losses = []
    for i in range(x.n):
        top, bottom = [], []
        for c in x.foreground(background):
            D = torch.from_numpy(distance(x.mask(i, c), x.spacing, x.valid[i]))
            w = 1 / (x.t[i][c].sum() ** 2 + 1) if ratio == "pooled" else 1.0
            top.append(w * ((D * (1 - (x.t[i][c] + x.p[i][c]))) ** 2).sum())
            bottom.append(w * (D**2).sum())
        if ratio == "pooled":
            top, bottom = [sum(top)], [sum(bottom)]
        losses += [1 - a / b if b > 0 else torch.zeros((), dtype=torch.float64) * a for a, b in zip(top, bottom)]
    return mean(losses)


def regionwise(x, background=1):
    losses = []
    for i, c in itertools.product(range(x.n), x.foreground(background)):
        d = distance(x.mask(i, c), x.spacing, x.valid[i]) * x.mask(i, c)
        w = torch.from_numpy(np.where(x.mask(i, c), -d / max(d.max(), 1e-30), 1.0))
        losses.append((x.p[i][c] * w * x.valid[i]).sum() / x.valid[i].sum())
    return mean(losses)


def surface_dice(x, tau=0.0, unit="voxel", s=1e-6):
    pool = [None, F.max_pool1d, F.max_pool2d, F.max_pool3d][x.y.ndim - 1]
    step = np.array(x.spacing, float)
    if tau == 0:
        length = 1.25 * step.max()
    else:
        length = tau * np.prod(step) ** (1 / len(step)) if unit == "voxel" else tau
    reach = [int(np.ceil(length / along - 1e-9)) for along in step]

    def widened(m):
        m = m[None, None]
        rim = m + pool(-m, 3, 1, 1)
        for axis, r in enumerate(reach):  # pooling pads by half a window at most, and with minus infinity
            size, pad = [1] * len(reach), [0] * len(reach)
            size[axis], pad[axis] = 2 * r + 1, r
            rim = pool(rim, size, 1, pad)
        return rim

    losses = []
    for i, c in itertools.product(range(x.n), x.foreground(0)):
        P, T = widened(x.p[i][c] * x.valid[i]), widened(x.t[i][c])
        losses.append(1 - 2 * (P * T).sum() / (P.sum() + T.sum() + s))
    return mean(losses)


def nacl(x, alpha=0.1, reach=1, distance="l1"):
    total, count = 0, 0
    for i, c in itertools.product(range(x.n), range(x.channels)):
        u = torch.from_numpy(nd.uniform_filter(x.t[i][c].numpy(), 2 * reach + 1, mode="constant"))
        gap = (u - x.z[i, ..., c]).abs() ** (2 if distance == "l2" else 1)
        total, count = total + (gap * x.valid[i]).sum(), count + x.valid[i].sum()
    return x.cross_entropy() + alpha * total / count


def ace(x, bins=20, background=1):
    losses = []
    for i, c in itertools.product(range(x.n), x.foreground(background)):
        inside = x.valid[i].numpy() > 0
        p, t = x.p[i][c][inside], x.t[i][c][inside]
        index = torch.clamp(torch.ceil(p.detach() * bins) - 1, 0, bins - 1)
        losses.append(mean((p[index == b].mean() - t[index == b].mean()).abs() for b in index.unique()))
    return mean(losses)


def skeleton_recall(x, tube=1, batch=0, e=1e-5):
    recalls = []
    for c in x.foreground(0):
        sums = []
        for i in range(x.n):
            foreground = (x.y[i] > 0) & (x.y[i] < max(x.channels, 2))
            if foreground.ndim == 1:
                s = skeletonize(foreground[None])[0]  # as an image of one row
            else:
                s = skeletonize(foreground)
            s = s.astype(np.int16)
            s = dilation(dilation(s)) if tube else s
            s = torch.from_numpy(s * x.mask(i, c)).double()
            sums.append(torch.stack([(x.p[i][c] * s).sum(), s.sum()]))
        recalls += [(a + e) / (b + e) for a, b in ([sum(sums)] if batch else sums)]
    return 1 - mean(recalls)


def dice_ce_inside(x, i, c, where, truth, lambda_dice=1.0, lambda_ce=1.0, s=1e-5):
    where = torch.from_numpy(where) & (x.valid[i] > 0)
    p, t = x.p[i][c][where], torch.from_numpy(truth).double()[where]
    dice = 1 - (2 * (p * t).sum() + s) / (p.sum() + t.sum() + s)
    return lambda_dice * dice + lambda_ce * x.nll[i][where].mean()


def components(mask):
    return nd.label(mask, np.ones([3] * mask.ndim))


def cells(numbers, count, spacing):
    """The number of the nearest component; the smallest one at a tie."""
    d = [nd.distance_transform_edt(numbers != k + 1, spacing) for k in range(count)]
    return np.argmin(np.round(d, 9), axis=0) + 1


def cc_dice_ce(x, **options):
    losses = []
    for i, c in itertools.product(range(x.n), x.foreground(0)):
        numbers, count = components(x.mask(i, c))
        if count == 0:
            everywhere = np.ones(numbers.shape, bool)
            losses.append(dice_ce_inside(x, i, c, everywhere, ~everywhere, **options))
            continue
        cell = cells(numbers, count, x.spacing)
        losses.append(mean(dice_ce_inside(x, i, c, cell == k + 1, numbers == k + 1, **options) for k in range(count)))
    return mean(losses)


def blob(x, **options):
    losses = []
    for i, c in itertools.product(range(x.n), x.foreground(0)):
        numbers, count = components(x.mask(i, c))
        if count > 0:
            losses.append(mean(dice_ce_inside(x, i, c, (numbers == 0) | (numbers == k + 1), numbers == k + 1, **options)
                               for k in range(count)))
    return mean(losses) if losses else 0 * x.z.sum()


LOSSES = {
    boundary_dou: [{}, {"batch": 0}, {"most": 0.3, "background": 0}],
    dice_pp: [{}, {"gamma": 3.5}, {"gamma": 1.5, "background": 0}],
    generalized_surface: [{}, {"background": 1}, {"ratio": "pooled"}, {"ratio": "pooled", "background": 1}],
    regionwise: [{}, {"background": 0}],
    surface_dice: [{}, {"tau": 1.0}, {"tau": 2.5, "unit": "mm"}],
    ace: [{}, {"bins": 5, "background": 0}],
    skeleton_recall: [{}, {"tube": 0}, {"batch": 1}],
    cc_dice_ce: [{}, {"lambda_dice": 0.3, "lambda_ce": 2.0}],
    blob: [{}, {"lambda_dice": 0.3, "lambda_ce": 2.0}],
    nacl: [{}, {"distance": "l2", "alpha": 0.7}, {"reach": 2}],
}
SPACINGS = {"three": [3.0, 1.0], "volume": [2.0, 0.5, 1.0]}  # a second case for losses of lengths
OF_OPTIONS = ["three", "one", "volume"]  # the inputs of other settings than the defaults
MEASURE = [generalized_surface, regionwise, surface_dice, cc_dice_ce]


def main(target):
    header, numbers = ["voxgrad golden 1"], []
    for name, (logits, labels) in INPUTS.items():
        header.append(" ".join(["input", name, str(logits.ndim), *map(str, logits.shape)]))
        numbers += [logits.astype("<f8").tobytes(), labels.tobytes()]
    for loss, settings in LOSSES.items():
        for options, (name, (logits, labels)) in itertools.product(settings, INPUTS.items()):
            if options and name not in OF_OPTIONS:
                continue
            if loss is surface_dice and name == "sure":
                continue  # p - erode(p) has few digits in f32 where p is near 1
            for spacing in [None] + ([SPACINGS[name]] if name in SPACINGS and loss in MEASURE else []):
                z = torch.from_numpy(logits).requires_grad_()
                value = loss(Case(z, labels, spacing), **options)
                value.backward()
                if name == "ignored":
                    options = {**options, "ignore": 255}
                spec = (loss.__name__ + ":" + ",".join(f"{k}={v}" for k, v in options.items())).rstrip(":")
                header.append(" ".join(["case", name, float(value.item()).hex(),
                                        "/".join(map(repr, spacing)) if spacing else "-", spec]))
                numbers.append(z.grad.numpy().astype("<f8").tobytes())
    with open(target, "wb") as out:
        out.write("\n".join([*header, "numbers", ""]).encode())
        out.writelines(numbers)
    print(sum(line.startswith("case") for line in header), "cases")


main(sys.argv[1])
