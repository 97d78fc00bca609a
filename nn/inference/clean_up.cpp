#include "nn/inference/clean_up.h"

#include <algorithm>

#include "engine/ops.h"

namespace voxgrad::nn {
void keep_largest_component(const Tensor& labels, const std::vector<std::int64_t>& chosen) {
  check(labels.defined() && labels.dtype() == DType::u8 && labels.device() == Device::cpu && labels.dims() >= 1 &&
            labels.dims() <= 3,
        "keep_largest_component: the labels must be u8 with 1 to 3 axes on the host, got ", labels);
  check(chosen.size() <= 256, "keep_largest_component: ", chosen.size(), " classes, there are at most 256");
  if (labels.numel() == 0) return;
  std::uint8_t* const values = labels.data<std::uint8_t>();
  const Tensor mask = empty(Shape{1} + labels.shape(), DType::u8);
  std::transform(values, values + labels.numel(), mask.data<std::uint8_t>(), [&](std::uint8_t label) {
    return static_cast<std::uint8_t>(label < chosen.size() && chosen[label] != 0 ? 1 : 0);
  });
  const Tensor ids = connected_components(mask, {1});
  const std::int32_t* const id = ids.data<std::int32_t>();
  std::vector<std::int64_t> sizes{0};  // of each component; 0 stands for the voxels of none
  for (std::int64_t i = 0, end = labels.numel(); i < end; ++i) {
    if (id[i] >= std::ssize(sizes)) sizes.push_back(0);
    if (id[i] != 0) ++nth(sizes, id[i]);
  }
  const auto largest = std::max_element(sizes.begin(), sizes.end()) - sizes.begin();
  for (std::int64_t i = 0, end = labels.numel(); i < end; ++i)
    if (id[i] != 0 && id[i] != largest) values[i] = 0;
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
