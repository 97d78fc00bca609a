"""What the benchmark scripts share: the program, its dumps, the machine, tables."""
import json
import os
import platform
import shutil
import statistics
import struct
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("VOXGRAD", str(ROOT / "build/release/voxgrad"))
TYPES = {"F32": "<f4", "F64": "<f8", "I32": "<i4", "U8": "u1"}


def ours(*words):
    """The JSON that `voxgrad bench ..` prints."""
    done = subprocess.run([PROGRAM, "bench", *map(str, words), "--json"], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"voxgrad bench {' '.join(map(str, words))}: {done.stderr}")
    return json.loads(done.stdout)


def load_safetensors(path):
    """name -> array. The format is a length, a JSON header, the elements."""
    import numpy  # not everywhere where the rest can run
    data = Path(path).read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + length])
    payload = data[8 + length:]
    return {name: numpy.frombuffer(payload[slice(*entry["data_offsets"])], TYPES[entry["dtype"]]).reshape(entry["shape"])
            for name, entry in header.items() if name != "__metadata__"}


def summary(values):
    """Median and the middle half."""
    low, middle, high = statistics.quantiles(values, n=4) if len(values) > 1 else [values[0]] * 3
    return {"median": middle, "low": low, "high": high}


def spread(ratio, digits=2):
    return f"{ratio['median']:.{digits}f} ({ratio['low']:.{digits}f}-{ratio['high']:.{digits}f})"


def markdown(header, rows):
    lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    return "\n".join(lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows]) + "\n"


def write_results(path, results):
    """A JSON document with a line for every row, so that a change of one shows."""
    def text(value):
        if not isinstance(value, list):
            return json.dumps(value)
        return "[\n  " + ",\n  ".join(json.dumps(row) for row in value) + "\n ]"
    body = ",\n ".join(f"{json.dumps(key)}: {text(value)}" for key, value in results.items())
    Path(path).write_text("{\n " + body + "\n}\n")


def machine():
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")),
                 platform.processor())
    commit = "unknown"
    if shutil.which("git"):
        commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    info = subprocess.run([PROGRAM, "info", "--json"], capture_output=True, text=True)
    return {"cpu": model, "cores": len(os.sched_getaffinity(0)), "system": platform.platform(),
            "commit": commit or "unknown", "voxgrad": json.loads(info.stdout)}
