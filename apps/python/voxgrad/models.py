"""Trained models."""
import contextlib
import ctypes
import json
import os
import signal
import threading
from ctypes import byref

import numpy

from .binding import (CANCELLED, Error, ModelInfo, PredictOptions, Progress, call, described, doubles, known, native,
                      make)


@contextlib.contextmanager
def _interrupts():
    """Ctrl-C is only noted while the library runs, and handled by the function that this gives. Since Python 3.11 it
    would be raised on entry of a callback, before its `try`, where ctypes swallows it."""
    handler, noted = signal.getsignal(signal.SIGINT), []

    def deliver():
        while noted:
            handler(*noted.pop())

    if threading.current_thread() is not threading.main_thread() or not callable(handler):
        yield deliver
        return
    signal.signal(signal.SIGINT, lambda *arguments: noted.append(arguments))
    try:
        yield deliver
    finally:
        signal.signal(signal.SIGINT, handler)
        deliver()


class Model:
    """A model that `voxgrad train` wrote: the path of a file or of the directory of a run, or the bytes of a file.

    axes      2: images [H, W, channels]; 3: volumes [D, H, W, channels]
    channels  of the images
    classes   the names of the classes, the background first
    window    per axis, the patch of the training, which slides over larger images
    divisor   per axis, what the network halves; images of any extents are padded
    spacing   per axis, what images are resampled to; None: they stay as they are
    metadata  all that the file says about the model

    Several threads may use one model at the same time.
    """

    def __init__(self, source):
        if isinstance(source, (bytes, bytearray)):
            source = bytes(source)
            self._handle = make("model_parse", "model_free", source, len(source), None)
        else:
            path = os.path.join(source, "best.safetensors") if os.path.isdir(source) else source
            self._handle = make("model_open", "model_free", os.fsencode(path))
        info = ModelInfo(size=ctypes.sizeof(ModelInfo))
        pointer = self._handle.pointer
        native.voxgrad_model_get_info(pointer, byref(info))
        self.axes, self.channels = info.axes, info.channels
        self.window, self.divisor = tuple(info.window[:info.axes]), tuple(info.divisor[:info.axes])
        self.spacing = tuple(info.spacing[:info.axes]) if info.spacing[0] else None
        self.classes = [native.voxgrad_model_class_name(pointer, i).decode() for i in range(info.classes)]
        self.metadata = json.loads(native.voxgrad_model_text(pointer))

    def __repr__(self):
        return f"<voxgrad.Model: {self.axes}-D, {self.channels} channels, classes {', '.join(self.classes)}>"

    def predict(self, image, spacing=None, mirror=None, probabilities=False, logits=False, progress=None):
        """Segments an image [*S, channels], of one channel also [*S], with the intensities that its file has. It may
        have any extents, strides and type.

        Returns the labels, u8 [*S]; with `probabilities` a pair of the labels and the probabilities, f32 [*S,
        classes], and with `logits` the logits instead of them. `spacing` is that of the image, per axis. With `mirror`
        the result is the mean over the image mirrored along the axes that the training mirrored, with False it is
        not, and with None it is as the model says. `progress` is called with the share that is done; an exception in it
        ends the prediction.
        """
        image = known(image)
        if image.dtype == numpy.int64:  # which is not a type of images
            image = image.astype(float)
        shape = image.shape[:self.axes]
        labels = numpy.empty(shape, numpy.uint8)
        scores = numpy.empty((*shape, len(self.classes)), numpy.float32) if probabilities or logits else None
        raised = []
        with _interrupts() as deliver:
            @Progress
            def report(_, share):
                try:
                    deliver()
                    if progress is not None:
                        progress(share)
                    return 0
                except BaseException as error:
                    raised.append(error)
                    return 1

            options = PredictOptions(size=ctypes.sizeof(PredictOptions), spacing=doubles(spacing, self.axes, "spacing"),
                                     mirror=0 if mirror is None else 1 if mirror else -1, logits=bool(logits),
                                     progress=report)
            try:
                call("predict", self._handle.pointer, described(image), byref(options), described(labels),
                     described(scores))
            except Error as error:
                if error.code == CANCELLED and raised:
                    raise raised[0] from None
                raise
        return labels if scores is None else (labels, scores)
