#include "engine/io/safetensors.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <functional>
#include <limits>
#include <optional>
#include <set>
#include <system_error>
#include <tuple>

#include "engine/io/atomic_file.h"
#include "engine/io/crc32.h"
#include "engine/io/json.h"
#include "engine/io/uninterrupted.h"

namespace voxgrad {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors files are little-endian");

constexpr std::uint64_t kLargestHeader = std::uint64_t{16} << 20;
constexpr std::uint32_t kZip = 0x04034B50;  // how zip archives begin: "PK\3\4"
constexpr std::size_t kLengthBytes = 8;
constexpr int kDepth = 3;  // the header contains entries, which contain lists
constexpr const char* kMetadata = "__metadata__";
constexpr const char* kPayloadCrc = "crc32";
constexpr const char* kHeaderCrc = "header_crc32";
constexpr const char* kFormat = "voxgrad_format";
constexpr const char* kFormatVersion = "1";
constexpr const char* kNoCrc = "00000000";

struct ElementType {
  const char* name;
  DType dtype;            // in memory
  std::uint64_t in_file;  // number of bytes of an element in the file
};
constexpr std::array<ElementType, 6> kTypes{{{"F32", DType::f32, 4},
                                             {"F64", DType::f64, 8},
                                             {"BF16", DType::bf16, 2},
                                             {"I32", DType::i32, 4},
                                             {"U8", DType::u8, 1},
                                             {"I64", DType::i32, 8}}};

Bytes bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }
Bytes bytes_of(const Tensor& tensor) { return {static_cast<const std::byte*>(tensor.raw()), tensor.bytes()}; }

// Where the digits of the header's own checksum begin in its text. Nothing else in a header can look like this key,
// because a quote inside a JSON string has a backslash before it.
std::optional<std::size_t> position_of_header_crc(const std::string& header) {
  const std::string start = text('"', kHeaderCrc, "\":\"");
  const std::size_t at = header.find(start);
  if (at == std::string::npos || at + start.size() + 8 > header.size()) return std::nullopt;
  return at + start.size();
}

// Shortens a name or value for a message, because those in a file may be of any length.
constexpr std::size_t kShown = 80;
std::string brief(const std::string& whole) {
  if (whole.size() <= kShown) return whole;
  std::size_t length = kShown - 3;
  while (length > 0 && (whole[length] & 0xC0) == 0x80) --length;  // not in the middle of a character
  return whole.substr(0, length) + "...";
}
std::string brief(const JsonValue& value) { return brief(to_text(value)); }

// ---- writing

std::vector<NamedTensor> in_payload_order(const std::vector<NamedTensor>& tensors) {
  std::vector<NamedTensor> sorted;
  std::set<std::string> names;
  for (const NamedTensor& entry : tensors) {
    check(entry.tensor.defined(), "save_tensors: \"", entry.name, "\" is an undefined tensor");
    check(entry.name != kMetadata, "save_tensors: a tensor must not be called \"", kMetadata, "\"");
    check(names.insert(entry.name).second, "save_tensors: two tensors are called \"", entry.name, "\"");
    sorted.push_back({entry.name, entry.tensor.detach().to(Device::cpu)});
  }
  std::sort(sorted.begin(), sorted.end(), [](const NamedTensor& a, const NamedTensor& b) {
    const std::size_t size_a = size_of(a.tensor.dtype()), size_b = size_of(b.tensor.dtype());
    return size_a != size_b ? size_a > size_b : a.name < b.name;
  });
  return sorted;
}

std::string entry_text(const Tensor& tensor, std::uint64_t begin) {
  const auto type = std::find_if(kTypes.begin(), kTypes.end(),
                                 [&, wanted = tensor.dtype()](const auto& t) { return t.dtype == wanted; });
  std::string shape;
  for (const std::int64_t extent : tensor.shape()) shape += (shape.empty() ? "" : ",") + std::to_string(extent);
  return text("{\"data_offsets\":[", begin, ',', begin + tensor.bytes(), "],\"dtype\":\"", type->name, "\",\"shape\":[",
              shape, "]}");
}

// The text of an object with its members in the order of their keys; the values are JSON texts.
std::string object_text(const std::map<std::string, std::string>& members) {
  std::string result;
  for (const auto& [key, value] : members)
    result.append(result.empty() ? "" : ",").append(json_string(key) + ':' + value);
  return '{' + result + '}';
}

