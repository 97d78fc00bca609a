// Chunks that are unpacked here and not by HDF5: the values are those that HDF5 reads itself; and chunks of which HDF5
// 1.10 dies are refused.
#include "data/h5/h5_chunks.h"

#include <hdf5.h>
#include <zlib.h>

#include <array>

#include "engine/error.h"
#include "engine/random.h"
#include "tests/files.h"
#include "tests/test.h"

using namespace voxgrad;
using namespace voxgrad::data;
using namespace voxgrad::test;

namespace {

using Sizes = std::vector<hsize_t>;

// An array /x whose chunks have these filters: d deflate, s shuffle, f fletcher32.
class ChunkFile {
 public:
  ChunkFile(const std::string& path, hid_t type, const Sizes& extents, const Sizes& chunk, const std::string& filters) {
    file_ = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    const hid_t list = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_chunk(list, static_cast<int>(chunk.size()), chunk.data());
    const double seven = 7;
    H5Pset_fill_value(list, H5T_NATIVE_DOUBLE, &seven);
    for (const char filter : filters) {
      if (filter == 'd') H5Pset_deflate(list, 4);
      if (filter == 's') H5Pset_shuffle(list);
      if (filter == 'f') H5Pset_fletcher32(list);
    }
    const hid_t space = H5Screate_simple(static_cast<int>(extents.size()), extents.data(), nullptr);
    array_ = H5Dcreate2(file_, "x", type, space, H5P_DEFAULT, list, H5P_DEFAULT);
    H5Sclose(space);
    H5Pclose(list);
  }
  ~ChunkFile() {
    H5Dclose(array_);
    H5Fclose(file_);
  }
  ChunkFile(const ChunkFile&) = delete;
  ChunkFile& operator=(const ChunkFile&) = delete;
  hid_t array() const { return array_; }
  void put(const Sizes& offset, const std::string& bytes, std::uint32_t left_out = 0) const {
    REQUIRE(H5Dwrite_chunk(array_, H5P_DEFAULT, left_out, offset.data(), bytes.size(), bytes.data()) >= 0);
  }

 private:
  hid_t file_, array_;
};

std::string packed(const std::string& bytes) {
  std::string out(::compressBound(static_cast<uLong>(bytes.size())), '\0');
  uLongf size = static_cast<uLongf>(out.size());
  ::compress(reinterpret_cast<Bytef*>(out.data()), &size, reinterpret_cast<const Bytef*>(bytes.data()),
             static_cast<uLong>(bytes.size()));
  out.resize(size);
  return out;
}

std::string chunk_error(const std::string& path) {
  return error_of([&] {
    const h5::Array array = h5::File::open(path).array("/x");
    std::vector<float> values(static_cast<std::size_t>(array.extents().numel()));
    array.read_all(h5::Element::f32, values.data());
  });
}

}  // namespace

