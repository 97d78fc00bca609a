#!/usr/bin/env python3
"""What each rule of the plan is worth: the Dice on the test cases with the rule switched off, beside that of the plan.

  python3 tests/benchmarks/rules.py --files a.h5 b.h5 [--minutes 3] [--seeds 2] [--rules "no crop,batch norm"]

Every training has the same minutes, so a rule that costs time pays for it. What is done to the predictions is switched
off for the models of the plan. A rule is left out, with a line that says so, if the program or the dataset refuses its
flag, or if the flag changes nothing in the plan. Needs an idle machine.
"""
import argparse
import statistics
import sys
from pathlib import Path

from common import ROOT, Failed, markdown
from minutes import arguments, checked, dice_text, measure, of, program, results_of, span, train

PLAN = "the plan"
# What a row is called, and the flags that switch the rule off or choose the other way.
RULES = {
    "no crop": ["--crop", "off"],
    "spacing as it is": ["--spacing", "none"],
    "normalised by case": ["--normalise", "case"],
    "normalised by dataset": ["--normalise", "dataset"],
    "no augmentation": ["--augment", "none"],
    "augmentation": ["--augment", "default"],
    "geometry alone": ["--augment", "geometry"],
    "intensity alone": ["--augment", "intensity"],
    "elastic as well": ["--augment", "elastic"],
    "no forced foreground": ["--foreground", "0"],
    "deep supervision": ["--deep-supervision"],
    "no deep supervision": ["--no-deep-supervision"],
    "no moving average": ["--ema", "0"],
    "moving average": ["--ema", "0.99"],
    "Dice without CE": ["--loss", "dice"],
    "CE without Dice": ["--loss", "ce"],
    "batch norm": ["--norm", "batch"],
    "constant rate": ["--schedule", "constant"],
    "half the channels": ["--base", "8"],
    "twice the channels": ["--base", "32"],
}
# The same for the predictions of a run. The last weights have no clean-up.
PREDICTIONS = {"no clean-up": ["best", "--no-clean-up"], "no mirrored images": ["best", "--no-tta"],
               "neither of them": ["best", "--no-clean-up", "--no-tta"], "the last weights": ["last"]}
TINY = dict(files=[str(ROOT / "data/bundled/nuclei2d.h5")], minutes=[0.05], seeds=1, threads=1,
            flags=["--base", "2", "--depth", "2"],
            rules=["no crop", "no augmentation"])


def plan_of(data, flags, minutes, threads):
    """What the training would do, but for what follows from its measured time."""
    plan = program("train", data, "--time", span(minutes), "--threads", threads, "--dry-run", *flags)
    for key in ("steps", "validate_every", "validate_cases"):
        plan["config"].pop(key, None)
    return {key: plan[key] for key in ("config", "model", "augment", "patch")}


def refusal(usual, *training):
    """Why the rule is not measured for this dataset, or nothing."""
    try:
        return "" if plan_of(*training) != usual else "it changes nothing"
    except Failed as problem:
        return str(problem)


def table(rows):
    """The differences of the same seed to the plan, for every dataset and in the mean over all."""
    files, names = (list(dict.fromkeys(row[key] for row in rows)) for key in ("data", "rule"))
    dice = {(row["data"], row["rule"], row["seed"]): row["dice"] for row in rows}

    def differences(rule, chosen):
        return [value - dice[data, PLAN, seed] for (data, name, seed), value in dice.items()
                if name == rule and data in chosen and (data, PLAN, seed) in dice]

    def text(values):
        if not values:
            return "-"
        return f"{statistics.mean(values):+.3f}" + (f" ({min(values):+.3f} to {max(values):+.3f})" if len(values) > 1 else "")

    cells = [[PLAN + ": Dice", *(dice_text([row["dice"] for row in of(rows, data=data, rule=PLAN)]) for data in files), ""]]
    for row in of(rows, rule=PLAN):
        dice.update({(row["data"], name, row["seed"]): value for name, value in row.get("others", {}).items()})
    cells += [[name, *(text(differences(name, [data])) for data in files), text(differences(name, files))]
              for name in [*PREDICTIONS, *names] if name != PLAN]
    return markdown(["rule", *files, "all"], cells)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments(parser, [3.0])
    parser.add_argument("--rules", type=lambda text: text.split(","), default=list(RULES), help=", ".join(RULES))
    parser.add_argument("--name", default="rules")
    a = checked(parser, TINY)
    if unknown := set(a.rules) - set(RULES):
        parser.error(f"--rules: {', '.join(sorted(unknown))}; there are {', '.join(RULES)}")
    text = ("Test Dice of the plan, ± the standard deviation over the seeds; below it what is added to it when a rule is "
            "switched off: the mean over the seeds, and the smallest and the largest difference. A rule helps where its "
            "number is negative, and beyond the spread.")
    tables = {f"{minutes:g} min": (f"{minutes:g} minutes", table) for minutes in a.minutes}
    results = results_of(a, "What each rule is worth", a.name, tables, text)
    for minutes in a.minutes:
        taken = {}
        for data in a.files:
            taken[data] = [PLAN]
            usual = plan_of(data, a.flags, minutes, a.threads)
            for rule in a.rules:
                if problem := refusal(usual, data, [*a.flags, *RULES[rule]], minutes, a.threads):
                    print(f"left out: {rule} on {Path(data).stem}: {problem}", file=sys.stderr, flush=True)
                else:
                    taken[data].append(rule)
        for seed in range(1, (a.seeds or 2) + 1):
            for data in a.files:
                for rule in taken[data]:
                    measure(results, f"{minutes:g} min", dict(data=Path(data).stem, rule=rule, seed=seed),
                            lambda: train(data, minutes, seed, a.threads, [*a.flags, *RULES.get(rule, [])],
                                          PREDICTIONS if rule == PLAN else None))
    print(results.text())
    if any("failed" in row for subject in tables for row in results.rows[subject]):
        raise SystemExit("not everything was measured")


if __name__ == "__main__":
    main()
