"""libvoxgrad through ctypes: its structs, its arrays and its errors. apps/embed/voxgrad.h says what they mean."""
import ctypes
import functools
import os
import pathlib
import threading
import warnings
from ctypes import CFUNCTYPE, POINTER, Structure, byref, c_char_p, c_double, c_int, c_int64, c_size_t, c_void_p

import numpy


class Error(Exception):
    """What the library or the program reports. The text says what was wrong, and what helps; `code` is that of
    voxgrad.h or the exit code of the program; `result` is what the program has printed as JSON or text."""

    def __init__(self, text, code=0, result=None):
        super().__init__(text)
        self.code, self.result = code, result


class InputError(Error, ValueError):
    """An argument, an image, labels or the text of a loss that do not fit."""


class FileError(Error, OSError):
    """A file that cannot be read or written."""

    __str__ = Exception.__str__  # that of OSError wants a number of the system


CANCELLED = 9
ERRORS = {1: InputError, 2: InputError, 3: InputError, 5: FileError}


class ContextOptions(Structure):
    _fields_ = [("size", c_size_t), ("threads", c_int), ("parallel", c_void_p), ("parallel_user", c_void_p),
                ("log", c_void_p), ("log_user", c_void_p), ("workspace", c_void_p), ("workspace_bytes", c_size_t)]


class Array(Structure):
    _fields_ = [("data", c_void_p), ("type", c_int), ("axes", c_int), ("extents", POINTER(c_int64)),
                ("strides", POINTER(c_int64))]


class ModelInfo(Structure):
    _fields_ = [("size", c_size_t), ("axes", c_int), ("channels", c_int), ("classes", c_int), ("window", c_int64 * 3),
                ("divisor", c_int64 * 3), ("spacing", c_double * 3), ("least_spacing", c_double * 3),
                ("most_spacing", c_double * 3)]


Progress = CFUNCTYPE(c_int, c_void_p, c_double)


class PredictOptions(Structure):
    _fields_ = [("size", c_size_t), ("spacing", POINTER(c_double)), ("mirror", c_int), ("logits", c_int),
                ("progress", Progress), ("progress_user", c_void_p)]


class LossOptions(Structure):
    _fields_ = [("size", c_size_t), ("ignore", POINTER(c_int64)), ("spacing", POINTER(c_double)),
                ("class_fractions", POINTER(c_double)), ("progress", c_double)]


class MetricOptions(Structure):
    _fields_ = [("size", c_size_t), ("classes", c_int), ("only_counts", c_int), ("ignore", POINTER(c_int64)),
                ("spacing", POINTER(c_double)), ("tolerance", c_double)]


FUNCTIONS = {  # the result and the arguments
    "version": [c_char_p],
    "context_new": [c_int, POINTER(ContextOptions), POINTER(c_void_p)],
    "context_free": [None, c_void_p],
    "error": [c_char_p, c_void_p],
    "model_open": [c_int, c_void_p, c_char_p, POINTER(c_void_p)],
    "model_parse": [c_int, c_void_p, c_char_p, c_size_t, c_char_p, POINTER(c_void_p)],
    "model_free": [None, c_void_p],
    "model_get_info": [c_int, c_void_p, POINTER(ModelInfo)],
    "model_class_name": [c_char_p, c_void_p, c_int],
    "model_text": [c_char_p, c_void_p],
    "predict": [c_int, c_void_p, c_void_p, POINTER(Array), POINTER(PredictOptions), POINTER(Array), POINTER(Array)],
    "loss_new": [c_int, c_void_p, c_char_p, POINTER(c_void_p)],
    "loss_free": [None, c_void_p],
    "loss_text": [c_char_p, c_void_p],
    "loss_name": [c_char_p, c_int],
    "loss_evaluate": [c_int, c_void_p, c_void_p, POINTER(Array), POINTER(Array), POINTER(LossOptions), c_double,
                      POINTER(c_double), POINTER(Array)],
    "distance": [c_int, c_void_p, POINTER(Array), c_int, POINTER(c_double), POINTER(Array)],
    "metric_name": [c_char_p, c_int],
    "metrics": [c_int, c_void_p, POINTER(Array), POINTER(Array), POINTER(MetricOptions), POINTER(c_double), c_int],
}


