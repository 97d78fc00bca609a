#!/usr/bin/env python3
"""Runs every benchmark script in its tiny form, and stops some half-way: what was measured must be there. Nothing here is
a measurement: libraries that are missing are stood in for (stand_in.py), so that Python alone will do, as in CI."""
import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
DATA = HERE.parents[1] / "data/bundled/nuclei2d.h5"
RUN = ["run.py", "--tiny", "--rounds", 1, "--repeats", 1, "--threads", 1]
GPU = ["gpu.py", "--tiny", "--repeats", 1, "--steps", 2, "--seeds", 1]
os.environ["VOXGRAD_STAND_IN"] = "1"


def start(script, *words):
    return subprocess.Popen([sys.executable, str(HERE / script), *map(str, words)], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, start_new_session=True)


def finish(script, *words):
    process = start(script, *words)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, f"{script} {words}: exit {process.returncode}\n{out}\n{err}"
    return out


def rows_of(folder, name):
    """What the script has written, by subject."""
    path = Path(folder) / f"{name}.json"
    return {key: rows for key, rows in json.loads(path.read_text()).items() if isinstance(rows, list)} if path.exists() else {}


def runs_whole(script, subjects, *words):
    with tempfile.TemporaryDirectory() as folder:
        out = finish(*script, *words, "--name", "whole", "--out", folder)
        rows = rows_of(folder, "whole")
        assert set(rows) == set(subjects), f"{script[0]}: {sorted(rows)} instead of {sorted(subjects)}"
        failed = [row for group in rows.values() for row in group if "failed" in row]
        assert not failed, f"{script[0]}: {failed}"
        assert (Path(folder) / "whole.md").read_text() in out


def killed_leaves_rows(script, *words):
    with tempfile.TemporaryDirectory() as folder:
        process, deadline, rows = start(*script, *words, "--name", "half", "--out", folder), time.time() + 60, {}
        while not rows and time.time() < deadline:
            time.sleep(0.02)
            rows = rows_of(folder, "half")
        assert process.poll() is None, f"{script[0]} ended before it was killed: {process.communicate()}"
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        kept = rows_of(folder, "half")
        assert sum(map(len, kept.values())) >= sum(map(len, rows.values())) > 0, f"{script[0]}: {kept} after {rows}"
        assert "| --- |" in (Path(folder) / "half.md").read_text()


def failure_ends_nothing_else():
    with tempfile.TemporaryDirectory() as folder:
        finish(*GPU, "training", "steps", "--data", "missing.h5", DATA, "--name", "some", "--out", folder)
        rows = rows_of(folder, "some")
        assert ["failed" in row for row in rows["training"]] == [True, False], rows
        assert not any("failed" in row for row in rows["steps"]), rows
        finish(*GPU, "steps", "--seconds", 1, "--name", "some", "--out", folder)
        late = rows_of(folder, "some")
        assert all(row["failed"] == "no time was left" for row in late["steps"]), late
        assert late["training"] == rows["training"]  # another part, another time


def goes_on():
    with tempfile.TemporaryDirectory() as folder:
        words = ["minutes.py", "--tiny", "--skip-peer", "--name", "some", "--out", folder]
        finish(*words)
        first = rows_of(folder, "some")
        path = Path(folder) / "some.json"
        path.write_text(path.read_text().replace('"seed": 1', '"seed": 7'))
        finish(*words, "--go-on")
        rows = rows_of(folder, "some")["minutes"]
        assert [row["seed"] for row in rows] == [7, 1], rows
        finish(*words, "--go-on")
        assert rows_of(folder, "some")["minutes"] == rows, "measured again"
        assert first["minutes"][0]["dice"] == rows[0]["dice"]


def refuses_two_files_of_one_name():
    for script in "minutes.py", "rules.py":
        process = start(script, "--files", "a/x.h5", "b/x.h5")
        err = process.communicate(timeout=120)[1]
        assert process.returncode == 2 and "--files: x twice" in err, err


def peer_of_minutes():
    """The peer learns, so nothing can stand in for its libraries: without them it is left out."""
    there = all(importlib.util.find_spec(library) for library in ("torch", "numpy", "h5py"))
    return [] if there else ["--skip-peer"]


def main():
    for name, check in {
        "run.py": lambda: runs_whole(RUN, ["networks", "runtimes", "layers", "scaling", "sets", "losses", "pytorch", "distance"]),
        "gpu.py": lambda: runs_whole(GPU, ["steps", "peers", "copy", "kernels", "losses", "loss_peers", "training"],
                                     "--data", DATA),
        "kinks.py": lambda: finish("kinks.py"),
        "memory.py": lambda: runs_whole(["memory.py", "--tiny"], ["memory"]),
        " ".join(["minutes.py", *peer_of_minutes()]): lambda: runs_whole(["minutes.py", "--tiny"], ["minutes"],
                                                                         *peer_of_minutes()),
        "rules.py": lambda: runs_whole(["rules.py", "--tiny"], ["0.05 min"]),
        "run.py, killed": lambda: killed_leaves_rows(RUN, "scaling", "sets"),
        "gpu.py, killed": lambda: killed_leaves_rows(GPU, "steps", "losses", "training", "--data", DATA),
        "gpu.py, rows that fail": failure_ends_nothing_else,
        "minutes.py, gone on with": goes_on,
        "minutes.py, two files of one name": refuses_two_files_of_one_name,
    }.items():
        began = time.time()
        check()
        print(f"{time.time() - began:5.1f} s  {name}", flush=True)


main()
