"""What voxgrad's losses are compared with: MONAI's class where it has one, else plain PyTorch code after the paper.

Every peer is a function of logits [N, C, *S] and labels [N, *S] (long). Fields of distances are made at every step on
both sides; the peers take them from SciPy on the host, as MONAI and the authors' codes do.
"""
import math
import sys
from dataclasses import dataclass
from typing import Callable

import recent_peers
import torch
from torch.nn import functional as F

SMOOTH = 1e-5


@dataclass
class Peer:
    loss: str  # our text, with options that agree with the peer
    who: str
    run: Callable
    differs: str = ""  # why the values differ; then only the times are compared
    classes: int = 0  # the only number of classes it can do


def column(loss):
    return lambda logits, labels: loss(logits, labels.unsqueeze(1))


def softmax_and_truth(logits, labels):
    return logits.softmax(1), F.one_hot(labels, logits.shape[1]).movedim(-1, 1).to(logits.dtype)


def space(x):
    return tuple(range(2, x.ndim))


def region(of_sums):
    """Mean over samples and classes of a function of the sums I, P, G and the number of voxels M."""
    def run(logits, labels):
        p, t = softmax_and_truth(logits, labels)
        axes = space(p)
        return of_sums((p * t).sum(axes), p.sum(axes), t.sum(axes), labels[0].numel()).mean()
    return run


def tversky(i, p, g, alpha, beta):
    return (i + SMOOTH) / (i + alpha * (p - i) + beta * (g - i) + SMOOTH)


def dice_coefficient(i, p, g, smooth=SMOOTH):
    return (2 * i + smooth) / (p + g + smooth)


dice = region(lambda i, p, g, m: 1 - dice_coefficient(i, p, g))


def sensitivity_specificity(logits, labels, w=0.05):
    p, t = softmax_and_truth(logits, labels)
    error, axes = (t - p) ** 2, space(p)
    on = (error * t).sum(axes) / (t.sum(axes) + SMOOTH)
    off = (error * (1 - t)).sum(axes) / ((1 - t).sum(axes) + SMOOTH)
    return (w * on + (1 - w) * off).mean()


def semimetric(of_sums):
    def run(logits, labels):
        p, t = softmax_and_truth(logits, labels)
        axes = space(p)
        mass, size, distance = p.sum(axes), t.sum(axes), (p - t).abs().sum(axes)
        return of_sums((mass + size - distance) / 2, mass, size).mean()
    return run


# --- Of single voxels ---

def focal(logits, labels, gamma=2):
    ce = F.cross_entropy(logits, labels, reduction="none")
    return ((1 - torch.exp(-ce)) ** gamma * ce).mean()


def topk(logits, labels, percent=10):
    ce = F.cross_entropy(logits, labels, reduction="none").flatten()
    return torch.topk(ce, int(len(ce) * percent / 100), sorted=False)[0].mean()


def topk_threshold(logits, labels, threshold=0.7):
    ce = F.cross_entropy(logits, labels, reduction="none")
    return ce[ce > -math.log(threshold)].mean()


def exp_log(logits, labels, gamma=0.3):
    p, t = softmax_and_truth(logits, labels)
    axes = space(p)
    log_dice = -torch.log(dice_coefficient((p * t).sum(axes), p.sum(axes), t.sum(axes), 1))
    count = torch.bincount(labels.flatten(), minlength=logits.shape[1])
    weights = torch.sqrt(count.sum() / count.clamp(min=1)) * (count > 0)
    ce = F.cross_entropy(logits, labels, reduction="none")
    return 0.8 * (log_dice**gamma).mean() + 0.2 * (weights[labels] * ce**gamma).mean()


def combo(logits, labels, alpha=0.5):
    p, t = softmax_and_truth(logits, labels)
    axes = (0, *space(p))
    coefficient = dice_coefficient((p * t).sum(axes), p.sum(axes), t.sum(axes), 1).mean()
    return alpha * 0.5 * F.binary_cross_entropy(p, t) - (1 - alpha) * coefficient


def unified_focal(logits, labels, delta=0.6, gamma=0.5):
    p, t = softmax_and_truth(logits, labels)
    p, axes = p.clamp(1e-7, 1 - 1e-7), space(p)
    ce = -t * torch.log(p)
    back, front = (1 - delta) * (1 - p[:, :1]) ** gamma * ce[:, :1], delta * ce[:, 1:]
    i, mass, size = (p * t).sum(axes), p.sum(axes), t.sum(axes)
    loss = 1 - (i + 1e-7) / (i + delta * (size - i) + (1 - delta) * (mass - i) + 1e-7)
    powers = torch.cat([loss[:, :1], loss[:, 1:] ** (1 - gamma)], 1)
    return 0.5 * torch.cat([back, front], 1).sum(1).mean() + 0.5 * powers.mean()


