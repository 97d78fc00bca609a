"""Losses with their gradients, for PyTorch and numpy."""
import ctypes
import itertools
import sys
from ctypes import byref, c_double

import numpy

from .binding import InputError, LossOptions, call, described, doubles, integer, known, make, native


def loss_names():
    """The losses that there are. `voxgrad losses NAME` explains one and its parameters."""
    names = (native.voxgrad_loss_name(index) for index in itertools.count())
    return [name.decode() for name in itertools.takewhile(lambda name: name is not None, names)]


def loss(text, channels="first", ignore=None, spacing=None, class_fractions=None):
    """The loss that a text names: "dice", "dice_ce:background=0", "0.7*dice+1.3*ce:weights=0.2/1/3".

    `channels` are "first", logits [N, C, *S], or "last", [N, *S, C]. Voxels with the label `ignore` are left out,
    which may be any number, as -100. `spacing` is that of the voxels, per axis, for losses of distances with unit=mm.
    `class_fractions` are the shares of the classes in the training data, for weights=inverse, sqrt and median; with
    one channel, those of the labels 0 and 1.
    """
    return Loss(text, channels, ignore, spacing, class_fractions)


class Loss:
    """Of tensors of PyTorch, `loss(logits, labels)` is a tensor, whose gradient was computed in the same pass. Of
    arrays, `loss.evaluate(logits, labels)` is a value and its gradient. `text` has every parameter.

    Logits are without softmax or sigmoid; one channel is a sigmoid. Labels are integers, [N, *S] or with an axis of
    extent 1 where the logits have their channels. Most losses also take the shares of the classes, with the extents of
    the logits.
    """

    def __init__(self, text, channels="first", ignore=None, spacing=None, class_fractions=None):
        if channels not in ("first", "last"):
            raise InputError(f'channels: "{channels}", must be "first" or "last"')
        self._arguments = text, channels, ignore, spacing, class_fractions
        self._handle = make("loss_new", "loss_free", text.encode())
        self.text = native.voxgrad_loss_text(self._handle.pointer).decode()

    def __repr__(self):
        return f"<voxgrad.Loss: {self.text}>"

    def __reduce__(self):
        return Loss, self._arguments

    def evaluate(self, logits, labels, progress=0.0, gradient=True):
        """Returns the value and its gradient with respect to the logits, an array like them; without `gradient` the
        value. `progress` is the share of the training that is done, for losses with a schedule."""
        logits = known(logits)
        result = numpy.empty_like(logits) if gradient else None
        value = self._evaluate(logits, known(labels), result, progress)
        return (value, result) if gradient else value

    def __call__(self, logits, labels, progress=0.0):
        if "torch" not in sys.modules:
            raise TypeError("logits: must be a tensor of PyTorch; arrays are for evaluate(logits, labels)")
        from .autograd import evaluate
        return evaluate(self, logits, labels, progress)

    def _evaluate(self, logits, labels, gradient, progress):
        _, channels, ignore, spacing, fractions = self._arguments
        if logits.ndim < 3:
            axes = "[N, C, *S]" if channels == "first" else "[N, *S, C]"
            raise InputError(f"logits: {list(logits.shape)}, must be {axes}")
        axis = 1 if channels == "first" else -1
        count = logits.shape[axis]
        if labels.ndim == logits.ndim:
            if labels.dtype.kind in "iu" and labels.shape[axis] == 1:
                labels = labels.squeeze(axis)
            elif labels.dtype.kind == "f":
                labels = numpy.moveaxis(labels.astype(logits.dtype, copy=False), axis, -1)
        last = lambda values: None if values is None else described(numpy.moveaxis(values, axis, -1))
        options = LossOptions(size=ctypes.sizeof(LossOptions), ignore=integer(ignore), progress=progress,
                              spacing=doubles(spacing, logits.ndim - 2, "spacing"),
                              class_fractions=doubles(fractions, max(count, 2), "class_fractions"))
        value = c_double()
        call("loss_evaluate", self._handle.pointer, last(logits), described(labels), byref(options), 1.0, byref(value),
             last(gradient))
        return value.value
