"""A training by the program, its model in Python, and the same numbers from both."""
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import unittest.mock

from common import need, need_program, sample

need("numpy", "h5py")
need_program()
import h5py
import numpy
import voxgrad


class Program(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.path = pathlib.Path(cls.folder.name)
        cls.data, cls.out = cls.path / "data.h5", cls.path / "run"
        voxgrad.run(["synth", "lesions2d", "-o", cls.data, "--cases", 12, "--size", "40x48"])
        cls.events = []
        cls.result = voxgrad.train(cls.data, cls.out, cls.events.append, steps=4, base=4, patch=[32, 32], epochs=None,
                                   residual=True)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def test_a_training_reports(self):
        self.assertEqual(self.result["run"], str(self.out))
        self.assertEqual([self.events[0]["event"], self.events[-1]["event"]], ["start", "finished"])
        self.assertIn("val_dice", next(event for event in self.events if event["event"] == "epoch"))

    def test_labels_and_probabilities_are_those_of_the_program(self):
        voxgrad.run(["predict", self.out, self.data, "-o", self.path / "found.h5", "--probabilities"])
        model = voxgrad.Model(self.out)
        self.assertEqual((model.axes, model.channels, model.window, model.spacing), (2, 1, (32, 32), None))
        self.assertEqual(model.classes, ["background", "lesion"])
        self.assertEqual(voxgrad.Model((self.out / "best.safetensors").read_bytes()).classes, model.classes)
        with h5py.File(self.data) as data, h5py.File(self.path / "found.h5") as found:
            shares = []
            for image, labels, scores in zip(data["images"], found["labels"], found["probabilities"]):
                for given in image, image[..., 0], numpy.asfortranarray(image), image.astype(float):
                    got, probabilities = model.predict(given, probabilities=True, progress=shares.append)
                    self.assertTrue(numpy.array_equal(got, labels))
                    self.assertTrue(numpy.array_equal(probabilities, scores))
                self.assertTrue(numpy.array_equal(model.predict(image), labels))
                logits = model.predict(image, logits=True)[1]
                self.assertTrue(numpy.array_equal(logits.argmax(-1), labels))
            self.assertTrue(0 < shares[0] <= shares[-1] == 1)

    def test_losses_are_those_of_the_program(self):
        logits, labels = sample((2, 12, 10))
        with h5py.File(self.path / "logits.h5", "w") as file:
            file["logits"], file["labels"] = numpy.moveaxis(logits, 1, -1), labels.astype(numpy.uint8)
        for text in "dice_ce", "0.7*dice+1.3*ce:weights=0.2/1/3", "boundary", "lovasz_softmax":
            document = voxgrad.run(["losses", "eval", text, self.path / "logits.h5", "--gradient", self.path / "g.h5"])
            value, gradient = voxgrad.loss(text).evaluate(logits, labels)
            self.assertEqual(value, document["value"])
            with h5py.File(self.path / "g.h5") as file:
                self.assertTrue(numpy.array_equal(numpy.moveaxis(gradient, 1, -1), file["gradient"]))
            (self.path / "g.h5").unlink()

    def test_refusals(self):
        model = voxgrad.Model(self.out)
        for wrong in (8, 8, 3), (2, 8, 8), (8,):
            with self.assertRaisesRegex(ValueError, "image.*the model takes 2 spatial axes .* 1 channels"):
                model.predict(numpy.zeros(wrong))
        with self.assertRaisesRegex(ValueError, "spacing: 3 numbers, must be 2"):
            model.predict(numpy.zeros((8, 8)), spacing=[1, 1, 1])
        with self.assertRaisesRegex(OSError, "nothing.safetensors: No such file"):
            voxgrad.Model(self.path / "nothing.safetensors")
        with self.assertRaisesRegex(voxgrad.Error, "(?s)unknown flag `--bse`.*did you mean `--base`"):
            voxgrad.train(self.data, self.path / "other", bse=4)
        with self.assertRaisesRegex(voxgrad.Error, "(?s)a run is in it already.*--resume"):
            voxgrad.train(self.data, self.out)
        with self.assertRaisesRegex(OSError, r"caf\\xe9"):
            voxgrad.Model(os.fsdecode(b"caf\xe9.safetensors"))

    def test_a_program_that_is_killed_or_fails_says_how(self):
        def outcome(words):
            script = self.path / "program.sh"
            script.write_text("#!/bin/sh\n" + words)
            script.chmod(0o755)
            with unittest.mock.patch.dict(os.environ, VOXGRAD_PROGRAM=str(script)):
                with self.assertRaises(voxgrad.Error) as caught:
                    voxgrad.run(["train"])
            return caught.exception

        killed = outcome("echo 'warning: old error: 3' >&2; kill -9 $$")
        self.assertEqual(killed.code, -9)
        self.assertRegex(str(killed), "(?s)ended by SIGKILL.*warning: old error: 3")
        full = outcome("printf '{\"run\": '; echo 'error: no space is left' >&2; exit 5")
        self.assertIsInstance(full, OSError)
        self.assertEqual((str(full), full.result), ("error: no space is left", '{"run": '))
        self.assertNotIsInstance(outcome("echo 'error: internal: x' >&2; exit 1"), ValueError)

    def test_an_exception_ends_a_prediction_and_a_training(self):
        def stop(_):
            raise KeyError("enough")

        with self.assertRaisesRegex(KeyError, "enough"):
            voxgrad.Model(self.out).predict(numpy.zeros((100, 100)), progress=stop)
        with self.assertRaisesRegex(KeyError, "enough"):
            voxgrad.train(self.data, self.path / "stopped", stop, steps=100000, base=4)
        self.assertTrue((self.path / "stopped/last.safetensors").is_file())

    def test_ctrl_c_ends_a_training_that_keeps_what_it_has_done(self):
        out = self.path / "interrupted"
        words = [sys.executable, "-c", "import sys, voxgrad; voxgrad.train(*sys.argv[1:], steps=100000, base=4)",
                 str(self.data), str(out)]
        process = subprocess.Popen(words, start_new_session=True, stderr=subprocess.PIPE)
        while process.poll() is None and not (out / "last.safetensors").is_file():
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of the foreground
        said = process.communicate()[1].decode()
        self.assertIn("KeyboardInterrupt", said)
        self.assertEqual(json.loads((out / "run.json").read_text())["exit_reason"], "interrupted", said)

    def test_ctrl_c_ends_a_prediction(self):
        model = voxgrad.Model(self.out)
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
        with self.assertRaises(KeyboardInterrupt):
            while True:
                model.predict(numpy.zeros((4000, 4000)))
        model.predict(numpy.zeros((40, 40)))  # as before

    def test_a_training_where_an_old_log_lies_reports_its_own_events(self):
        out = self.path / "old"
        voxgrad.train(self.data, out, steps=4, base=4)
        for path in out.glob("*.safetensors"):
            path.unlink()
        with (out / "log.jsonl").open("a") as log:
            log.write("x" * 300 + "\n")
        events = []
        voxgrad.train(self.data, out, events.append, steps=4, base=4)
        self.assertEqual([events[0]["event"], events[-1]["event"]], ["start", "finished"])

    def test_what_doctor_finds_is_in_its_error(self):
        with h5py.File(self.data) as good, h5py.File(self.path / "empty.h5", "w") as bad:
            for name in good:
                good.copy(name, bad)
            bad.attrs.update(good.attrs)
            bad["labels"][...] = 0
        with self.assertRaises(voxgrad.Error) as caught:
            voxgrad.run(["doctor", self.path / "empty.h5"])
        self.assertEqual(caught.exception.code, 8)
        self.assertTrue(caught.exception.result["findings"])


unittest.main()
