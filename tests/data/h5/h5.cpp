// The HDF5 wrapper on files made with the C library itself: what is read, and what is refused.
#include "data/h5/h5.h"

#include <hdf5.h>
#include <sys/stat.h>

#include <array>
#include <chrono>
#include <limits>
#include <thread>

#include "data/h5/h5_writer.h"
#include "tests/data/support.h"
#include "tests/test.h"

using namespace voxgrad;
using namespace voxgrad::data;
using namespace voxgrad::test;

namespace {

// A file made by plain calls of the library; nothing of this is checked, a mistake shows in the test.
class RawFile {
 public:
  explicit RawFile(const std::string& path) : id_(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT)) {}
  ~RawFile() { H5Fclose(id_); }
  RawFile(const RawFile&) = delete;
  RawFile& operator=(const RawFile&) = delete;
  hid_t id() const { return id_; }

  // Creates a dataset; `values` may be null.
  void dataset(const char* name, hid_t type, const std::vector<hsize_t>& extents, const void* values,
               hid_t creation = H5P_DEFAULT) const {
    const hid_t space = H5Screate_simple(static_cast<int>(extents.size()), extents.data(), nullptr);
    const hid_t array = H5Dcreate2(id_, name, type, space, H5P_DEFAULT, creation, H5P_DEFAULT);
    REQUIRE(array >= 0);
    if (values != nullptr) REQUIRE(H5Dwrite(array, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
    H5Dclose(array);
    H5Sclose(space);
  }

 private:
  hid_t id_;
};

const std::array<std::uint8_t, 6> kBytes{1, 2, 3, 4, 5, 6};
const std::array<hsize_t, 1> kNone{0}, kUnlimited{H5S_UNLIMITED};

std::string error_reading(const std::string& path, const std::string& array) {
  return error_of([&] {
    const h5::Array found = h5::File::open(path).array(array);
    std::vector<double> values(6);
    found.read({0}, {6}, h5::Element::f64, values.data());
  });
}

}  // namespace

TEST_CASE("h5: a box of an array, converted") {
  const Folder folder;
  const std::string path = folder.file("a.h5");
  {
    const RawFile file(path);
    std::array<std::int16_t, 24> values{};
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<std::int16_t>(i - 5);
    file.dataset("x", H5T_STD_I16BE, {2, 3, 4}, nullptr);
    const hid_t array = H5Dopen2(file.id(), "x", H5P_DEFAULT);
    REQUIRE(H5Dwrite(array, H5T_NATIVE_INT16, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()) >= 0);
    H5Dclose(array);
  }
  const h5::Array array = h5::File::open(path).array("/x");
  CHECK(array.element() == h5::Element::i16);  // whatever the byte order in the file
  CHECK(array.extents() == Shape{2, 3, 4});
  std::vector<float> values(4);
  array.read({1, 1, 2}, {1, 2, 2}, h5::Element::f32, values.data());
  CHECK(values == std::vector<float>{13, 14, 17, 18});
  CHECK(contains(error_of([&] {
                   array.read({1, 1, 2}, {1, 2, 3}, h5::Element::f32, values.data());
                 }),
                 "h5: 3 elements from 2 asked of axis 2"));
}

TEST_CASE("h5: an array has at most six axes") {
  const Folder folder;
  const std::string path = folder.file("a.h5");
  {
    const RawFile file(path);
    file.dataset("six", H5T_NATIVE_UINT8, {1, 1, 1, 1, 2, 3}, kBytes.data());
    file.dataset("seven", H5T_NATIVE_UINT8, {1, 1, 1, 1, 1, 2, 3}, kBytes.data());
  }
  const h5::File file = h5::File::open(path);
  std::array<std::uint8_t, 6> values{};
  file.array("/six").read_all(h5::Element::u8, values.data());
  CHECK(values == kBytes);
  try {
    file.array("/seven");
    CHECK(false);
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::data);
    CHECK(error.message() == "dataset /seven of a.h5: has 7 axes, at most 6 can be read");
  }
}

