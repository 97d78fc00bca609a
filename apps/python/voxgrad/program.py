"""The program `voxgrad`: trainings, and every other verb."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from .binding import ERRORS, Error, FileError


def _program():
    """VOXGRAD_PROGRAM, else the program of this package, else that on the PATH."""
    inside = pathlib.Path(__file__).with_name("voxgrad")
    path = os.environ.get("VOXGRAD_PROGRAM") or (str(inside) if inside.is_file() else shutil.which("voxgrad"))
    if path is None:
        raise FileError("the program voxgrad was not found: this package was built without it, because HDF5, zlib, "
                        "nlohmann-json, CLI11 or stb is missing; put it on the PATH, or name it with VOXGRAD_PROGRAM")
    return path


def run(arguments, watch=lambda: None):
    """Runs the program: run(["inspect", "data.h5"]). Returns the JSON document that it prints, or else its text.
    Warnings go to stderr. An exit code other than 0 is an Error with what it said; its `result` is what was printed
    before, such as the findings of run(["doctor", "data.h5"]).

    `watch` is called while it runs; an exception in it, and Ctrl-C, interrupt the program, which then keeps what it has
    done.
    """
    def document(text):
        try:
            return json.loads(text) if text.startswith(("{", "[")) else text
        except ValueError:  # the program ended within it
            return text

    command = [_program(), "--json", "--quiet", *map(str, arguments)]
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as said:
        try:
            # In a session of its own, Ctrl-C reaches it once, by this function: the second signal ends it at once.
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=said,
                                       start_new_session=True)
        except OSError as error:
            raise FileError(f"{command[0]}: {error.strerror}") from None
        try:
            while process.poll() is None:
                watch()
                time.sleep(0.05)
            watch()
        except BaseException:
            process.send_signal(signal.SIGINT)
            try:
                process.wait()
            except BaseException:  # the second Ctrl-C
                process.send_signal(signal.SIGINT)
                process.wait()
                raise
            raise
        output.seek(0), said.seek(0)
        text, messages = (part.read().decode(errors="replace") for part in (output, said))
    code = process.returncode
    if code:
        at = ("\n" + messages).rfind("\nerror: ")
        end = f"ended by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        reason = messages[at:] if at >= 0 else f"{command[0]}: {end}\n{messages}"
        kind = Error if code == 1 else ERRORS.get(code, Error)  # 1 is an internal error of the program
        raise kind(reason.strip(), code, document(text))
    sys.stderr.write(messages)
    return document(text)


def train(data, out, progress=None, **settings):
    """Trains a U-Net on a dataset and tests it, as `voxgrad train data -o out` does. Returns what it prints as JSON:
    the Dice of the test, the best epoch, the seconds, .. The model is out/best.safetensors.

    `settings` are the flags of `voxgrad train --help`, with _ for -: steps=500, patch=[64, 64], residual=True,
    time="20min". `progress` is called with every event of the run as a dict, from out/log.jsonl: {"event": "epoch",
    "epoch": 3, "loss": .., "val_dice": .., ..}. An exception in it interrupts the training; run(["train", "--resume",
    out]) goes on with it.
    """
    flags = []
    for name, value in settings.items():
        name = name.replace("_", "-")
        if isinstance(value, bool):
            flags.append(f"--{name}" if value else f"--no-{name}")
        elif value is not None:
            flags.append(f"--{name}=" + ("x".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)))
    log = pathlib.Path(out) / "log.jsonl"

    def changed():
        return log.stat().st_mtime_ns if log.is_file() else None

    before, done = changed(), 0  # there may be the log of an older run, which the program refuses or begins anew

    def watch():
        nonlocal done
        if progress is None or changed() in (None, before):
            return
        with log.open("rb") as file:
            file.seek(done)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                done += len(line)
                progress(json.loads(line))

    return run(["train", data, "-o", out, *flags], watch)


def main():
    """The command `voxgrad`."""
    path = _program()
    os.execv(path, [path, *sys.argv[1:]])
