// Arrays of HDF5 of which one sample after the other is read.
#include <chrono>
#include <filesystem>
#include <vector>

#include "tests/data/exchange/support.h"

using namespace voxgrad;
using namespace voxgrad::test;

TEST_CASE("an array stays open for its next sample while the caller says so, unless its file changes") {
  const Folder folder;
  const std::string path = folder.file("a.h5");
  std::filesystem::file_time_type time;
  // Five samples of one pixel: sample s of /x has the value first + s, that of /y twice as much.
  const auto write_from = [&](int first, int seconds) {
    {
      data::h5::Writer out(path);
      for (const int factor : {1, 2}) {
        std::vector<float> pixels;
        for (int s = 0; s < 5; ++s) pixels.push_back(static_cast<float>(factor * (first + s)));
        out.array(factor == 1 ? "/x" : "/y", data::h5::Element::f32, {5, 1, 1}, pixels.data());
      }
      out.save();
    }
    if (time == std::filesystem::file_time_type{}) time = std::filesystem::last_write_time(path);
    std::filesystem::last_write_time(path, time + std::chrono::seconds(seconds));
  };
  const auto pixel = [&](const char* array, int sample) {
    data::Source source;
    source.images = {text(path, ":", array, "[", sample, "]")};
    return read_source_image(source, "NYX").image.values.at(0, 0, 0);
  };
  write_from(0, 0);
  {
    const data::KeepTiffs keep;
    CHECK(pixel("/x", 0) == 0);
    CHECK(pixel("/y", 1) == 2);
    write_from(10, 0);  // nothing shows the change, so what is seen is what stayed open
    CHECK(pixel("/x", 1) == 1);
    CHECK(pixel("/y", 2) == 4);
    write_from(20, 2);
    CHECK(pixel("/x", 2) == 22);
    CHECK(pixel("/y", 3) == 46);
    write_from(30, 2);
    CHECK(pixel("/x", 3) == 23);
    CHECK(contains(error_of([&] { pixel("/x", 5); }), "sample 5 outside 0..4"));
    CHECK(contains(error_of([&] { pixel("/z", 0); }), "has no dataset /z"));
    CHECK(pixel("/x", 4) == 24);
    CHECK(pixel("/y", 4) == 48);
  }
  CHECK(pixel("/x", 3) == 33);  // nothing is open any more
}
