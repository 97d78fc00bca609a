"""Value and gradient of losses against their peers (loss_peers.py), in turns."""
import sys
import tempfile
import time

from common import Failed, load_safetensors, markdown, ours, spread, summary  # first: it may stand in for the next
import torch
from loss_peers import peers

SHAPES = {"4x256^2": "4,256,256", "96^3": "1,96,96,96"}
TINY = {"3,32,32": "3,32,32"}
TOLERANCE = 1e-4  # of the values, relative: the peers sum in f32
PATIENCE = 1  # seconds: of a peer that took longer two rounds must do, with single runs


def timed(loss, logits, labels, repeats):
    """Seconds of each run, the first not counted unless it was a long one, and the value."""
    times = []
    while len(times) <= repeats and sum(times) < PATIENCE:
        logits.grad = None
        start = time.perf_counter()
        value = loss(logits, labels)
        value.backward()
        times.append(time.perf_counter() - start)
    return times[1:] or times, value.item()


def run(rounds, repeats, threads, shapes=None, classes=(2, 5)):
    for shape_name, shape in (shapes or SHAPES).items():
        for count in classes:
            setting = [peer for peer in peers() if peer.classes in (0, count)]
            words = ["losses", "--shape", shape, "--classes", count]
            with tempfile.TemporaryDirectory() as folder:
                path = f"{folder}/inputs.safetensors"
                ours(*words, "--losses", "ce", "--repeats", 1, "--dump", path)
                inputs = load_safetensors(path)
            logits = torch.tensor(inputs["bench.logits"]).movedim(-1, 1).contiguous().requires_grad_()
            labels = torch.tensor(inputs["bench.labels"]).long()
            for number in threads:
                yield from compare(setting, dict(shape=shape_name, classes=count, threads=number), words, logits, labels,
                                   rounds, repeats)


def compare(setting, about, words, logits, labels, rounds, repeats):
    torch.set_num_threads(about["threads"])
    rows = [dict(loss=peer.loss, peer=peer.who, differs=peer.differs, **about, ours=[], theirs=[], ratios=[])
            for peer in setting]
    for done in range(rounds):
        pairs = [(peer, row) for peer, row in zip(setting, rows) if done < 2 or sum(row["theirs"]) < 1000 * PATIENCE]
        names = ",".join(dict.fromkeys(peer.loss for peer, _ in pairs))
        measured = ours(*words, "--losses", names, "--repeats", repeats, "--threads", about["threads"])
        entries = {entry["loss"]: entry for entry in measured}
        for peer, row in pairs:
            entry = entries[peer.loss]
            times, value = timed(peer.run, logits, labels, repeats)
            if not peer.differs and abs(value - entry["value"]) > TOLERANCE * max(1e-3, abs(value)):
                raise Failed(f"{peer.loss}: {entry['value']} here, {value} with {peer.who}")
            row["gb_per_s"] = entry["gb_per_s"]
            row["ours"].append(entry["forward_ms"] + entry["backward_ms"])
            row["theirs"].append(1000 * summary(times)["median"])
            row["ratios"].append(row["theirs"][-1] / row["ours"][-1])
    for row in rows:
        row["ours_ms"], row["theirs_ms"] = summary(row.pop("ours")), summary(row.pop("theirs"))
        row["ratio"] = summary(row.pop("ratios"))
        print(*about.values(), row["loss"], row["peer"], spread(row["ratio"], 1), file=sys.stderr)
    return rows


def table(results):
    """A line per loss, shape and number of classes; the threads side by side."""
    threads = list(dict.fromkeys(r["threads"] for r in results))
    lines = {}
    for r in results:
        lines.setdefault((r["loss"], r["peer"], r["shape"], r["classes"]), {})[r["threads"]] = r
    rows = []
    for (loss, who, shape, classes), line in lines.items():
        mark = " (*)" if next(iter(line.values()))["differs"] else ""
        cells = [[f"{r['ours_ms']['median']:.2f}", f"{r['theirs_ms']['median']:.1f}", spread(r["ratio"], 1),
                  f"{r['gb_per_s']:.1f}"] for r in line.values()]
        cells += [["-"] * 4] * (len(threads) - len(cells))  # not measured yet
        rows.append([f"`{loss}`", who + mark, shape, classes, *sum(cells, [])])
    names = [[f"ms, {n} thr.", f"peer ms, {n} thr.", f"times faster, {n} thr.", f"GB/s, {n} thr."] for n in threads]
    text = markdown(["loss", "peer", "shape", "classes", *sum(names, [])], rows)
    text += ("\nTimes faster: median of the rounds, and its middle half. Distance fields are made at every step on both "
             f"sides. Values agree within {TOLERANCE:g}, except (*), where only the times are compared:\n\n")
    reasons = {(r["peer"], r["loss"]): r["differs"] for r in results if r["differs"]}
    return text + "".join(f"- `{loss}`, {who}: {why}.\n" for (who, loss), why in reasons.items())
