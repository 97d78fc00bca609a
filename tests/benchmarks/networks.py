"""Training steps and inference of U-Nets against PyTorch, in turns."""
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from common import Failed, flags, json_of, markdown, ours, spread, summary

NETWORKS = {  # the table of goals
    "2-D base 32 depth 4, 4x128^2": dict(dims=2, base=32, depth=4, batch=4, patch=128),
    "2-D base 64 depth 5, 256^2": dict(dims=2, base=64, depth=5, batch=1, patch=256),
    "3-D base 16 depth 4, 48^3": dict(dims=3, base=16, depth=4, batch=1, patch=48),
    "3-D base 32 depth 4, 64^3": dict(dims=3, base=32, depth=4, batch=1, patch=64),
}
LAYERS = ("2-D base 32 depth 4, 4x128^2", "3-D base 32 depth 4, 64^3")  # whose convolutions are measured one by one
SMALL = {"2-D base 8 depth 3, 2x64^2": dict(dims=2, base=8, depth=3, batch=2, patch=64)}


class Twin:
    def __init__(self, mode, layout, settings):
        command = [sys.executable, str(Path(__file__).with_name("twin.py")), "serve", "--mode", mode, "--layout", layout]
        self.process = subprocess.Popen([*command, *map(str, flags(settings))], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, line):
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self):
        memory = self.ask("peak")
        self.process.communicate()
        return memory


def agreement(settings):
    """How far one step with the same weights and inputs is from PyTorch in f64."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/dump.safetensors"
        ours("train", *flags(settings), "--repeats", 1, "--dump", path)
        command = [sys.executable, str(Path(__file__).with_name("twin.py")), "check", path]
        found = json_of([*command, *flags(settings)])
    if found["logits"] > 1e-4 or found["loss"] > 1e-4:
        raise Failed(f"the two networks do not agree: {found} for {settings}")
    return found


def better_layout(mode, settings):
    medians = {}
    for layout in ("contiguous", "channels_last"):
        twin = Twin(mode, layout, settings)
        medians[layout] = summary(twin.ask(3))["median"]
        twin.close()
    return min(medians, key=medians.get), medians


def compare(mode, settings, rounds, repeats):
    layout, medians = better_layout(mode, settings)
    twin = Twin(mode, layout, settings)
    times, theirs, ratios = [], [], []
    for _ in range(rounds):
        result = ours(mode, *flags(settings), "--repeats", repeats)
        their = summary(twin.ask(repeats))["median"]
        times.append(result["median_ms"])
        theirs.append(their)
        ratios.append(their / result["median_ms"])
    memory = twin.close()
    return {"ours_ms": summary(times), "theirs_ms": summary(theirs), "ratio": summary(ratios), "rounds": rounds,
            "layout": layout, "layout_ms": medians, "ours_bytes": result["peak_memory_bytes"],
            "theirs_bytes": memory["peak"], "theirs_import_bytes": memory["import"],
            "gflops_effective": result["gflops_effective"]}


def run(rounds, repeats, threads, networks=None):
    for name, network in (networks or NETWORKS).items():
        found = agreement(network)
        for mode in ("train", "infer"):
            for count in threads:
                settings = dict(network, threads=count)
                result = dict(network=name, mode=mode, threads=count, agreement=found,
                              **compare(mode, settings, rounds, repeats))
                print(name, mode, count, "threads:", spread(result["ratio"]), file=sys.stderr)
                yield result


def agreement_table(results):
    rows = {r["network"]: [r["network"]] + [f"{value:.1e}" for value in r["agreement"].values()] for r in results}
    return markdown(["against PyTorch in f64, the same weights", "logits", "loss", "gradients", "PyTorch's f32 gradients"],
                    rows.values())


def table(results):
    mebibytes = lambda b: f"{b / 2**20:.0f}"
    rows = [[r["network"], r["mode"], r["threads"], f"{r['ours_ms']['median']:.1f}", f"{r['theirs_ms']['median']:.1f}",
             spread(r["ratio"]), mebibytes(r["ours_bytes"]), mebibytes(r["theirs_bytes"]),
             mebibytes(r["theirs_import_bytes"]), f"{r['gflops_effective']:.0f}", r["layout"]] for r in results]
    return markdown(["network", "work", "threads", "voxgrad ms", "PyTorch ms", "times faster (middle half)", "voxgrad MiB",
                     "PyTorch MiB", "of which import", "effective GFLOP/s", "PyTorch's layout"], rows) + "\n" + agreement_table(results)