std::string make_header(const std::vector<NamedTensor>& tensors, std::map<std::string, std::string> metadata) try {
  std::uint32_t crc = 0;
  std::uint64_t offset = 0;
  std::map<std::string, std::string> header;
  for (const auto& [name, tensor] : tensors) {
    header[name] = entry_text(tensor, offset);
    crc = crc32(bytes_of(tensor), crc);
    offset += tensor.bytes();
  }
  metadata[kPayloadCrc] = hexadecimal(crc);
  metadata[kHeaderCrc] = kNoCrc;
  metadata[kFormat] = kFormatVersion;
  for (auto& [key, value] : metadata) value = json_string(value);
  header[kMetadata] = object_text(metadata);
  std::string result = object_text(header);
  result.append((8 - result.size() % 8) % 8, ' ');
  check(result.size() <= kLargestHeader, "the header takes ", result.size(), " bytes, at most ", kLargestHeader,
        " can be read: shorten the metadata");
  const std::string digits = hexadecimal(crc32(bytes_of(result)));
  return result.replace(*position_of_header_crc(result), digits.size(), digits);
} catch (const Error& error) {  // json_string() throws it for text that is not UTF-8
  throw Error(error.kind(), text("save_tensors: names and metadata: ", error.what()));
}

// ---- reading

// Reads `count` bytes from `offset` on. It throws an Error if there are fewer.
using ReadAt = std::function<void(std::uint64_t offset, void* to, std::size_t count)>;

struct TensorEntry {
  std::string name;
  ElementType type;
  Shape shape;
  std::uint64_t begin, end;  // in the payload
};

class FileReader {
 public:
  FileReader(std::string name, std::uint64_t size, ReadAt read)
      : name_(std::move(name)), size_(size), read_(std::move(read)) {}

