#!/usr/bin/env python3
"""50 random U-Nets with every option: their PyTorch twin, voxgrad and onnxruntime must agree.

The twin writes each network to a file. The program exchange_answers, the only argument of this script but for a seed,
reads it, computes logits, and writes it again and as ONNX. Then
- the logits of voxgrad are those of the twin;
- the twin of the file that voxgrad wrote has the same parameters, bit for bit;
- onnx.checker accepts both ONNX files, and onnxruntime gives the logits of voxgrad, and with the normalisation and the
  probabilities inside, its probabilities; at two sizes and batches.
"""
import random
import subprocess
import sys
import tempfile

from common import difference, expect, last, need

need("numpy", "torch", "safetensors", "onnx", "onnxruntime")
import numpy
import onnx
import onnxruntime
import torch
import unet
from safetensors.torch import load_file, save_file

BOUND = 1e-4  # of the largest logit; results in f32 by three programs that add in different orders
COUNT = 50
VALUES = dict(dims=[2, 3], in_channels=[1, 2, 3], classes=[2, 3, 5], base=[2, 3, 8], max_channels=[8, 320],
              depth=[1, 2, 3, 4], norm=["batch", "instance", "group", "none"], activation=["none", "relu", "leaky_relu"],
              residual=[False, True], dropout=[0.0, 0.2], upsampling=["nearest", "linear"], transposed=[False, True],
              slope=[0.01, 0.1], strided=[False, True], deep_supervision=[False, True])
KINDS = ["case", "dataset", "clipped", "none", "rgb"]  # "clipped" is "dataset" with a range


def network(draw):
    config = {name: draw.choice(values) for name, values in VALUES.items()}
    if config["dims"] == 3:
        config["depth"] = min(config["depth"], 3)
    config["strides"] = [[draw.choice([1, 2, 2, 3]) for _ in range(config["dims"])] for _ in range(config["depth"] - 1)]
    config["kernels"] = [[draw.choice([1, 3, 3]) for _ in range(config["dims"])] for _ in range(config["depth"])]
    config["widths"] = draw.choice([None, [draw.randint(2, 9) for _ in range(config["depth"])]])
    net = unet.UNet(**config).eval()
    with torch.no_grad():
        for name, tensor in list(net.named_parameters()) + list(net.named_buffers()):
            if tensor.dim() == 1:  # those of norms, and biases, are all 0 or 1 at the start
                tensor.copy_((1 if name.endswith(("weight", "var")) else 0) + 0.3 * torch.rand(tensor.shape))
    return net


def description(draw, net, divisor):
    channels, kind = net.config["in_channels"], draw.choice(KINDS)
    draws = lambda low, high, *kinds: [draw.uniform(low, high) for _ in range(channels)] if kind in kinds else []
    names = ["background"] + [f"class {i} \u00fc" for i in range(1, net.config["classes"])]
    return {"patch": [4 * d for d in divisor], "class_names": names,
            "normalisation": {"kind": "dataset" if kind == "clipped" else kind,
                              "mean": draws(-50, 50, "dataset", "clipped"),
                              "deviation": draws(5, 50, "dataset", "clipped"),
                              "low": draws(-40, 10, "clipped"), "high": draws(20, 80, "clipped")}}


def maps(draw, net, divisor):
    result = {}
    for k in range(2):
        extents = [d * draw.randint(2, 4 if net.config["dims"] == 2 else 3) for d in divisor]
        result[str(k)] = 30 * torch.randn(draw.randint(1, 3), net.config["in_channels"], *extents) + 20
    result["0"][0, 0] = 1234.5678  # a channel with a single value
    return result


def onnx_outputs(path, images):
    onnx.checker.check_model(path, full_check=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return {key: torch.from_numpy(session.run(None, {"image": x.numpy()})[0]) for key, x in images.items()}


def main(program, seed=1):
    draw = random.Random(seed)
    torch.manual_seed(seed)
    worst = dict(twin=0.0, onnx=0.0, whole=0.0)
    seen = {name: set() for name in VALUES}
    with tempfile.TemporaryDirectory() as folder:
        cases = {}
        for k in range(COUNT):
            net, path = network(draw), f"{folder}/{k}"
            divisor = numpy.prod([[1] * net.config["dims"]] + net.strides, axis=0).tolist()
            cases[path] = net, maps(draw, net, divisor)
            unet.save(path + ".model", net, description(draw, net, divisor))
            save_file({key: last(x) for key, x in cases[path][1].items()}, path + ".maps")
            for name in VALUES:
                seen[name].add(net.config[name])
        subprocess.run([program, folder], check=True)
        for path, (net, images) in cases.items():
            what = str(net.config)
            logits, probabilities = load_file(path + ".logits"), load_file(path + ".probabilities")
            again, spec = unet.load(path + ".again")
            for name, tensor in again.state_dict().items():
                if not torch.equal(tensor, net.state_dict()[name]):
                    sys.exit(f"{what}: {name} has other values after it was read and written")
            outputs, whole = onnx_outputs(path + ".onnx", images), onnx_outputs(path + ".whole.onnx", images)
            for key, x in images.items():
                with torch.no_grad():
                    worst["twin"] = max(worst["twin"], difference(logits[key], last(net(x))))
                worst["onnx"] = max(worst["onnx"], difference(last(outputs[key]), logits[key]))
                worst["whole"] = max(worst["whole"], difference(last(whole[key]), probabilities[key]))
                for name, value in worst.items():
                    expect(value, BOUND, f"{name} {key} {tuple(x.shape)}: {what}, {spec['normalisation']}")
            metadata = {entry.key: entry.value for entry in onnx.load(path + ".onnx").metadata_props}
            if unet.json.loads(metadata["class_names"]) != spec["class_names"]:
                sys.exit(f"{what}: the class names of the ONNX file are {metadata['class_names']}")
    for name, values in VALUES.items():
        if seen[name] != set(values):
            sys.exit(f"{name} was never {set(values) - seen[name]}: choose another seed")
    print(f"{COUNT} networks agree; largest differences {worst}")


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
