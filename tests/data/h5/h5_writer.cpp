// The writer of HDF5 files: what is there when it ends well, when the disk is full, and when nobody saves.
#include "data/h5/h5_writer.h"

#include <hdf5.h>
#include <sys/resource.h>

#include <csignal>
#include <iterator>

#include "tests/data/support.h"
#include "tests/test.h"

using namespace voxgrad;
using namespace voxgrad::data;
using namespace voxgrad::test;

TEST_CASE(
    "h5: a disk that is full at any moment: an Error(io) with the reason, nothing left, and the next file is good") {
  const Folder folder;
  const std::string path = folder.file("a.h5");
  std::vector<float> noise(100000);
  for (std::size_t i = 0; i < noise.size(); ++i) noise[i] = static_cast<float>(i * 2654435761u % 1000003) / 7;
  const auto write = [&] {
    h5::Writer writer(path);
    writer.group("/cases");
    for (int i = 0; i < 30; ++i) {
      const std::string at = text("/cases/", i);
      writer.group(at);
      writer.array(at + "/image", h5::Element::f32, {100, 1000}, noise.data(), {10, 1000});
      writer.array(at + "/flat", h5::Element::f32, {50}, noise.data());
      writer.attribute(at, "spacing", std::vector<double>{1, 2});
      writer.texts(at + "/names", {at, "b"});
    }
    writer.save();
  };
  write();
  const std::string whole = bytes_of(path);
  REQUIRE(whole.size() > 3000000);
  rlimit limit{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &limit) == 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  std::size_t tried = 0, refused = 0;
  for (std::size_t bytes = 0; bytes < whole.size(); bytes += bytes < 20000 ? 997 : 171717) {
    rlimit small = limit;
    small.rlim_cur = bytes;
    ++tried;
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
    const std::string found = error_of(write);
    ::setrlimit(RLIMIT_FSIZE, &limit);
    refused += contains(found, "a.h5: write: File too large");
    CHECK_MESSAGE(contains(found, "File too large"), bytes, ": ", found);
    CHECK(bytes_of(path) == whole);
    CHECK(std::distance(std::filesystem::directory_iterator(folder.file("")), {}) == 1);
  }
  std::signal(SIGXFSZ, handler);
  CHECK(refused == tried);
  CHECK(H5Fget_obj_count(static_cast<hid_t>(H5F_OBJ_ALL), H5F_OBJ_FILE | H5F_OBJ_DATASET | H5F_OBJ_GROUP) == 0);
  write();
  CHECK(bytes_of(path) == whole);
}

TEST_CASE("h5: a disk that is full while HDF5 makes room in its cache: everything is closed") {
  const Folder folder;
  const std::vector<double> large(8000, 1.0);  // 64 kB in the header of a group; 32 MiB of headers fill the cache
  rlimit limit{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &limit) == 0);
  rlimit small = limit;
  small.rlim_cur = 100000;
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
  const std::string found = error_of([&] {
    h5::Writer writer(folder.file("a.h5"));
    for (int i = 0; i < 2000; ++i) {
      writer.group(text("/", i));
      writer.attribute(text("/", i), "large", large);
    }
  });
  ::setrlimit(RLIMIT_FSIZE, &limit);
  std::signal(SIGXFSZ, handler);
  CHECK_MESSAGE(contains(found, "a.h5: write: File too large"), found);
  CHECK(H5Fget_obj_count(static_cast<hid_t>(H5F_OBJ_ALL), H5F_OBJ_FILE | H5F_OBJ_DATASET | H5F_OBJ_GROUP) == 0);
}

TEST_CASE("h5: without save() nothing remains, and the file from before is untouched") {
  const Folder folder;
  const std::string path = folder.file("a.h5");
  write_bytes(path, "old");
  {
    h5::Writer writer(path);
    writer.texts("/x", {"a"});
    CHECK(std::filesystem::exists(path + ".tmp"));
    CHECK(contains(error_of([&] { h5::Writer(path).save(); }), "is being written by somebody else"));
  }
  CHECK(bytes_of(path) == "old");
  CHECK(!std::filesystem::exists(path + ".tmp"));
  CHECK(contains(error_of([&] { h5::Writer(folder.file("no/such/a.h5")); }), "No such file or directory"));
}

TEST_CASE("h5: a chunk is a case or a block of 64^3 or 512^2 voxels, and never large, however many channels") {
  CHECK(h5::chunk_of({3, 100, 200}, true, 2, h5::Element::f32) == Shape{1, 100, 200});
  CHECK(h5::chunk_of({70, 80, 90}, false, 3, h5::Element::u8) == Shape{70, 80, 90});
  CHECK(h5::chunk_of({30, 300, 600, 1}, false, 3, h5::Element::f32) == Shape{30, 64, 64, 1});
  CHECK(h5::chunk_of({180, 180, 180, 255}, false, 3, h5::Element::f32) == Shape{8, 64, 64, 255});
  for (const std::int64_t classes : {2, 255, 1 << 20, 1 << 30})
    for (const bool stacked : {true, false}) {
      const Shape lead = stacked ? Shape{9} : Shape{};
      for (const Shape& chunk : {h5::chunk_of(lead + Shape{300, 400, 500, classes}, stacked, 3, h5::Element::f32),
                                 h5::chunk_of(lead + Shape{9000, 9000, classes}, stacked, 2, h5::Element::f32)}) {
        CHECK_MESSAGE(chunk.numel() * 4 <= 32 << 20, chunk);
        CHECK_MESSAGE(chunk.numel() * 4 >= 1 << 20, chunk);
      }
    }
}
