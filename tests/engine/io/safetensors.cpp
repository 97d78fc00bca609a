#include "engine/io/safetensors.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <iterator>

#include "engine/io/atomic_file.h"
#include "engine/io/crc32.h"
#include "engine/random.h"
#include "tests/files.h"
#include "tests/test.h"

using namespace voxgrad;
using voxgrad::test::bytes_of;
using voxgrad::test::contains;
using voxgrad::test::error_of;
using voxgrad::test::Folder;

namespace {

int count(const Folder& folder) {
  const auto files = std::filesystem::directory_iterator(std::filesystem::path(folder.file("x")).parent_path());
  return static_cast<int>(std::distance(files, {}));
}

TensorFile parse(const std::string& bytes) { return parse_tensors(std::as_bytes(std::span(bytes)), "test"); }

// Bytes of a file with this header, as another program would write it.
std::string file_of(const std::string& header, std::size_t payload) {
  const std::uint64_t length = header.size();
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &length, 8);
  return bytes + header + std::string(payload, '\1');
}

// The message with which bytes with this header and so many payload bytes are refused; "" if they are not.
std::string refusal_of(const std::string& header, std::size_t payload) {
  return error_of([&] { parse(file_of(header, payload)); });
}

TensorFile small_file() {
  Tensor half = empty({2}, DType::bf16);
  const std::uint16_t bits[2] = {0x3F80, 0xC000};  // 1, -2
  std::memcpy(half.raw(), bits, sizeof bits);
  return {{{"encoder.0.weight", from_vector<float>({2, 3}, {1, -2, 3.5f, 0, 1e-30f, 6})},
           {"a.mean", from_vector<double>({1, 2}, {0.1, -1e300})},
           {"z.steps", from_vector<std::int32_t>({}, {-7})},
           {"labels", from_vector<std::uint8_t>({3}, {0, 255, 1})},
           {"half", half},
           {"nothing", from_vector<float>({0, 4}, {})}},
          {{"epoch", "12"}, {"name", "\xC3\xBC \"quoted\" \"header_crc32\":\"00000000\"\n"}}};
}

bool same(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && a.dtype() == b.dtype() && std::memcmp(a.raw(), b.raw(), a.bytes()) == 0;
}

bool same(const TensorFile& a, const TensorFile& b) {
  if (a.tensors.size() != b.tensors.size() || a.metadata != b.metadata) return false;
  for (std::size_t i = 0; i < a.tensors.size(); ++i)
    if (a.tensors[i].name != b.tensors[i].name || !same(a.tensors[i].tensor, b.tensors[i].tensor)) return false;
  return true;
}

}  // namespace

TEST_CASE("every type and shape comes back bit for bit, sorted by name") {
  const Folder folder;
  const TensorFile file = small_file();
  save_tensors(folder.file("a"), file);
  const TensorFile read = load_tensors(folder.file("a"));
  REQUIRE(read.tensors.size() == file.tensors.size());
  CHECK(read.metadata == file.metadata);
  for (std::size_t i = 1; i < read.tensors.size(); ++i) CHECK(read.tensors[i - 1].name < read.tensors[i].name);
  for (const NamedTensor& entry : file.tensors) {
    INFO(entry.name);
    bool found = false;
    for (const NamedTensor& other : read.tensors)
      if (other.name == entry.name) found = same(other.tensor, entry.tensor);
    CHECK(found);
  }
  save_tensors(folder.file("b"), read);
  CHECK(bytes_of(folder.file("a")) == bytes_of(folder.file("b")));
  CHECK(count(folder) == 2);
}

TEST_CASE("an empty file of tensors is a file, and a tensor without elements a tensor, whatever its other extents") {
  const Folder folder;
  save_tensors(folder.file("a"), {});
  CHECK(same(load_tensors(folder.file("a")), TensorFile{}));
  constexpr std::int64_t kLarge = std::int64_t{1} << 40;
  for (const Shape& shape : {Shape{kLarge, kLarge, 0}, Shape{0, kLarge, kLarge}}) {
    save_tensors(folder.file("b"), {{{"none", zeros(shape)}}, {}});
    CHECK(load_tensors(folder.file("b")).tensors.at(0).tensor.shape() == shape);
  }
}

