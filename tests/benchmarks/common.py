"""What the benchmark scripts share: the program, its dumps, the machine, tables, and results that are kept as they come."""
import json
import os
import platform
import shutil
import signal
import statistics
import struct
import subprocess
from pathlib import Path

if os.environ.get("VOXGRAD_STAND_IN"):
    import stand_in  # noqa: F401  for what is missing here

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("VOXGRAD", str(ROOT / "build/release/voxgrad"))
TYPES = {"F32": "<f4", "F64": "<f8", "I32": "<i4", "U8": "u1"}


class Failed(Exception):
    """A measurement that did not come about, and why."""


def json_of(command, limit=None):
    """The JSON that a command prints, within `limit` seconds."""
    command = list(map(str, command))
    # A session of its own: compilers that PyTorch started end with it.
    work = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        out, err = work.communicate(timeout=limit)
    except BaseException as problem:
        os.killpg(work.pid, signal.SIGKILL)
        work.communicate()
        if not isinstance(problem, subprocess.TimeoutExpired):
            raise
        raise Failed(f"not done after {limit:.0f} s ({' '.join(command)})") from None
    if work.returncode != 0:
        reason = err.strip().splitlines() or [f"exit {work.returncode}"]
        reason = next((line for line in reason if "error" in line.lower()), reason[-1])
        raise Failed(f"{reason} ({' '.join(command)})")
    return json.loads(out)


def ours(*words, limit=None):
    """The JSON that `voxgrad bench ..` prints."""
    return json_of([PROGRAM, "bench", *words, "--json"], limit)


def flags(settings):
    return [word for name, value in settings.items() for word in (f"--{name}", value)]


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


def replace(path, text):
    """At once: who reads it, or is stopped meanwhile, finds the old text or the new one."""
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(text)
    fresh.replace(path)


class Results:
    """<name>.json, a line for every row, and <name>.md, the tables of the same rows; both are written anew with each row,
    so that whoever stops the script keeps what was measured.

    subjects: name -> (title, table of rows). earlier: the rows of other subjects in the file stay."""

    def __init__(self, folder, name, about, head, subjects, earlier=False):
        self.path, self.head, self.subjects, self.fresh = Path(folder) / f"{name}.json", head, subjects, set()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.rows = json.loads(self.path.read_text()) if earlier and self.path.exists() else {}
        self.rows["machine"] = about

    def add(self, subject, row):
        if subject not in self.fresh:
            self.fresh.add(subject)
            self.rows[subject] = []
        self.rows[subject].append(row)
        self.write()

    def write(self):
        def text(value):
            if not isinstance(value, list):
                return json.dumps(value)
            return "[\n  " + ",\n  ".join(json.dumps(row) for row in value) + "\n ]"
        body = ",\n ".join(f"{json.dumps(key)}: {text(value)}" for key, value in self.rows.items())
        replace(self.path, "{\n " + body + "\n}\n")
        replace(self.path.with_suffix(".md"), self.text())

    def text(self, chosen=None):
        """Of these subjects, or of all."""
        return self.head + "".join(f"\n## {title}\n\n{self.table(subject, table)}"
                                   for subject, (title, table) in self.subjects.items()
                                   if subject in (self.rows if chosen is None else chosen))

    def table(self, subject, table):
        rows = self.rows[subject]
        failed = ["- " + ", ".join([*(str(value) for key, value in row.items() if key != "failed"), row["failed"]]) + "\n"
                  for row in rows if "failed" in row]
        whole = [row for row in rows if "failed" not in row]
        parts = [table(whole)] if whole else []
        return "\n".join(parts + (["Not measured:\n\n" + "".join(failed)] if failed else []))


def machine():
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")),
                 platform.processor())
    packed = ROOT / "commit"  # ./dev gpu build
    commit = packed.read_text().strip() if packed.exists() else ""
    if not commit and shutil.which("git"):
        commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    info = subprocess.run([PROGRAM, "info", "--json"], capture_output=True, text=True)
    return {"cpu": model, "cores": len(os.sched_getaffinity(0)), "system": platform.platform(),
            "commit": commit or "unknown", "voxgrad": json.loads(info.stdout)}