# --- Of sizes ---

def size_term(of_proportions):
    def run(logits, labels):
        p, t = softmax_and_truth(logits, labels)
        return of_proportions(t.mean(space(t)) + 1e-10, p.mean(space(p)) + 1e-10)
    return run


size_l1 = size_term(lambda p, q: (q - p).abs().mean())
size_kl = size_term(lambda p, q: (p * torch.log(p / q)).sum(1).mean())
size_db = size_term(lambda p, q: torch.log(p + q).mean())


# --- With sorting ---

def jaccard_slope(truth):
    """What the k-th largest error adds to the Jaccard loss, for the truth in the order of the errors."""
    total = truth.sum()
    loss = 1 - (total - truth.cumsum(0)) / (total + (1 - truth).cumsum(0))
    return torch.cat([loss[:1], loss[1:] - loss[:-1]])


def lovasz(errors, truth):
    errors, order = torch.sort(errors, descending=True)
    return torch.dot(errors, jaccard_slope(truth[order]))


def lovasz_softmax(logits, labels):
    p, labels = logits.softmax(1), labels.flatten()
    losses = []
    for c in range(logits.shape[1]):
        truth = (labels == c).to(p.dtype)
        if truth.any():
            losses.append(lovasz((truth - p[:, c].flatten()).abs(), truth))
    return torch.stack(losses).mean()


def lovasz_hinge(logits, labels):
    losses = []
    for z, label in zip(logits, labels):
        for c in range(1, len(z)):
            rest = torch.cat([z[:c], z[c + 1:]]).logsumexp(0)
            truth = (label == c).to(z.dtype).flatten()
            losses.append(lovasz(F.relu(1 - (z[c] - rest).flatten() * (2 * truth - 1)), truth))
    return torch.stack(losses).mean()


# --- With distances ---

@torch.no_grad()
def penalty(labels, classes):
    """(max d - d) / (max d - min d) in the region of each class, d to the nearest voxel of another one."""
    from scipy.ndimage import distance_transform_edt
    field = torch.zeros(labels.shape)
    for image, out in zip(labels.cpu().numpy(), field.numpy()):
        for c in range(classes):
            inside = image == c
            if inside.any() and not inside.all():
                d = distance_transform_edt(inside)[inside]
                out[inside] = (d.max() - d) / (d.max() - d.min()) if d.max() > d.min() else 1
    return field.to(labels.device)


def dpce(logits, labels):
    weights = 1 + penalty(labels, logits.shape[1])
    return (weights * F.cross_entropy(logits, labels, reduction="none")).mean()


# --- The table ---

def plain_peers():
    plain = lambda loss, run, **more: Peer(loss, "PyTorch", run, **more)
    with_ce = lambda term: lambda x, y: F.cross_entropy(x, y) + term(x, y)
    return [
        plain("ce", F.cross_entropy),
        Peer("dpce", "PyTorch + SciPy", dpce),
        plain("topk", topk),
        plain("topk_threshold", topk_threshold),
        plain("asymmetric", region(lambda i, p, g, m: 1 - tversky(i, p, g, 1 / 3.25, 2.25 / 3.25))),
        plain("dml", semimetric(lambda i, p, g: 1 - dice_coefficient(i, p, g))),
        plain("jml", semimetric(lambda i, p, g: 1 - tversky(i, p, g, 1, 1))),
        plain("focal_tversky", region(lambda i, p, g, m: (1 - tversky(i, p, g, 0.3, 0.7)) ** 0.75)),
        plain("lovasz_hinge", lovasz_hinge),
        plain("lovasz_softmax", lovasz_softmax),
        plain("region_size", size_l1),
        plain("sensitivity_specificity", sensitivity_specificity),
        plain("weighted_hamming", region(
            lambda i, p, g, m: (g - i) / (g + SMOOTH) / 2 + (p - i) / (m - g + SMOOTH) / 2)),
        plain("ce_db", with_ce(size_db)),
        plain("ce_kl", with_ce(size_kl)),
        plain("ce_l1", with_ce(size_l1)),
        plain("combo", combo),
        plain("dice_topk", lambda x, y: dice(x, y) + topk(x, y)),
        plain("exp_log", exp_log),
        plain("unified_focal", unified_focal),
    ]


