#!/usr/bin/env python3
"""All CPU benchmarks against their peers, in turns on this machine: results/<name>.md and .json,
where the name is `cpu` for all of them, else that of the ones asked for.

  python3 -m venv /tmp/bench && /tmp/bench/bin/pip install torch monai scipy edt matplotlib
  /tmp/bench/bin/python tests/benchmarks/run.py [--rounds 10] [networks layers scaling sets losses distance]

Needs a Release build of the program (VOXGRAD=<path> for another than build/release/voxgrad) and an idle machine.
"""
import argparse
import sys

import distance
import losses
import networks
import scaling
import torch
from common import ROOT, machine, markdown, ours

SUBJECTS = ["networks", "layers", "scaling", "sets", "losses", "distance"]
TINY = {"3,32,32": "3,32,32"}


def layers(repeats):
    """Every convolution of two of the networks, ours alone."""
    results = []
    for name in ("2-D base 32 depth 4, 4x128^2", "3-D base 32 depth 4, 64^3"):
        words = networks.flags(dict(networks.NETWORKS[name], threads=1))
        results += [dict(network=name, **row) for row in ours("conv", *words, "--repeats", repeats)]
    return results


def layer_table(rows):
    size = lambda extents: "x".join(map(str, extents))
    cells = [[r["network"].split(",")[0], r["layer"], r["pass"], size(r["x"]), size(r["weight"]), r["kernel"],
              f"{r['median_ms']:.2f}", f"{r['gflops_effective']:.0f}", f"{100 * r['peak_share']:.0f} %"] for r in rows]
    return markdown(["network", "layer", "pass", "input", "weight", "kernel", "ms", "effective GFLOP/s",
                     "of the core's peak"], cells)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("subjects", nargs="*", metavar="SUBJECT", choices=[*SUBJECTS, []], help=", ".join(SUBJECTS))
    parser.add_argument("--rounds", type=int, help="10; losses alone 5, as there are many")
    parser.add_argument("--repeats", type=int, default=3, help="runs per round; their median counts")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--tiny", action="store_true", help="small inputs, to try the scripts")
    parser.add_argument("--name")
    a = parser.parse_args()
    a.rounds = a.rounds or (5 if a.subjects == ["losses"] else 10)
    a.name = a.name or "_".join(a.subjects) or "cpu"
    threads = [int(count) for count in a.threads.split(",")]
    subjects = {
        "networks": (lambda: networks.run(a.rounds, a.repeats, threads, networks.SMALL if a.tiny else None), networks.table,
                     "Networks: a training step (forward, dice_ce, backward, AdamW) and inference"),
        "layers": (lambda: layers(a.repeats), layer_table, "Convolutions, one thread"),
        "scaling": (lambda: scaling.run(a.repeats, scaling.TINY if a.tiny else None), scaling.table,
                    "How a training step grows, one thread"),
        "sets": (lambda: scaling.run_sets(a.repeats), scaling.sets_table,
                 "Instruction sets and threads: a training step of the first network"),
        "losses": (lambda: losses.run(a.rounds, a.repeats, threads, TINY if a.tiny else None), losses.table,
                   "Losses: value and gradient"),
        "distance": (lambda: distance.run(a.rounds, a.repeats, threads, {"64^2": ("64,64", "1,1")} if a.tiny else None),
                     distance.table, "Distance transform"),
    }
    about = dict(machine(), torch=torch.__version__, command="python " + " ".join(sys.argv))
    results = {"machine": about}
    text = (f"# Speed against peers\n\n{about['cpu']}, {about['cores']} cores; voxgrad {about['commit']} "
            f"({about['voxgrad']['cpu']}), PyTorch {about['torch']}. `{about['command']}`\n\n"
            f"Medians of {a.rounds} rounds in turns. PyTorch runs in the faster of its two layouts.\n")
    for subject in a.subjects or SUBJECTS:
        run, table, title = subjects[subject]
        results[subject] = run()
        text += f"\n## {title}\n\n{table(results[subject])}"
    folder = ROOT / "tests/benchmarks/results"
    folder.mkdir(exist_ok=True)
    write_results(folder / f"{a.name}.json", results)
    if "scaling" in results and not a.tiny:
        scaling.plot(results["scaling"], folder / "scaling.svg")
        text = text.replace("## How a training step grows", "![Time and memory of a step](scaling.svg)\n\n## How a training step grows")
    (folder / f"{a.name}.md").write_text(text)
    print(text)


main()
