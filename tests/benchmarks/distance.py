"""The exact Euclidean distance transform against SciPy and the edt package, in turns, on one thread."""
import sys
import tempfile
import time

import numpy
from common import load_safetensors, markdown, ours, spread, summary

CASES = {"256^2": ("256,256", "1,1"), "256^2, spacing 2:1": ("256,256", "2,1"),
         "128^3": ("128,128,128", "1,1,1"), "128^3, spacing 3:1:1": ("128,128,128", "3,1,1")}


def peers():
    found = {}
    try:
        from scipy.ndimage import distance_transform_edt as scipy_edt
        # Both sides, as ours: distance to the object outside of it, to its complement inside.
        found["SciPy"] = lambda mask, spacing: (scipy_edt(mask, spacing) + scipy_edt(~mask, spacing))
    except ImportError:
        print("SciPy is not installed: left out", file=sys.stderr)
    try:
        import edt
        found["edt"] = lambda mask, spacing: edt.edt(mask.astype(numpy.uint8) + 1, anisotropy=spacing, parallel=1)
    except ImportError:
        print("edt is not installed: left out", file=sys.stderr)
    return found


def run(rounds, repeats, cases=None):
    results = []
    for name, (shape, spacing) in (cases or CASES).items():
        words = ["distance", "--shape", shape, "--spacing", spacing, "--threads", 1]
        with tempfile.TemporaryDirectory() as folder:
            path = f"{folder}/dump.safetensors"
            ours(*words, "--repeats", 1, "--dump", path)
            dump = load_safetensors(path)
        mask, distance = dump["bench.labels"][0] == 1, dump["bench.distance"][0, ..., 0]
        for who, transform in peers().items():
            step = [float(value) for value in spacing.split(",")]
            difference = float(numpy.abs(transform(mask, step) - distance).max())
            if difference > 1e-3:
                raise SystemExit(f"{who} and voxgrad differ by {difference} for {name}")
            times, theirs, ratios = [], [], []
            for _ in range(rounds):
                times.append(ours(*words, "--repeats", repeats)["median_ms"])
                single = []
                for _ in range(repeats):
                    start = time.perf_counter()
                    transform(mask, step)
                    single.append(1000 * (time.perf_counter() - start))
                theirs.append(summary(single)["median"])
                ratios.append(theirs[-1] / times[-1])
            results.append({"case": name, "peer": who, "ours_ms": summary(times), "theirs_ms": summary(theirs),
                            "ratio": summary(ratios), "difference": difference})
            print("distance", name, who, spread(results[-1]["ratio"], 1), file=sys.stderr)
    return results


def table(results):
    rows = [[r["case"], r["peer"], f"{r['ours_ms']['median']:.2f}", f"{r['theirs_ms']['median']:.2f}",
             spread(r["ratio"], 1)] for r in results]
    return markdown(["case", "peer", "voxgrad ms", "theirs ms", "times faster (middle half)"], rows)
