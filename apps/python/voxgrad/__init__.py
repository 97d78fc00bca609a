"""voxgrad in Python: trained models, losses for PyTorch and numpy, exact distance maps, metrics, and the program.

    labels = voxgrad.Model("best.safetensors").predict(image)
    criterion = voxgrad.loss("dice_ce")            # criterion(logits, labels).backward() in PyTorch
    distances = voxgrad.edt(mask, spacing=[2, 1, 1])
    scores = voxgrad.metrics(prediction, truth)
    result = voxgrad.train("data.h5", out="run", progress=print)

It needs numpy. PyTorch is imported when a tensor is given.
"""
from .binding import Error, FileError, InputError, version
from .losses import Loss, loss, loss_names
from .measures import edt, metrics
from .models import Model
from .program import run, train

__version__ = version()
__all__ = ["Error", "FileError", "InputError", "Loss", "Model", "edt", "loss", "loss_names", "metrics", "run", "train"]
