"""Stands in for the libraries that voxgrad is compared with, where one is missing: with VOXGRAD_STAND_IN=1, every line of
the benchmark scripts can be tried with Python alone (try_all.py).

Whatever is asked of it is Anything again, and every number of it is NaN. It measures nothing.
"""
import importlib.abc
import importlib.machinery
import importlib.util
import math
import sys
import types

LIBRARIES = ("torch", "numpy", "scipy", "edt", "monai", "skimage", "onnxruntime", "ncnn", "voxgrad")


class Anything:
    def __init__(self, *_, **__):
        pass

    def __call__(self, *_, **__):
        return Anything()

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return Anything()

    def __iter__(self):
        return iter(())

    def __len__(self):
        return 0

    def __bool__(self):
        return True

    def __index__(self):
        return 0

    def __float__(self):
        return math.nan

    def __str__(self):
        return "a stand-in"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None


for word in ("eq ne getitem add radd sub rsub mul rmul truediv rtruediv pow rpow neg invert abs and or round").split():
    setattr(Anything, f"__{word}__", lambda *_: Anything())
for word in ("lt", "le", "gt", "ge"):
    setattr(Anything, f"__{word}__", lambda *_: False)


class Library(types.ModuleType):
    def __getattr__(self, name):
        if name.startswith("__") and name != "__version__":
            raise AttributeError(name)
        return Anything if name[0].isupper() else Anything()  # a class can be derived from


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Asked last, so that what is installed is taken; or first, if PyTorch is missing, because numpy cannot compute with
    stand-ins."""

    def find_spec(self, name, path=None, target=None):
        return importlib.machinery.ModuleSpec(name, self, is_package=True) if name.split(".")[0] in LIBRARIES else None

    def create_module(self, spec):
        return Library(spec.name)

    def exec_module(self, module):
        pass


sys.meta_path.insert(len(sys.meta_path) if importlib.util.find_spec("torch") else 0, Finder())
