#!/usr/bin/env python3
"""Networks of MONAI and of nnU-Net: where the architectures agree, voxgrad gives their logits, and where they do not, it
says why.

The argument is the program exchange_answers; with -v what it says of each refused network is printed. Each network has random weights, also in its norms and biases. It is
written as its state_dict, once with the names that a state_dict has and once as safetensors' save_model() writes it,
which keeps one name of each tensor.
"""
import pathlib
import subprocess
import sys
import tempfile
import warnings

from common import difference, expect, last, need

need("torch", "safetensors", "monai", "dynamic_network_architectures")
warnings.filterwarnings("ignore")
import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet, ResidualEncoderUNet
from dynamic_network_architectures.building_blocks.plain_conv_encoder import PlainConvEncoder
from monai.networks.nets import BasicUNet, DynUNet
from safetensors.torch import load_file, save_file, save_model
from torch import nn

BOUND = 1e-4  # of the largest logit


def basic(**options):
    return "monai-basicunet", BasicUNet(**{"spatial_dims": 2, "in_channels": 2, "out_channels": 3,
                                           "features": (4, 4, 8, 16, 32, 4), **options})


def dyn(dims=2, kernels=3, strides=(1, 2, 2, 2), **options):
    kernels = kernels if isinstance(kernels, list) else [kernels] * len(strides)
    return "monai-dynunet", DynUNet(dims, 1, 3, kernels, list(strides), list(strides[1:]),
                                    **{"filters": [4, 6, 8, 10, 12, 14][:len(strides)], **options})


def nnunet(dims=3, kernels=3, strides=(1, 2, 2), norm=None, convs=2, net=PlainConvUNet, **options):
    conv, norms = (nn.Conv2d, nn.InstanceNorm2d) if dims == 2 else (nn.Conv3d, nn.InstanceNorm3d)
    return "nnunet", net(1, len(strides), [4 + 2 * k for k in range(len(strides))], conv, kernels, list(strides), convs, 2,
                         2 if convs == 2 else 1, **{"conv_bias": True, "norm_op": norm or norms,
                                     "norm_op_kwargs": {"affine": True}, "nonlin": nn.LeakyReLU, **options})


def pooled(dims=2):
    """nnU-Net with max pooling, which is an option of its encoder only."""
    kind, net = nnunet(dims)
    conv, norm = (nn.Conv2d, nn.InstanceNorm2d) if dims == 2 else (nn.Conv3d, nn.InstanceNorm3d)
    net.encoder = PlainConvEncoder(1, 3, [4, 6, 8], conv, 3, [1, 2, 2], 2, True, norm, {"affine": True},
                                   nonlin=nn.LeakyReLU, return_skips=True, pool="max")
    net.decoder.encoder = net.encoder
    return kind, net


