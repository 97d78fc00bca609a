#include "data/dataset.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <mutex>

#include "data/format.h"
#include "data/label_reader.h"
#include "data/probabilities.h"
#include "data/splits.h"
#include "engine/io/crc32.h"

namespace voxgrad::data {
namespace {

static_assert(std::endian::native == std::endian::little, "checksums are of little-endian bytes");

constexpr float kNoNumber = std::numeric_limits<float>::quiet_NaN();

void require_finite(const float* values, std::size_t count, const CaseName& name) {
  for (std::size_t i = 0; i < count; ++i)
    if (!std::isfinite(values[i])) [[unlikely]]
      fail_case("images", name, text("value ", values[i], " is not a finite number"),
                "replace such values before the file is written, for instance with numpy.nan_to_num");
}

void require_finite_halves(std::span<const std::uint16_t> values, const CaseName& name) {
  constexpr std::uint16_t kExponent = 0x7C00;  // all of it is set in infinities and NaN
  for (const std::uint16_t value : values)
    if ((value & kExponent) == kExponent) [[unlikely]]
      require_finite(&kNoNumber, 1, name);
}

}  // namespace

struct Dataset::Impl {
  StoredDataset stored;
  bool verify, labels;
  LabelReader reader;
  mutable std::mutex mutex;
  mutable bool verified = false;

  Impl(StoredDataset found, const DatasetOptions& options)
      : stored(std::move(found)),
        verify(options.verify),
        labels(stored.info.labelled && options.labels),
        reader({stored.info.case_ids, [this](std::int64_t index) { return stored.label(index); }, stored.info.stacked,
                stored.names_ignore_label},
               options.stored_labels ? LabelRule(256, -1)
                                     : LabelRule(std::ssize(stored.info.class_names), stored.info.ignore_label,
                                                 labels ? options.label_map : std::map<int, int>{})) {}

  std::int64_t cases() const { return std::ssize(stored.info.case_ids); }
  CaseName name(std::int64_t index, const h5::Array& array) const {
    return {index, nth(stored.info.case_ids, index), array.where()};
  }

  void verify_images() const;
  void verify_probabilities() const;
  Tensor read_image(std::int64_t index) const;
  Tensor read_label(std::int64_t index) const;
  Tensor read_probabilities(std::int64_t index, const Tensor& label) const;
};

void Dataset::Impl::verify_images() const {
  std::uint32_t crc = 0;
  for (std::int64_t i = 0; i < cases(); ++i) {
    const Box box = stored.image(i);
    const h5::Element element = box.array.element();
    if (!stored.info.stacked) crc = 0;
    read_in_pieces(box, element, [&](Piece piece) {
      crc = crc32(piece, crc);
      if (element == h5::Element::f32)
        require_finite(reinterpret_cast<const float*>(piece.data()), piece.size() / sizeof(float), name(i, box.array));
      if (element == h5::Element::f16)
        require_finite_halves({reinterpret_cast<const std::uint16_t*>(piece.data()), piece.size() / 2},
                              name(i, box.array));
    });
    if (!stored.info.stacked || i + 1 == cases()) require_crc("images", box.array, crc);
  }
}

void Dataset::Impl::verify_probabilities() const {
  std::uint32_t crc = 0;
  for (std::int64_t i = 0; i < cases(); ++i) {
    const Box box = stored.probabilities_of(i);
    if (!stored.info.stacked) crc = 0;
    read_in_pieces(box, h5::Element::f32, [&](Piece piece) {
      crc = crc32(piece, crc);
      require_probabilities({reinterpret_cast<const float*>(piece.data()), piece.size() / sizeof(float)}, box.count[-1],
                            name(i, box.array));
    });
    if (!stored.info.stacked || i + 1 == cases()) require_crc("label_probabilities", box.array, crc);
  }
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
  const Tensor label = reader.read(index, verify);
  const StoredDataset::Space* space = stored.space(index);
  return space != nullptr ? space->turn(label) : label;
}

// `label` is that of the case as read_label() returns it.
Tensor Dataset::Impl::read_probabilities(std::int64_t index, const Tensor& label) const {
  const Box box = stored.probabilities_of(index);
  const Tensor values = empty(stored.info.stacked ? box.count.without(0) : box.count);
  box.array.read(box.start, box.count, h5::Element::f32, values.data<float>());
  const std::int64_t classes = values.extent(-1);
  require_probabilities({values.data<float>(), static_cast<std::size_t>(values.numel())}, classes,
                        name(index, box.array));
  const StoredDataset::Space* space = stored.space(index);
  const Tensor result = space != nullptr ? space->turn(values) : values;
  for (std::int64_t v = 0; v < label.numel(); ++v)
    if (label.data<std::uint8_t>()[v] == stored.info.ignore_label)
      std::fill_n(result.data<float>() + v * classes, classes, 0.0f);
  normalise_probabilities(result);
  return result;
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
  if (impl_->labels) impl_->reader.verify();
  if (impl_->labels && info().probabilities) impl_->verify_probabilities();
  impl_->verify_images();
  impl_->verified = true;
}

void require_labels(const Dataset& dataset, const std::string& purpose) {
  if (dataset.info().labelled) return;
  throw Error(ErrorKind::data, text(dataset.info().path, ": has no labels, ", purpose, " needs them"));
}

Case Dataset::read(std::int64_t index, bool probabilities) const {
  check(index >= 0 && index < size(), "dataset: case ", index, " asked of ", size());
  check(!probabilities || (impl_->labels && info().probabilities), "dataset: ", info().path,
        " has no label probabilities, or no labels were asked for");
  if (impl_->verify) verify();
  Case result;
  result.id = nth(info().case_ids, index);
  if (!info().groups.empty()) result.group = nth(info().groups, index);
  result.spacing = nth(info().spacings, index);
  result.image = impl_->read_image(index);
  if (impl_->labels) result.label = impl_->read_label(index);
  if (probabilities) result.probabilities = impl_->read_probabilities(index, result.label);
  if (const StoredDataset::Space* space = impl_->stored.space(index)) {
    result.affine = space->affine;
    result.orientation = nth(info().orientations, index);
  }
  result.origin = impl_->stored.origin(index);
  return result;
}

Tensor Dataset::read_label(std::int64_t index) const {
  check(index >= 0 && index < size() && impl_->labels, "dataset: the label of case ", index, " asked of ", size());
  if (impl_->verify) verify();
  return impl_->read_label(index);
}

}  // namespace voxgrad::data
