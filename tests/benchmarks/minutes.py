#!/usr/bin/env python3
"""The Dice on the test cases after some minutes: voxgrad against a plain PyTorch U-Net with twice the time.

  python3 tests/benchmarks/minutes.py --files a.h5 b.h5 [--minutes 1,3,10] [--seeds 3] [--peer-factor 2]

Both have the same splits, network, patch, batch, rate, augmentation and preparation of the cases: the peer does what
`voxgrad train FILE --time .. --dry-run --json` says (minutes_peer.py). The minutes are those of the whole process. Both
write their labels of the test cases, and `voxgrad metrics` compares them with the truth. Needs an idle machine, and
PyTorch, NumPy and h5py.
"""
import argparse
import json
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import PROGRAM, ROOT, Failed, Results, json_of, machine, markdown

TINY = dict(files=[str(ROOT / "data/bundled/nuclei2d.h5")], minutes=[0.05], seeds=1, threads=1,
            flags=["--base", "2", "--depth", "2"])
PATIENCE = 3  # a run that takes so many times its minutes, and a minute more, is ended


def program(verb, *words, limit=None):
    return json_of([PROGRAM, verb, *words, "--json", "-q"], limit)


def span(minutes):
    return f"{60 * minutes:g}s"


def test_dice(labels, data):
    """The mean over the classes, and that of each of them."""
    mean = program("metrics", labels, data)["mean"]
    if not isinstance(mean["dice"], (int, float)):  # the program writes "NaN"
        raise Failed(f"{data}: no test case has any foreground")
    return dict(dice=mean["dice"], classes={entry["name"]: entry["dice"] for entry in mean["classes"].values()})


