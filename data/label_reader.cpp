#include "data/label_reader.h"

#include <algorithm>
#include <cmath>

#include "data/label_file.h"
#include "engine/error.h"
#include "engine/io/crc32.h"

namespace voxgrad::data {
namespace {

using h5::Element;

constexpr double kRounding = 0.05;

[[noreturn]] void fail_value(const h5::Array& array, double value) {
  if (value != std::round(value) && !(std::abs(value) > 255))  // not for infinities either
    throw Error(ErrorKind::data, text(array.where(), ": label ", value, " is no whole number"),
                "labels are the numbers of classes; is it an image, or a mask that was resized?");
  throw Error(ErrorKind::data, text(array.where(), ": label ", value, " outside 0..255"));
}

// Hands over the labels of a box as u8, in C order, in pieces of bounded size; first, if it is not null, the bytes as
// they are stored.
void read_pieces(const Box& box, std::uint32_t* crc, const std::function<void(std::span<const std::uint8_t>)>& take) {
  const Element element = box.array.element();
  if (element == Element::string || element == Element::other)
    throw Error(ErrorKind::data, box.array.where() + ": labels are whole numbers, this is " + name_of(element));
  if (element == Element::u8)
    return read_in_pieces(box, element, [&](Piece piece) {
      if (crc != nullptr) *crc = crc32(piece, *crc);
      take({reinterpret_cast<const std::uint8_t*>(piece.data()), piece.size()});
    });
  std::vector<std::uint8_t> labels;
  read_in_pieces(box, Element::f64, [&](Piece piece) {
    labels.resize(piece.size() / sizeof(double));
    const double* values = reinterpret_cast<const double*>(piece.data());
    for (std::size_t i = 0; i < labels.size(); ++i) {
      const double whole = std::round(values[i]);
      if (!(whole >= 0 && whole <= 255 && std::abs(values[i] - whole) < kRounding)) fail_value(box.array, values[i]);
      labels[i] = static_cast<std::uint8_t>(whole);
    }
    take(labels);
  });
}

Tensor read_box(const Box& box, const Shape& shape) {
  const Tensor labels = empty(shape, DType::u8);
  std::uint8_t* to = labels.data<std::uint8_t>();
  read_pieces(box, nullptr,
              [&](std::span<const std::uint8_t> piece) { to = std::copy(piece.begin(), piece.end(), to); });
  return labels;
}

}  // namespace

Tensor read_labels(const h5::Array& array) { return read_box(whole_array(array), array.extents()); }

void LabelReader::verify() const {
  LabelCheck check(rule_, source_.names_ignore_label);
  std::uint32_t crc = 0;
  const std::int64_t cases = std::ssize(source_.ids);
  for (std::int64_t i = 0; i < cases; ++i) {
    const Box box = source_.box(i);
    LabelRule::Seen seen{};
    if (!source_.stacked) crc = 0;
    read_pieces(box, &crc, [&](std::span<const std::uint8_t> piece) { LabelRule::add_seen(piece, seen); });
    if (box.array.element() == Element::u8 && (!source_.stacked || i + 1 == cases))
      require_crc("labels", box.array, crc);
    check.add(seen, name(i, box));
  }
  check.finish();
}

LabelRule::Seen LabelReader::values() const {
  LabelRule::Seen seen{};
  for (std::int64_t i = 0; i < std::ssize(source_.ids); ++i)
    read_pieces(source_.box(i), nullptr,
                [&](std::span<const std::uint8_t> piece) { LabelRule::add_seen(piece, seen); });
  return seen;
}

// Throws unless some case has foreground. `ignored` is a case with nothing but background and ignored voxels, which is
// fine if another one has foreground.
void LabelReader::require_foreground(const CaseName& ignored) const {
  const std::lock_guard lock(mutex_);
  for (std::int64_t i = 0; i < std::ssize(source_.ids) && !foreground_known_; ++i)
    read_pieces(source_.box(i), nullptr, [&](std::span<const std::uint8_t> piece) {
      foreground_known_ = foreground_known_ || rule_.has_foreground(LabelRule::seen(piece));
    });
  if (!foreground_known_) rule_.fail_without_foreground(ignored);
}

Tensor LabelReader::read(std::int64_t index, bool verified) const {
  const Box box = source_.box(index);
  const Tensor label = read_box(box, source_.stacked ? box.count.without(0) : box.count);
  const std::span<std::uint8_t> values(label.data<std::uint8_t>(), label.bytes());
  const LabelRule::Seen seen = LabelRule::seen(values);
  rule_.require(seen, name(index, box));
  if (!verified && !source_.names_ignore_label && rule_.has_ignored(seen) && !rule_.has_foreground(seen))
    require_foreground(name(index, box));
  rule_.apply(values);
  return label;
}

}  // namespace voxgrad::data
