#include "nn/inference/clean_up.h"

#include <algorithm>
#include <array>
#include <utility>

#include "engine/error.h"

namespace voxgrad::nn {
namespace {

// Voxels begin .. end - 1 of a line along the last axis that belong to the mask.
struct Run {
  std::int64_t begin, end;
  std::size_t component;  // the run of the same component that is nearer to its root; a root is its own
};

// The runs of a mask, line by line, and the components that they form.
class Components {
 public:
  Components(const Tensor& labels, const std::vector<std::int64_t>& chosen) : labels_(labels.data<std::uint8_t>()) {
    std::copy(chosen.begin(), chosen.end(), chosen_.begin());
    const Shape shape = labels.shape();
    width_ = shape[-1];
    const std::int64_t height = shape.dims() > 1 ? shape[-2] : 1, depth = shape.dims() > 2 ? shape[-3] : 1;
    for (std::int64_t z = 0; z < depth; ++z)
      for (std::int64_t y = 0; y < height; ++y) {
        const std::int64_t line = z * height + y;
        find_runs(line);
        if (y > 0) join(line, line - 1);
        for (std::int64_t near = std::max<std::int64_t>(0, y - 1); z > 0 && near < std::min(y + 2, height); ++near)
          join(line, (z - 1) * height + near);
      }
  }

  // Calls f(first, count) for all runs that do not belong to the largest component.
  template <class F>
  void for_others(F&& f) {
    std::vector<std::int64_t> sizes(runs_.size());
    for (std::size_t i = 0; i < runs_.size(); ++i) sizes[root(i)] += runs_[i].end - runs_[i].begin;
    const auto largest = static_cast<std::size_t>(std::max_element(sizes.begin(), sizes.end()) - sizes.begin());
    for (std::size_t line = 0; line + 1 < first_.size(); ++line)
      for (std::size_t i = first_[line]; i < first_[line + 1]; ++i)
        if (root(i) != largest)
          f(static_cast<std::int64_t>(line) * width_ + runs_[i].begin, runs_[i].end - runs_[i].begin);
  }

 private:
  bool inside(std::int64_t voxel) const { return chosen_[labels_[voxel]] != 0; }

  void find_runs(std::int64_t line) {
    for (std::int64_t x = 0; x < width_;) {
      const std::int64_t begin = x;
      while (x < width_ && inside(line * width_ + x)) ++x;
      if (x > begin) runs_.push_back({begin, x, runs_.size()});
      while (x < width_ && !inside(line * width_ + x)) ++x;
    }
    first_.push_back(runs_.size());
  }

  // Joins the runs of a line with those of an earlier line beside it. They touch if they overlap after one of them is
  // made longer by a voxel at both ends.
  void join(std::int64_t line, std::int64_t earlier) {
    std::size_t a = nth(first_, line), b = nth(first_, earlier);
    while (a < nth(first_, line + 1) && b < nth(first_, earlier + 1)) {
      if (runs_[a].begin <= runs_[b].end && runs_[b].begin <= runs_[a].end) {
        // The earlier root stays, so the root of a component is its first run.
        const auto [low, high] = std::minmax({root(a), root(b)});
        runs_[high].component = low;
      }
      ++(runs_[a].end < runs_[b].end ? a : b);
    }
  }

  std::size_t root(std::size_t i) {
    while (runs_[i].component != i) i = runs_[i].component = runs_[runs_[i].component].component;
    return i;
  }

  const std::uint8_t* labels_;
  std::array<std::int64_t, 256> chosen_{};
  std::int64_t width_ = 0;
  std::vector<Run> runs_;
  std::vector<std::size_t> first_{0};  // the first run of each line, and the end of the last line
};

}  // namespace

void keep_largest_component(const Tensor& labels, const std::vector<std::int64_t>& chosen) {
  check(labels.defined() && labels.dtype() == DType::u8 && labels.device() == Device::cpu && labels.dims() >= 1 &&
            labels.dims() <= 3,
        "keep_largest_component: the labels must be u8 with 1 to 3 axes on the host, got ", labels);
  check(chosen.size() <= 256, "keep_largest_component: ", chosen.size(), " classes, there are at most 256");
  if (labels.numel() == 0) return;
  std::uint8_t* const values = labels.data<std::uint8_t>();
  Components(labels, chosen).for_others([&](std::int64_t first, std::int64_t count) {
    std::fill_n(values + first, count, std::uint8_t{0});
  });
}

void clean_up(const Tensor& labels, const CleanUp& how, std::int64_t classes) {
  std::vector<std::int64_t> chosen(static_cast<std::size_t>(classes), 1);
  chosen.front() = 0;
  if (how.foreground) keep_largest_component(labels, chosen);
  for (std::size_t label = 1; label < how.classes.size(); ++label) {
    if (how.classes[label] == 0) continue;
    std::fill(chosen.begin(), chosen.end(), 0);
    chosen.at(label) = 1;
    keep_largest_component(labels, chosen);
  }
}

}  // namespace voxgrad::nn
