"""What the scripts of this folder share. A script ends with 77, "skipped", where a package is missing."""
import importlib
import os
import sys


def need(*packages):
    for package in packages:
        try:
            importlib.import_module(package)
        except ImportError:
            print(f"skipped: the Python package {package} is not installed")
            sys.exit(77)


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
