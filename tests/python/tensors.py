"""Losses as functions of PyTorch."""
import unittest

from common import need, sample

need("numpy", "torch")
import numpy
import torch
import voxgrad


def backward(loss, logits, labels, scale=1):
    logits = logits.detach().requires_grad_()
    value = loss(logits, labels)
    (value if scale == 1 else value * scale).backward()
    return value, logits.grad


class Tensors(unittest.TestCase):
    def test_value_and_gradient_are_those_of_the_arrays_in_any_memory_format(self):
        for shape, memory in ((2, 7, 9), torch.channels_last), ((2, 5, 6, 7), torch.channels_last_3d):
            for dtype in torch.float32, torch.float64:
                arrays, labels = sample(shape)
                logits, loss = torch.tensor(arrays, dtype=dtype), voxgrad.loss("dice_ce")
                expected, slope = loss.evaluate(logits.numpy(), labels)
                turned = logits.transpose(2, 3).contiguous().transpose(2, 3)
                for given in logits, logits.to(memory_format=memory), turned:
                    value, gradient = backward(loss, given, torch.tensor(labels))
                    self.assertEqual((value.dtype, value.shape, gradient.dtype), (dtype, (), dtype))
                    self.assertEqual(value.item(), torch.tensor(expected, dtype=dtype).item())
                    self.assertEqual(gradient.stride(), given.stride())
                    self.assertTrue(numpy.array_equal(gradient.numpy(), slope))
                    twice = backward(loss, given, torch.tensor(labels), scale=2)[1]
                    self.assertTrue(torch.equal(twice, 2 * gradient))

    def test_it_is_the_cross_entropy_of_pytorch(self):
        arrays, labels = sample()
        logits, labels = torch.tensor(arrays), torch.tensor(labels)
        labels[0, 0] = -100
        value, gradient = backward(voxgrad.loss("ce", ignore=-100), logits, labels)
        expected, slope = backward(torch.nn.CrossEntropyLoss(ignore_index=-100), logits, labels)
        self.assertAlmostEqual(value.item(), expected.item(), 12)
        self.assertTrue(torch.allclose(gradient, slope, rtol=1e-10, atol=1e-14))

    def test_a_gradient_flows_to_the_layers_before(self):
        torch.manual_seed(1)
        net, labels = torch.nn.Conv2d(1, 3, 3, padding=1), torch.tensor(sample()[1])
        images = torch.randn(2, 1, 7, 9)
        optimizer, criterion = torch.optim.SGD(net.parameters(), 0.5), voxgrad.loss("dice_ce")
        values = []
        for _ in range(20):
            optimizer.zero_grad()
            value = criterion(net(images), labels[:, None]) + 0.5 * criterion(net(images), labels)
            value.backward()
            optimizer.step()
            values.append(value.item())
        self.assertLess(values[-1], values[0] - 0.1)

    def test_half_precision_and_no_gradient(self):
        arrays, labels = sample()
        labels = torch.tensor(labels)
        for dtype in torch.float16, torch.bfloat16:
            logits = torch.tensor(arrays, dtype=dtype)
            value, gradient = backward(voxgrad.loss("dice"), logits, labels)
            expected, slope = backward(voxgrad.loss("dice"), logits.float(), labels)
            self.assertEqual((value.dtype, value.item()), (torch.float32, expected.item()))
            self.assertTrue(torch.equal(gradient, slope.to(dtype)))
            # The factor of a GradScaler, which is beyond f16, for gradients that f16 alone would make 0.
            large = logits.repeat(1, 1, 300, 300)
            many = labels.repeat(1, 300, 300)
            gradient = backward(voxgrad.loss("ce"), large, many, scale=65536)[1]
            slope = backward(voxgrad.loss("ce"), large.float(), many)[1]
            self.assertTrue(torch.equal(gradient, (65536 * slope).to(dtype)))
            self.assertTrue((gradient != 0).any())
        shares = torch.nn.functional.one_hot(labels, 3).movedim(-1, 1)
        expected = voxgrad.loss("dml")(torch.tensor(arrays), shares.double()).item()
        for dtype in torch.float16, torch.bfloat16:
            self.assertEqual(voxgrad.loss("dml")(torch.tensor(arrays), shares.to(dtype)).item(), expected)
        with torch.no_grad():
            self.assertFalse(voxgrad.loss("dice")(torch.tensor(arrays, requires_grad=True), labels).requires_grad)

    def test_refusals(self):
        arrays, labels = sample()
        with self.assertRaisesRegex(TypeError, "must be a tensor"):
            voxgrad.loss("dice")(arrays, labels)
        with self.assertRaisesRegex(ValueError, "label 3"):
            voxgrad.loss("dice")(torch.tensor(arrays), torch.tensor(labels + 1))


unittest.main()
