#!/usr/bin/env python3
"""Plants one fault at a time in the losses and the operations, and counts those that the tests notice.

  python3 tests/mutation.py [--count 200] [--seed 1] [--files 'losses/*.cpp' ..] [--out mutation.md]

The sources are copied, so that the working tree stays as it is. A fault is a small change of one place: another operator,
bound, constant or sign, or a statement that is missing. It is compiled, and the tests of the folder run until the first
one fails. A fault that they do not notice (a survivor) wants a test. If it changes nothing that can be seen, it stands
with its reason in mutation_equal.txt, and does not count. With --go-on, the rows that the result has are kept.
"""
import argparse
import json
import os
import random
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FILES = ["losses/*.cpp", "losses/core/*.cpp", "losses/terms/*.cpp", "losses/metrics/*.cpp", "engine/ops/*.cpp"]
# For the files of a folder the programs that test them, the likeliest first.
TESTS = {"losses": [["test_losses", "--source-file=*losses/golden*,*losses/catalogue*,*losses/metrics*"], ["test_losses"]],
         "engine": [["test_engine"], ["test_nn"], ["test_losses"]]}
CHANGES = [  # what is searched for, and what replaces it
    (r" \+ ", " - "), (r" - (?!>)", " + "), (r" \* ", " / "), (r" / ", " * "), (r" \+= ", " -= "), (r" -= ", " += "),
    (r" < ", " <= "), (r" <= ", " < "), (r" > ", " >= "), (r" >= ", " > "), (r" == ", " != "), (r" != ", " == "),
    (r" && ", " || "), (r" \|\| ", " && "), (r"std::max\b", "std::min"), (r"std::min\b", "std::max"),
    (r"\btrue\b", "false"), (r"\bfalse\b", "true"), (r"(?<![\w.])0(?![\w.])", "1"), (r"(?<![\w.])1(?![\w.])", "2"),
    (r"(?<![\w.])2(?![\w.])", "3"), (r"\b0\.5\b", "0.6"), (r"(?<=[(=,] )-(?=\w)", ""), (r"(?<=\()-(?=\w)", ""),
    (r"(?<=\()!(?=\w)", ""), (r"^ +[a-z_][\w.\->\[\]()]* (?:\+=|-=|\*=|/=|=) [^;{}]*;$", "  ;"),
    (r"^ +[a-z_][\w.]*\([^;{}]*\);$", "  ;")]
SKIP = re.compile(r'^\s*(//|#|using|namespace|template|static_assert|check\(|require|throw)|Error\(|R"|const_cast')


def code_of(line):
    """The line without its comment; texts are blanked, so that nothing is changed in them."""
    code = re.sub(r'"(?:[^"\\]|\\.)*"', lambda found: '"' + "\0" * (len(found[0]) - 2) + '"', line)
    return code.split("//")[0].rstrip()


def faults(files):
    """Every fault that can be planted: (file, number of the line, line, changed line)."""
    found = []
    for path in files:
        inside_message = False
        for number, line in enumerate((ROOT / path).read_text().splitlines()):
            code = code_of(line)
            message, inside_message = inside_message, (inside_message or bool(SKIP.search(code))) and not code.endswith(
                (";", "{", "}"))
            if message or SKIP.search(code):
                continue
            for pattern, other in CHANGES:
                for place in re.finditer(pattern, code):
                    changed = line[:place.start()] + other + line[place.end():]
                    found.append((path, number, line, changed))
    return found


def run(command, folder, seconds):
    """The exit status; None if it took too long."""
    try:
        return subprocess.run(command, cwd=folder, timeout=seconds, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL).returncode
    except subprocess.TimeoutExpired:
        return None


class Copy:
    """The sources in another folder, and what is built there."""

    def __init__(self, folder):
        self.tree, self.build = Path(folder) / "tree", Path(folder) / "build"
        shutil.rmtree(self.tree, ignore_errors=True)
        shutil.copytree(ROOT, self.tree, ignore=shutil.ignore_patterns("build*", ".git"))
        options = ["-DCMAKE_BUILD_TYPE=Release", "-DCMAKE_CXX_FLAGS_RELEASE=-O1", "-DCMAKE_UNITY_BUILD=OFF",
                   "-DVOXGRAD_APPS=OFF", "-DVOXGRAD_BLAS=builtin", "-DVOXGRAD_INSTRUCTION_SETS=native"]
        with open(self.tree.parent / "build.log", "w") as log:
            for command in (["cmake", "-S", self.tree, "-B", self.build, "-G", "Ninja", *options],
                            ["ninja", "-C", self.build, "test_losses", "test_engine", "test_nn"]):
                subprocess.run(command, check=True, stdout=log, stderr=log)

    def tests(self, path, limits):
        """Whether the tests pass; `limits` has the seconds that each may take."""
        programs = TESTS[path.split("/")[0]]
        if run(["ninja", "-C", self.build, *{words[0] for words in programs}], self.tree, 900) != 0:
            return "does not compile"
        for words in programs:
            status = run([self.build / words[0], "--abort-after=1", *words[1:]], self.build, limits[words[0]])
            if status != 0:
                return "too long" if status is None else f"noticed by {words[0]}"
        return "survived"

    def with_fault(self, path, number, changed, limits):
        source = self.tree / path
        before = source.read_text()
        lines = before.splitlines()
        lines[number] = changed
        source.write_text("\n".join(lines) + "\n")
        try:
            return self.tests(path, limits)
        finally:
            source.write_text(before)


