#include "data/dataset.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <iomanip>
#include <mutex>

#include "data/format.h"
#include "data/labels.h"
#include "data/splits.h"
#include "engine/io/crc32.h"

namespace voxgrad::data {
namespace {

static_assert(std::endian::native == std::endian::little, "checksums are of little-endian bytes");

constexpr std::int64_t kPieceBytes = std::int64_t{32} << 20;

using Piece = std::span<const std::byte>;

// Hands over the values of a box as they are stored, in C order, in pieces of bounded size.
void read_in_pieces(const Box& box, const std::function<void(Piece)>& take) {
  const int axis = box.count[0] == 1 ? 1 : 0;
  const std::int64_t length = box.count[axis];
  const std::int64_t row = static_cast<std::int64_t>(size_of(box.array.element())) * box.count.numel() / length;
  const std::int64_t chunk = box.array.chunk()[axis];
  const std::int64_t rows = std::min(std::max(kPieceBytes / row / chunk * chunk, chunk), length);
  std::vector<std::byte> buffer(static_cast<std::size_t>(rows * row));
  for (std::int64_t first = 0; first < length; first += rows) {
    const std::int64_t here = std::min(rows, length - first);
    box.array.read(box.start.with(axis, box.start[axis] + first), box.count.with(axis, here), box.array.element(),
                   buffer.data());
    take({buffer.data(), static_cast<std::size_t>(here * row)});
  }
}

void require_finite(const float* values, std::size_t count, const CaseName& name) {
  for (std::size_t i = 0; i < count; ++i)
    if (!std::isfinite(values[i])) [[unlikely]]
      fail_case("images", name, text("value ", values[i], " is not a finite number"),
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
  StoredDataset stored;
  LabelRule rule;
  bool verify, labels;
  mutable std::mutex mutex;
  mutable bool verified = false;
  mutable bool foreground_known = false;

  Impl(StoredDataset found, const DatasetOptions& options)
      : stored(std::move(found)),
        rule(std::ssize(stored.info.class_names), stored.info.ignore_label,
             stored.info.labelled ? options.label_map : std::map<int, int>{}),
        verify(options.verify),
        labels(stored.info.labelled && options.labels) {}

  std::int64_t cases() const { return std::ssize(stored.info.case_ids); }
  CaseName name(std::int64_t index, const h5::Array& array) const {
    return {index, nth(stored.info.case_ids, index), array.where()};
  }

  void verify_images() const;
  void verify_labels() const;
  void require_foreground(const CaseName& ignored) const;
  Tensor read_image(std::int64_t index) const;
  Tensor read_label(std::int64_t index) const;
};

void Dataset::Impl::verify_images() const {
  std::uint32_t crc = 0;
  for (std::int64_t i = 0; i < cases(); ++i) {
    const Box box = stored.image(i);
    const bool floats = box.array.element() == h5::Element::f32;
    if (!stored.stacked) crc = 0;
    read_in_pieces(box, [&](Piece piece) {
      crc = crc32(piece, crc);
      if (floats)
        require_finite(reinterpret_cast<const float*>(piece.data()), piece.size() / sizeof(float), name(i, box.array));
    });
    if (!stored.stacked || i + 1 == cases()) require_crc("images", box.array, crc);
  }
}

void Dataset::Impl::verify_labels() const {
  std::uint32_t crc = 0;
  LabelCheck check(rule, stored.names_ignore_label);
  for (std::int64_t i = 0; i < cases(); ++i) {
    const Box box = stored.label(i);
    if (!stored.stacked) crc = 0;
    LabelRule::Seen seen{};
    read_in_pieces(box, [&](Piece piece) {
      crc = crc32(piece, crc);
      const LabelRule::Seen here = LabelRule::seen({reinterpret_cast<const std::uint8_t*>(piece.data()), piece.size()});
      for (std::size_t v = 0; v < seen.size(); ++v) seen[v] = seen[v] || here[v];
    });
    if (!stored.stacked || i + 1 == cases()) require_crc("labels", box.array, crc);
    check.add(seen, name(i, box.array));
  }
  check.finish();
}

// Throws unless some case has foreground. `ignored` is a case with nothing but background and ignored voxels, which is
// fine if another one has foreground.
void Dataset::Impl::require_foreground(const CaseName& ignored) const {
  const std::lock_guard lock(mutex);
  for (std::int64_t i = 0; i < cases() && !foreground_known; ++i)
    read_in_pieces(stored.label(i), [&](Piece piece) {
      foreground_known =
          foreground_known ||
          rule.has_foreground(LabelRule::seen({reinterpret_cast<const std::uint8_t*>(piece.data()), piece.size()}));
    });
  if (!foreground_known) rule.fail_without_foreground(ignored);
}

Tensor Dataset::Impl::read_image(std::int64_t index) const {
  const DatasetInfo& info = stored.info;
  const Box box = stored.image(index);
  const StoredDataset::Space* space = stored.space(index);
  const Shape shape = stored.stored_shape(index);
  const std::int64_t voxels = shape.numel(), channels = info.channels;
  Tensor image = empty(shape + Shape{channels});
  float* target = image.data<float>();
  if (box.channels_first && channels > 1) {
    std::vector<float> planes(static_cast<std::size_t>(voxels * channels));
    box.array.read(box.start, box.count, h5::Element::f32, planes.data());
    for (std::int64_t c = 0; c < channels; ++c)
      for (std::int64_t v = 0; v < voxels; ++v) target[v * channels + c] = nth(planes, c * voxels + v);
  } else {
    box.array.read(box.start, box.count, h5::Element::f32, target);
  }
  require_finite(target, static_cast<std::size_t>(image.numel()), name(index, box.array));
  return space != nullptr ? space->turn(image) : image;
}

Tensor Dataset::Impl::read_label(std::int64_t index) const {
  const Box box = stored.label(index);
  const StoredDataset::Space* space = stored.space(index);
  Tensor label = empty(stored.stored_shape(index), DType::u8);
  const std::span<std::uint8_t> values(label.data<std::uint8_t>(), static_cast<std::size_t>(label.numel()));
  box.array.read(box.start, box.count, h5::Element::u8, values.data());
  const LabelRule::Seen seen = LabelRule::seen(values);
  const CaseName where = name(index, box.array);
  rule.require(seen, where);
  if (!verify && !stored.names_ignore_label && rule.has_ignored(seen) && !rule.has_foreground(seen))
    require_foreground(where);
  rule.apply(values);
  return space != nullptr ? space->turn(label) : label;
}

Dataset Dataset::open(const std::string& path, const DatasetOptions& options) {
  Dataset dataset;
  dataset.impl_ = std::make_shared<const Impl>(open_stored(path), options);
  return dataset;
}

const DatasetInfo& Dataset::info() const { return impl_->stored.info; }
std::int64_t Dataset::size() const { return impl_->cases(); }
std::int64_t Dataset::classes() const { return std::ssize(info().class_names); }

std::vector<std::int64_t> Dataset::split(const std::string& name) const { return split_of(info(), name); }

void Dataset::verify() const {
  const std::lock_guard lock(impl_->mutex);
  if (impl_->verified) return;
  if (impl_->labels) impl_->verify_labels();
  impl_->verify_images();
  impl_->verified = true;
}

void require_labels(const Dataset& dataset, const std::string& purpose) {
  if (dataset.info().labelled) return;
  throw Error(ErrorKind::data, text(dataset.info().path, ": has no labels, ", purpose, " needs them"));
}

Case Dataset::read(std::int64_t index) const {
  check(index >= 0 && index < size(), "dataset: case ", index, " asked of ", size());
  if (impl_->verify) verify();
  Case result;
  result.id = nth(info().case_ids, index);
  if (!info().groups.empty()) result.group = nth(info().groups, index);
  result.spacing = nth(info().spacings, index);
  result.image = impl_->read_image(index);
  if (impl_->labels) result.label = impl_->read_label(index);
  if (const StoredDataset::Space* space = impl_->stored.space(index)) {
    result.affine = space->affine;
    result.orientation = nth(info().orientations, index);
  }
  result.origin = impl_->stored.origin(index);
  return result;
}

}  // namespace voxgrad::data