TEST_CASE("the file is what the format says: length, header, aligned payload with its crc32") {
  const Folder folder;
  save_tensors(folder.file("a"), small_file());
  const std::string bytes = bytes_of(folder.file("a"));
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), 8);
  CHECK(length % 8 == 0);
  const std::string header = bytes.substr(8, length), payload = bytes.substr(8 + length);
  CHECK(payload.size() == 24 + 16 + 4 + 3 + 4);
  char digits[9];
  std::snprintf(digits, sizeof digits, "%08x", static_cast<unsigned>(crc32(std::as_bytes(std::span(payload)))));
  INFO(header);
  CHECK(contains(header, text("\"crc32\":\"", digits, "\"")));
  // f64 first, then f32 and i32 by name, bf16, u8: every tensor begins at a multiple of its element size.
  CHECK(contains(header, "\"a.mean\":{\"data_offsets\":[0,16],\"dtype\":\"F64\",\"shape\":[1,2]}"));
  CHECK(contains(header, "\"encoder.0.weight\":{\"data_offsets\":[16,40],\"dtype\":\"F32\",\"shape\":[2,3]}"));
  CHECK(contains(header, "\"z.steps\":{\"data_offsets\":[40,44],\"dtype\":\"I32\",\"shape\":[]}"));
  CHECK(contains(header, "\"half\":{\"data_offsets\":[44,48],\"dtype\":\"BF16\",\"shape\":[2]}"));
  CHECK(contains(header, "\"labels\":{\"data_offsets\":[48,51],\"dtype\":\"U8\",\"shape\":[3]}"));
}

TEST_CASE("the order in which tensors are given does not matter") {
  const Folder folder;
  TensorFile file = small_file();
  save_tensors(folder.file("a"), file);
  Random(3).shuffle(file.tensors);
  save_tensors(folder.file("b"), file);
  CHECK(bytes_of(folder.file("a")) == bytes_of(folder.file("b")));
}

TEST_CASE("every truncation is detected") {
  const Folder folder;
  save_tensors(folder.file("a"), small_file());
  const std::string bytes = bytes_of(folder.file("a"));
  REQUIRE(bytes.size() > 300);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    INFO("cut to ", size, " of ", bytes.size(), " bytes");
    CHECK_THROWS_AS(parse(bytes.substr(0, size)), Error);
  }
  CHECK_THROWS_AS(parse(bytes + '\0'), Error);
  CHECK(same(parse(bytes), load_tensors(folder.file("a"))));
}

TEST_CASE("every flipped bit is detected, in the length, in the header and in the payload") {
  const Folder folder;
  save_tensors(folder.file("a"), small_file());
  std::string bytes = bytes_of(folder.file("a"));
  std::string missed;
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    const char mask = static_cast<char>(1 << bit % 8);
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ mask);
    const std::string message = error_of([&] { parse(bytes); });
    if (message.empty()) missed += text(" ", bit);
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ mask);
  }
  CHECK_MESSAGE(missed.empty(), "not detected:", missed);
}

TEST_CASE("random damage gives an Error or the same tensors, never anything else") {
  const Folder folder;
  save_tensors(folder.file("a"), small_file());
  const std::string bytes = bytes_of(folder.file("a"));
  const TensorFile truth = parse(bytes);
  Random random(11);
  int refused = 0;
  for (int trial = 0; trial < 20000; ++trial) {
    std::string damaged = bytes;
    for (std::int64_t i = random.below(6) + 1; i > 0; --i) {
      const std::size_t at = static_cast<std::size_t>(random.below(static_cast<std::int64_t>(damaged.size())));
      const std::int64_t kind = random.below(3);
      if (kind == 0) damaged[at] = static_cast<char>(random.below(256));
      if (kind == 1) damaged.erase(at, static_cast<std::size_t>(random.below(9)));
      if (kind == 2) damaged.insert(at, 1, "{}[]\",:0e9"[random.below(10)]);
    }
    if (damaged == bytes) continue;
    try {
      const TensorFile read = parse(damaged);
      CHECK_MESSAGE(same(read, truth), "trial ", trial, " was read as something else");
    } catch (const Error& error) {
      ++refused;
      CHECK(error.kind() == ErrorKind::model);
    }
  }
  CHECK(refused > 19000);
}

