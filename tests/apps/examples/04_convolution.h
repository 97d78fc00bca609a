// Solution: tests/engine/conv_reference.h: void for_each_product(
// Solution: tests/engine/conv_reference.h: inline ConvResults define_conv(
// Solution: engine/ops/conv.cpp: Tensor conv(
// Solution: engine/cpu/conv.cpp: void convolve_forward(
#pragma once

#include "apps/examples/exercises/04_convolution.h"
#include "tests/apps/examples/report.h"

namespace voxgrad::learn::hole4 {

struct Answer {
  decltype(&my_conv) conv = my_conv;
  decltype(&my_conv_input_gradient) input_gradient = my_conv_input_gradient;
  decltype(&my_conv_weight_gradient) weight_gradient = my_conv_weight_gradient;
};

// Calls f(what, x, w, stride, padding) for several extents: kernels that are not square, images that the stride does
// not divide, and an image that is smaller than the kernel without its padding.
template <class F>
void for_convolutions(F&& f) {
  struct One {
    Shape x, w;
    std::int64_t stride, padding;
  };
  // A kernel that is not square comes before strides, so that a mistake with its two axes is seen on its own.
  const One all[] = {
      {{1, 4, 4, 1}, {1, 3, 3, 1}, 1, 0}, {{1, 4, 6, 1}, {1, 2, 3, 1}, 1, 0}, {{1, 5, 6, 2}, {3, 3, 3, 2}, 1, 1},
      {{2, 5, 7, 3}, {2, 1, 1, 3}, 1, 0}, {{2, 6, 5, 2}, {4, 3, 3, 2}, 2, 1}, {{1, 7, 6, 2}, {2, 2, 3, 2}, 2, 0},
      {{1, 4, 6, 1}, {2, 1, 5, 1}, 1, 2}, {{2, 2, 2, 2}, {2, 3, 3, 2}, 1, 1}, {{1, 8, 8, 1}, {1, 2, 2, 1}, 3, 0}};
  for (const One& one : all)
    f(text("x ", one.x, ", w ", one.w, ", stride ", one.stride, ", padding ", one.padding), numbers(one.x, 1),
      numbers(one.w, 2), one.stride, one.padding);
}

inline void check(Report& report, const Answer& answer = {}) {
  report.part("my_conv", [&] {
    for_convolutions([&](const std::string& what, const Tensor& x, const Tensor& w, auto stride, auto padding) {
      same(what, answer.conv(x, w, stride, padding), conv(x, w, {}, {.stride = stride, .padding = padding}));
    });
  });
  const auto gradient = [&](bool of_input) {
    for_convolutions([&](const std::string& what, const Tensor& x, const Tensor& w, auto stride, auto padding) {
      Tensor image = leaf(x), weight = leaf(w);
      const Tensor y = conv(image, weight, {}, {.stride = stride, .padding = padding});
      const Tensor dy = numbers(y.shape(), 3);
      const Tensor mine = of_input ? answer.input_gradient(dy, w, x.shape(), stride, padding)
                                   : answer.weight_gradient(x, dy, w.shape(), stride, padding);
      y.backward(dy);
      same(what, mine, of_input ? image.grad() : weight.grad());
    });
  };
  report.part("my_conv_input_gradient", [&] { gradient(true); });
  report.part("my_conv_weight_gradient", [&] { gradient(false); });
}

}  // namespace voxgrad::learn::hole4
