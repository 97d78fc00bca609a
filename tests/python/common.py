"""What the scripts of this folder share. A script ends with 77, "skipped", where a package is missing."""
import os
import sys

from packages import need  # noqa: F401


def need_program():
    if not os.environ.get("VOXGRAD_PROGRAM"):
        print("skipped: the program was not built")
        sys.exit(77)


def sample(shape=(2, 7, 9), classes=3, seed=1):
    """Logits f64 [N, C, *S] and labels i64 [N, *S] in which every class occurs."""
    import numpy
    random = numpy.random.default_rng(seed)
    labels = random.integers(0, classes, shape)
    labels.flat[:classes] = range(classes)
    return random.normal(0, 2, (shape[0], classes, *shape[1:])), labels