TEST_CASE("files of other programs: no crc32, any order, I64 counters") {
  const TensorFile read = parse(file_of(R"({"b":{"dtype":"U8","shape":[2,2],"data_offsets":[8,12]},)"
                                        R"("n":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}} )",
                                        12));
  REQUIRE(read.tensors.size() == 2);
  CHECK(read.tensors[0].name == "b");
  CHECK(read.tensors[0].tensor.to_vector<int>() == std::vector<int>{1, 1, 1, 1});
  CHECK(read.metadata.empty());
  std::string wide = file_of(R"({"n":{"dtype":"I64","shape":[],"data_offsets":[0,8]}})", 8);
  const std::int64_t fits = -5, too_large = std::int64_t{1} << 31;
  std::memcpy(wide.data() + wide.size() - 8, &fits, 8);
  CHECK(parse(wide).tensors[0].tensor.data<std::int32_t>()[0] == -5);
  std::memcpy(wide.data() + wide.size() - 8, &too_large, 8);
  CHECK(contains(error_of([&] { parse(wide); }), "2147483648 does not fit"));
  const char* one = R"("w":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})";  // payload 01 01 01 01
  CHECK(refusal_of(text(R"({"__metadata__":{"crc32":"1b851995"},)", one), 4).find("was 1b851995") != std::string::npos);
  CHECK(refusal_of(text(R"({"__metadata__":{"crc32":"f626d399"},)", one), 4).empty());
  // Python that hands on all metadata of a file of ours.
  const char* kept = R"({"__metadata__":{"crc32":"f626d399","header_crc32":"00000000","voxgrad_format":"1"},)";
  CHECK(contains(refusal_of(text(kept, one), 4), "leave out crc32, header_crc32 and voxgrad_format"));
}

