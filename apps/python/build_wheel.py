"""Builds the wheel for pip: compiles libvoxgrad and, where its packages are installed, the program; puts both beside
the
Python files. The environment variable CMAKE_ARGS is passed on, as -DVOXGRAD_PORTABLE=ON. It needs no other package, so
`pip install` works without a network if numpy is there.
"""
import base64
import hashlib
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sysconfig
import zipfile

HERE = pathlib.Path(__file__).parent.resolve()
ROOT = HERE.parents[1]
BUILD = ROOT / "build/python"
VERSION = re.search(r"project\(voxgrad VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text())[1]
INFO = f"voxgrad-{VERSION}.dist-info"
TAG = "py3-none-" + re.sub(r"\W", "_", sysconfig.get_platform())
METADATA = f"""Metadata-Version: 2.1
Name: voxgrad
Version: {VERSION}
Summary: Segmentation: trained U-Nets, every loss of the literature, exact distances and metrics
License: Apache-2.0
Requires-Python: >=3.9
Requires-Dist: numpy
Provides-Extra: torch
Requires-Dist: torch; extra == "torch"
Requires-Dist: safetensors; extra == "torch"
"""


def compile_all():
    """Returns the files of the wheel that are compiled."""
    def configure(apps):
        (BUILD / "CMakeCache.txt").unlink(missing_ok=True)  # it keeps the CMAKE_ARGS of an earlier installation
        generator = ["-G", "Ninja"] if shutil.which("ninja") else []
        subprocess.run(["cmake", "-S", ROOT, "-B", BUILD, *generator, "-DCMAKE_BUILD_TYPE=Release",
                        "-DVOXGRAD_TESTS=OFF",
                        "-DVOXGRAD_INSTALL=OFF", f"-DVOXGRAD_APPS={apps}", "-DCMAKE_EXE_LINKER_FLAGS=-s",
                        "-DCMAKE_SHARED_LINKER_FLAGS=-s", *shlex.split(os.environ.get("CMAKE_ARGS", ""))], check=True)

    targets = ["voxgrad_shared", "voxgrad"]
    try:
        configure("ON")
    except subprocess.CalledProcessError:
        print("voxgrad: the wheel will have no program, because a package that it needs was not found (see above)")
        configure("OFF")
        targets.remove("voxgrad")
    jobs = os.environ.get("CMAKE_BUILD_PARALLEL_LEVEL") or str(len(os.sched_getaffinity(0)))
    subprocess.run(["cmake", "--build", BUILD, "--parallel", jobs, "--target", *targets], check=True)
    return [BUILD / "apps/embed/libvoxgrad.so"] + [BUILD / "voxgrad" for target in targets if target == "voxgrad"]


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    compiled = compile_all()
    files = {f"voxgrad/{path.name}": (path.read_bytes(), 0o755) for path in compiled}
    files |= {f"voxgrad/{path.name}": (path.read_bytes(), 0o644) for path in sorted(HERE.glob("voxgrad/*.py"))}
    texts = {"METADATA": METADATA,
             "WHEEL": f"Wheel-Version: 1.0\nGenerator: voxgrad\nRoot-Is-Purelib: false\nTag: {TAG}\n"}
    if "voxgrad/voxgrad" in files:
        texts["entry_points.txt"] = "[console_scripts]\nvoxgrad = voxgrad.program:main\n"
    files |= {f"{INFO}/{name}": (text.encode(), 0o644) for name, text in texts.items()}
    files[f"{INFO}/LICENSE"] = (ROOT / "LICENSE").read_bytes(), 0o644
    if "voxgrad/voxgrad" in files:  # the program has code of others in it
        files[f"{INFO}/NOTICE"] = (ROOT / "apps/packaging/notices.txt").read_bytes(), 0o644
    record = ""
    for name, (content, _) in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        record += f"{name},sha256={digest},{len(content)}\n"
    files[f"{INFO}/RECORD"] = (record + f"{INFO}/RECORD,,\n").encode(), 0o644
    wheel = f"voxgrad-{VERSION}-{TAG}.whl"
    with zipfile.ZipFile(pathlib.Path(wheel_directory) / wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, (content, mode) in files.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = (0o100000 | mode) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    return wheel


def build_sdist(sdist_directory, config_settings=None):
    raise RuntimeError("there is no source package: build the wheel in the tree of voxgrad, `pip install apps/python`")