# A network that fits, and extents of an image for it.
FITTING = {
    "basic": (basic(), (32, 48)),
    "basic_volume": (basic(spatial_dims=3), (32, 32, 16)),
    "basic_batch": (basic(norm="batch"), (32, 32)),
    "dyn": (dyn(), (32, 24)),
    "dyn_volume": (dyn(3, strides=((1, 1, 1), (1, 2, 2), (2, 2, 2)), trans_bias=True), (8, 16, 24)),
    "dyn_heads": (dyn(strides=(1, 2, 2, 2, 2), deep_supervision=True, deep_supr_num=3), (64, 32)),
    "dyn_some_heads": (dyn(strides=(1, 2, 2, 2, 2), deep_supervision=True, deep_supr_num=1), (64, 32)),
    "dyn_batch": (dyn(norm_name="batch"), (32, 32)),
    "dyn_default_filters": (dyn(filters=None), (16, 16)),
    "nnunet": (nnunet(), (16, 24, 16)),
    "nnunet_image": (nnunet(2, strides=(1, 2, 2, 2)), (32, 48)),
    "nnunet_thick": (nnunet(3, [[1, 3, 3], [3, 3, 3], [3, 3, 3]], ((1, 1, 1), (1, 2, 2), (2, 2, 2))), (6, 16, 16)),
    "nnunet_batch": (nnunet(norm=nn.BatchNorm3d, norm_op_kwargs={}), (16, 16, 16)),
    "nnunet_no_bias": (nnunet(conv_bias=False, dropout_op=nn.Dropout3d, dropout_op_kwargs={"p": 0.1}), (16, 16, 16)),
    "nnunet_pooled": (pooled(), (16, 24)),
}
# A network that does not fit, and what must be said.
REFUSED = {
    "basic_wide": (basic(features=(4, 8, 16, 32, 64, 8)), ["another shape: upcat_1.upsample.deconv.weight is [8, 8, 2, 2], "
                                                           "must be [8, 4, 2, 2]"]),
    "basic_prelu": (basic(act="prelu"), ["an activation with weights (PReLU): conv_0.conv_0.adn.A.weight; "]),
    "basic_interpolated": (basic(upsample="nontrainable"), ["an upsampling that aligns the corners: upcat_2.upsample"]),
    "basic_shuffled": (basic(upsample="pixelshuffle"), ["an upsampling by shuffled channels: "]),
    "basic_without_affine": (basic(norm="instance"), ["no norm has weights: "]),
    "dyn_residual": (dyn(res_block=True), ["a residual block, whose shortcut has a norm: "]),
    "dyn_large_kernels": (dyn(kernels=[3, 5, 3, 3]), ["another shape: downsamples.0.conv1.conv.weight is [6, 4, 5, 5], "
                                                      "must be [6, 4, 3, 3]"]),
    "nnunet_three": (nnunet(convs=3), ["a layer that is not in a U-Net here: encoder.stages.0.0.convs.2.conv.bias; ",
                                       "missing: decoder.1.conv2.weight"]),
    "nnunet_residual": (nnunet(net=ResidualEncoderUNet), ["the first and the last layer of nnunet", "a residual block, whose shortcut has a norm"]),
}


def randomise(net):
    with torch.no_grad():
        for name, tensor in list(net.named_parameters()) + list(net.named_buffers()):
            if tensor.dim() == 1 and tensor.is_floating_point():
                tensor.copy_((1 if name.endswith(("weight", "var")) else 0) + 0.3 * torch.rand(tensor.shape))
    return net.eval()


def main(program, *options):
    torch.manual_seed(1)
    worst = 0.0
    with tempfile.TemporaryDirectory() as folder:
        expected = {}
        for name, ((kind, net), extents) in FITTING.items():
            first = next(randomise(net).parameters())
            x = torch.randn(2, first.shape[1], *extents)
            with torch.no_grad():
                y = net(x)
            expected[name] = last(y[0] if isinstance(y, (list, tuple)) else y)
            for path, save in ((f"{folder}/{name}", lambda path: save_file(
                    {key: value.clone() for key, value in net.state_dict().items()}, path)),
                               (f"{folder}/{name}_once", lambda path: save_model(net, path))):
                save(f"{path}.{kind}")
                save_file({"x": last(x)}, path + ".maps")
        subprocess.run([program, folder], check=True)
        for name, logits in expected.items():
            for path in (pathlib.Path(f"{folder}/{name}"), pathlib.Path(f"{folder}/{name}_once")):
                misfits = path.with_suffix(".misfits")
                if misfits.exists():
                    sys.exit(f"{path.name} does not fit: {misfits.read_text()}")
                off = difference(load_file(path.with_suffix(".logits"))["x"], logits)
                expect(off, BOUND, path.name)
                worst = max(worst, off)
    for name, ((kind, net), sentences) in REFUSED.items():
        with tempfile.TemporaryDirectory() as folder:
            save_model(net, f"{folder}/{name}.{kind}")
            answer = subprocess.run([program, folder], capture_output=True, text=True)
            misfits = pathlib.Path(f"{folder}/{name}.misfits")
            said = answer.stderr + (misfits.read_text() if misfits.exists() else "")
            if "-v" in options:
                print(f"--- {name}\n{said}")
            for sentence in sentences:
                if sentence not in said:
                    sys.exit(f"{name}: \"{sentence}\" is not in: {said}")
    print(f"{len(FITTING)} networks of others agree, largest difference {worst:.1e}; {len(REFUSED)} are refused")


if __name__ == "__main__":
    main(*sys.argv[1:])