TEST_CASE("headers that lie are refused with the reason") {
  const auto tensor = [](const char* shape, const char* offsets, const char* dtype = "F32") {
    return text("{\"dtype\":\"", dtype, "\",\"shape\":", shape, ",\"data_offsets\":", offsets, "}");
  };
  const auto pair = [&](const char* first, const char* second) {
    return text("{\"a\":", tensor("[1]", first), ",\"b\":", tensor("[1]", second), "}");
  };
  const auto single = [](const std::string& value) { return text("{\"a\":", value, "}"); };
  CHECK(refusal_of(pair("[0,4]", "[4,8]"), 8).empty());
  CHECK(contains(refusal_of(pair("[0,4]", "[5,9]"), 9), "a hole after 4"));
  CHECK(contains(refusal_of(pair("[0,4]", "[3,7]"), 7), "overlaps 4"));
  CHECK(contains(refusal_of(pair("[0,4]", "[0,4]"), 4), "overlaps 4"));
  CHECK(contains(refusal_of(pair("[1,5]", "[5,9]"), 9), "a hole after 0"));
  CHECK(contains(refusal_of(pair("[0,4]", "[4,8]"), 9), "1 bytes follow"));
  CHECK(contains(refusal_of(pair("[0,4]", "[4,8]"), 7), "cut off"));
  CHECK(contains(refusal_of(single(tensor("[1]", "[4,0]")), 4), "offsets [4,0]"));
  CHECK(contains(refusal_of(single(tensor("[2]", "[0,4]")), 4), "takes 8 bytes, given 4"));
  CHECK(contains(refusal_of(single(tensor("[4611686018427387905]", "[0,4]")), 4), "overflows"));
  CHECK(contains(refusal_of(single(tensor("[4294967296,4294967296]", "[0,0]")), 0), "overflows"));
  CHECK(contains(refusal_of(single(tensor("[18446744073709551615,0]", "[0,0]")), 0), "overflows"));
  CHECK(contains(refusal_of(single(tensor("[-1]", "[0,4]")), 4), "whole numbers, got [-1]"));
  CHECK(contains(refusal_of(single(tensor("[1.0]", "[0,4]")), 4), "whole numbers"));
  CHECK(contains(refusal_of(single(tensor("[1,1,1,1,1,1,1]", "[0,4]")), 4), "up to 6 whole numbers"));
  CHECK(contains(refusal_of(single(tensor("[1]", "[0,4,4]")), 4), "up to 2 whole numbers"));
  CHECK(contains(refusal_of(single(tensor("[1]", "[4]")), 4), "offsets [4]"));
  CHECK(contains(refusal_of(single(tensor("[2]", "[0,4]", "F16")), 4), "has type \"F16\", known are F32"));
  CHECK(contains(refusal_of(single("7"), 0), "needs dtype, shape"));
  CHECK(contains(refusal_of(R"({"a":{"dtype":"U8","shape":[1]}})", 1), "needs dtype, shape"));
  CHECK(contains(refusal_of(single(tensor("[[]]", "[0,4]")), 4), "whole numbers"));
  CHECK(contains(refusal_of(single(tensor("[[1]]", "[0,4]")), 4), "nested too deep"));
  CHECK(contains(refusal_of(text("{\"a\":", tensor("[1]", "[0,4]"), ",\"a\":", tensor("[1]", "[0,4]"), "}"), 4),
                 "the key \"a\" twice"));
  CHECK(contains(refusal_of(R"({"a":{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 1),
                 "the key \"dtype\" twice"));
  CHECK(contains(refusal_of(R"({"__metadata__":{"x":"1","x":"1"}})", 0), "the key \"x\" twice"));
  CHECK(contains(refusal_of(R"({"__metadata__":{"x":1}})", 0), "metadata \"x\" is no string: 1"));
  CHECK(contains(refusal_of(R"({"__metadata__":[]})", 0), "__metadata__ is no object"));
  CHECK(contains(refusal_of("[]", 0), "does not begin with {"));
  CHECK(contains(refusal_of("", 0), "does not begin with {"));
  CHECK(contains(refusal_of("{\"a\":", 0), "no JSON"));
  CHECK(contains(refusal_of("{\"\xFF\":1}", 0), "no JSON"));
  CHECK(contains(refusal_of(R"({"__metadata__":{"voxgrad_format":"1"}})", 0), "only some of"));
  CHECK(contains(refusal_of(R"({"__metadata__":{"header_crc32":"00000000","crc32":"00000000"}})", 0), "only some of"));
}

TEST_CASE("header lengths beyond 16 MiB or the file are refused before anything is allocated") {
  std::string bytes(64, ' ');
  for (const std::uint64_t length : {std::uint64_t{57}, (std::uint64_t{16} << 20) + 1, ~std::uint64_t{0}}) {
    std::memcpy(bytes.data(), &length, 8);
    INFO(length);
    CHECK(contains(error_of([&] { parse(bytes); }), text("claims ", length)));
  }
  const std::uint64_t length = (std::uint64_t{16} << 20) + 8;
  std::string large = file_of("{}" + std::string(length - 2, ' '), 0);
  CHECK(contains(error_of([&] { parse(large); }), "at most 16777216"));
  TensorFile file;
  file.metadata["config"] = std::string(std::size_t{16} << 20, 'x');
  const Folder folder;
  CHECK(contains(error_of([&] { save_tensors(folder.file("a"), file); }), "shorten the metadata"));
  CHECK(count(folder) == 0);
}

TEST_CASE("the time to read is linear in the number of tensors") {
  const auto many = [](int count) {
    std::string header = "{";
    for (int i = 0; i < count; ++i)
      header += text(i > 0 ? "," : "", "\"t", i, "\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[", i, ",", i + 1,
                     "]}");
    return file_of(header + "}", static_cast<std::size_t>(count));
  };
  const std::string bytes = many(150000);
  const auto start = std::chrono::steady_clock::now();
  CHECK(parse(bytes).tensors.size() == 150000);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  MESSAGE("150,000 tensors in ", seconds, " s");
  CHECK(seconds < 10);  // with sanitizers on a busy machine; a quadratic reader takes minutes
}

TEST_CASE("messages are bounded, whatever the file holds") {
  const std::string digits(std::size_t{4} << 20, '7'), letters(std::size_t{4} << 20, 'x');
  const auto entry = [](const std::string& dtype, const std::string& shape, const std::string& name = "a") {
    return text("{\"", name, "\":{\"dtype\":", dtype, ",\"shape\":", shape, ",\"data_offsets\":[0,4]}}");
  };
  for (const std::string& header :
       {text("{\"a\":", digits, "}"), entry("\"" + letters + "\"", "[1]"), entry("\"F32\"", "[" + digits + "]"),
        entry("\"F32\"", "[2]", letters), text("{\"__metadata__\":{\"", letters, "\":1}}"),
        text("{\"__metadata__\":{\"a\":\"\",\"crc32\":\"", letters, "\"}}"),
        text("{\"", letters, "\":1,\"", letters, "\":2}"), text("{\"__metadata__\":{\"a\":[", digits, "]}}")}) {
    const std::string message = refusal_of(header, 0);
    CHECK(!message.empty());
    CHECK(message.size() < 400);
  }
}

TEST_CASE("wrong arguments are named before a file is touched") {
  const Folder folder;
  const Tensor one = zeros({1});
  const auto message = [&](const TensorFile& file) { return error_of([&] { save_tensors(folder.file("a"), file); }); };
  CHECK(contains(message({{{"w", one}, {"w", one}}, {}}), "two tensors are called \"w\""));
  CHECK(contains(message({{{"w", Tensor()}}, {}}), "\"w\" is an undefined tensor"));
  CHECK(contains(message({{{"__metadata__", one}}, {}}), "must not be called"));
  CHECK(contains(message({{{"\xFF", one}}, {}}), "no UTF-8"));
  CHECK(contains(message({{}, {{"x", "\xC3"}}}), "no UTF-8"));
  CHECK(count(folder) == 0);
}

TEST_CASE("files that cannot be opened give the system's reason") {
  const Folder folder;
  const auto load = [](const std::string& path) { return error_of([&] { load_tensors(path); }); };
  CHECK(contains(load(folder.file("none")), "No such file or directory"));
  CHECK(contains(load(folder.file("")), "no regular file"));
  REQUIRE(::mkfifo(folder.file("pipe").c_str(), 0600) == 0);
  CHECK(contains(load(folder.file("pipe")), "no regular file"));
  const auto save = [](const std::string& path) { return error_of([&] { save_tensors(path, small_file()); }); };
  CHECK(contains(save(folder.file("none/a")), "No such file or directory\nhint: create the folder first"));
  CHECK(contains(save(folder.file(std::string(252, 'a'))), "File name too long\nhint: choose a shorter name"));
  CHECK(save(folder.file(std::string(251, 'a'))).empty());
  std::filesystem::create_directory(folder.file("folder"));
  CHECK(contains(save(folder.file("folder")), "rename"));
  std::filesystem::create_symlink("elsewhere", folder.file("link.tmp"));
  CHECK(contains(save(folder.file("link")), "open the temporary"));
  CHECK(!std::filesystem::exists(folder.file("elsewhere")));
  CHECK(!std::filesystem::exists(folder.file("folder.tmp")));
}

// A disk that is full after n bytes, for every n: the limit on file sizes makes write() short and then fail.
TEST_CASE("a full disk at any byte leaves the old file and no temporary") {
  const Folder folder;
  const std::string path = folder.file("last.safetensors");
  TensorFile file = small_file();
  save_tensors(path, file);
  const std::string before = bytes_of(path);
  file.metadata["epoch"] = "13";
  rlimit unlimited;
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &unlimited) == 0);
  const auto old_handler = ::signal(SIGXFSZ, SIG_IGN);
  int failures = 0;
  std::string wrong;
  for (rlim_t limit = 0; limit < before.size(); ++limit) {
    rlimit small = unlimited;
    small.rlim_cur = limit;
    ::setrlimit(RLIMIT_FSIZE, &small);
    const std::string message = error_of([&] { save_tensors(path, file); });
    ::setrlimit(RLIMIT_FSIZE, &unlimited);
    if (contains(message, "write: File too large")) ++failures;
    if (bytes_of(path) != before || count(folder) != 1) wrong += text(" ", limit);
  }
  ::signal(SIGXFSZ, old_handler);
  CHECK(failures == static_cast<int>(before.size()));
  CHECK_MESSAGE(wrong.empty(), "not as before at limit", wrong);
  save_tensors(path, file);
  CHECK(load_tensors(path).metadata.at("epoch") == "13");
}

