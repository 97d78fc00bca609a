#include "data/sampling/field_cache.h"

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "engine/io/crc32.h"

namespace voxgrad::data {
namespace {

constexpr const char* kCacheFormat = "voxgrad-cache";
constexpr std::int64_t kVersion = 1;

std::uint32_t crc_of(const void* data, std::size_t bytes) {
  return crc32({static_cast<const std::byte*>(data), bytes});
}

[[noreturn]] void damaged(const std::string& where) {
  throw Error(ErrorKind::data, where + ": not what was written", "delete the file: it is made again");
}

}  // namespace

FieldCache::FieldCache(const std::string& path) : file_(h5::File::open(path)) {
  const h5::Group root = file_.group("/");
  if (root.string_attribute("format") != kCacheFormat || root.integer_attribute("format_version") != kVersion)
    damaged(path);
  const h5::Array array = file_.array("/names");
  if (array.element() != h5::Element::u8 || array.extents().dims() != 1) damaged(array.where());
  std::string lines(static_cast<std::size_t>(array.extents()[0]), '\0');
  array.read_all(h5::Element::u8, lines.data());
  if (crc_of(lines.data(), lines.size()) != array.integer_attribute("crc32")) damaged(array.where());
  const char *at = lines.data(), *const end = at + lines.size();
  for (std::int64_t number = 0; at != end; ++number) {
    Entry entry{number, 0};
    const char* const text = std::from_chars(at, end, entry.crc32).ptr;
    const char* const stop = std::find(text, end, '\n');
    if (text == at || stop == end) damaged(array.where());
    entries_.insert_or_assign(std::string(text + 1, stop), entry);
    at = stop + 1;
  }
}

bool FieldCache::is_of_others(const std::string& path) {
  if (!std::filesystem::exists(path)) return false;
  h5::File file;
  try {
    file = h5::File::open(path);
  } catch (const Error& error) {
    return error.kind() != ErrorKind::data;
  }
  try {
    return file.group("/").string_attribute("format") != kCacheFormat;
  } catch (const Error&) {  // it has none
    return true;
  }
}

Tensor FieldCache::read(const std::string& name) const {
  const auto found = entries_.find(name);
  check(found != entries_.end(), "field cache: there is no map of ", name);
  const h5::Array array = file_.array(text("/", found->second.number));
  if (array.element() != h5::Element::f32 || array.extents().dims() > 4) damaged(array.where());
  const Tensor map = empty(array.extents());
  array.read_all(h5::Element::f32, map.raw());
  if (crc_of(map.raw(), map.bytes()) != found->second.crc32) damaged(array.where());
  return map;
}

FieldCacheWriter::FieldCacheWriter(const std::string& path) : out_(path) {
  out_.attribute("/", "format", std::string(kCacheFormat));
  out_.attribute("/", "format_version", kVersion);
}

void FieldCacheWriter::add(const std::string& name, const Tensor& map) {
  check(name.find('\n') == std::string::npos && map.dtype() == DType::f32 && map.numel() > 0, "field cache: ", name,
        " of ", map);
  const Shape chunk = h5::chunk_of(map.shape(), false, map.dims() - 1, h5::Element::f32);
  out_.array(text("/", count_++), h5::Element::f32, map.shape(), map.raw(), chunk);
  names_ += text(crc_of(map.raw(), map.bytes()), ' ', name, '\n');
  bytes_ += map.bytes();
}

void FieldCacheWriter::save() {
  const Shape size{std::ssize(names_)};
  out_.array("/names", h5::Element::u8, size, names_.data(), size);
  out_.attribute("/names", "crc32", crc_of(names_.data(), names_.size()));
  out_.save();
}

}  // namespace voxgrad::data
