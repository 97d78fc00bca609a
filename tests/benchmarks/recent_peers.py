"""The peers of the losses since 2021: MONAI's class, else PyTorch as the authors' public codes have it, with maps,
components and skeletons from SciPy and scikit-image. Functions as in loss_peers.py."""
import torch
from torch.nn import functional as F

SMOOTH = 1e-5


def parts(logits, labels):
    p = logits.softmax(1)
    return p, F.one_hot(labels, logits.shape[1]).movedim(-1, 1).to(p.dtype), tuple(range(2, p.ndim))


def objects(labels, classes):
    """(sample, class, mask as numpy) of the foreground classes."""
    for n, image in enumerate(labels.cpu().numpy()):
        for c in range(1, classes):
            yield n, c, image == c


def boundary_dou(logits, labels, most=0.8):
    p, t, _ = parts(logits, labels)
    space = p.ndim - 2
    kernel = torch.zeros((1, 1) + (3,) * space)
    for axis in range(space):  # the cross of the face neighbours
        at = [0, 0] + [1] * space
        for at[2 + axis] in (0, 1, 2):
            kernel[tuple(at)] = 1
    conv = F.conv2d if space == 2 else F.conv3d
    losses = []
    for c in range(p.shape[1]):
        pc, tc = p[:, c], t[:, c]
        neighbours = conv(tc[:, None], kernel, padding=1)[:, 0] * tc
        border = torch.logical_and(neighbours > 0, neighbours < 2 * space + 1).sum()
        alpha = min(1 - 2 * (border + SMOOTH) / (tc.sum() + SMOOTH), most)
        i, z, y = (pc * tc).sum(), (pc * pc).sum(), (tc * tc).sum()
        losses.append((z + y - 2 * i + SMOOTH) / (z + y - (1 + alpha) * i + SMOOTH))
    return torch.stack(losses).mean()


def dice_pp(logits, labels, gamma=2):
    p, t, axes = parts(logits, labels)
    i = (p * t).sum(axes)
    errors = ((t * (1 - p)) ** gamma).sum(axes) + (((1 - t) * p) ** gamma).sum(axes)
    return (1 - (2 * i + SMOOTH) / (2 * i + errors + SMOOTH)).mean()


def distances(mask):
    from scipy.ndimage import distance_transform_edt
    return torch.from_numpy(distance_transform_edt(mask) + distance_transform_edt(~mask)).float()


def generalized_surface(logits, labels):
    p, t, _ = parts(logits, labels)
    losses = []
    for n, c, mask in objects(labels, p.shape[1]):
        d = distances(mask)
        losses.append(1 - ((d * (1 - (t[n, c] + p[n, c]))) ** 2).sum() / (d**2).sum())
    return torch.stack(losses).mean()


@torch.no_grad()
def region_map(labels, classes):
    from scipy.ndimage import distance_transform_edt
    maps = torch.ones((len(labels), classes) + labels.shape[1:])
    for n, image in enumerate(labels.cpu().numpy()):
        for c in range(classes):
            d = torch.from_numpy(distance_transform_edt(image == c)).float()
            maps[n, c] = torch.where(d > 0, -d / d.max().clamp(min=1e-30), maps[n, c])
    return maps


def regionwise(logits, labels):
    return (logits.softmax(1) * region_map(labels, logits.shape[1])).mean()


def surface_dice(logits, labels, reach=2):
    p, t, axes = parts(logits, labels)
    pool = F.max_pool2d if p.ndim == 4 else F.max_pool3d

    def rim(x):
        x = x + pool(-x, 3, 1, 1)
        for axis in range(p.ndim - 2):
            size = [1] * (p.ndim - 2)
            size[axis] = 2 * reach + 1
            x = pool(x, size, 1, [s // 2 for s in size])
        return x

    a, b = rim(p[:, 1:]), rim(t[:, 1:])
    return (1 - 2 * (a * b).sum(axes) / (a.sum(axes) + b.sum(axes) + 1e-6)).mean()


def nacl(logits, labels):
    from monai.losses import NACLLoss
    return NACLLoss(logits.shape[1], logits.ndim - 2)(logits, labels)


def ace(logits, labels, bins=20):
    p, t, _ = parts(logits, labels)
    p, t = p.flatten(2).flatten(0, 1), t.flatten(2).flatten(0, 1)
    index = (p.detach() * bins).ceil().long().sub(1).clamp(0, bins - 1)
    sums = lambda x: torch.zeros(len(p), bins).scatter_add(1, index, x)
    count = sums(torch.ones_like(p))
    gap = (sums(p) / count.clamp(min=1) - sums(t) / count.clamp(min=1)).abs()
    return (gap.sum(1) / count.clamp(max=1).sum(1)).mean()


def skeleton_recall(logits, labels):
    from skimage.morphology import dilation, skeletonize
    p, t, axes = parts(logits, labels)
    lines = torch.stack([torch.from_numpy(dilation(dilation(skeletonize(image > 0).astype("int16")))).to(p.dtype)
                         for image in labels.cpu().numpy()])
    s = lines[:, None] * t[:, 1:]
    return (1 - ((p[:, 1:] * s).sum(axes) + SMOOTH) / (s.sum(axes) + SMOOTH)).mean()


def dice_ce_inside(p, t, nll, where):
    p, t = p[where], t[where]
    return 1 - (2 * (p * t).sum() + SMOOTH) / (p.sum() + t.sum() + SMOOTH) + nll[where].mean()


def per_object(with_cells):
    def run(logits, labels):
        import numpy as np
        from scipy.ndimage import distance_transform_edt, label
        p, _, _ = parts(logits, labels)
        nll = F.cross_entropy(logits, labels, reduction="none")
        losses = []
        for n, c, mask in objects(labels, p.shape[1]):
            numbers, count = label(mask, np.ones([3] * mask.ndim))
            if with_cells and count:
                nearest = distance_transform_edt(numbers == 0, return_distances=False, return_indices=True)
                cells = torch.from_numpy(numbers[tuple(nearest)])
            numbers = torch.from_numpy(numbers)
            terms = [dice_ce_inside(p[n, c], torch.eq(numbers, k).to(p.dtype), nll[n],
                                    cells == k if with_cells else torch.logical_or(numbers == 0, numbers == k))
                     for k in range(1, count + 1)]
            losses.append(torch.stack(terms).mean() if terms else 0 * p.sum())
        return torch.stack(losses).mean()
    return run


ties = "where two components are equally near, SciPy takes another one"
PEERS = [
    ("boundary_dou", "PyTorch", boundary_dou, ""),
    ("dice_pp", "PyTorch", dice_pp, ""),
    ("generalized_surface", "PyTorch + SciPy", generalized_surface, ""),
    ("regionwise", "PyTorch + SciPy", regionwise, ""),
    ("surface_dice", "PyTorch", surface_dice, ""),
    ("nacl", "MONAI", nacl, ""),
    ("ace", "PyTorch", ace, ""),
    ("skeleton_recall", "PyTorch + scikit-image", skeleton_recall, ""),
    ("cc_dice_ce", "PyTorch + SciPy", per_object(True), ties),
    ("blob", "PyTorch + SciPy", per_object(False), ""),
]
