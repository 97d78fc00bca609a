// Counting the values of masks, and making classes of them.
#include <algorithm>

#include "data/exchange/label_values.h"
#include "engine/error.h"

namespace voxgrad::data {
namespace {

constexpr std::size_t kMostValues = 1 << 16;
constexpr std::int32_t kGrey = 0x010101;  // times a grey value: its colour

// The colour that a value of a mask stands for.
std::int32_t colour_in(const SourceLabel& label, std::int32_t value) {
  if (label.colours) return value;
  if (value < 0 || value >= std::ssize(label.palette)) return value * kGrey;
  const Colour& colour = nth(label.palette, value);
  return colour[0] << 16 | colour[1] << 8 | colour[2];
}

// Where voxels of two objects touch, diagonally too, both become class 2. Background and `unknown` are no objects.
void mark_borders(const std::vector<std::int32_t>& objects, const Shape& extents, int unknown, std::uint8_t* classes) {
  const std::int64_t depth = extents.dims() == 3 ? extents[0] : 1, height = extents[-2], width = extents[-1];
  const auto at = [&](std::int64_t z, std::int64_t y, std::int64_t x) { return (z * height + y) * width + x; };
  const auto is_object = [&](std::int64_t i) { return classes[i] != 0 && classes[i] != unknown; };
  for (std::int64_t z = 0; z < depth; ++z)
    for (std::int64_t y = 0; y < height; ++y)
      for (std::int64_t x = 0; x < width; ++x) {
        const std::int32_t here = nth(objects, at(z, y, x));
        if (!is_object(at(z, y, x))) continue;
        for (std::int64_t dz = std::max<std::int64_t>(z - 1, 0); dz <= std::min(z + 1, depth - 1); ++dz)
          for (std::int64_t dy = std::max<std::int64_t>(y - 1, 0); dy <= std::min(y + 1, height - 1); ++dy)
            for (std::int64_t dx = std::max<std::int64_t>(x - 1, 0); dx <= std::min(x + 1, width - 1); ++dx) {
              if (is_object(at(dz, dy, dx)) && nth(objects, at(dz, dy, dx)) != here) classes[at(z, y, x)] = 2;
            }
      }
}

}  // namespace

void LabelSurvey::count(Counts& counts, std::int32_t value, std::int64_t voxels, const std::string& id) {
  if (counts.size() >= kMostValues && !counts.contains(value)) {
    complete_ = false;
    return;
  }
  Count& one = counts[value];
  one.voxels += voxels;
  if (++one.runs == 1) one.first = id;
}

void LabelSurvey::add(const SourceLabel& label, const Shape& extents, const std::string& id) {
  const bool indexed = !label.palette.empty();
  const std::size_t width = static_cast<std::size_t>(extents[-1]);
  for (std::size_t i = 0; i < label.values.size();) {
    const std::size_t first = i, end = (i / width + 1) * width;
    while (i < end && label.values[i] == label.values[first]) ++i;
    const std::int32_t value = label.values[first];
    const std::int64_t voxels = static_cast<std::int64_t>(i - first);
    if (!label.colours) count(indexed ? indices_ : grey_, value, voxels, id);
    if (label.colours || indexed) count(coloured_, colour_in(label, value), voxels, id);
    if (value >= 0 && value < std::ssize(label.palette)) palette_[value].try_emplace(nth(label.palette, value), id);
  }
  colours_ = colours_ || label.colours;
  indexed_ += indexed ? 1 : 0;
  ++masks_;
}

LabelSurvey::Counts LabelSurvey::counts() const {
  Counts all = colours_ ? coloured_ : indices_;
  for (const auto& [value, count] : grey_) {
    if (colours_ && (value < 0 || value > 255))  // the colours of pictures have 8 bits
      throw Error(
          ErrorKind::data,
          text("labels: case ", count.first, " has the value ", value, ", but other masks are pictures with colours"),
          "masks with colours and with values need imports of their own");
    Count& one = all[colours_ ? value * kGrey : value];
    if (one.runs == 0 || count.first < one.first) one.first = count.first;
    one.voxels += count.voxels;
    one.runs += count.runs;
  }
  return all;
}

Tensor classes_of(const SourceLabel& label, const Shape& extents, const LabelDecision& decision) {
  const Tensor classes = empty(extents, DType::u8);
  std::uint8_t* out = classes.data<std::uint8_t>();
  const auto class_of = [&](std::int32_t value) -> std::int32_t {
    if (decision.threshold) return value > *decision.threshold ? 1 : 0;
    if (decision.instances && !decision.map.contains(value)) return value != 0 ? 1 : 0;
    if (decision.map.empty()) return value;
    const auto known = decision.map.find(decision.colours ? colour_in(label, value) : value);
    if (known == decision.map.end())
      throw Error(ErrorKind::data, text("the value ", value, " was not there when the values were counted"),
                  "the file was changed meanwhile; import again");
    return known->second;
  };
  std::int32_t before = 0, of_before = -1;  // neighbours are mostly equal
  for (std::size_t i = 0; i < label.values.size(); ++i) {
    const std::int32_t value = label.values[i];
    if (of_before < 0 || value != before) of_before = class_of(value);
    before = value;
    out[i] = static_cast<std::uint8_t>(of_before);
  }
  if (decision.border) mark_borders(label.values, extents, decision.ignore_label, out);
  return classes;
}

}  // namespace voxgrad::data