def monai_peers():
    from monai import losses as monai
    options = dict(softmax=True, to_onehot_y=True)
    smooth = dict(smooth_nr=SMOOTH, smooth_dr=SMOOTH)
    dice = column(monai.DiceLoss(**options, **smooth))
    generalized = column(monai.GeneralizedDiceLoss(**options, **smooth))
    boundary = column(monai.BoundaryLoss(include_background=False, **options))
    hausdorff = column(monai.HausdorffDTLoss(include_background=False, **options))
    foreground_dice = column(monai.DiceLoss(include_background=False, **options, **smooth))
    softmax_focal = column(monai.FocalLoss(use_softmax=True, to_onehot_y=True))
    # MONAI divides by the number of classes, too.
    focal = lambda x, y: x.shape[1] * softmax_focal(x, y)
    wasserstein = lambda x, y: monai.GeneralizedWassersteinDiceLoss(1 - torch.eye(x.shape[1]), **smooth)(x, y)
    unified = monai.AsymmetricUnifiedFocalLoss(to_onehot_y=True, delta=0.6)

    def penalty_gd(logits, labels):
        loss = generalized(logits, labels)
        return loss / (1 + 2.5 * (1 - loss))

    def dice_hd(logits, labels):
        a, b = foreground_dice(logits, labels), hausdorff(logits, labels)
        return (b / (a + 1e-5)).detach() * a + b

    return [
        Peer("focal", "MONAI", focal),
        Peer("dice", "MONAI", dice),
        Peer("jaccard", "MONAI", column(monai.DiceLoss(jaccard=True, **options, **smooth))),
        Peer("tversky", "MONAI", column(monai.TverskyLoss(alpha=0.3, beta=0.7, **options, **smooth))),
        Peer("generalized_dice", "MONAI", generalized),
        Peer("generalized_wasserstein_dice", "MONAI", wasserstein),
        Peer("mcc", "MONAI", column(monai.MCCLoss(batch=True, **options))),
        Peer("cldice:pool_classes=1", "MONAI",
             column(monai.SoftclDiceLoss(include_background=False, smooth=1e-12, **options))),
        Peer("0.5*dice:background=0,smooth_nr=1,smooth_dr=1+0.5*cldice:pool_classes=1", "MONAI",
             column(monai.SoftDiceclDiceLoss(include_background=False, smooth=1e-12, **options))),
        Peer("boundary", "MONAI", boundary),
        Peer("hausdorff_dt", "MONAI", hausdorff),
        Peer("hausdorff_dt:log=1", "MONAI",
             column(monai.LogHausdorffDTLoss(include_background=False, **options))),
        Peer("dice_ce", "MONAI", column(monai.DiceCELoss(**options, **smooth))),
        Peer("dice_focal", "MONAI (DiceLoss, FocalLoss)", lambda x, y: dice(x, y) + focal(x, y)),
        Peer("dice_focal", "MONAI (DiceFocalLoss)", column(monai.DiceFocalLoss(**options, **smooth)),
             differs="its focal term is one against the rest, with sigmoids"),
        Peer("generalized_dice+focal", "MONAI (GeneralizedDiceFocalLoss)",
             column(monai.GeneralizedDiceFocalLoss(**options, **smooth)),
             differs="its focal term is one against the rest, with sigmoids"),
        Peer("unified_focal", "MONAI", lambda x, y: unified(x.softmax(1), y.unsqueeze(1)), classes=2,
             differs="powers of the sums of errors in other places, and a mean over the classes"),
        Peer("penalty_gd", "MONAI (GeneralizedDiceLoss)", penalty_gd),
        Peer("gd_boundary", "MONAI (GeneralizedDiceLoss, BoundaryLoss)",
             lambda x, y: generalized(x, y) + 0.01 * boundary(x, y)),
        Peer("dice_hd", "MONAI (DiceLoss, HausdorffDTLoss)", dice_hd),
    ]


def peers():
    recent = [Peer(*row) for row in recent_peers.PEERS]
    try:
        return plain_peers() + monai_peers() + recent
    except ImportError:
        print("MONAI is not installed: its losses are left out", file=sys.stderr)
        return plain_peers() + [peer for peer in recent if peer.who != "MONAI"]
