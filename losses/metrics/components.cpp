#include "losses/metrics/components.h"

#include <cstdlib>
#include <limits>
#include <numeric>

#include "losses/metrics/crop.h"

namespace voxgrad::losses {
namespace {

// The voxels [begin, end) of a line, none of whose neighbours in the line has the value too.
struct Run {
  std::int64_t begin, end;
};

// The root of a set is its smallest member.
class DisjointSets {
 public:
  explicit DisjointSets(std::size_t count) : parents_(count) { std::iota(parents_.begin(), parents_.end(), 0); }
  std::size_t root(std::size_t member) {
    while (parents_[member] != member) member = parents_[member] = parents_[parents_[member]];
    return member;
  }
  void unite(std::size_t a, std::size_t b) {
    a = root(a);
    b = root(b);
    parents_[std::max(a, b)] = std::min(a, b);
  }

 private:
  std::vector<std::size_t> parents_;
};

// The steps from a line to those of its neighbours that come before it, along all axes but the last.
std::vector<Shape> steps_back(int axes, Connectivity connectivity) {
  std::vector<Shape> steps;
  std::int64_t count = 1;
  for (int axis = 0; axis < axes; ++axis) count *= 3;
  for (std::int64_t code = 0; code < count / 2; ++code) {  // the second half are the steps forward
    Shape step = Shape::filled(axes, 0);
    std::int64_t rest = code, moved = 0;
    for (int axis = axes - 1; axis >= 0; --axis, rest /= 3) {
      step[axis] = rest % 3 - 1;
      moved += std::abs(step[axis]);
    }
    if (connectivity == Connectivity::corners || moved == 1) steps.push_back(step);
  }
  return steps;
}

}  // namespace

Components connected_components(const Tensor& mask, Connectivity connectivity, std::uint8_t value) {
  const Lines lines(mask.shape());
  const std::uint8_t* voxels = mask.data<std::uint8_t>();
  std::vector<Run> runs;
  std::vector<std::size_t> first{0};  // the index of the first run of every line
  for (std::int64_t line = 0; line < lines.count; ++line) {
    const std::uint8_t* at = voxels + line * lines.length;
    for (std::int64_t i = 0; i < lines.length;) {
      if (at[i++] != value) continue;
      runs.push_back({i - 1, i});
      while (i < lines.length && at[i] == value) ++i;
      runs.back().end = i;
    }
    first.push_back(runs.size());
  }
  DisjointSets sets(runs.size());
  const std::int64_t reach = connectivity == Connectivity::corners ? 1 : 0;
  const auto unite = [&](std::int64_t line, std::int64_t other) {
    std::size_t a = nth(first, line), b = nth(first, other);
    while (a < nth(first, line + 1) && b < nth(first, other + 1)) {
      if (runs[a].begin < runs[b].end + reach && runs[b].begin < runs[a].end + reach) sets.unite(a, b);
      ++(runs[a].end < runs[b].end ? a : b);  // the other may meet the next run, too
    }
  };
  const std::vector<Shape> steps = steps_back(mask.dims() - 1, connectivity);
  for (std::int64_t line = 0; line < lines.count; ++line) {
    if (nth(first, line) == nth(first, line + 1)) continue;
    const Shape here = lines.at(line);
    for (const Shape& step : steps) {
      std::int64_t other = 0;
      bool inside = true;
      for (int axis = 0; axis < step.dims(); ++axis) {
        const std::int64_t at = here[axis] + step[axis];
        inside = inside && at >= 0 && at < lines.shape[axis];
        other = other * lines.shape[axis] + at;
      }
      if (inside) unite(line, other);
    }
  }
  Components result{std::vector<std::int32_t>(static_cast<std::size_t>(mask.numel()), 0), {mask.numel()}};
  std::vector<std::int32_t> numbers(runs.size());
  for (std::int64_t line = 0; line < lines.count; ++line)
    for (std::size_t k = nth(first, line); k < nth(first, line + 1); ++k) {
      if (sets.root(k) == k) {
        check(result.count() < std::numeric_limits<std::int32_t>::max(), "connected_components: too many objects");
        result.sizes.push_back(0);
        numbers[k] = static_cast<std::int32_t>(result.count());
      }
      numbers[k] = numbers[sets.root(k)];
      const std::int64_t size = runs[k].end - runs[k].begin, at = line * lines.length + runs[k].begin;
      std::fill_n(result.labels.begin() + at, size, numbers[k]);
      nth(result.sizes, numbers[k]) += size;
      result.sizes[0] -= size;
    }
  return result;
}

}  // namespace voxgrad::losses
