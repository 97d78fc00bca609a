"""What the scripts of this folder share. A script ends with 77, "skipped", where a package is missing."""
import pathlib
import sys

ROOT = pathlib.Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "apps/python/voxgrad"), str(ROOT / "tests/python")]

from packages import need  # noqa: E402, F401


def last(x):  # [N, C, *S] to [N, *S, C]
    return x.movedim(1, -1).contiguous()


def difference(got, expected):
    """The largest difference, as a share of the largest expected value."""
    return float(abs(got - expected).max() / abs(expected).max())


def expect(difference, bound, what):
    if not difference <= bound:
        sys.exit(f"{what}: differs by {difference:.2e} of the largest value, at most {bound:.0e} is expected")
