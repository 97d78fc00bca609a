#include "losses/metrics/crop.h"

#include <algorithm>

#include "engine/ops.h"
#include "engine/parallel.h"

namespace voxgrad::losses {

Shape Lines::at(std::int64_t line) const {
  Shape position = shape.with(-1, 0);
  for (int axis = shape.dims() - 2; axis >= 0; --axis) {
    position[axis] = line % shape[axis];
    line /= shape[axis];
  }
  return position;
}

std::int64_t Lines::offset(const Shape& position) const {
  std::int64_t result = 0;
  for (int axis = 0; axis < shape.dims(); ++axis) result = result * shape[axis] + position[axis];
  return result;
}

std::int64_t Lines::grain() const { return std::max<std::int64_t>(1, 32768 / std::max<std::int64_t>(1, length)); }

void Crop::Box::add(const Shape& line, std::int64_t first, std::int64_t last) {
  if (empty()) {
    low = line.with(-1, first);
    high = low;
  }
  for (int axis = 0; axis < line.dims(); ++axis) {
    const bool inner = axis + 1 == line.dims();
    low[axis] = std::min(low[axis], inner ? first : line[axis]);
    high[axis] = std::max(high[axis], (inner ? last : line[axis]) + 1);
  }
}

Crop::Crop(const Tensor& prediction, const Tensor& truth, int ignore)
    : prediction_(prediction.data<std::uint8_t>()),
      truth_(truth.data<std::uint8_t>()),
      lines_(truth.shape()),
      ignore_(ignore),
      boxes_(256) {
  std::vector<std::int64_t> first(256), last(256, -1);
  std::vector<std::size_t> seen;
  for (std::int64_t line = 0; line < lines_.count; ++line) {
    for (const std::uint8_t* labels : {prediction_, truth_})
      for (std::int64_t i = 0; i < lines_.length; ++i) {
        const std::size_t label = labels[line * lines_.length + i];
        if (label == 0) continue;
        if (last[label] < 0) {
          seen.push_back(label);
          first[label] = i;
        }
        first[label] = std::min(first[label], i);
        last[label] = std::max(last[label], i);
      }
    for (const std::size_t label : seen) boxes_[label].add(lines_.at(line), first[label], last[label]);
    for (const std::size_t label : seen) last[label] = -1;
    seen.clear();
  }
}

Tensor Crop::cut(const std::uint8_t* labels, const Box& box, std::int64_t label, std::int64_t margin) const {
  Shape inner = box.high, outer = box.high;
  for (int axis = 0; axis < inner.dims(); ++axis) {
    inner[axis] -= box.low[axis];
    outer[axis] = inner[axis] + 2 * margin;
  }
  const Tensor mask = zeros(outer, DType::u8);
  const Lines from(inner), to(outer);
  parallel_for(from.count, from.grain(), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t line = begin; line < end; ++line) {
      Shape source = from.at(line), target = source;
      for (int axis = 0; axis < source.dims(); ++axis) {
        source[axis] += box.low[axis];
        target[axis] += margin;
      }
      const std::int64_t at = lines_.offset(source);
      std::uint8_t* values = mask.data<std::uint8_t>() + to.offset(target);
      for (std::int64_t i = 0; i < from.length; ++i) values[i] = labels[at + i] == label && truth_[at + i] != ignore_;
    }
  });
  return mask;
}

Masks Crop::masks(std::int64_t label, std::int64_t margin) const {
  const Box& box = nth(boxes_, label);
  if (box.empty()) return {};
  return {cut(prediction_, box, label, margin), cut(truth_, box, label, margin)};
}

}  // namespace voxgrad::losses
