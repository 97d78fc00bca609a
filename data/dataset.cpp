#include "data/dataset.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <iomanip>
#include <mutex>

#include "data/format.h"
#include "data/labels.h"
#include "engine/io/crc32.h"

namespace voxgrad::data {
namespace {

static_assert(std::endian::native == std::endian::little, "checksums are of little-endian bytes");

constexpr std::int64_t kPieceBytes = std::int64_t{32} << 20;

using Piece = std::span<const std::byte>;

// The values of a source as they are stored, in C order, in pieces of bounded size.
void stream(const Source& source, const std::function<void(Piece)>& take) {
  const std::size_t axis = source.count[0] == 1 ? 1 : 0;
  std::int64_t row = static_cast<std::int64_t>(size_of(source.array.element()));
  for (std::size_t i = axis + 1; i < source.count.size(); ++i) row *= source.count[i];
  const std::int64_t chunk = source.array.chunk()[axis];
  const std::int64_t rows = std::min(std::max(kPieceBytes / row / chunk * chunk, chunk), source.count[axis]);
  std::vector<std::byte> buffer(static_cast<std::size_t>(rows * row));
  h5::Extents start = source.start, count = source.count;
  for (std::int64_t first = 0; first < source.count[axis]; first += rows) {
    start[axis] = source.start[axis] + first;
    count[axis] = std::min(rows, source.count[axis] - first);
    source.array.read(start, count, source.array.element(), buffer.data());
    take({buffer.data(), static_cast<std::size_t>(count[axis] * row)});
  }
}

void require_finite(const float* values, std::size_t count, const Place& place) {
  for (std::size_t i = 0; i < count; ++i)
    if (!std::isfinite(values[i])) [[unlikely]]
      fail_case("images", place, text("value ", values[i], " is not a finite number"),
                "replace such values before the file is written, for instance with numpy.nan_to_num");
}

void require_crc(const char* what, const h5::Array& array, std::uint32_t found) {
  if (!array.has_attribute("crc32")) return;
  const std::uint32_t expected = static_cast<std::uint32_t>(array.integer_attribute("crc32"));
  if (found == expected) return;
  throw Error(ErrorKind::data,
              text(what, ": crc32 is ", std::hex, std::setfill('0'), std::setw(8), found, ", the file says ",
                   std::setw(8), expected, " (", array.where(), ")"),
              "the values changed after they were written; fetch or write the file again");
}

}  // namespace

struct Dataset::Impl {
  Layout layout;
  LabelRule rule;
  bool verify;
  mutable std::mutex mutex;
  mutable bool verified = false;
  mutable bool foreground_known = false;

  Impl(Layout found, const DatasetOptions& options)
      : layout(std::move(found)),
        rule(static_cast<std::int64_t>(layout.info.class_names.size()), layout.info.ignore_label, options.label_map),
        verify(options.verify) {}

  std::int64_t cases() const { return static_cast<std::int64_t>(layout.info.case_ids.size()); }
  Place place(std::int64_t index, const h5::Array& array) const {
    return {index, layout.info.case_ids[static_cast<std::size_t>(index)], array.where()};
  }

