#!/usr/bin/env python3
"""Converts reference values of losses from HDF5 to losses.golden, which tests read without any library.

    python3 tests/golden/convert.py losses.h5 tests/golden/losses.golden        (needs h5py; run once)

The HDF5 file comes from an independent reference implementation in float64: groups inputs/<name> with logits
[N, *S, C] and labels [N, *S], and cases/<number> with the attributes input, spec, value and, if the voxels are not
unit cubes, spacing, and the dataset gradient [N, *S, C].

losses.golden is a text header and the numbers behind it:

    voxgrad golden 1
    input NAME dims D0 D1 ..                      one line per input, shape of the logits
    case INPUT VALUE SPACING SPEC                 one line per case; VALUE as a hexadecimal float, SPACING "-" or a/b/c
    numbers
    <logits f64, labels u8 of every input; gradient f64 of every case; in this order, little-endian, no padding>
"""
import sys

import h5py


def main(source, target):
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


main(*sys.argv[1:])
