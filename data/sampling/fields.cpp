// The name of a map in the cache lists everything that decides its values: key and variant, case, extents and checksum
// of the label, spacing. Label and spacing are those after the preparation of the case. A map in a cache can therefore
// never be out of date.
#include "data/sampling/fields.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <optional>

#include "data/sampling/field_cache.h"
#include "engine/io/crc32.h"

namespace voxgrad::data {
namespace {

constexpr const char* kInMemory = "maps of labels are made when a case is read, and kept in memory";
constexpr double kClearly = 1.25;  // by which an estimate of the bytes may be too large

// Returns the voxels of the map of a case, as far as the stored case tells them; its preparation may change all of them
// alike.
double voxels_of_map(const Shape& shape, const Shape& patch) {
  double voxels = 1;
  for (int axis = 0; axis < shape.dims(); ++axis) voxels *= static_cast<double>(std::max(shape[axis], patch[axis]));
  return voxels;
}

// Returns the label with background on both sides of the axes along which it is smaller than the patch.
Tensor padded(const Tensor& label, const Shape& patch) {
  Shape shape;
  Extents from = 1, to = 1, before = 0;  // a label with two axes is treated as a volume of one slice
  const int lead = 3 - label.dims();
  for (int axis = lead; axis < 3; ++axis) {
    from[axis] = label.extent(axis - lead);
    to[axis] = std::max(from[axis], patch[axis - lead]);
    before[axis] = (to[axis] - from[axis]) / 2;
    shape.push_back(to[axis]);
  }
  if (shape == label.shape()) return label;
  Tensor result = zeros(shape, DType::u8);
  for (std::int64_t z = 0; z < from[0]; ++z)
    for (std::int64_t y = 0; y < from[1]; ++y)
      std::copy_n(label.data<std::uint8_t>() + (z * from[1] + y) * from[2], from[2],
                  result.data<std::uint8_t>() + ((z + before[0]) * to[1] + y + before[1]) * to[2] + before[2]);
  return result;
}

std::shared_ptr<const FieldCache> open(const std::string& path, const std::function<void(const std::string&)>& warn) {
  if (!std::filesystem::exists(path)) return nullptr;
  try {
    return std::make_shared<FieldCache>(path);
  } catch (const Error& error) {
    warn(text(error.message(), "; it is made again"));
    return nullptr;
  }
}

// Copies the maps of the old cache, as far as there is room.
void copy_maps(const FieldCache& old, FieldCacheWriter& writer, std::size_t most_bytes) {
  old.for_names([&](const std::string& name) {
    try {
      const Tensor map = old.read(name);
      if (writer.bytes() + map.bytes() <= most_bytes) writer.add(name, map);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::data) throw;  // a damaged map is made again when it is asked for
    }
  });
}

}  // namespace

std::string cache_path(const std::string& dataset) {
  return std::filesystem::path(dataset).replace_extension(".cache.h5").string();
}

Fields::Fields(FieldMaker maker, std::string cache, std::size_t most_bytes)
    : maker_(std::move(maker)), path_(std::move(cache)), most_bytes_(most_bytes) {}

std::string Fields::name_of(const std::string& key, const Case& one, const Tensor& label) const {
  const std::uint32_t crc = crc32({static_cast<const std::byte*>(label.raw()), label.bytes()});
  std::string spacing;
  for (const double step : one.spacing) {
    char digits[32];
    spacing.append(" ").append(digits, std::to_chars(digits, digits + sizeof digits, step).ptr);
  }
  return text(key, ", ", maker_.variant, ", case ", one.id, ", labels ", label.shape(), " crc32 ", crc, ", spacing",
              spacing);
}

Tensor Fields::make(const std::string& key, const Tensor& label, const std::vector<double>& spacing) const {
  const Tensor map = maker_.make(key, label.alias(0, Shape{1} + label.shape()), spacing);
  const Shape shape = label.shape() + Shape{map.extent(-1)}, batch = Shape{1} + shape;
  check(map.dtype() == DType::f32 && map.shape() == batch, "fields: ", key, " is ", map, ", expected f32 ", batch);
  return map.alias(0, shape);
}

Tensor Fields::read(const std::string& name, const Tensor& label) const {
  if (!cache_ || !cache_->contains(name)) return {};
  try {
    const Tensor map = cache_->read(name);
    const bool fits =
        map.dims() == label.dims() + 1 && std::equal(label.shape().begin(), label.shape().end(), map.shape().begin());
    return fits ? map : Tensor();
  } catch (const Error&) {
    return {};
  }
}

void Fields::prepare(const Dataset& dataset, const std::vector<std::int64_t>& cases, const Shape& patch,
                     const CasePreparation& change, const std::function<void()>& progress,
                     const std::function<void(const std::string&)>& warn) {
  if (path_.empty()) return;
  require_labels(dataset, "a map of labels");
  if (FieldCache::is_of_others(path_))
    return warn(text(path_, " is no cache of maps, or cannot be read, and stays as it is; ", kInMemory));
  cache_ = open(path_, warn);
  std::optional<FieldCacheWriter> writer;  // made when the first map is missing
  double all = 0, seen = 0;                // voxels of all cases, and of those that were looked at
  for (const std::int64_t index : cases) all += voxels_of_map(nth(dataset.info().shapes, index), patch);
  const auto too_large = [&] { warn(text(path_, " would hold more than ", most_bytes_ >> 30, " GiB; ", kInMemory)); };
  try {
    for (const std::int64_t index : cases) {
      Case one = dataset.read(index);
      if (change) change(one);
      const Tensor label = padded(one.label, patch);
      for (const std::string& key : keys()) {
        const std::string name = name_of(key, one, label);
        if (cache_ && cache_->contains(name)) continue;
        if (!writer) writer.emplace(path_);
        progress();
        const Tensor map = make(key, label, one.spacing);
        if (writer->bytes() + map.bytes() > most_bytes_) return too_large();
        writer->add(name, map);
      }
      // Cases are alike, so it is not necessary to make maps up to the limit, only to throw them away.
      seen += voxels_of_map(nth(dataset.info().shapes, index), patch);
      if (writer && static_cast<double>(writer->bytes()) * all / seen > kClearly * static_cast<double>(most_bytes_))
        return too_large();
    }
    if (!writer) return;
    if (cache_) copy_maps(*cache_, *writer, most_bytes_);
    writer->save();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::io) throw;
    return warn(text(error.message(), "; ", kInMemory));
  }
  cache_ = open(path_, warn);
}

std::vector<Tensor> Fields::of(const Case& one, const Shape& patch) const {
  const Tensor label = padded(one.label, patch);
  std::vector<Tensor> maps;
  for (const std::string& key : keys()) {
    const Tensor map = read(name_of(key, one, label), label);
    maps.push_back(map.defined() ? map : make(key, label, one.spacing));
  }
  return maps;
}

}  // namespace voxgrad::data
