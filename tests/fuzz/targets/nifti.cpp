// NIfTI, a quarter of them compressed. What was read is written again, because its header goes into the new file.
#include "data/formats/formats_detail.h"
#include "tests/data/formats/files.h"
#include "tests/fuzz/target.h"

using namespace voxgrad;
using namespace voxgrad::test;

std::vector<std::string> voxgrad::test::seeds() {
  std::vector<std::string> found;
  struct Kind {
    int type, bytes;
  };
  for (const int version : {1, 2})
    for (const bool big : {false, true})
      for (const auto& [type, bytes] :
           {Kind{2, 1}, Kind{4, 2}, Kind{16, 4}, Kind{64, 8}, Kind{1024, 8}, Kind{128, 3}}) {
        const std::size_t size = static_cast<std::size_t>(60 * bytes);
        NiftiBytes file(version, {3, 5, 4, 3}, type, type == 1024 ? std::string(size, '\0') : noise(size), big);
        file.set("scl_slope", {2}).set("scl_inter", {1}).set("qform_code", {1}).set("quatern", {0.5, 0.5, 0.5});
        if (version == 2) file.set("sform_code", {1}).set("srow", {1, 0, 0, 5, 0, 1, 0, 6, 0, 0, 2, 7});
        found.push_back(file.str());
      }
  found.push_back(NiftiBytes(1, {5, 5, 4, 3, 1, 3}, 512, noise(360)).str());
  return found;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string bytes = test::text_of(data, size);
  const std::string path = as_file("input.nii", size % 4 == 0 ? gzipped(bytes) : bytes);
  data::Image image;
  if (!read_or_refuse([&] { image = data::detail::read_nifti(path); })) return 0;
  if (image.header.empty() || image.values.numel() > 4096) return 0;
  image.element = data::h5::Element::f32;
  read_or_refuse([&] { data::write_image(as_file("copy.nii", ""), image); });
  return 0;
}
