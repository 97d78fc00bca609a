// Counting the values of masks, and making classes of them.
#include <algorithm>

#include "data/exchange/label_values.h"
#include "engine/error.h"

namespace voxgrad::data {
namespace {

constexpr std::size_t kMostValues = 1 << 16;
constexpr std::int32_t kGrey = 0x010101;  // times a grey value: its colour

// The colour of a grey value; those of pictures with colours have 8 bits.
std::int32_t colour_of_grey(std::int32_t value, const std::string& id) {
  if (value < 0 || value > 255)
    throw Error(ErrorKind::data,
                text("labels: case ", id, " has the value ", value, ", but other masks are pictures with colours"),
                "masks with colours and with values need imports of their own");
  return value * kGrey;
}

// Where voxels of two objects touch, diagonally too, both become class 2.
void mark_borders(const std::vector<std::int32_t>& objects, const Shape& extents, std::uint8_t* classes) {
  const std::int64_t depth = extents.dims() == 3 ? extents[0] : 1, height = extents[-2], width = extents[-1];
  const auto at = [&](std::int64_t z, std::int64_t y, std::int64_t x) { return (z * height + y) * width + x; };
  for (std::int64_t z = 0; z < depth; ++z)
    for (std::int64_t y = 0; y < height; ++y)
      for (std::int64_t x = 0; x < width; ++x) {
        const std::int32_t here = nth(objects, at(z, y, x));
        if (here == 0) continue;
        for (std::int64_t dz = std::max<std::int64_t>(z - 1, 0); dz <= std::min(z + 1, depth - 1); ++dz)
          for (std::int64_t dy = std::max<std::int64_t>(y - 1, 0); dy <= std::min(y + 1, height - 1); ++dy)
            for (std::int64_t dx = std::max<std::int64_t>(x - 1, 0); dx <= std::min(x + 1, width - 1); ++dx) {
              const std::int32_t there = nth(objects, at(dz, dy, dx));
              if (there != 0 && there != here) classes[at(z, y, x)] = 2;
            }
      }
}

}  // namespace

void LabelSurvey::add(const SourceLabel& label, const Shape& extents, const std::string& id) {
  if (label.colours && !colours_) {  // what was grey before is a colour from now on
    colours_ = true;
    Counts grey;
    grey.swap(counts_);
    for (auto& [value, count] : grey) counts_[colour_of_grey(value, count.first)] = count;
  }
  const bool grey = colours_ && !label.colours;
  const std::size_t width = static_cast<std::size_t>(extents[-1]);
  for (std::size_t i = 0; i < label.values.size();) {
    const std::size_t first = i, end = (i / width + 1) * width;
    while (i < end && label.values[i] == label.values[first]) ++i;
    const std::int32_t value = grey ? colour_of_grey(label.values[first], id) : label.values[first];
    if (counts_.size() >= kMostValues && !counts_.contains(value)) {
      complete_ = false;
      continue;
    }
    Count& count = counts_[value];
    count.voxels += static_cast<std::int64_t>(i - first);
    if (++count.runs == 1) count.first = id;
    if (value >= 0 && value < std::ssize(label.palette)) palette_[value].try_emplace(nth(label.palette, value), id);
  }
  indexed_ += label.palette.empty() ? 0 : 1;
  ++masks_;
}

Tensor classes_of(const SourceLabel& label, const Shape& extents, const LabelDecision& decision) {
  const Tensor classes = empty(extents, DType::u8);
  std::uint8_t* out = classes.data<std::uint8_t>();
  const std::int32_t factor = decision.colours && !label.colours ? kGrey : 1;
  const auto class_of = [&](std::int32_t value) {
    if (decision.threshold) return value > *decision.threshold ? 1 : 0;
    if (decision.instances) return value != 0 ? 1 : 0;
    return decision.map.empty() ? value : decision.map.at(value);
  };
  std::int32_t before = 0, of_before = -1;  // neighbours are mostly equal
  for (std::size_t i = 0; i < label.values.size(); ++i) {
    const std::int32_t value = label.values[i] * factor;
    if (of_before < 0 || value != before) of_before = class_of(value);
    before = value;
    out[i] = static_cast<std::uint8_t>(of_before);
  }
  if (decision.border) mark_borders(label.values, extents, out);
  return classes;
}

}  // namespace voxgrad::data