TEST_CASE("h5: what is no HDF5 file") {
  const Folder folder;
  const auto kind_and_text = [](const std::string& path) {
    try {
      h5::File::open(path);
    } catch (const Error& error) {
      return std::pair(error.kind(), error.message());
    }
    return std::pair(ErrorKind::check, std::string());
  };
  auto found = kind_and_text(folder.file("absent.h5"));
  CHECK(found.first == ErrorKind::io);
  CHECK(contains(found.second, "absent.h5: No such file"));
  CHECK(kind_and_text(folder.file("")).first == ErrorKind::io);  // a folder
  const std::string pipe = folder.file("pipe.h5");
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  CHECK(kind_and_text(pipe).first == ErrorKind::io);  // and does not wait for a writer
  write_bytes(folder.file("empty.h5"), "");
  write_bytes(folder.file("text.h5"), "axes: NYXC\n");
  for (const char* name : {"empty.h5", "text.h5"}) {
    found = kind_and_text(folder.file(name));
    CHECK(found.first == ErrorKind::data);
    CHECK(contains(found.second, text("file ", name, ": is not an HDF5 file")));
  }
}

TEST_CASE("h5: nothing leads out of the file") {
  const Folder folder;
  const std::string path = folder.file("a.h5"), other = folder.file("other.h5"), raw = folder.file("raw.bin");
  {
    const RawFile file(other);
    file.dataset("x", H5T_NATIVE_UINT8, {6}, kBytes.data());
  }
  write_bytes(raw, "abcdef");
  {
    const RawFile file(path);
    H5Lcreate_external(other.c_str(), "/x", file.id(), "linked", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_external(other.c_str(), "/", file.id(), "folder", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_soft("/folder/x", file.id(), "soft", H5P_DEFAULT, H5P_DEFAULT);
    const hid_t external = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_external(external, raw.c_str(), 0, 6);
    file.dataset("external", H5T_NATIVE_UINT8, {6}, nullptr, external);
    H5Pclose(external);
    const hid_t virtual_list = H5Pcreate(H5P_DATASET_CREATE);
    const hsize_t six = 6;
    const hid_t space = H5Screate_simple(1, &six, nullptr);
    H5Pset_virtual(virtual_list, space, other.c_str(), "/x", space);
    file.dataset("virtual", H5T_NATIVE_UINT8, {6}, nullptr, virtual_list);
    H5Sclose(space);
    H5Pclose(virtual_list);
  }
  CHECK(error_reading(other, "/x").empty());  // the way would have led to something
  CHECK(contains(error_reading(path, "/linked"), "link /linked of a.h5: leads to another file"));
  CHECK(contains(error_reading(path, "/folder/x"), "link /folder of a.h5: leads to another file"));
  CHECK(contains(error_reading(path, "/soft"), "link /soft of a.h5: is a soft"));
  CHECK(contains(error_reading(path, "/external"), "dataset /external of a.h5: keeps its values in another file"));
  CHECK(contains(error_reading(path, "/virtual"), "dataset /virtual of a.h5: is a virtual dataset"));
  CHECK(contains(error_reading(path, "/absent"), "file a.h5: has no dataset /absent"));
  CHECK(contains(error_reading(path, "/absent/x"), "file a.h5: has no dataset /absent/x"));
}

TEST_CASE("h5: the walk looks at an object once, whatever its names are, and at a group that contains itself, too") {
  const Folder folder;
  const std::string path = folder.file("a.h5");
  const std::vector<std::uint8_t> values(1 << 20);
  {
    const RawFile file(path);
    file.dataset("x", H5T_NATIVE_UINT8, {values.size()}, values.data());
    for (int i = 0; i < 20; ++i)
      H5Lcreate_hard(file.id(), "/", file.id(), text("group", i).c_str(), H5P_DEFAULT, H5P_DEFAULT);
    for (int i = 0; i < 50; ++i)
      H5Lcreate_hard(file.id(), "/x", file.id(), text("name", i).c_str(), H5P_DEFAULT, H5P_DEFAULT);
  }
  const h5::File file = h5::File::open(path);
  CHECK(file.target("/group1") == file.target("/group7/group2"));
  CHECK(file.target("/x") == file.target("/group7/name3"));
  CHECK(file.target("/x") != file.target("/group1"));
  const auto start = std::chrono::steady_clock::now();
  h5::walk(path);  // minutes, if it looked at the array once for each of its paths
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(5));
}

TEST_CASE("h5: extents that the file cannot hold are refused before memory is asked for") {
  const Folder folder;
  const std::string path = folder.file("a.h5");
  {
    const RawFile file(path);
    const hid_t chunked = H5Pcreate(H5P_DATASET_CREATE);
    const std::array<hsize_t, 2> chunk{1, 1024};
    H5Pset_chunk(chunked, 2, chunk.data());
    H5Pset_deflate(chunked, 4);
    file.dataset("chunks", H5T_NATIVE_UINT8, {1u << 20, 1u << 20}, nullptr, chunked);
    file.dataset("overflow", H5T_NATIVE_DOUBLE, {hsize_t{1} << 31, hsize_t{1} << 31}, nullptr, chunked);
    H5Pclose(chunked);
    const hid_t growing = H5Pcreate(H5P_DATASET_CREATE),
                resizable = H5Screate_simple(1, kNone.data(), kUnlimited.data());
    H5Pset_chunk(growing, 1, &chunk[1]);
    H5Dclose(H5Dcreate2(file.id(), "empty", H5T_NATIVE_INT64, resizable, H5P_DEFAULT, growing, H5P_DEFAULT));
    H5Sclose(resizable);
    H5Pclose(growing);
    file.dataset("one piece", H5T_NATIVE_UINT8, {1u << 20, 1u << 10}, nullptr);
    file.dataset("never written", H5T_NATIVE_UINT8, {6}, nullptr);
    file.dataset("six", H5T_NATIVE_UINT8, {6}, kBytes.data());
  }
  const std::string found = error_reading(path, "/chunks");
  CHECK(contains(found, "dataset /chunks of a.h5: claims 1099511627776 bytes, the file holds only 0 for it"));
  CHECK(contains(found, "hint: the file is damaged"));
  CHECK(contains(error_reading(path, "/overflow"), "claims more than 2^63 bytes"));
  CHECK(contains(error_reading(path, "/one piece"), "claims 1073741824 bytes"));
  CHECK(contains(error_reading(path, "/never written"), "claims 6 bytes"));
  CHECK(error_reading(path, "/six").empty());
  CHECK(h5::File::open(path).array("/empty").read_integers().empty());
}

TEST_CASE("h5: a filter that is not part of HDF5 is named, and no plugin is looked for") {
  const Folder folder;
  const std::string path = folder.file("a.h5");
  {
    const RawFile file(path);
    const hid_t chunked = H5Pcreate(H5P_DATASET_CREATE);
    const hsize_t chunk = 6;
    H5Pset_chunk(chunked, 1, &chunk);
    H5Pset_filter(chunked, 32001, H5Z_FLAG_OPTIONAL, 0, nullptr);
    file.dataset("x", H5T_NATIVE_UINT8, {6}, kBytes.data(), chunked);
    H5Pclose(chunked);
  }
  const std::string found = error_reading(path, "/x");
  CHECK(contains(found, "dataset /x of a.h5: is stored with filter 32001"));
  CHECK(contains(found, "hint: copy it with the program that wrote it and gzip instead"));
}

TEST_CASE("h5: attributes of every kind, and of the wrong one") {
  const Folder folder;
  const std::string path = folder.file("a.h5");
  {
    h5::Writer writer(path);
    writer.attribute("/", "text", std::string("groß"));
    writer.attribute("/", "texts", std::vector<std::string>{"a", "", "c"});
    writer.attribute("/", "numbers", std::vector<double>{0.5, 2});
    writer.attribute("/", "integer", std::int64_t{-7});
    writer.attribute("/", "crc32", std::uint32_t{4000000000u});
    writer.save();
  }
  {
    const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
    const hid_t type = H5Tcopy(H5T_C_S1), scalar = H5Screate(H5S_SCALAR);
    H5Tset_size(type, 8);
    H5Tset_strpad(type, H5T_STR_SPACEPAD);
    const hid_t fixed = H5Acreate2(file, "fixed", type, scalar, H5P_DEFAULT, H5P_DEFAULT);
    H5Awrite(fixed, type, "NYXC    ");
    H5Aclose(fixed);
    const std::array<hsize_t, 2> square{2, 2};
    const hid_t table = H5Screate_simple(2, square.data(), nullptr);
    H5Aclose(H5Acreate2(file, "history", type, table, H5P_DEFAULT, H5P_DEFAULT));
    H5Sclose(table);
    H5Sclose(scalar);
    H5Tclose(type);
    H5Fclose(file);
  }
  const h5::Group root = h5::File::open(path).group("/");
  CHECK(root.string_attribute("text") == "groß");
  CHECK(root.string_attribute("fixed") == "NYXC");
  CHECK(root.strings_attribute("texts") == std::vector<std::string>{"a", "", "c"});
  CHECK(root.numbers_attribute("numbers") == std::vector<double>{0.5, 2});
  CHECK(root.integer_attribute("integer") == -7);
  CHECK(root.integer_attribute("crc32") == 4000000000);
  CHECK(root.text_attributes() ==
        std::vector<std::pair<std::string, std::string>>{{"fixed", "NYXC"}, {"text", "groß"}});
  CHECK(contains(error_of([&] { root.string_attribute("absent"); }), "file a.h5: has no attribute \"absent\""));
  CHECK(
      contains(error_of([&] { root.string_attribute("integer"); }), "attribute \"integer\" of file a.h5: is not text"));
  CHECK(contains(error_of([&] { root.string_attribute("texts"); }), "has 3 texts, expected one"));
  CHECK(contains(error_of([&] { root.numbers_attribute("text"); }), "is not a number"));
  CHECK(contains(error_of([&] { root.integer_attribute("numbers"); }), "is not one whole number"));
}

TEST_CASE("h5: the settings of the surrounding program come back, and its stderr stays clean") {
  const Folder folder;
  H5E_auto2_t before = nullptr, after = nullptr;
  void *data_before = nullptr, *data_after = nullptr;
  unsigned plugins_before = 0, plugins_after = 1;
  H5Eget_auto2(H5E_DEFAULT, &before, &data_before);
  H5PLget_loading_state(&plugins_before);
  REQUIRE((before != nullptr));  // HDF5 prints by default
  CHECK(!error_reading(folder.file("absent.h5"), "/x").empty());
  H5Eget_auto2(H5E_DEFAULT, &after, &data_after);
  H5PLget_loading_state(&plugins_after);
  CHECK((before == after));
  CHECK(plugins_before == plugins_after);
}

TEST_CASE("h5: several threads read at the same time") {
  const Folder folder;
  const std::string path = folder.file("a.h5");
  h5::Writer writer(path);
  writer.create("/x", h5::Element::i32, {64, 100}, {1, 100});
  std::vector<std::int32_t> values(6400);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<std::int32_t>(i);
  writer.write("/x", {0, 0}, {64, 100}, h5::Element::i32, values.data());
  writer.save();
  const h5::File file = h5::File::open(path);
  std::array<int, 4> wrong{};
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < wrong.size(); ++t)
    threads.emplace_back([&, t] {
      std::vector<std::int32_t> row(100);
      for (std::int64_t i = 0; i < 64; ++i) {
        file.array("/x").read({i, 0}, {1, 100}, h5::Element::i32, row.data());
        wrong[t] += row[99] != i * 100 + 99;
      }
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == std::array<int, 4>{});
}

TEST_CASE("h5: truth values are read as u8, numbers of 16 bits as f32") {
  const Folder folder;
  const std::string path = folder.file("a.h5");
  {
    RawFile file(path);
    const hid_t truth = H5Tenum_create(H5T_NATIVE_INT8), other = H5Tenum_create(H5T_NATIVE_INT8);
    for (std::int8_t value = 0; value < 2; ++value) H5Tenum_insert(truth, value == 0 ? "FALSE" : "TRUE", &value);
    for (std::int8_t value = 0; value < 3; ++value) H5Tenum_insert(other, text("v", int{value}).c_str(), &value);
    const std::vector<std::int8_t> flags{0, 1, 1, 0};
    file.dataset("truth", truth, {4}, flags.data());
    file.dataset("other", other, {4}, flags.data());
    const hid_t half = H5Tcopy(H5T_IEEE_F32BE);
    H5Tset_fields(half, 15, 10, 5, 0, 10);
    H5Tset_size(half, 2);
    H5Tset_ebias(half, 15);
    const std::vector<std::uint8_t> halves{0x3E, 0x00, 0xC0, 0x00, 0x7C, 0x00};  // 1.5, -2, infinity, high byte first
    file.dataset("half", half, {3}, halves.data());
    for (const hid_t type : {truth, other, half}) H5Tclose(type);
  }
  const h5::File file = h5::File::open(path);
  CHECK((file.array("/truth").element() == h5::Element::u8));
  CHECK((file.array("/other").element() == h5::Element::other));
  std::vector<std::uint8_t> flags(4);
  file.array("/truth").read_all(h5::Element::u8, flags.data());
  CHECK(flags == std::vector<std::uint8_t>{0, 1, 1, 0});
  CHECK((file.array("/half").element() == h5::Element::f16));
  std::vector<float> values(3);
  file.array("/half").read_all(h5::Element::f32, values.data());
  CHECK(values == std::vector<float>{1.5f, -2, std::numeric_limits<float>::infinity()});
}
