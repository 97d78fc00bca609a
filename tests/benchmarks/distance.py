"""The exact Euclidean distance transform against SciPy and the edt package, in turns, on as many threads (run.py distance).

Ours measures both sides of the object. SciPy and edt measure one: they are called for both, and once more for the
object alone, which is less than ours does. SciPy has one thread."""
import sys
import tempfile
import time

from common import Failed, load_safetensors, markdown, ours, spread, summary  # first: it may stand in for the next
import numpy

CASES = {"256^2": ("256,256", "1,1"), "256^2, spacing 1:0.7": ("256,256", "1,0.7"),
         "128^3": ("128,128,128", "1,1,1"), "128^3, spacing 3:1:1": ("128,128,128", "3,1,1"),
         "128^3, spacing 3:0.7:0.7": ("128,128,128", "3,0.7,0.7")}
TINY = {"64^2": ("64,64", "1,1")}


def peers(threads):
    """name -> function of mask and spacing; whether it measures both sides."""
    found = {}
    try:
        from scipy.ndimage import distance_transform_edt as scipy_edt
        if threads == 1:
            found["SciPy"] = (lambda mask, step: scipy_edt(mask, step) + scipy_edt(~mask, step), True)
            found["SciPy, object alone"] = (scipy_edt, False)
    except ImportError:
        print("SciPy is not installed: left out", file=sys.stderr)
    try:
        import edt
        found["edt"] = (lambda mask, step: edt.edt(mask.astype(numpy.uint8) + 1, anisotropy=step, parallel=threads), True)
        found["edt, object alone"] = (lambda mask, step: edt.edt(mask, anisotropy=step, parallel=threads), False)
    except ImportError:
        print("edt is not installed: left out", file=sys.stderr)
    return found


def milliseconds(call, repeats):
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(1000 * (time.perf_counter() - start))
    return summary(times)["median"]


def compare(name, shape, spacing, threads, rounds, repeats):
    words = ["distance", "--shape", shape, "--spacing", spacing, "--threads", threads]
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/dump.safetensors"
        ours(*words, "--repeats", 1, "--dump", path)
        dump = load_safetensors(path)
    mask, distance = dump["bench.labels"][0] == 1, dump["bench.distance"][0, ..., 0]
    step = [float(value) for value in spacing.split(",")]
    for who, (transform, both) in peers(threads).items():
        difference = float(numpy.abs(transform(mask, step) - (distance if both else distance * mask)).max())
        if difference > 1e-3:
            raise Failed(f"{who} and voxgrad differ by {difference} for {name}")
        times, theirs = [], []
        for _ in range(rounds):
            times.append(ours(*words, "--repeats", repeats)["median_ms"])
            theirs.append(milliseconds(lambda: transform(mask, step), repeats))
        ratio = summary([b / a for a, b in zip(times, theirs)])
        print("distance", name, who, threads, spread(ratio, 1), file=sys.stderr)
        yield {"case": name, "peer": who, "threads": threads, "ours_ms": summary(times), "theirs_ms": summary(theirs),
               "ratio": ratio, "difference": difference}


def run(rounds, repeats, threads, cases=None):
    for name, (shape, spacing) in (cases or CASES).items():
        for count in threads:
            yield from compare(name, shape, spacing, count, rounds, repeats)


def table(results):
    rows = [[r["case"], r["peer"], r["threads"], f"{r['ours_ms']['median']:.2f}", f"{r['theirs_ms']['median']:.2f}",
             spread(r["ratio"], 1)] for r in results]
    return markdown(["case", "peer", "threads", "voxgrad ms", "theirs ms", "times faster (middle half)"], rows)
