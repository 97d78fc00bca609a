"""Distances and metrics, against plain definitions; contexts of threads and of forked processes."""
import math
import os
import threading
import unittest

from common import need

need("numpy")
import numpy
import voxgrad


def distances_of(labels, spacing):
    places = numpy.argwhere(numpy.ones(labels.shape, bool)) * spacing
    flat = labels.ravel()
    apart = numpy.linalg.norm(places[:, None] - places[None], axis=-1)
    return numpy.where(flat[:, None] != flat[None], apart, math.inf).min(1).reshape(labels.shape)


class Measures(unittest.TestCase):
    def test_distances(self):
        labels = numpy.random.default_rng(1).integers(0, 3, (4, 5, 6)) // 2 * 2
        spacing = [2, 1, 0.5]
        for dtype in bool, numpy.uint8, numpy.int64:
            got = voxgrad.edt(labels.astype(dtype), spacing, dtype=numpy.float64)
            self.assertLess(abs(got - distances_of(labels, spacing)).max(), 1e-12)
        self.assertEqual(voxgrad.edt(labels).dtype, numpy.float32)
        self.assertTrue(numpy.array_equal(voxgrad.edt(labels, label=2), voxgrad.edt(labels == 2)))
        self.assertEqual(abs(voxgrad.edt(numpy.zeros((3, 3), int))).max(), 0)

    def test_metrics(self):
        truth, found = numpy.zeros((2, 8, 9), int)
        truth[2:5, 2:6], found[3:6, 2:6] = 1, 1
        scores = voxgrad.metrics(found, truth, classes=["background", "lesion", "bone"], spacing=[2, 1])
        self.assertEqual(list(scores), ["background", "lesion", "bone"])
        self.assertAlmostEqual(scores["lesion"]["dice"], 2 * 8 / 24)
        self.assertEqual(scores["lesion"]["hd"], 2)
        self.assertTrue(math.isnan(scores["bone"]["dice"]))
        perfect = voxgrad.metrics(truth, truth)[1]  # every metric is defined and was computed
        self.assertFalse([name for name, value in perfect.items() if math.isnan(value)])
        self.assertEqual(list(voxgrad.metrics(found, truth)), [0, 1])
        self.assertTrue(math.isnan(voxgrad.metrics(found, truth, surfaces=False)[1]["hd"]))
        truth[5, 2:6] = 255
        self.assertAlmostEqual(voxgrad.metrics(found, truth, ignore=255)[1]["dice"], 2 * 8 / 20)
        for marker in 255, -1:  # in the prediction as well
            truth[5, 2:6] = marker
            marked = numpy.where(truth == marker, marker, found)
            scores = voxgrad.metrics(marked, truth, ignore=marker)
            self.assertEqual(list(scores), [0, 1])
            self.assertAlmostEqual(scores[1]["dice"], 2 * 8 / 20)

    def test_refusals(self):
        mask = numpy.zeros((3, 4), numpy.uint8)
        for words, action in {
            "prediction: .*must be": lambda: voxgrad.metrics(mask[1:], mask),
            "spacing: 3 numbers, must be 2": lambda: voxgrad.edt(mask, [1, 1, 1]),
            "spacing must be .*it is .1, -1.": lambda: voxgrad.edt(mask, [1, -1]),
            "label 300": lambda: voxgrad.edt(mask.astype(int) + 300),
            "1 classes": lambda: voxgrad.metrics(mask, mask, classes=1),
            "dtype: int8": lambda: voxgrad.edt(mask, dtype=numpy.int8),
        }.items():
            with self.subTest(words), self.assertRaisesRegex(ValueError, words):
                action()

    def test_threads_and_forks_have_contexts_of_their_own(self):
        mask = numpy.random.default_rng(1).integers(0, 2, (64, 64, 32))
        expected, found = voxgrad.edt(mask), []
        threads = [threading.Thread(target=lambda: found.append(voxgrad.edt(mask))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        child = os.fork()
        if child == 0:
            os._exit(0 if numpy.array_equal(voxgrad.edt(mask), expected) else 1)
        self.assertEqual(os.waitpid(child, 0)[1], 0)
        self.assertTrue(len(found) == 4 and all(numpy.array_equal(one, expected) for one in found))


unittest.main()
