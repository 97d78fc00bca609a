#!/usr/bin/env python3
"""Writes skeletons.txt: random masks and their skeletons by scikit-image.

    python3 tests/golden/skeletons.py tests/golden/skeletons.txt 40        (needs numpy, scipy and scikit-image)

A line is the extents, the mask and its skeleton, a digit a voxel in C order. The second argument is the number of masks
with two and with three axes.
"""
import sys

import numpy as np
from scipy.ndimage import gaussian_filter
from skimage.morphology import skeletonize

rng = np.random.default_rng(7)


def mask_of(shape):
    """Noise, blobs or tubes, from nearly empty to nearly full."""
    smooth = rng.choice([0, 0.7, 1.2, 2])
    field = gaussian_filter(rng.random(shape), smooth)
    return field > np.quantile(field, rng.choice([0.05, 0.3, 0.5, 0.7, 0.9]))


def main(target, count):
    with open(target, "w") as out:
        for i in range(int(count)):
            for shape in [rng.integers(1, 20, 2), rng.integers(1, 9, 3)]:
                mask = mask_of(shape)
                line = ["x".join(map(str, shape))]
                for x in (mask, skeletonize(mask)):
                    line.append("".join("1" if v else "0" for v in np.asarray(x).ravel()))
                out.write(" ".join(line) + "\n")


main(*sys.argv[1:])