  void verify_images() const;
  void verify_labels() const;
  void require_foreground(const Place& ignored) const;
  Tensor read_image(std::int64_t index) const;
  Tensor read_label(std::int64_t index) const;
};

void Dataset::Impl::verify_images() const {
  std::uint32_t crc = 0;
  for (std::int64_t i = 0; i < cases(); ++i) {
    const Source source = layout.image(i);
    const bool floats = source.array.element() == h5::Element::f32;
    if (!layout.stacked) crc = 0;
    stream(source, [&](Piece piece) {
      crc = crc32(piece, crc);
      if (floats)
        require_finite(reinterpret_cast<const float*>(piece.data()), piece.size() / sizeof(float),
                       place(i, source.array));
    });
    if (!layout.stacked || i + 1 == cases()) require_crc("images", source.array, crc);
  }
}

void Dataset::Impl::verify_labels() const {
  std::uint32_t crc = 0;
  bool foreground = layout.names_ignore_label;
  std::int64_t ignored = -1;  // the first case with an ignore label
  for (std::int64_t i = 0; i < cases(); ++i) {
    const Source source = layout.label(i);
    if (!layout.stacked) crc = 0;
    LabelRule::Seen seen{};
    stream(source, [&](Piece piece) {
      crc = crc32(piece, crc);
      const LabelRule::Seen here = LabelRule::seen({reinterpret_cast<const std::uint8_t*>(piece.data()), piece.size()});
      for (std::size_t v = 0; v < seen.size(); ++v) seen[v] = seen[v] || here[v];
    });
    if (!layout.stacked || i + 1 == cases()) require_crc("labels", source.array, crc);
    rule.require(seen, place(i, source.array));
    foreground = foreground || rule.has_foreground(seen);
    if (ignored < 0 && rule.has_ignored(seen)) ignored = i;
  }
  if (!foreground && ignored >= 0) rule.fail_without_foreground(place(ignored, layout.label(ignored).array));
}

// `ignored`: a case that holds background and ignored voxels only. That is fine if another one has foreground.
void Dataset::Impl::require_foreground(const Place& ignored) const {
  const std::lock_guard lock(mutex);
  for (std::int64_t i = 0; i < cases() && !foreground_known; ++i)
    stream(layout.label(i), [&](Piece piece) {
      foreground_known =
          foreground_known ||
          rule.has_foreground(LabelRule::seen({reinterpret_cast<const std::uint8_t*>(piece.data()), piece.size()}));
    });
  if (!foreground_known) rule.fail_without_foreground(ignored);
}

Tensor Dataset::Impl::read_image(std::int64_t index) const {
  const DatasetInfo& info = layout.info;
  const Source source = layout.image(index);
  Shape shape = info.shapes[static_cast<std::size_t>(index)];
  const std::int64_t voxels = shape.numel(), channels = info.channels;
  shape.push_back(channels);
  Tensor image = empty(shape);
  float* target = image.data<float>();
  if (source.channels_first && channels > 1) {
    std::vector<float> planes(static_cast<std::size_t>(voxels * channels));
    source.array.read(source.start, source.count, h5::Element::f32, planes.data());
    for (std::int64_t c = 0; c < channels; ++c)
      for (std::int64_t v = 0; v < voxels; ++v)
        target[v * channels + c] = planes[static_cast<std::size_t>(c * voxels + v)];
  } else {
    source.array.read(source.start, source.count, h5::Element::f32, target);
  }
  require_finite(target, static_cast<std::size_t>(image.numel()), place(index, source.array));
  return image;
}

Tensor Dataset::Impl::read_label(std::int64_t index) const {
  const Source source = layout.label(index);
  Tensor label = empty(layout.info.shapes[static_cast<std::size_t>(index)], DType::u8);
  const std::span<std::uint8_t> values(label.data<std::uint8_t>(), static_cast<std::size_t>(label.numel()));
  source.array.read(source.start, source.count, h5::Element::u8, values.data());
  const LabelRule::Seen seen = LabelRule::seen(values);
  const Place where = place(index, source.array);
  rule.require(seen, where);
  if (!verify && !layout.names_ignore_label && rule.has_ignored(seen) && !rule.has_foreground(seen))
    require_foreground(where);
  rule.apply(values);
  return label;
}

Dataset Dataset::open(const std::string& path, const DatasetOptions& options) {
  Dataset dataset;
  dataset.impl_ = std::make_shared<const Impl>(read_layout(path), options);
  return dataset;
}

const DatasetInfo& Dataset::info() const { return impl_->layout.info; }
std::int64_t Dataset::size() const { return impl_->cases(); }
std::int64_t Dataset::classes() const { return static_cast<std::int64_t>(info().class_names.size()); }

void Dataset::verify() const {
  const std::lock_guard lock(impl_->mutex);
  if (impl_->verified) return;
  impl_->verify_labels();
  impl_->verify_images();
  impl_->verified = true;
}

Case Dataset::read(std::int64_t index) const {
  check(index >= 0 && index < size(), "dataset: case ", index, " asked of ", size());
  if (impl_->verify) verify();
  const std::size_t i = static_cast<std::size_t>(index);
  Case result;
  result.id = info().case_ids[i];
  if (!info().groups.empty()) result.group = info().groups[i];
  result.spacing = info().spacings[i];
  result.image = impl_->read_image(index);
  result.label = impl_->read_label(index);
  return result;
}

}  // namespace voxgrad::data
