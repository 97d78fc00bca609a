#!/usr/bin/env python3
"""The peak of memory that `train --dry-run` foretells, against that of the whole training, the page at the end included.
Both are peaks of processes. Ends with 1 if one is off by more than 10 per cent, unless --tiny."""
import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from common import PROGRAM, ROOT, Failed, Results, flags, json_of, machine, markdown

BUNDLED = ROOT / "data/bundled"
MOST = 0.10  # of the peak
CASES = {
    "2-D": ("lesions2d.h5", {}),
    "2-D, distance maps": ("nuclei2d.h5", {"loss": "dice_hd"}),
    "2-D, deep supervision, residual": ("organs2d.h5", {"deep-supervision": None, "residual": None}),
    "2-D, large batch": ("vessels2d.h5", {"batch": 16}),
    "2-D, small": ("lesions2d.h5", {"base": 4, "depth": 3, "batch": 1, "patch": 32}),
    "3-D": ("organ3d.h5", {"base": 8}),
    "3-D, distance maps": ("tumour3d.h5", {"base": 8, "loss": "dice_hd"}),
    "3-D, moving average, batch norm": ("organ3d.h5", {"base": 8, "ema": 0.99, "norm": "batch"}),
}
REAL = {  # of the folder VOXGRAD_REAL_DATA
    "nuclei, 256^2": ("nuclei.h5", {"base": 8}),
    "hippocampus": ("hippocampus.h5", {"base": 8}),
}


def peak_of(words):
    """The largest resident set of a training, in MiB. Its parent is small, so that it is not the parent's."""
    code = "import os, subprocess, sys; p = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL, " \
           "stderr=subprocess.PIPE); e = p.stderr.read(); _, s, u = os.wait4(p.pid, 0); " \
           "print(u.ru_maxrss if s == 0 else e.decode()); sys.exit(s != 0)"
    done = subprocess.run([sys.executable, "-S", "-c", code, *words], capture_output=True, text=True)
    if done.returncode != 0:
        raise Failed(done.stdout.strip().splitlines()[-1])
    return int(done.stdout) / (1 << 10)


def measure(name, data, settings, steps, scratch):
    words = [str(word) for word in flags({**settings, "steps": steps}) if word is not None]
    words = [PROGRAM, "train", str(data), *words, "--quiet"]
    plan = json_of([*words, "--dry-run", "--json"])
    peak = peak_of([*words, "-o", str(Path(scratch) / name)])
    return dict(settings=name, data=Path(data).name, batch=plan["batch"], patch=plan["patch"],
                planned_mib=plan["peak_memory_bytes"] / (1 << 20), peak_mib=peak)


def error_of(row):
    return row["planned_mib"] / row["peak_mib"] - 1


def table(rows):
    cells = [[r["settings"], r["data"], r["batch"], "x".join(map(str, r["patch"])), f"{r['planned_mib']:.0f}",
              f"{r['peak_mib']:.0f}", f"{100 * error_of(r):+.0f} %"] for r in rows]
    return markdown(["settings", "data", "batch", "patch", "planned MiB", "peak MiB", "planned - peak"], cells)


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--steps", type=int, default=60)
    arguments.add_argument("--tiny", action="store_true", help="one small training, to see that this script works")
    arguments.add_argument("--name", default="memory")
    arguments.add_argument("--out", default=str(Path(__file__).parent / "results"))
    wish = arguments.parse_args()
    cases = {name: (BUNDLED / file, settings) for name, (file, settings) in CASES.items()}
    if os.environ.get("VOXGRAD_REAL_DATA"):
        cases |= {name: (Path(os.environ["VOXGRAD_REAL_DATA"]) / file, settings) for name, (file, settings) in REAL.items()}
    if wish.tiny:
        cases = {"2-D, small": cases["2-D, small"]}
    results = Results(wish.out, wish.name, machine(), "# The planned peak of memory\n",
                      {"memory": (f"Trainings of {wish.steps} steps", table)})
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        for name, (data, settings) in cases.items():
            try:
                row = measure(name, data, settings, 4 if wish.tiny else wish.steps, scratch)
                rows.append(row)
            except Failed as problem:
                row = dict(settings=name, failed=str(problem))
            results.add("memory", row)
    print(results.text())
    wrong = [row["settings"] for row in rows if abs(error_of(row)) > MOST]
    if wrong and not wish.tiny:
        sys.exit("off by more than 10 per cent: " + ", ".join(wrong))
    if len(rows) < len(cases):
        sys.exit("not all were measured")


main()
