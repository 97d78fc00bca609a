"""Inference of exported networks: voxgrad, onnxruntime and, if it is installed with pnnx, ncnn, in turns."""
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import PROGRAM, Failed, flags, markdown, ours, spread, summary  # first: it may stand in for the next
import numpy

NETWORKS = {
    "2-D base 32 depth 4, 256^2": dict(dims=2, base=32, depth=4, batch=1, patch=256),
    "3-D base 16 depth 4, 96^3": dict(dims=3, base=16, depth=4, batch=1, patch=96),
    "3-D base 32 depth 4, 64^3": dict(dims=3, base=32, depth=4, batch=1, patch=64),
}
TINY = {"2-D base 4 depth 2, 32^2": dict(dims=2, base=4, depth=2, batch=1, patch=32)}


def program(*words):
    work = subprocess.run([PROGRAM, *map(str, words)], capture_output=True, text=True)
    if work.returncode != 0:
        raise Failed(f"{work.stderr.strip()} (voxgrad {' '.join(map(str, words))})")


def exported(folder, network):
    """An ONNX file of the network after a single step: its weights do not matter."""
    task, size = "nuclei2d" if network["dims"] == 2 else "organ3d", network["patch"]
    data, run, path = f"{folder}/data.h5", f"{folder}/run", f"{folder}/model.onnx"
    program("synth", task, "--cases", 6, "--size", size, "-o", data)
    program("train", data, "--steps", 1, "--base", network["base"], "--depth", network["depth"], "--patch", size,
            "--batch", 1, "--validate-every", 0, "-o", run, "-q")
    program("export", run, "-o", path)
    return path


class Onnxruntime:
    def __init__(self, path, image, threads):
        import onnxruntime
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.inputs = {self.session.get_inputs()[0].name: image}

    def __call__(self):
        return self.session.run(None, self.inputs)[0]


class Ncnn:
    def __init__(self, path, image, threads):
        import ncnn
        shape = ",".join(map(str, image.shape))
        subprocess.run([str(Path(sys.executable).with_name("pnnx")), path, f"inputshape=[{shape}]"], check=True,
                       stdout=subprocess.DEVNULL, cwd=Path(path).parent)
        self.net, self.image, self.ncnn = ncnn.Net(), image[0], ncnn
        self.net.opt.num_threads = threads
        stem = path.removesuffix(".onnx")
        self.net.load_param(f"{stem}.ncnn.param")
        self.net.load_model(f"{stem}.ncnn.bin")

    def __call__(self):
        with self.net.create_extractor() as extractor:
            extractor.input("in0", self.ncnn.Mat(self.image).clone())
            return numpy.array(extractor.extract("out0")[1])


def timed(peer, repeats):
    peer()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        peer()
        times.append(1000 * (time.perf_counter() - start))
    return summary(times)["median"]


def run(rounds, repeats, threads, networks=None):
    for name, network in (networks or NETWORKS).items():
        image = numpy.random.default_rng(1).standard_normal((1, 1) + (network["patch"],) * network["dims"])
        for count in threads:
            for who, peer in {"onnxruntime": Onnxruntime, "ncnn": Ncnn}.items():
                with tempfile.TemporaryDirectory() as folder:
                    try:
                        theirs = peer(exported(folder, network), image.astype("float32"), count)
                    except (ImportError, FileNotFoundError):  # of the package, or of the converter of ncnn
                        print(who, "is not installed: it is left out", file=sys.stderr)
                        continue
                    row = dict(network=name, peer=who, threads=count, ours=[], theirs=[], ratios=[])
                    for _ in range(rounds):
                        row["ours"].append(ours("infer", *flags(dict(network, threads=count)), "--repeats", repeats)["median_ms"])
                        row["theirs"].append(timed(theirs, repeats))
                        row["ratios"].append(row["theirs"][-1] / row["ours"][-1])
                result = dict(row, ours=summary(row["ours"]), theirs=summary(row["theirs"]), ratios=summary(row["ratios"]))
                print(name, who, count, "threads:", spread(result["ratios"]), file=sys.stderr)
                yield result


def table(results):
    return markdown(["network", "peer", "threads", "voxgrad ms", "peer ms", "times faster (middle half)"],
                    [[r["network"], r["peer"], r["threads"], f"{r['ours']['median']:.1f}", f"{r['theirs']['median']:.1f}",
                      spread(r["ratios"])] for r in results])