def train(data, minutes, seed, threads, flags=(), others=None):
    """A training with --time, and the Dice of its model; `others` names the files of the run, with flags, of further
    predictions."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        run = program("train", data, "--time", span(minutes), "--threads", threads, "--seed", seed, "-o", f"{folder}/run",
                      *flags, limit=60 * (PATIENCE * minutes + 1))
        seconds = time.perf_counter() - start

        def predicted(model="best", *words):
            program("predict", f"{folder}/run/{model}.safetensors", data, "--split", "test",
                    "-o", f"{folder}/labels.h5", "--overwrite", *words)
            return test_dice(f"{folder}/labels.h5", data)

        steps = json.loads(Path(folder, "run/run.json").read_text())["steps"]
        row = dict(predicted(), seconds=round(seconds, 1), steps=steps, val_dice=run.get("val", {}).get("dice_mean"))
        if others:
            row["others"] = {name: predicted(*words)["dice"] for name, words in others.items()}
        return row


def train_peer(data, minutes, factor, seed, threads, flags=()):
    with tempfile.TemporaryDirectory() as folder:
        plan = program("train", data, "--time", span(minutes), "--threads", threads, "--dry-run", *flags)
        Path(folder, "plan.json").write_text(json.dumps(plan))
        found = json_of([sys.executable, Path(__file__).with_name("minutes_peer.py"), data, f"{folder}/plan.json",
                         f"{folder}/labels.h5", "--seconds", 60 * minutes * factor, "--threads", threads, "--seed", seed],
                        60 * (PATIENCE * minutes * factor + 5))
        return dict(test_dice(f"{folder}/labels.h5", data), **found)


def of(rows, **what):
    return [row for row in rows if all(row[key] == value for key, value in what.items())]


def dice_text(values):
    """Mean, and the standard deviation over the seeds."""
    if not values:
        return "-"
    return f"{statistics.mean(values):.3f}" + (f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else "")


def table(rows):
    cells = []
    for data, minutes in dict.fromkeys((row["data"], row["minutes"]) for row in rows):
        ours, theirs = (of(rows, data=data, minutes=minutes, who=who) for who in ("voxgrad", "PyTorch"))
        both = [(row["dice"], peer["dice"]) for row in ours for peer in of(theirs, seed=row["seed"])]
        times = lambda group: f"{statistics.mean(row['seconds'] for row in group):.0f}" if group else "-"
        steps = lambda group: f"{statistics.mean(row['steps'] for row in group):.0f}" if group else "-"
        cells.append([data, f"{minutes:g}", dice_text([row["dice"] for row in ours]),
                      dice_text([row["dice"] for row in theirs]), dice_text([a - b for a, b in both]), steps(ours),
                      steps(theirs), times(ours), times(theirs), max(len(ours), len(theirs)),
                      ", ".join(dict.fromkeys(row["commit"] for row in ours + theirs))])
    return markdown(["data", "minutes", "voxgrad: Dice", "PyTorch: Dice", "difference", "voxgrad: steps", "PyTorch: steps",
                     "voxgrad: seconds", "PyTorch: seconds", "seeds", "commit"], cells)


def arguments(parser, minutes):
    """What minutes.py and rules.py share."""
    parser.add_argument("--files", nargs="+", default=[], help="datasets")
    parser.add_argument("--minutes", type=lambda text: [float(word) for word in text.split(",")], default=minutes)
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--flags", type=shlex.split, default=[], help="of every training, as in --flags='--base 8'")
    parser.add_argument("--tiny", action="store_true", help="a few seconds, to try the script")
    parser.add_argument("--go-on", action="store_true", help="keep the rows that the result has, and measure the others")
    parser.add_argument("--out", default=str(ROOT / "tests/benchmarks/results"), help="folder of the results")


def checked(parser, tiny):
    a = parser.parse_args()
    if a.tiny:
        for name, value in tiny.items():
            setattr(a, name, value)
    if not a.files:
        parser.error("--files: no dataset")
    stems = [Path(data).stem for data in a.files]
    if twice := sorted({stem for stem in stems if stems.count(stem) > 1}):
        parser.error(f"--files: {', '.join(twice)} twice; rows are told apart by the name of the file, so rename one")
    return a


def results_of(a, title, name, tables, text):
    about = dict(machine(), command="python3 " + " ".join(sys.argv))
    try:
        import torch
        about["torch"] = str(torch.__version__)
    except ImportError:
        about["torch"] = "absent"
    head = (f"# {title}\n\n{about['cpu']}, {about['cores']} cores, {a.threads} threads; voxgrad "
            f"({about['voxgrad']['cpu']}), PyTorch {about['torch']}. The last command: `{about['command']}`\n\n{text}\n")
    results = Results(a.out, name, about, head, tables, earlier=a.go_on)
    results.fresh.update(subject for subject in results.rows if subject in tables)  # further rows join those
    return results


def measure(results, subject, row, work):
    """Adds the row of this work, unless it is there. A failure is a row as well, and is tried again another time."""
    rows = results.rows.setdefault(subject, [])
    results.fresh.add(subject)
    rows[:] = [old for old in rows if "failed" not in old or not of([old], **row)]
    if of(rows, **row):
        return
    start = time.perf_counter()
    try:
        found = work()
    except Failed as problem:
        found = dict(failed=str(problem))
    results.add(subject, dict(row, commit=results.rows["machine"]["commit"], **found))
    print(f"{time.perf_counter() - start:6.1f} s", *row.values(), found.get("failed") or f"Dice {found['dice']:.4f}",
          file=sys.stderr, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments(parser, [1.0, 3.0, 10.0])
    parser.add_argument("--peer-factor", type=float, default=2, help="the peer has so many times the minutes")
    parser.add_argument("--skip-peer", action="store_true")
    parser.add_argument("--only-peer", action="store_true")
    parser.add_argument("--name", default="minutes")
    a = checked(parser, TINY)
    text = (f"PyTorch has {a.peer_factor:g} times the minutes. Mean Dice of the test cases, ± the standard deviation over "
            "the seeds; the seconds are those of the whole process.")
    results = results_of(a, "The Dice after some minutes", a.name, {"minutes": ("Test Dice", table)}, text)
    for minutes in a.minutes:
        for seed in range(1, (a.seeds or 3) + 1):
            for data in a.files:
                row = dict(data=Path(data).stem, minutes=minutes, seed=seed)
                if not a.only_peer:
                    measure(results, "minutes", dict(row, who="voxgrad"),
                            lambda: train(data, minutes, seed, a.threads, a.flags))
                if not a.skip_peer:
                    measure(results, "minutes", dict(row, who="PyTorch"),
                            lambda: train_peer(data, minutes, a.peer_factor, seed, a.threads, a.flags))
    print(results.text())
    if any("failed" in row for row in results.rows["minutes"]):
        raise SystemExit("not everything was measured")


if __name__ == "__main__":
    main()
