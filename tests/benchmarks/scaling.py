"""How time and memory of a training step grow with its size, with threads and with the instruction set. Ours alone."""
import os

from common import Failed, flags, markdown, ours

BASE = dict(dims=2, base=16, depth=4, batch=2, patch=128, threads=1)
SERIES = {
    "image": [dict(patch=patch) for patch in (64, 128, 256, 512)],
    "batch": [dict(batch=batch) for batch in (1, 2, 4, 8, 16)],
    "channels": [dict(base=base) for base in (8, 16, 32, 64)],
    "volume": [dict(dims=3, batch=1, patch=patch) for patch in (32, 48, 64, 96)],
}
TINY = {"image": [dict(patch=patch) for patch in (32, 64)]}


def run(repeats, series=None):
    for name, steps in (series or SERIES).items():
        for changed in steps:
            settings = dict(BASE, **changed)
            found = ours("train", *flags(settings), "--repeats", repeats)
            yield dict(series=name, **settings, **{k: v for k, v in found.items() if k != "threads"})


def table(rows):
    cells = [[r["series"], f"{r['dims']}-D", r["base"], r["batch"], r["patch"], f"{r['median_ms']:.1f}",
              f"{1e6 * r['median_ms'] / r['batch'] / r['patch'] ** r['dims']:.0f}",
              f"{r['tensor_memory_bytes'] / r['batch'] / r['patch'] ** r['dims']:.0f}"] for r in rows]
    return markdown(["series", "dims", "base", "batch", "patch", "ms", "ns per voxel", "bytes of tensors per voxel"], cells)


def plot(rows, path):
    """Time and memory of each series over what changes in it, both axes logarithmic, with the slope 1 as a grey line."""
    import matplotlib
    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.hashsalt": "voxgrad", "svg.fonttype": "none"})
    from matplotlib import pyplot
    from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator
    across = {"image": ("pixels of an image", lambda r: r["patch"] ** 2),
              "batch": ("images in a batch", lambda r: r["batch"]),
              "channels": ("channels of the first level", lambda r: r["base"]),
              "volume": ("voxels of a volume", lambda r: r["patch"] ** 3)}
    figure, axes = pyplot.subplots(2, len(SERIES), figsize=(11, 5), layout="constrained")
    for column, name in enumerate(SERIES):
        series = [r for r in rows if r["series"] == name]
        label, x_of = across[name]
        x = [x_of(r) for r in series]
        for axis, unit, y in ((axes[0][column], "ms", [r["median_ms"] for r in series]),
                              (axes[1][column], "MiB of tensors", [r["tensor_memory_bytes"] / 2**20 for r in series])):
            axis.loglog(x, y, "o-", color="#2b6cb0")
            axis.loglog(x, [y[-1] * v / x[-1] for v in x], "--", color="#999999", linewidth=1)
            axis.set(xlabel=label, ylabel=unit if column == 0 else "", xticks=x)
            axis.set_xticklabels([f"{v:,}" if v < 10000 else f"{v // 1000:,}k" for v in x])
            axis.xaxis.set_minor_locator(NullLocator())
            axis.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
            axis.yaxis.set_minor_formatter(NullFormatter())
    figure.suptitle("A training step; dashed: in proportion")
    figure.savefig(path, metadata={"Date": None})


def run_sets(repeats, settings=None):
    """The same step with each instruction set that this processor has, and with 1 and 2 threads."""
    for level in ("avx512", "avx2", "baseline"):
        for threads in (1, 2):
            os.environ["VOXGRAD_SIMD"] = level
            try:
                yield dict(level=level, **ours("train", *flags(settings or {}), "--threads", threads, "--repeats", repeats))
            except Failed as problem:
                if "is not available" not in str(problem):  # the processor or the build lacks it
                    raise
            finally:
                del os.environ["VOXGRAD_SIMD"]


def sets_table(rows):
    one = {r["level"]: r["median_ms"] for r in rows if r["threads"] == 1}
    cells = [[r["level"], r["threads"], f"{r['median_ms']:.0f}", f"{r['gflops_effective']:.0f}",
              f"{one[r['level']] / r['median_ms']:.2f}" if r["level"] in one else "-"] for r in rows]
    return markdown(["instruction set", "threads", "ms", "effective GFLOP/s", "times one thread"], cells)
