"""Ends a script with 77, "skipped", where a Python package is missing."""
import importlib
import sys


def need(*packages):
    for package in packages:
        try:
            importlib.import_module(package)
        except ImportError:
            print(f"skipped: the Python package {package} is not installed")
            sys.exit(77)
