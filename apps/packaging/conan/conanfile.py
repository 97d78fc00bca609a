"""The libraries of voxgrad, from the tree that this file stands in, as a package for Conan 2."""
import pathlib
import re

from conan import ConanFile
from conan.tools.build import check_min_cppstd
from conan.tools.cmake import CMake, CMakeToolchain, cmake_layout
from conan.tools.files import copy


class Voxgrad(ConanFile):
    name = "voxgrad"
    description = "Networks and losses for segmentation, for C++ and C"
    license = "Apache-2.0"
    package_type = "static-library"
    settings = "os", "arch", "compiler", "build_type"

    def root(self):
        return pathlib.Path(self.recipe_folder).parents[2]

    def set_version(self):
        text = (self.root() / "CMakeLists.txt").read_text()
        self.version = re.search(r"project\(voxgrad VERSION (\S+)", text)[1]

    def export_sources(self):
        for files in ["CMakeLists.txt", "LICENSE", "engine/*", "nn/*", "losses/*", "apps/embed/*", "apps/packaging/*"]:
            copy(self, files, self.root(), self.export_sources_folder)

    def layout(self):
        cmake_layout(self)

    def validate(self):
        check_min_cppstd(self, 20)

    def generate(self):
        toolchain = CMakeToolchain(self)
        toolchain.cache_variables |= {"VOXGRAD_APPS": False, "VOXGRAD_TESTS": False, "VOXGRAD_BLAS": "builtin"}
        toolchain.generate()

    def build(self):
        cmake = CMake(self)
        cmake.configure()
        cmake.build()

    def package(self):
        copy(self, "LICENSE", self.source_folder, pathlib.Path(self.package_folder, "licenses"))
        CMake(self).install()

    def package_info(self):
        # find_package(voxgrad) finds the files that CMake installed. Other build systems get the C++ libraries.
        self.cpp_info.set_property("cmake_find_mode", "none")
        self.cpp_info.builddirs = ["lib/cmake/voxgrad"]
        self.cpp_info.libs = ["voxgrad_losses", "voxgrad_nn", "voxgrad_engine"]
        self.cpp_info.system_libs = ["pthread", "m"]
