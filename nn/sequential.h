// Networks that run their layers one after the other:
//
//   nn::Sequential net(Random(1));
//   net.add<nn::Linear>(2, 16, 0.0).add(relu).add<nn::Linear>(16, 1);  // 0.0: a ReLU follows
#pragma once

#include <functional>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "nn/module.h"

namespace voxgrad::nn {

// [.., in] -> [.., out]: each row of the last axis is multiplied by the weight [out, in], and the bias [out] is added.
// The weight starts with numbers from N(0, gain_of(slope)^2 / in), where `slope` is the factor of the activation that
// follows for negative numbers (relu: 0, none: 1). The bias starts at zero.
class Linear final : public Module {
 public:
  Linear(std::int64_t in, std::int64_t out, double slope, const Random& random);
  Linear(std::int64_t in, std::int64_t out, const Random& random) : Linear(in, out, 1, random) {}
  Tensor forward(const Tensor& x) override;

 private:
  Tensor weight_, bias_;
};

// Modules with the names "0", "1", .., each of which receives the result of the one before. Without modules the result
// is x.
class Sequential final : public Module {
 public:
  explicit Sequential(const Random& random) : random_(random) {}
  // Constructs a layer from `arguments` and adds it: add<Conv>(2, 1, 8, ConvLayerOptions{}), add<Dropout>(0.1). If the
  // last parameter of its constructor is a Random, it gets the stream of its name.
  template <class Layer, class... Arguments>
  Sequential& add(Arguments&&... arguments) {
    const Random own = stream(random_, std::to_string(layers_.size()));
    if constexpr (std::is_constructible_v<Layer, Arguments..., const Random&>)
      return append(std::make_unique<Layer>(std::forward<Arguments>(arguments)..., own));
    else
      return append(std::make_unique<Layer>(std::forward<Arguments>(arguments)...));
  }
  // Adds a function without parameters: an activation, a pooling, a reshape.
  Sequential& add(std::function<Tensor(const Tensor&)> f);
  Tensor forward(const Tensor& x) override;

 private:
  Sequential& append(std::unique_ptr<Module> layer);
  Random random_;
  std::vector<std::unique_ptr<Module>> layers_;
};

}  // namespace voxgrad::nn