TEST_CASE("a kill at any moment leaves a whole file, and the next save clears up") {
  const Folder folder;
  const std::string path = folder.file("last.safetensors");
  const auto make = [](int value) { return TensorFile{{{"w", full({50000}, value)}}, {{"epoch", text(value)}}}; };
  save_tensors(path, make(0));
  Random random(5);
  int advanced = 0;
  for (int trial = 0; trial < 40; ++trial) {
    const TensorFile files[2] = {make(2 * trial + 1), make(2 * trial + 2)};
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0)
      for (int i = 0;; ++i) save_tensors(path, files[i % 2]);
    ::usleep(static_cast<useconds_t>(random.below(15000)));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    const TensorFile read = load_tensors(path);
    REQUIRE(read.tensors.size() == 1);
    const int epoch = std::stoi(read.metadata.at("epoch"));
    CHECK(same(read.tensors[0].tensor, make(epoch).tensors[0].tensor));
    if (epoch > 2 * trial) ++advanced;
  }
  CHECK(advanced > 0);
  save_tensors(path, make(7));
  CHECK(count(folder) == 1);
}

TEST_CASE("the second of two writers of one path is refused") {
  const Folder folder;
  const std::string path = folder.file("a");
  int ready[2];
  REQUIRE(::pipe(ready) == 0);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {  // writes without end: a piece that is handed over again and again
    const std::string block(1 << 16, 'x');
    std::vector<Bytes> pieces(20000, std::as_bytes(std::span(block)));
    ::write(ready[1], "x", 1);
    for (;;) error_of([&] { write_atomically(path, pieces); });  // refused itself now and then
  }
  char byte = 0;
  REQUIRE(::read(ready[0], &byte, 1) == 1);
  bool refused = false;
  for (int i = 0; i < 1000 && !refused; ++i) {
    ::usleep(1000);
    refused = contains(error_of([&] { write_atomically(path, {}); }), "being written by somebody else");
  }
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  ::close(ready[0]);
  ::close(ready[1]);
  CHECK(refused);
}
