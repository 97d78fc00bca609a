// Helpers for tests of the C interface: handles that free themselves, arrays over vectors, and models of random
// weights.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "apps/embed/voxgrad.h"
#include "nn/inference/windows.h"
#include "tests/files.h"
#include "tests/test.h"

namespace voxgrad::test {

class Context {
 public:
  explicit Context(int threads = 2)
      : Context([&] {
          voxgrad_context_options options{};
          options.size = sizeof options;
          options.threads = threads;
          return options;
        }()) {}
  explicit Context(const voxgrad_context_options& options) { REQUIRE(voxgrad_context_new(&options, &context_) == 0); }
  ~Context() { voxgrad_context_free(context_); }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  operator voxgrad_context*() const { return context_; }
  std::string error() const { return voxgrad_error(context_); }

 private:
  voxgrad_context* context_ = nullptr;
};

template <class T>
constexpr int kTypeOf = 0;
template <>
inline constexpr int kTypeOf<std::uint8_t> = VOXGRAD_U8;
template <>
inline constexpr int kTypeOf<std::uint16_t> = VOXGRAD_U16;
template <>
inline constexpr int kTypeOf<std::int16_t> = VOXGRAD_I16;
template <>
inline constexpr int kTypeOf<std::int32_t> = VOXGRAD_I32;
template <>
inline constexpr int kTypeOf<std::int64_t> = VOXGRAD_I64;
template <>
inline constexpr int kTypeOf<float> = VOXGRAD_F32;
template <>
inline constexpr int kTypeOf<double> = VOXGRAD_F64;

// Elements in memory in any order of the axes, with gaps, forwards or backwards.
enum class Order { dense, channels_first, gaps, backwards };

template <class T>
class Elements {
 public:
  explicit Elements(const Shape& shape, Order order = Order::dense, T value = T{})
      : extents_(shape.begin(), shape.end()), strides_(extents_.size()) {
    const int dims = shape.dims();
    std::vector<int> axes;  // the fastest one first
    for (int axis = dims - 1; axis >= 0; --axis) axes.push_back(axis);
    if (order == Order::channels_first) std::rotate(axes.begin(), axes.begin() + 1, axes.end());
    std::int64_t step = order == Order::gaps ? 2 : 1;
    for (const int axis : axes) {
      nth(strides_, axis) = step * (order == Order::backwards ? -1 : 1);
      step = step * shape[axis] + (order == Order::gaps ? 3 : 0);
    }
    memory_.assign(static_cast<std::size_t>(step), value);
    first_ = order == Order::backwards ? shape.numel() - 1 : 0;
    bytes_ = strides_;
    for (std::int64_t& stride : bytes_) stride *= static_cast<std::int64_t>(sizeof(T));
    array = {memory_.data() + first_, kTypeOf<T>, dims, extents_.data(),
             order == Order::dense ? nullptr : bytes_.data()};
  }
  Elements(const Shape& shape, const Tensor& values, Order order = Order::dense) : Elements(shape, order) {
    const std::vector<double> numbers = values.to_vector<double>();
    for (std::int64_t i = 0; i < shape.numel(); ++i) at(i) = static_cast<T>(nth(numbers, i));
  }
  Elements(const Elements&) = delete;
  Elements& operator=(const Elements&) = delete;

  T& at(std::int64_t index) {  // counted with the last axis fastest
    std::int64_t offset = first_;
    for (std::size_t axis = extents_.size(); axis-- > 0; index /= extents_[axis])
      offset += index % extents_[axis] * strides_[axis];
    return nth(memory_, offset);
  }
  Shape shape() const { return Shape{std::span<const std::int64_t>(extents_)}; }
  std::vector<double> values() {
    std::vector<double> result;
    for (std::int64_t i = 0; i < shape().numel(); ++i) result.push_back(static_cast<double>(at(i)));
    return result;
  }
  Tensor tensor() { return from_vector<double>(shape(), values()); }
  operator const voxgrad_array*() const { return &array; }
  voxgrad_array array{};

 private:
  std::vector<std::int64_t> extents_, strides_, bytes_;
  std::vector<T> memory_;
  std::int64_t first_ = 0;
};

// A model of random weights that has a large share of every class in noise.
inline nn::Model random_model(int dims, std::int64_t channels = 1, nn::UNetConfig config = {}) {
  config.dims = dims;
  config.in_channels = channels;
  config.classes = 3;
  config.base = 6;
  config.depth = 3;
  nn::Model model;
  model.spec.net = config;
  model.spec.window = Shape::filled(dims, dims == 2 ? 32 : 16);
  model.spec.class_names = {"background", "organ", "lesion"};
  model.net = std::make_unique<nn::UNet>(config, Random(7));
  model.net->train(false);
  return model;
}

inline voxgrad_model* open_model(voxgrad_context* context, const nn::Model& model) {
  const Folder folder;
  nn::save_model(folder.file("model"), model);
  voxgrad_model* result = nullptr;
  CHECK_MESSAGE(voxgrad_model_open(context, folder.file("model").c_str(), &result) == 0, voxgrad_error(context));
  return result;
}

}  // namespace voxgrad::test
