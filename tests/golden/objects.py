#!/usr/bin/env python3
"""Writes objects.txt: 100 random pairs of masks and the measures of whole objects, by scipy, scikit-image and plain numpy.

  python3 objects.py > objects.txt          (scipy 1.17, scikit-image 0.26, numpy 2.4)

Every line has: extents, spacing, truth, prediction, and name=value. Masks are written as hexadecimal digits of four voxels.
"""
import numpy as np
from scipy import ndimage
from skimage.measure import euler_number


def label(mask):
    return ndimage.label(mask, np.ones((3,) * mask.ndim))


def ratio(a, b):
    return a / b if b else float("nan")


def betti(mask):
    objects = label(mask)[1]
    holes = ndimage.label(np.pad(~mask, 1, constant_values=True))[1] - 1  # by faces; one piece lies around the mask
    if mask.ndim == 2:
        return objects, holes, 0
    euler = euler_number(np.pad(mask, 1), connectivity=3)
    return objects, objects + holes - euler, holes


def band(mask, spacing, width):
    inside = ndimage.distance_transform_edt(np.pad(mask, 1), sampling=spacing)
    inside = inside[(slice(1, -1),) * mask.ndim]
    return mask & (inside <= width * (1 + 1e-9))


def measures(truth, prediction, spacing):
    (g, n_g), (s, n_s) = label(truth), label(prediction)
    nearest, cells = np.full(truth.shape, np.inf), np.zeros(truth.shape, int)
    dice, in_cells = [], []
    for k in range(1, n_g + 1):
        d = ndimage.distance_transform_edt(g != k, sampling=spacing)
        closer = d < nearest - 1e-9
        nearest[closer], cells[closer] = d[closer], k
    for k in range(1, n_g + 1):
        own = g == k
        touching = np.isin(s, np.setdiff1d(s[own], [0]))
        dice.append(2 * (own & touching).sum() / (own.sum() + touching.sum()))
        there = prediction & (cells == k)
        in_cells.append(2 * (own & there).sum() / (own.sum() + there.sum()))
    found = sum(d > 0 for d in dice)
    alarms = sum(not truth[s == j].any() for j in range(1, n_s + 1))
    ious = [i for k in range(1, n_g + 1) for j in range(1, n_s + 1)
            if (i := ((g == k) & (s == j)).sum() / ((g == k) | (s == j)).sum()) > 0.5]
    spacing = np.asarray(spacing)
    width = max(0.02 * np.linalg.norm(truth.shape * spacing), spacing.max())
    band_g, band_s = band(truth, spacing, width), band(prediction, spacing, width)
    b_g, b_s = betti(truth), betti(prediction)
    result = {
        "object_recall": ratio(found, n_g),
        "detection_f1": ratio(2 * found, found + n_g + alarms),
        "lesion_dice": ratio(sum(dice), n_g + alarms),
        "cc_dice": np.mean(in_cells) if n_g else ratio(0, n_s),
        "panoptic_quality": ratio(sum(ious), (n_g + n_s) / 2),
        "segmentation_quality": ratio(sum(ious), len(ious)),
        "recognition_quality": ratio(len(ious), (n_g + n_s) / 2),
        "false_positive_objects": alarms,
        "boundary_iou": ratio((band_g & band_s).sum(), (band_g | band_s).sum()),
    }
    result |= {f"betti{k}_error": abs(b_g[k] - b_s[k]) for k in range(3)}
    sizes = np.array([(g == k).sum() for k in range(1, n_g + 1)]) * spacing.prod()
    if n_g:  # the groups by size, of this case alone
        group = np.searchsorted(np.quantile(sizes, [0.25, 0.5, 0.75]), sizes, side="left")
        for q in range(4):
            result[f"recall@{q}"] = ratio(sum(d > 0 for d, at in zip(dice, group) if at == q), (group == q).sum())
            result[f"dice@{q}"] = ratio(sum(d for d, at in zip(dice, group) if at == q), (group == q).sum())
    return result


def draw(random, shape, share, smooth):
    noise = ndimage.gaussian_filter(random.normal(size=shape), smooth)
    return noise > np.quantile(noise, 1 - share)


def pair(random, number):
    shape = [(19, 24), (1, 40), (7, 9, 10), (5, 12, 8)][number % 4]
    spacing = [(1, 1), (0.5, 2), (2.5, 1, 1), (0.25, 0.5, 0.5)][number % 4]
    truth = draw(random, shape, random.uniform(0.1, 0.6), random.uniform(0.3, 1.2))
    prediction = np.roll(truth, 1, random.integers(len(shape))) if number % 3 else truth.copy()
    objects, count = label(truth)
    if count > 2:
        prediction &= ~(objects == random.integers(1, count + 1))  # one is missed
    flipped = random.random(shape) < random.choice([0, 0.02, 0.1])
    prediction = prediction ^ flipped
    if number % 20 == 7:
        truth[:] = False
    if number % 25 == 9:
        prediction[:] = False
    return truth, prediction, spacing


def text(mask):
    return np.packbits(mask.ravel()).tobytes().hex()


def main():
    random = np.random.default_rng(20)
    print("# written by objects.py")
    for number in range(100):
        truth, prediction, spacing = pair(random, number)
        values = measures(truth, prediction, spacing)
        print("x".join(map(str, truth.shape)), "/".join(map(str, spacing)), text(truth), text(prediction),
              *(f"{name}={float(value)!r}" for name, value in values.items()))


main()
