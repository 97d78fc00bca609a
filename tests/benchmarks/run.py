#!/usr/bin/env python3
"""All CPU benchmarks against their peers, in turns on this machine: results/<name>.md and .json,
where the name is `cpu` for all of them, else that of the ones asked for.

  python3 -m venv /tmp/bench && /tmp/bench/bin/pip install torch monai scipy edt scikit-image matplotlib onnxruntime ncnn pnnx
  /tmp/bench/bin/python tests/benchmarks/run.py [--rounds 10] [networks runtimes layers scaling sets losses pytorch distance]

Needs a Release build of the program (VOXGRAD=<path> for another than build/release/voxgrad) and an idle machine.
"""
import argparse
import sys

from common import ROOT, Failed, Results, flags, machine, markdown, ours  # first: it may stand in for the next
import distance
import losses
import networks
import pytorch
import runtimes
import scaling
import torch

SUBJECTS = ["networks", "runtimes", "layers", "scaling", "sets", "losses", "pytorch", "distance"]


def layers(repeats, chosen):
    """Every convolution of the networks, ours alone."""
    for name, network in chosen.items():
        for row in ours("conv", *flags(dict(network, threads=1)), "--repeats", repeats):
            yield dict(network=name, **row)


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
    parser.add_argument("--out", default=str(ROOT / "tests/benchmarks/results"), help="folder of the results")
    a = parser.parse_args()
    a.rounds = a.rounds or (5 if a.subjects == ["losses"] else 10)
    a.name = a.name or "_".join(a.subjects) or "cpu"
    threads = [int(count) for count in a.threads.split(",")]
    small = next(iter(networks.SMALL.values()))
    convolved = networks.SMALL if a.tiny else {name: networks.NETWORKS[name] for name in networks.LAYERS}
    runs = {
        "networks": lambda: networks.run(a.rounds, a.repeats, threads, networks.SMALL if a.tiny else None),
        "runtimes": lambda: runtimes.run(a.rounds, a.repeats, threads, runtimes.TINY if a.tiny else None),
        "layers": lambda: layers(a.repeats, convolved),
        "scaling": lambda: scaling.run(a.repeats, scaling.TINY if a.tiny else None),
        "sets": lambda: scaling.run_sets(a.repeats, small if a.tiny else None),
        "losses": lambda: losses.run(a.rounds, a.repeats, threads, losses.TINY if a.tiny else None),
        "pytorch": lambda: pytorch.run(a.rounds, a.repeats, threads, pytorch.TINY if a.tiny else None),
        "distance": lambda: distance.run(a.rounds, a.repeats, threads, distance.TINY if a.tiny else None),
    }
    tables = {
        "networks": ("Networks: a training step (forward, dice_ce, backward, AdamW) and inference", networks.table),
        "runtimes": ("Runtimes: inference of the exported network", runtimes.table),
        "layers": ("Convolutions, one thread", layer_table),
        "scaling": ("How a training step grows, one thread", scaling.table),
        "sets": ("Instruction sets and threads: a training step of the first network", scaling.sets_table),
        "losses": ("Losses: value and gradient", losses.table),
        "pytorch": ("Losses called from PyTorch: value and gradient", pytorch.table),
        "distance": ("Distance transform", distance.table),
    }
    about = dict(machine(), torch=str(torch.__version__), command="python3 " + " ".join(sys.argv))
    head = (f"# Speed against peers\n\n{about['cpu']}, {about['cores']} cores; voxgrad {about['commit']} "
            f"({about['voxgrad']['cpu']}), PyTorch {about['torch']}. `{about['command']}`\n\n"
            f"Medians of {a.rounds} rounds in turns. PyTorch runs in the faster of its two layouts.\n")
    results = Results(a.out, a.name, about, head, tables)
    for subject in a.subjects or SUBJECTS:
        try:
            for row in runs[subject]():
                results.add(subject, row)
        except Failed as problem:  # the other subjects still count
            results.add(subject, dict(failed=str(problem)))
    failed = any("failed" in row for subject in results.fresh for row in results.rows[subject])
    if "scaling" in results.fresh and not a.tiny and not failed:
        scaling.plot(results.rows["scaling"], results.path.with_name("scaling.svg"))
        title, table = tables["scaling"]
        tables["scaling"] = (title, lambda rows: f"![Time and memory of a step](scaling.svg)\n\n{table(rows)}")
        results.write()
    print(results.text())
    if failed:
        raise SystemExit("not everything was measured")


main()