def _load():
    path = os.environ.get("VOXGRAD_LIBRARY") or pathlib.Path(__file__).with_name("libvoxgrad.so")
    try:
        native = ctypes.CDLL(str(path))
    except OSError as error:
        raise ImportError(f"{error}; install the package with `pip install apps/python`, or name the library with "
                          "VOXGRAD_LIBRARY") from None
    for name, (result, *arguments) in FUNCTIONS.items():
        function = getattr(native, "voxgrad_" + name)
        function.restype, function.argtypes = result, arguments
    return native


native = _load()


def version():
    return native.voxgrad_version().decode()


@CFUNCTYPE(None, c_void_p, c_int, c_char_p)
def _log(_, level, text):
    if level == 2:
        _local.warnings.append(text.decode(errors="backslashreplace"))
    else:  # becomes an exception; that of a call is also the text of its context
        _local.error = text.decode(errors="backslashreplace")


class Handle:
    """Something of the library that is freed with this object."""

    def __init__(self, pointer, free):
        self.pointer, self._free = pointer, free

    def __del__(self):
        self._free(self.pointer)


_local = threading.local()  # a context belongs to one thread
# The workers of a context do not live on in a forked process, which therefore makes contexts of its own, and never
# frees those of its parent, because that waits for the workers.
os.register_at_fork(after_in_child=lambda: _local.__dict__.pop("context", None))


def _free_context(pointer, owner, getpid=os.getpid, free=native.voxgrad_context_free):
    if getpid() == owner:
        free(pointer)


def _context():
    if not hasattr(_local, "context"):
        _local.warnings, pointer = [], c_void_p()
        options = ContextOptions(size=ctypes.sizeof(ContextOptions), log=ctypes.cast(_log, c_void_p))
        _local.error = "the library is of another version than this package"  # if it cannot say what is wrong
        code = native.voxgrad_context_new(byref(options), byref(pointer))
        if code:
            raise Error("libvoxgrad could not start: " + _local.error, code)
        _local.context = Handle(pointer, functools.partial(_free_context, owner=os.getpid()))
    return _local.context.pointer


def call(function, *arguments):
    """Calls a function of the library with the context of this thread. Its code becomes an exception, its warnings
    those of Python."""
    context = _context()
    code = getattr(native, "voxgrad_" + function)(context, *arguments)
    said, _local.warnings = _local.warnings, []
    for text in said:
        warnings.warn(text, stacklevel=3)
    if code == 6:
        raise MemoryError(native.voxgrad_error(context).decode(errors="backslashreplace"))
    if code:
        raise ERRORS.get(code, Error)(native.voxgrad_error(context).decode(errors="backslashreplace"), code)


def make(function, free, *arguments):
    """What voxgrad_*_new and _open give."""
    pointer = c_void_p()
    call(function, *arguments, byref(pointer))
    return Handle(pointer, getattr(native, "voxgrad_" + free))


TYPES = {numpy.dtype(name): index for index, name in
         enumerate(["uint8", "uint16", "int16", "int32", "int64", "float32", "float64"], 1)}
WIDER = {"int8": "int16", "uint32": "int64", "uint64": "int64", "float16": "float32"}  # types the library has not


def known(values):
    """An array of a type that the library reads; the same memory if it can be."""
    values = numpy.asarray(values)
    if values.dtype == bool:
        return values.view(numpy.uint8)
    dtype = numpy.dtype(WIDER.get(values.dtype.name, values.dtype.newbyteorder("=")))
    if dtype not in TYPES:
        raise InputError(f"an array of {values.dtype} values; must be integers, f32 or f64")
    return values.astype(dtype, copy=False)


def described(values):
    """The voxgrad_array of an array of a known type; None stays None. It keeps the array alive."""
    if values is None:
        return None
    numbers = c_int64 * max(1, values.ndim)
    array = Array(values.ctypes.data, TYPES[values.dtype], values.ndim, numbers(*values.shape),
                  numbers(*values.strides))
    array.values = values
    return array


def doubles(values, count, name):
    """`count` numbers; one number means all of them."""
    if values is None:
        return None
    values = numpy.broadcast_to(numpy.asarray(values, float), count) if numpy.ndim(values) == 0 else values
    if len(values) != count:
        raise InputError(f"{name}: {len(values)} numbers, must be {count}")
    return (c_double * count)(*values)


def integer(value):
    return None if value is None else ctypes.pointer(c_int64(value))
