"""The data of the peer of minutes.py: reads a dataset, prepares its cases and makes samples of them.

The plan is the JSON of `voxgrad train FILE --dry-run --json`. Cases are prepared as it says; samples are drawn and changed
as in data/sampling, with the same probabilities and amounts, but with other random numbers.
"""
import itertools
import math
from dataclasses import dataclass

import h5py
import numpy as np
import torch
from torch.nn import functional as F

LINEAR = {2: "bilinear", 3: "trilinear"}


@dataclass
class Case:
    id: str
    image: torch.Tensor  # f32 [C, *S], prepared
    label: torch.Tensor  # u8 [*S], on the voxels of the image
    truth: np.ndarray    # u8, the label before it was prepared
    spacing: list        # of the prepared image
    box: tuple           # the slices of the truth that were kept
    turn: "Turn"


class Turn:
    """From the axes (z, y, x) of the file to those of RAS, and back."""

    def __init__(self, affine, dims):
        self.axes, self.flips = tuple(range(dims)), ()
        if affine is None:
            return
        steps = np.asarray(affine, float)[:3, :3]
        cosine = np.abs(steps) / np.linalg.norm(steps, axis=0)
        world = max(itertools.permutations(range(3)), key=lambda order: sum(cosine[order[j], j] for j in range(3)))
        self.axes = tuple(2 - world.index(w) for w in (2, 1, 0))
        self.flips = tuple(2 - w for w in range(3) if steps[w, world.index(w)] < 0)

    def __call__(self, array):
        return np.flip(array.transpose(self.axes), self.flips)

    def back(self, array):
        return np.flip(array, self.flips).transpose(np.argsort(self.axes))


def text(value):
    return value.decode() if isinstance(value, bytes) else str(value)


def resize(x, extents):
    """f32 [C, *S] to other extents, linearly."""
    return F.interpolate(x[None], tuple(extents), mode=LINEAR[x.dim() - 1], align_corners=False)[0]


class Dataset:
    def __init__(self, path, plan):
        self.file, self.model = h5py.File(path), plan["model"]
        self.classes, self.ignore = self.model["classes"], int(self.file.attrs.get("ignore_label", 255))
        if "case_ids" in self.file:
            self.ids = [text(name) for name in self.file["case_ids"]]
        else:
            self.ids = sorted(self.file["cases"]) if "cases" in self.file else list(map(str, range(len(self.file["images"]))))

    def read(self, index):
        stacked = "images" in self.file
        group = self.file if stacked else self.file["cases"][self.ids[index]]
        image, label = (group[name + "s" * stacked] for name in ("image", "label"))
        spacing = image.attrs["spacing"] if "spacing" in image.attrs else group.attrs["spacing"]
        axes = text(image.attrs["axes"]).lstrip("N")
        image, label = ((image[index], label[index]) if stacked else (image[()], label[()]))
        image = np.moveaxis(image, axes.index("C"), 0).astype(np.float32)
        turn = Turn(group.attrs.get("affine"), label.ndim)
        image, truth = np.stack([turn(channel) for channel in image]), turn(label).astype(np.uint8)
        return self.prepared(self.ids[index], image, truth, [float(spacing[axis]) for axis in turn.axes], turn)

    def prepared(self, name, image, truth, spacing, turn):
        """Cropped, resampled and normalised, in this order, as the plan says."""
        wish, box = self.model["preparation"], tuple(slice(0, extent) for extent in truth.shape)
        if wish["crop"] and image.any():
            there = np.nonzero(image.any(0))
            box = tuple(slice(int(at.min()), int(at.max()) + 1) for at in there)
        x = torch.from_numpy(np.ascontiguousarray(image[(slice(None), *box)]))
        label = torch.from_numpy(np.ascontiguousarray(truth[box]))
        if wish["spacing"]:
            extents = [max(1, round(n * old / new)) for n, old, new in zip(label.shape, spacing, wish["spacing"])]
            if extents != list(label.shape):
                values = torch.unique(label)
                shares = resize(torch.stack([(label == value).float() for value in values]), extents)
                x, label = resize(x, extents), values[shares.argmax(0)]
            spacing = wish["spacing"]
        kind, space = self.model["normalisation"]["kind"], tuple(range(1, x.dim()))
        if kind in ("case", "mask"):  # "mask" leaves out the voxels that are 0 in every channel
            inside = (x != 0).any(0) if kind == "mask" else torch.ones(x.shape[1:], dtype=torch.bool)
            values = x[:, inside]
            mean, deviation = (each(values).view(-1, *[1] * len(space)) for each in (
                lambda v: v.mean(1), lambda v: v.std(1, unbiased=False)))
            x = torch.where(inside, (x - mean) / torch.where(deviation > 1e-7 * mean.abs(), deviation, 1), 0)
        elif kind == "dataset":
            mean, deviation, low, high = (torch.tensor(self.model["normalisation"][key]).view(-1, *[1] * len(space))
                                          for key in ("mean", "deviation", "low", "high"))
            x = (torch.clamp(x, low, high) if low.numel() else x).sub(mean) / deviation
        elif kind == "rgb":
            x = x / 255
        elif kind != "none":
            raise SystemExit(f"error: the peer does not know the normalisation {kind}")
        return Case(name, x.float(), label, truth, list(spacing), box, turn)


