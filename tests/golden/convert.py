#!/usr/bin/env python3
"""Converts reference values to files that tests read without any library. Run once.

    python3 tests/golden/convert.py losses.h5 tests/golden/losses.golden        (needs h5py)
    python3 tests/golden/convert.py metrics.json tests/golden/metrics.txt

losses.h5 comes from an independent reference implementation in float64: groups inputs/<name> with logits
[N, *S, C] and labels [N, *S], and cases/<number> with the attributes input, spec, value and, if the voxels are not
unit cubes, spacing, and the dataset gradient [N, *S, C].

losses.golden is a text header and the numbers behind it:

    voxgrad golden 1
    input NAME dims D0 D1 ..                      one line per input, shape of the logits
    case INPUT VALUE SPACING SPEC                 one line per case; VALUE as a hexadecimal float, SPACING "-" or a/b/c
    numbers
    <logits f64, labels u8 of every input; gradient f64 of every case; in this order, little-endian, no padding>

metrics.json comes from an independent numpy implementation: under "masks" pairs of masks with id, shape, spacing, gt,
pred and metrics. metrics.txt says itself what its lines are.
"""
import json
import sys


def losses(source, target):
    import h5py
    header, numbers = ["voxgrad golden 1"], []
    with h5py.File(source) as file:
        for name, group in file["inputs"].items():
            shape = group["logits"].shape
            header.append(" ".join(["input", name, str(len(shape)), *map(str, shape)]))
            numbers += [group["logits"][...].astype("<f8").tobytes(), group["labels"][...].astype("u1").tobytes()]
        for _, group in sorted(file["cases"].items()):
            a = group.attrs
            spacing = "/".join(repr(float(s)) for s in a["spacing"]) if "spacing" in a else "-"
            header.append(" ".join(["case", a["input"], float(a["value"]).hex(), spacing, a["spec"]]))
            numbers.append(group["gradient"][...].astype("<f8").tobytes())
    with open(target, "wb") as out:
        out.write("\n".join([*header, "numbers", ""]).encode())
        out.writelines(numbers)


def metrics(source, target):
    lines = ["# Metrics of mask pairs by an independent numpy implementation. Per pair: id, shape, spacing, truth and",
             "# prediction (one digit a voxel, C order), and name=value of the counts and metrics; nsd@TAU in mm."]
    with open(source) as file:
        pairs = json.load(file)["masks"]
    for pair in pairs:
        values = {name: value for name, value in pair["metrics"].items() if name not in ("nsd", "accuracy")}
        values.update({f"nsd@{tau}": value for tau, value in pair["metrics"]["nsd"].items()})
        lines += [pair["id"], "x".join(map(str, pair["shape"])), "/".join(map(str, pair["spacing"])),
                  "".join(map(str, pair["gt"])), "".join(map(str, pair["pred"])),
                  " ".join(f"{name}={value}" for name, value in values.items())]
    with open(target, "w") as out:
        out.write("\n".join(lines) + "\n")


{"h5": losses, "json": metrics}[sys.argv[1].rsplit(".")[-1]](*sys.argv[1:])
