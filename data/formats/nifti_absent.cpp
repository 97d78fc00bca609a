// Stands in for nifti.cpp where nifticlib was not found when this was built.
#include "data/formats/formats_detail.h"

namespace voxgrad::data {
namespace {

[[noreturn]] void absent(const std::string& path) {
  throw Error(ErrorKind::data, path + ": this build has no NIfTI",
              "install libnifti-dev (Debian, Ubuntu) or nifticlib-devel (Fedora) and build again");
}

}  // namespace

bool has_nifti() { return false; }
Image detail::read_nifti(const std::string& path) { absent(path); }
void detail::write_nifti(const std::string& path, const Image&) { absent(path); }

}  // namespace voxgrad::data