def limits_of(copy):
    """Four times what the tests take without a fault, as they must pass then."""
    limits = {}
    for program in ("test_losses", "test_engine", "test_nn"):
        start = time.monotonic()
        if run([copy.build / program], copy.build, 3600) != 0:
            sys.exit(f"error: {program} fails without a fault")
        limits[program] = 60 + 4 * (time.monotonic() - start)
    return limits


def equal_ones():
    """Faults that change nothing that can be seen: 'file | changed line | reason'."""
    lines = (ROOT / "tests/mutation_equal.txt").read_text().splitlines()
    return {tuple(part.strip() for part in line.split(" | ")[:2]) for line in lines if line and line[0] != "#"}


def table(rows):
    counted = [row for row in rows if row["found"] not in ("does not compile", "equal")]
    lost = [row for row in counted if row["found"] == "survived"]
    share = 100 * (1 - len(lost) / max(1, len(counted)))
    text = (f"# Planted faults\n\n{len(counted)} faults were compiled, {len(counted) - len(lost)} of them noticed: "
            f"{share:.1f} %. {sum(row['found'] == 'equal' for row in rows)} more change nothing that can be seen.\n\n"
            "| file | line | was | survived as |\n| --- | --- | --- | --- |\n")
    for row in lost:
        was, now = (row[key].strip().replace("|", "\\|") for key in ("line", "changed"))
        text += f"| {row['file']} | {row['number'] + 1} | `{was}` | `{now}` |\n"
    return text


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=200, help="faults that are planted")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--files", nargs="+", default=FILES, help="patterns of the files")
    parser.add_argument("--folder", default=str(ROOT / "build/mutation"), help="of the copy and its build")
    parser.add_argument("--out", default=str(ROOT / "build/mutation/faults.md"))
    parser.add_argument("--go-on", action="store_true", help="keep the rows of the earlier result with this name")
    parser.add_argument("--tiny", action="store_true", help="plants nothing, to try the script")
    a = parser.parse_args()
    files = sorted({str(path.relative_to(ROOT)) for pattern in a.files for path in ROOT.glob(pattern)})
    candidates = faults(files)
    if not candidates:
        parser.error(f"--files {' '.join(a.files)}: nothing can be changed there")
    random.Random(a.seed).shuffle(candidates)
    print(f"{len(candidates)} faults in {len(files)} files", flush=True)
    stale = equal_ones() - {(path, changed.strip()) for path, _, _, changed in candidates}
    if stale and a.files == FILES:
        sys.exit(f"error: tests/mutation_equal.txt names what is no fault any more: {sorted(stale)}")
    if a.tiny:
        path, number, line, changed = candidates[0]
        print(table([dict(file=path, number=number, line=line, changed=changed, found="survived")]))
        return
    rows_file = Path(a.out).with_suffix(".jsonl")
    rows_file.parent.mkdir(parents=True, exist_ok=True)
    rows = [json.loads(line) for line in rows_file.read_text().splitlines()] if a.go_on and rows_file.exists() else []
    done = {(row["file"], row["changed"], row["number"]) for row in rows if row["found"] != "survived"}
    rows = [row for row in rows if row["found"] != "survived"]  # those may have a test now
    equal = equal_ones()
    os.environ["VOXGRAD_THREADS"] = "2"
    copy = Copy(a.folder)
    limits = limits_of(copy)
    with open(rows_file, "w") as out:
        for row in rows:
            out.write(json.dumps(row) + "\n")
        for path, number, line, changed in candidates[:a.count]:
            if (path, changed, number) in done:
                continue
            start = time.monotonic()
            found = ("equal" if (path, changed.strip()) in equal else copy.with_fault(path, number, changed, limits))
            rows.append(dict(file=path, number=number, line=line, changed=changed, found=found))
            out.write(json.dumps(rows[-1]) + "\n")
            out.flush()
            print(f"{time.monotonic() - start:6.1f} s  {found:22} {path}:{number + 1}  {changed.strip()}", flush=True)
    Path(a.out).write_text(table(rows))
    print(table(rows))
    if any(row["found"] == "survived" for row in rows):
        sys.exit(1)


if __name__ == "__main__":
    main()