  TensorFile run() {
    read_header();
    TensorFile file;
    read_metadata(file.metadata);
    const std::optional<std::string> expected = take(file.metadata, kPayloadCrc);
    verify_header(file.metadata, expected.has_value());
    const std::vector<TensorEntry> entries = read_entries();
    std::uint32_t crc = 0;
    for (const TensorEntry& entry : entries) file.tensors.push_back({entry.name, read_tensor(entry, crc)});
    if (expected && *expected != hexadecimal(crc))
      refuse("the crc32 of its values is ", hexadecimal(crc), ", written was ", brief(*expected));
    std::sort(file.tensors.begin(), file.tensors.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
    return file;
  }

 private:
  template <class... Parts>
  [[noreturn]] void refuse(const Parts&... parts) const {
    throw Error(ErrorKind::model, text("checkpoint ", name_, ": ", parts...),
                "the file is damaged or no safetensors file; use another copy or an earlier checkpoint");
  }

  static std::optional<std::string> take(std::map<std::string, std::string>& metadata, const char* key) {
    const auto node = metadata.extract(key);
    return node ? std::optional(node.mapped()) : std::nullopt;
  }

  void read_header() {
    if (size_ < kLengthBytes) refuse("has ", size_, " bytes, too few for a header");
    std::uint64_t length = 0;
    read_(0, &length, kLengthBytes);
    if (static_cast<std::uint32_t>(length) == kZip)
      throw Error(ErrorKind::model, text("checkpoint ", name_, ": is a zip archive, no safetensors file"),
                  "if PyTorch wrote it, load it there, and save the network with "
                  "safetensors.torch.save_model(net, \"theirs.safetensors\")");
    if (length > kLargestHeader) refuse("its header claims ", length, " bytes, at most ", kLargestHeader, " are read");
    if (length > size_ - kLengthBytes) refuse("its header claims ", length, " bytes, the file has ", size_);
    text_.resize(static_cast<std::size_t>(length));
    read_(kLengthBytes, text_.data(), text_.size());
    payload_ = kLengthBytes + length;
    if (text_.empty() || text_[0] != '{') refuse("its header does not begin with {");
    try {
      header_ = parse_json(text_, kDepth);
    } catch (const Error& error) {
      refuse("its header is no JSON: ", error.what());
    }
  }

  void read_metadata(std::map<std::string, std::string>& metadata) {
    const JsonValue* found = header_.find(kMetadata);
    if (found == nullptr) return;
    if (found->object() == nullptr) refuse(kMetadata, " is no object");
    for (const auto& [key, value] : *found->object()) {
      if (value.string() == nullptr) refuse("metadata \"", brief(key), "\" is no string: ", brief(value));
      metadata[key] = *value.string();
    }
  }

  // A file has either all three keys of the format or, if another program wrote it, at most a crc32.
  void verify_header(std::map<std::string, std::string>& metadata, bool has_payload_crc) {
    const std::optional<std::string> format = take(metadata, kFormat);
    const std::optional<std::string> expected = take(metadata, kHeaderCrc);
    if (!format && !expected) return;
    if (!format || !expected || !has_payload_crc)
      refuse("its metadata has only some of ", kPayloadCrc, ", ", kHeaderCrc, ", ", kFormat);
    const std::optional<std::size_t> at = position_of_header_crc(text_);
    if (!at) refuse("its metadata has no legible ", kHeaderCrc);
    std::string zeroed = text_;
    zeroed.replace(*at, 8, kNoCrc);
    const std::string found = hexadecimal(crc32(bytes_of(zeroed)));
    if (found != *expected || text_.compare(*at, 8, *expected) != 0)
      throw Error(
          ErrorKind::model,
          text("checkpoint ", name_, ": the crc32 of its header is ", found, ", written was ", brief(*expected)),
          text("the file is damaged, or another program wrote it with the metadata of a file of voxgrad: leave out ",
               kPayloadCrc, ", ", kHeaderCrc, " and ", kFormat, " there, or use another copy"));
    if (*format != kFormatVersion)
      throw Error(
          ErrorKind::model,
          text("checkpoint ", name_, ": format ", brief(*format), ", this program reads format ", kFormatVersion),
          "use a newer version of the program");
  }

  // All tensors in the order of the payload. They must cover it exactly.
  std::vector<TensorEntry> read_entries() {
    std::vector<TensorEntry> entries;
    for (const auto& [name, value] : *header_.object())
      if (name != kMetadata) entries.push_back(read_entry(name, value));
    std::sort(entries.begin(), entries.end(), [](const TensorEntry& a, const TensorEntry& b) {
      return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
    });
    std::uint64_t offset = 0;
    for (const TensorEntry& entry : entries) {
      if (entry.begin != offset)
        refuse("\"", brief(entry.name), "\" begins at ", entry.begin,
               entry.begin > offset ? ": a hole after " : ": overlaps ", offset);
      offset = entry.end;
    }
    const std::uint64_t present = size_ - payload_;
    if (offset > present) refuse("its tensors take ", offset, " bytes, the file has ", present, ": it was cut off");
    if (offset < present) refuse(present - offset, " bytes follow the last tensor");
    return entries;
  }

  TensorEntry read_entry(const std::string& name, const JsonValue& value) const {
    const JsonValue *dtype = value.find("dtype"), *shape = value.find("shape"), *range = value.find("data_offsets");
    const std::string shown = '"' + brief(name) + '"';
    if (dtype == nullptr || shape == nullptr || range == nullptr || value.object()->size() != 3)
      refuse(shown, " needs dtype, shape and data_offsets, and nothing else");
    const auto type = std::find_if(kTypes.begin(), kTypes.end(), [&](const auto& t) {
      return dtype->string() != nullptr && *dtype->string() == t.name;
    });
    if (type == kTypes.end())
      throw Error(ErrorKind::model,
                  text("checkpoint ", name_, ": ", shown, " has type ", brief(*dtype),
                       ", known are F32, F64, BF16, I64, I32, U8"),
                  "save it as F32");
    const std::vector<std::uint64_t> offsets = numbers(shown, *range, 2);
    const std::vector<std::uint64_t> extents = numbers(shown, *shape, Shape::kMaxDims);
    if (offsets.size() != 2 || offsets[0] > offsets[1]) refuse(shown, ": offsets ", brief(*range));
    TensorEntry entry{name, *type, {}, offsets[0], offsets[1]};
    const std::uint64_t bytes = offsets[1] - offsets[0];
    // A tensor without elements may have large extents beside the 0.
    std::uint64_t wanted = std::count(extents.begin(), extents.end(), 0U) > 0 ? 0 : type->in_file;
    bool fits = true;
    for (std::uint64_t extent : extents) {
      fits = fits && extent <= std::uint64_t{std::numeric_limits<std::int64_t>::max()} &&
             !__builtin_mul_overflow(wanted, extent, &wanted);
      if (fits) entry.shape.push_back(static_cast<std::int64_t>(extent));
    }
    if (!fits) refuse(shown, ": the size of shape ", brief(*shape), " overflows");
    if (wanted != bytes) refuse(shown, ": shape ", brief(*shape), " takes ", wanted, " bytes, given ", bytes);
    return entry;
  }

  std::vector<std::uint64_t> numbers(const std::string& shown, const JsonValue& list, std::size_t most) const {
    std::vector<std::uint64_t> result;
    const JsonValue::Array* values = list.array();
    bool good = values != nullptr && values->size() <= most;
    for (std::size_t i = 0; good && i < values->size(); ++i) {
      const std::optional<std::uint64_t> value = (*values)[i].natural();
      good = value.has_value();
      if (good) result.push_back(*value);
    }
    if (!good) refuse(shown, ": expected up to ", most, " whole numbers, got ", brief(list));
    return result;
  }

  Tensor read_tensor(const TensorEntry& entry, std::uint32_t& crc) const {
    Tensor tensor = empty(entry.shape, entry.type.dtype);
    const std::size_t count = static_cast<std::size_t>(entry.end - entry.begin);
    if (size_of(entry.type.dtype) == entry.type.in_file) {
      read_(payload_ + entry.begin, tensor.raw(), count);
      crc = crc32(bytes_of(tensor), crc);
      return tensor;
    }
    std::vector<std::int64_t> wide(count / sizeof(std::int64_t));
    read_(payload_ + entry.begin, wide.data(), count);
    crc = crc32(std::as_bytes(std::span(wide)), crc);
    std::int32_t* narrow = tensor.data<std::int32_t>();
    for (std::int64_t value : wide) {
      if (value != static_cast<std::int32_t>(value))
        refuse("\"", brief(entry.name), "\": the I64 value ", value, " does not fit into 32 bits");
      *narrow++ = static_cast<std::int32_t>(value);
    }
    return tensor;
  }

  std::string name_;
  std::uint64_t size_;
  ReadAt read_;
  std::string text_;  // the header as it is in the file
  JsonValue header_;
  std::uint64_t payload_ = 0;  // where the payload begins in the file
};

[[noreturn]] void cannot_read(const std::string& path, const std::string& reason) {
  throw Error(ErrorKind::io, text("cannot read checkpoint ", path, ": ", reason));
}

// A file that is open for reading; the destructor closes it.
class InputFile {
 public:
  explicit InputFile(const std::string& path) : path_(path) {
    file_ = uninterrupted(
        [&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK); });  // a pipe must not block
    if (file_ < 0) cannot_read(path_, std::generic_category().message(errno));
    struct stat status;
    const bool known = ::fstat(file_, &status) == 0;
    if (!known || !S_ISREG(status.st_mode)) {
      const std::string reason = known ? "it is no regular file" : std::generic_category().message(errno);
      ::close(file_);
      cannot_read(path_, reason);
    }
    size_ = static_cast<std::uint64_t>(status.st_size);
  }
  ~InputFile() { ::close(file_); }
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  std::uint64_t size() const { return size_; }
  void read(std::uint64_t offset, void* to, std::size_t count) const {
    for (std::size_t done = 0; done < count;) {
      std::byte* const place = static_cast<std::byte*>(to) + done;
      const std::size_t next = std::min(count - done, std::size_t{1} << 30);
      const ssize_t got = uninterrupted([&] { return ::pread(file_, place, next, static_cast<off_t>(offset + done)); });
      if (got < 0) cannot_read(path_, std::generic_category().message(errno));
      if (got == 0) cannot_read(path_, text("it became shorter while it was read, at byte ", offset + done));
      done += static_cast<std::size_t>(got);
    }
  }

 private:
  std::string path_;
  int file_ = -1;
  std::uint64_t size_ = 0;
};

}  // namespace

void save_tensors(const std::string& path, const TensorFile& file) {
  const std::vector<NamedTensor> tensors = in_payload_order(file.tensors);
  const std::string header = make_header(tensors, file.metadata);
  const std::uint64_t length = header.size();
  std::vector<Bytes> pieces{std::as_bytes(std::span(&length, 1)), bytes_of(header)};
  for (const NamedTensor& entry : tensors) pieces.push_back(bytes_of(entry.tensor));
  write_atomically(path, pieces);
}

TensorFile load_tensors(const std::string& path) {
  const InputFile input(path);
  return FileReader(path, input.size(),
                    [&](std::uint64_t offset, void* to, std::size_t count) { input.read(offset, to, count); })
      .run();
}

TensorFile parse_tensors(std::span<const std::byte> bytes, const std::string& name) {
  return FileReader(name, bytes.size(),
                    [&](std::uint64_t offset, void* to, std::size_t count) {
                      if (count > 0) std::memcpy(to, bytes.data() + offset, count);
                    })
      .run();
}

}  // namespace voxgrad
