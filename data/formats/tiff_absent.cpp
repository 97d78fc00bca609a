// Stands in for tiff.cpp where libtiff was not found when this was built.
#include "data/formats/formats_detail.h"

namespace voxgrad::data {
namespace {

[[noreturn]] void absent(const std::string& path) {
  throw Error(ErrorKind::data, path + ": this build has no TIFF",
              "install libtiff-dev (Debian, Ubuntu) or libtiff-devel (Fedora) and build again");
}

}  // namespace

bool has_tiff() { return false; }
Image detail::read_tiff(const std::string& path, const ReadOptions&) { absent(path); }
std::int64_t detail::tiff_pages(const std::string& path) { absent(path); }
void detail::write_tiff(const std::string& path, const Image&) { absent(path); }

}  // namespace voxgrad::data