TEST_CASE("h5 chunks: the values are those that HDF5 reads itself") {
  const Folder folder;
  const std::string path = folder.file("a.h5");
  const std::array types{H5T_STD_U8LE, H5T_STD_I16BE, H5T_IEEE_F32LE, H5T_IEEE_F64BE};
  int compared = 0;
  for (std::uint64_t number = 0; number < 60; ++number) {
    Random random(number);
    const auto below = [&](std::uint64_t n) { return static_cast<hsize_t>(random.bits64() % n); };
    const std::size_t dims = 1 + below(4);
    Sizes extents, chunk;
    for (std::size_t i = 0; i < dims; ++i) {
      extents.push_back(1 + below(13));
      chunk.push_back(1 + below(extents[i]));
    }
    const std::array filters{"d", "sd", "df", "sdf", "s", "f", "fd", "dd"};
    std::size_t count = 1;
    for (const hsize_t extent : extents) count *= extent;
    {
      const ChunkFile file(path, types[number % 4], extents, chunk, filters[below(8)]);
      std::vector<double> values(count);
      for (double& value : values) value = static_cast<double>(below(100));
      const hid_t space = H5Dget_space(file.array());  // some chunks are never written
      const Sizes start(dims, 0);
      Sizes half = extents;
      if (number % 3 == 0) half[0] = (half[0] + 1) / 2;
      H5Sselect_hyperslab(space, H5S_SELECT_SET, start.data(), nullptr, half.data(), nullptr);
      const hid_t memory = H5Screate_simple(static_cast<int>(dims), half.data(), nullptr);
      REQUIRE(H5Dwrite(file.array(), H5T_NATIVE_DOUBLE, memory, space, H5P_DEFAULT, values.data()) >= 0);
      H5Sclose(memory);
      H5Sclose(space);
    }
    std::vector<float> expected(count);
    const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), raw = H5Dopen2(file, "x", H5P_DEFAULT);
    REQUIRE(H5Dread(raw, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, expected.data()) >= 0);
    H5Dclose(raw);
    H5Fclose(file);
    const h5::Array array = h5::File::open(path).array("/x");
    CHECK(!array.left_to_library());
    for (int box = 0; box < 4; ++box) {
      Shape start, size;
      for (const hsize_t extent : extents) {
        start.push_back(static_cast<std::int64_t>(box == 0 ? 0 : below(extent)));
        const std::int64_t left = static_cast<std::int64_t>(extent) - start[-1];
        size.push_back(box == 0 ? left : 1 + static_cast<std::int64_t>(below(static_cast<std::uint64_t>(left))));
      }
      std::vector<float> found(static_cast<std::size_t>(size.numel()));
      array.read(start, size, h5::Element::f32, found.data());
      bool same = true;
      for (std::int64_t i = 0; i < size.numel(); ++i) {
        std::int64_t rest = i, at = 0, stride = 1;
        for (int axis = size.dims() - 1; axis >= 0; --axis) {
          at += (start[axis] + rest % size[axis]) * stride;
          rest /= size[axis];
          stride *= array.extents()[axis];
        }
        same = same && found[static_cast<std::size_t>(i)] == expected[static_cast<std::size_t>(at)];
      }
      CHECK_MESSAGE(same, "file ", number, ", box ", box);
      compared += same ? 1 : 0;
    }
    if (types[number % 4] == H5T_STD_U8LE) continue;
    std::vector<std::uint8_t> bytes(count);  // smaller than what is stored
    array.read_all(h5::Element::u8, bytes.data());
    for (std::size_t i = 0; i < count; ++i) CHECK(bytes[i] == static_cast<std::uint8_t>(expected[i]));
  }
  CHECK(compared == 240);
}

TEST_CASE("h5 chunks: a product of extents that wraps is not taken for a small chunk") {
  const Folder folder;
  const std::string path = folder.file("a.h5");
  { const ChunkFile file(path, H5T_NATIVE_UINT8, {4, 64, 64}, {3, 5, 7}, "d"); }
  const auto layout = [](const std::array<std::uint32_t, 4>& numbers) {
    std::string bytes;
    for (const std::uint32_t number : numbers)
      for (int shift = 0; shift < 32; shift += 8) bytes += static_cast<char>(number >> shift & 255);
    return bytes;
  };
  std::string bytes = bytes_of(path);
  const std::size_t at = bytes.find(layout({3, 5, 7, 1}));
  REQUIRE(at != std::string::npos);
  bytes.replace(at, 16, layout({69632, 858001, 308761441, 1}));  // 2^64 + 4096 elements
  write_bytes(path, bytes);
  const std::string error = chunk_error(path);
  CHECK_MESSAGE(contains(error, "claims chunks of"), error);
  CHECK(contains(error, "4 GiB or more"));
}

TEST_CASE("h5 chunks: a chunk with fewer or more bytes than the array says is refused") {
  const Folder folder;
  const std::string path = folder.file("a.h5");
  const Sizes extents{2, 1024, 1024}, chunk{1, 1024, 1024}, first{0, 0, 0}, second{1, 0, 0};
  std::string whole;  // that cannot be made smaller
  Random random(1);
  while (whole.size() < std::size_t{4} << 20) whole += static_cast<char>(random.bits());
  const auto refusal = [&](const std::string& bytes, std::uint32_t left_out, const std::string& filters) {
    {
      const ChunkFile file(path, H5T_IEEE_F32LE, extents, chunk, filters);
      file.put(first, bytes, left_out);
      file.put(second, packed(whole));
    }
    return chunk_error(path);
  };
  CHECK(contains(refusal(packed("abcabcabc"), 0, "d"),
                 "dataset /x of a.h5: cannot be read: a chunk has 9 bytes, expected 4194304"));
  CHECK(contains(refusal(packed(whole + "x"), 0, "d"), "a chunk has 4194305 bytes"));
  CHECK(contains(refusal(packed(whole), 1, "d"), "expected 4194304"));  // said to be stored as it is
  CHECK(contains(refusal(packed(whole).substr(0, 100), 0, "d"), "a chunk cannot be unpacked"));
  CHECK(contains(refusal("abc", 0, "d"), "a chunk cannot be unpacked"));
  CHECK(contains(refusal("abc", 0, "df"), "the checksum of a chunk is wrong"));
  CHECK(contains(refusal(packed(whole), 0, "df"), "the checksum of a chunk is wrong"));
  CHECK(refusal(packed(whole), 0, "d").empty());
}