def padded(x, extents):
    """[.., *S] with zeros around it where it is smaller than the extents; half of them are in front."""
    room = [max(0, wanted - own) for own, wanted in zip(x.shape[-len(extents):], extents)]
    return F.pad(x, [n for r in reversed(room) for n in (r // 2, r - r // 2)])


class Samples(torch.utils.data.IterableDataset):
    """Endless batches: images f32 [N, C, *P] and labels u8 [N, *P]."""

    def __init__(self, cases, plan, ignore, seed):
        self.patch, self.batch, self.share = plan["patch"], plan["batch"], plan["config"]["foreground"]
        self.augment, self.seed, self.cases, self.centres = plan["augment"], seed, [], []
        if self.augment["elastic"] > 0:
            raise SystemExit("error: the peer knows no elastic deformation")
        rng = np.random.default_rng([seed, 0])
        for case in cases:
            image, label = padded(case.image, self.patch), padded(case.label, self.patch)
            self.cases.append((image, label, case.spacing))
            flat = label.numpy().ravel()
            places = [np.flatnonzero(flat == c) for c in np.unique(flat) if c not in (0, ignore)]
            self.centres.append([rng.choice(p, min(len(p), 4096), replace=False) for p in places])

    def __iter__(self):
        torch.set_num_threads(1)
        samples = self.samples()
        while True:
            images, labels = zip(*itertools.islice(samples, self.batch))
            yield torch.stack(images), torch.stack(labels)

    def samples(self):
        for sample in itertools.count():
            if sample % len(self.cases) == 0:
                order = np.random.default_rng([self.seed, 1, sample]).permutation(len(self.cases))
            rng, index = np.random.default_rng([self.seed, 2, sample]), order[sample % len(self.cases)]
            image, label, spacing = self.cases[index]
            corner = self.corner(label.shape, sample, index, rng)
            image, label = self.moved(image, label, spacing, corner, rng)
            yield self.changed(image, spacing, rng), label

    def corner(self, shape, sample, index, rng):
        centres, voxel = self.centres[index], None
        if math.floor((sample + 1) * self.share) > math.floor(sample * self.share) and centres:
            voxel = np.unravel_index(rng.choice(centres[rng.integers(len(centres))]), shape)
        room = [own - wanted for own, wanted in zip(shape, self.patch)]
        if voxel is None:
            return [int(rng.integers(r + 1)) for r in room]
        return [int(np.clip(v - p // 2, 0, r)) for v, p, r in zip(voxel, self.patch, room)]

    def moved(self, image, label, spacing, corner, rng):
        """The patch, turned, rotated and scaled."""
        a, dims = self.augment, label.dim()
        matrix = self.matrix(spacing, rng)
        if matrix is None:
            cut = tuple(slice(c, c + p) for c, p in zip(corner, self.patch))
            image, label = image[(slice(None), *cut)], label[cut]
        else:
            image, label = self.warped(image, label, spacing, corner, matrix)
        flips = [axis for axis in range(dims) if rng.random() < a["flip_" + "zyx"[3 - dims + axis]]]
        image, label = image.flip([1 + axis for axis in flips]), label.flip(flips)
        for i, j in itertools.combinations(range(dims), 2):
            if rng.random() < a["turn"] and self.patch[i] == self.patch[j] and spacing[i] == spacing[j]:
                count = int(rng.integers(1, 4))
                image, label = image.rot90(count, [1 + i, 1 + j]), label.rot90(count, [i, j])
        return image.contiguous(), label.contiguous()

    def matrix(self, spacing, rng):
        """From lengths in the patch to lengths in the case, or None. Thick slices keep their plane."""
        a, axes = self.augment, list(range(len(spacing)))
        if len(spacing) == 3 and max(spacing) > 3 * min(spacing):
            axes.remove(int(np.argmax(spacing)))
        rotate, scale = rng.random() < a["rotate"], rng.random() < a["scale"]
        if not rotate and not scale:
            return None
        matrix = np.eye(len(spacing))
        for i, j in itertools.combinations(axes, 2) if rotate else ():
            angle = rng.uniform(-1, 1) * math.radians(a["rotate_angle"])
            plane = np.eye(len(spacing))
            plane[i, i] = plane[j, j] = math.cos(angle)
            plane[i, j], plane[j, i] = -math.sin(angle), math.sin(angle)
            matrix = matrix @ plane
        if scale:
            matrix[:, axes] /= factor(rng, a["scale_range"])
        return matrix

    def warped(self, image, label, spacing, corner, matrix):
        """Samples the whole case, mirrored at its faces: the image linearly, the label by the largest share of a class."""
        dims, spacing = label.dim(), np.asarray(spacing)
        steps = matrix * spacing[None, :] / spacing[:, None]  # from voxels to voxels
        lines = [torch.arange(p, dtype=torch.float32) - (p - 1) / 2 for p in self.patch]
        grid, low, size = [], [], []
        for axis in range(dims):
            place = corner[axis] + (self.patch[axis] - 1) / 2 + 0.5
            for other, line in enumerate(lines):
                place = place + float(steps[axis, other]) * line.view([-1 if other == k else 1 for k in range(dims)])
            extent = label.shape[axis]
            place = place.remainder(2 * extent)
            place = (torch.minimum(place, 2 * extent - place) - 0.5).clamp(0, extent - 1)
            first, last = math.floor(float(place.min())), math.ceil(float(place.max()))
            low.append(first)
            size.append(last - first + 1)
            grid.append((place - first) * (2 / max(1, last - first)) - 1)
        cut = tuple(slice(first, first + n) for first, n in zip(low, size))
        grid = torch.stack(torch.broadcast_tensors(*grid)[::-1], -1)[None]
        part = label[cut]
        values = torch.unique(part)
        maps = torch.cat([image[(slice(None), *cut)], *((part == value).float()[None] for value in values[1:])])
        maps = F.grid_sample(maps[None], grid, padding_mode="border", align_corners=True)[0]
        image, shares = maps.split([len(image), len(values) - 1])
        shares = torch.cat([1 - shares.sum(0, keepdim=True), shares])
        return image, values[shares.argmax(0)]

    def changed(self, x, spacing, rng):
        """The image with other intensities."""
        a = self.augment
        chosen = {name: rng.random() < a[name] for name in ("blur", "low_resolution", "gain", "bias", "brightness",
                                                            "inverted_gamma", "gamma", "noise")}
        if chosen["blur"]:
            x = blurred(x, spacing, a["blur_sigma"] * rng.uniform(0.25, 1))
        if chosen["low_resolution"]:
            wanted = min(spacing) / rng.uniform(a["low_resolution_least"], 1)
            fewer = [max(1, round(n * min(1, own / wanted))) for n, own in zip(x.shape[1:], spacing)]
            x = resize(F.interpolate(x[None], fewer, mode="nearest-exact")[0], x.shape[1:])
        each, space = (len(x), *[1] * (x.dim() - 1)), tuple(range(1, x.dim()))
        mean, deviation = x.mean(space, keepdim=True), x.std(space, unbiased=False, keepdim=True)
        if chosen["gain"]:
            x = mean + (x - mean) * factor(rng, a["gain_range"], each)
        if chosen["bias"]:
            x = x + deviation * number(rng.uniform(-a["bias_range"], a["bias_range"], each))
        if chosen["brightness"]:
            x = x * factor(rng, a["brightness_range"], each)
        for name, sign in (("inverted_gamma", -1), ("gamma", 1)):
            if chosen[name]:
                low, high = (sign * x).amin(space, keepdim=True), (sign * x).amax(space, keepdim=True)
                span = (high - low).clamp(min=1e-30)
                x = sign * (low + span * ((sign * x - low) / span).pow(factor(rng, a["gamma_range"], each)))
        if chosen["noise"]:
            amount = deviation * float(rng.uniform(0, a["noise_sigma"]))
            x = x + amount * torch.from_numpy(rng.standard_normal(x.shape, dtype=np.float32))
        return x


def number(value):
    return torch.as_tensor(value, dtype=torch.float32)


def factor(rng, most, shape=None):
    """Between 1 / most and most; its logarithm is uniform."""
    value = np.exp(rng.uniform(-1, 1, shape) * math.log(most))
    return float(value) if shape is None else number(value)


def blurred(x, spacing, sigma):
    """[C, *S] after a Gaussian that is `sigma` voxels of the finest axis wide."""
    dims, convolve = x.dim() - 1, {2: F.conv2d, 3: F.conv3d}[x.dim() - 1]
    for axis, own in enumerate(spacing):
        along = sigma * min(spacing) / own
        if along < 0.2:
            continue
        radius = max(1, math.ceil(3 * along))
        kernel = torch.exp(-0.5 * (torch.arange(-radius, radius + 1) / along) ** 2)
        pad = [n for other in reversed(range(dims)) for n in (radius * (other == axis),) * 2]
        weight = (kernel / kernel.sum()).view(1, 1, *[-1 if other == axis else 1 for other in range(dims)])
        x = convolve(F.pad(x[:, None], pad, mode="replicate"), weight)[:, 0]
    return x
