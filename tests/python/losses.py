"""Losses of numpy arrays: gradients, the order of channels, options and refusals."""
import pickle
import unittest

from common import need, sample

need("numpy")
import numpy
import voxgrad


class Losses(unittest.TestCase):
    def test_every_gradient_is_a_finite_difference(self):
        step = 1e-6
        for name in voxgrad.loss_names():
            binary = name == "lovasz_hinge"
            logits, labels = sample((1, 5, 6), 2 if binary else 3, seed=4)
            # Its own balance is constant in the gradient.
            loss = voxgrad.loss("dice_hd:balance=fixed" if name == "dice_hd" else name)
            value, gradient = loss.evaluate(logits, labels)
            self.assertEqual(value, loss.evaluate(logits, labels, gradient=False), name)
            # Random directions test all elements at once.
            direction = numpy.random.default_rng(2).normal(size=logits.shape)
            ahead, behind = (loss.evaluate(logits + sign * step * direction, labels, gradient=False)
                             for sign in (1, -1))
            slope = (gradient * direction).sum()
            self.assertLess(abs((ahead - behind) / (2 * step) - slope), 1e-6 * max(1, abs(slope)), name)
            self.assertGreater(abs(gradient).max(), 0, name)

    def test_channels_first_and_last_have_the_same_bits(self):
        for shape in (2, 7, 9), (1, 5, 6, 7):
            for dtype in numpy.float32, numpy.float64:
                logits, labels = sample(shape)
                logits = logits.astype(dtype)
                value, gradient = voxgrad.loss("dice_ce").evaluate(logits, labels)
                self.assertEqual((gradient.dtype, gradient.shape), (dtype, logits.shape))
                last = numpy.ascontiguousarray(numpy.moveaxis(logits, 1, -1))
                of_last = voxgrad.loss("dice_ce", channels="last").evaluate(last, labels)
                self.assertEqual(value, of_last[0])
                self.assertTrue(numpy.array_equal(numpy.moveaxis(gradient, 1, -1), of_last[1]))

    def test_labels_of_any_type_and_strides(self):
        logits, labels = sample()
        expected = voxgrad.loss("dice_ce").evaluate(logits, labels, gradient=False)
        for dtype in "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", ">i4":
            typed = labels.astype(dtype)
            for given in typed, numpy.asfortranarray(typed), typed[:, None]:
                self.assertEqual(expected, voxgrad.loss("dice_ce").evaluate(logits, given, gradient=False), dtype)
        backwards = voxgrad.loss("dice_ce").evaluate(logits[:, :, ::-1], labels[:, ::-1], gradient=False)
        self.assertAlmostEqual(expected, backwards, 12)
        mask = labels > 0
        self.assertEqual(*(voxgrad.loss("dice").evaluate(logits[:, :1], given, gradient=False)
                           for given in (mask, mask.astype(numpy.uint8))))

    def test_options_arrive(self):
        logits, labels = sample()
        probabilities = numpy.exp(logits) / numpy.exp(logits).sum(1, keepdims=True)
        per_voxel = -numpy.log(numpy.take_along_axis(probabilities, labels[:, None], 1)[:, 0])
        partly = numpy.where(labels == 1, -100, labels)
        value, gradient = voxgrad.loss("ce", ignore=-100).evaluate(logits, partly)
        self.assertAlmostEqual(value, per_voxel[labels != 1].mean(), 12)
        self.assertEqual(abs(numpy.moveaxis(gradient, 1, -1)[labels == 1]).max(), 0)
        weights = numpy.array([1.0, 2, 4])[labels]
        self.assertAlmostEqual(voxgrad.loss("ce:weights=1/2/4").evaluate(logits, labels, gradient=False),
                               (weights * per_voxel).mean(), 12)
        inverse = voxgrad.loss("ce:weights=inverse", class_fractions=[0.5, 0.25, 0.25])
        self.assertNotEqual(inverse.evaluate(logits, labels)[0], per_voxel.mean())
        sigmoid, mask = logits[:, :1], (labels > 0).astype(numpy.uint8)
        both = voxgrad.loss("ce:weights=inverse", class_fractions=[0.75, 0.25])
        given = voxgrad.loss("ce:weights=%r/%r" % (0.5 / 0.75, 0.5 / 0.25))  # the mean of f w is 1
        self.assertAlmostEqual(both.evaluate(sigmoid, mask)[0], given.evaluate(sigmoid, mask)[0])
        far = voxgrad.loss("boundary:unit=mm", spacing=[3, 1]).evaluate(logits, labels)[0]
        self.assertNotAlmostEqual(far, voxgrad.loss("boundary:unit=mm").evaluate(logits, labels)[0])
        self.assertEqual(far, voxgrad.loss("boundary:unit=mm", spacing=numpy.array([3, 1])).evaluate(logits, labels)[0])
        early, late = (voxgrad.loss("gd_boundary").evaluate(logits, labels, share)[0] for share in (0, 0.5))
        self.assertNotAlmostEqual(early, late)
        shares = numpy.eye(3)[labels]
        self.assertEqual(voxgrad.loss("dml").evaluate(logits, numpy.moveaxis(shares, -1, 1))[0],
                         voxgrad.loss("dml", channels="last").evaluate(numpy.moveaxis(logits, 1, -1), shares)[0])
        copy = pickle.loads(pickle.dumps(voxgrad.loss("ce", ignore=-100)))
        self.assertEqual(copy.evaluate(logits, partly)[0], value)
        self.assertIn("ce:", copy.text)

    def test_refusals(self):
        logits, labels = sample()
        dice = voxgrad.loss("dice")
        for words, action in {
            'unknown name "dicce".*hint: did you mean': lambda: voxgrad.loss("dicce"),
            'channels: "middle"': lambda: voxgrad.loss("dice", channels="middle"),
            "labels: .*must be": lambda: dice.evaluate(logits, labels[:, 1:]),
            "label 3": lambda: dice.evaluate(logits, labels + 1),
            "labels: must be of an integer type|labels: ": lambda: dice.evaluate(logits, labels.astype(float)),
            "spacing: 3 numbers, must be 2": lambda: voxgrad.loss("dice", spacing=[1, 1, 1]).evaluate(logits, labels),
            "class_fractions: 2 numbers, must be 3":
                lambda: voxgrad.loss("dice", class_fractions=[0.5, 0.5]).evaluate(logits, labels),
            # One channel tells two classes apart.
            "class_fractions: 1 numbers, must be 2":
                lambda: voxgrad.loss("ce", class_fractions=[0.5]).evaluate(logits[:, :1], labels > 0),
            "progress:? 2, must be 0 .. 1": lambda: dice.evaluate(logits, labels, progress=2),
            "an array of complex128 values": lambda: dice.evaluate(logits.astype(complex), labels),
            r"logits: \[3, 2\], must be \[N, C": lambda: dice.evaluate(logits[0, :, 0, :2], labels),
            "logits: must be f32 or f64": lambda: dice.evaluate(logits.astype(int), labels),
        }.items():
            with self.subTest(words), self.assertRaisesRegex(voxgrad.InputError, "(?s)" + words):
                action()
        with self.assertRaisesRegex(TypeError, "must be a tensor"):
            dice(logits, labels)


unittest.main()
