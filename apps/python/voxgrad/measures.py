"""Distances and metrics."""
import ctypes
import itertools
from ctypes import byref, c_double

import numpy

from .binding import InputError, MetricOptions, call, described, doubles, integer, known, native


def edt(labels, spacing=None, label=None, dtype=numpy.float32):
    """The exact Euclidean distance of every voxel to the nearest one with another label, centre to centre, with
    `label` to the nearest one on the other side of this class. Of a mask, both sides have distances; numpy.where(mask,
    edt(mask), 0) is what scipy's distance_transform_edt gives. It is 0 everywhere if there is no other side. `spacing`
    is per axis."""
    labels = known(labels)
    distances = numpy.empty(labels.shape, dtype)
    if distances.dtype not in (numpy.float32, numpy.float64):
        raise InputError(f"dtype: {distances.dtype}, must be float32 or float64")
    call("distance", described(labels), -1 if label is None else label, doubles(spacing, labels.ndim, "spacing"),
         described(distances))
    return distances


def metrics(prediction, truth, classes=None, spacing=None, ignore=None, surfaces=True, tolerance=0.0):
    """Compares a segmentation with the truth. Returns {class: {metric: value}}; NaN: undefined, as every ratio 0/0 (of
    two empty masks, but also the precision of an empty prediction), or not measured, as surfaces and objects of the
    background. An infinite distance means that one mask is empty.

    `classes` are their names, the background first, or their number; None: as many as the labels show. Voxels with the
    truth `ignore` are left out. Without `surfaces`, what measures surfaces and objects is left out, which takes
    longer. `tolerance` is that of nsd; 0: the largest spacing.
    """
    prediction, truth = known(prediction), known(truth)
    if classes is None:
        counts = ... if ignore is None or prediction.shape != truth.shape else truth != ignore
        present = [values[counts] for values in (prediction, truth)]
        most = max((int(values.max()) for values in present if values.size), default=0)
        classes = min(256, max(2, 1 + most))  # the library names a label beyond
    keys = list(range(classes)) if isinstance(classes, (int, numpy.integer)) else list(classes)
    found = (native.voxgrad_metric_name(index) for index in itertools.count())
    names = [name.decode() for name in itertools.takewhile(lambda name: name is not None, found)]
    values = (c_double * (max(1, len(keys)) * len(names)))()
    options = MetricOptions(size=ctypes.sizeof(MetricOptions), classes=len(keys), only_counts=not surfaces,
                            ignore=integer(ignore), spacing=doubles(spacing, truth.ndim, "spacing"),
                            tolerance=tolerance)
    call("metrics", described(prediction), described(truth), byref(options), values, len(names))
    rows = numpy.array(values).reshape(-1, len(names)).tolist()
    return {key: dict(zip(names, row)) for key, row in zip(keys, rows)}
