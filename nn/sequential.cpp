#include "nn/sequential.h"

#include "engine/ops.h"
#include "nn/init.h"

namespace voxgrad::nn {
namespace {

struct Function final : Module {
  std::function<Tensor(const Tensor&)> f;
  explicit Function(std::function<Tensor(const Tensor&)> function) : f(std::move(function)) {}
  Tensor forward(const Tensor& x) override { return f(x); }
};

}  // namespace

Linear::Linear(std::int64_t in, std::int64_t out, double slope, const Random& random) {
  check(in >= 1 && out >= 1, "linear layer: channels must be at least 1, got ", in, " -> ", out);
  weight_ = he_normal({out, in}, in, gain_of(slope), stream(random, "weight")).to(DType::f32);
  bias_ = zeros({out});
  add_parameter("weight", weight_, stream(random, "weight").key());
  add_parameter("bias", bias_);
}

Tensor Linear::forward(const Tensor& x) {
  const std::int64_t out = weight_.extent(0), in = weight_.extent(1);
  check(x.defined() && x.dims() >= 1 && x.extent(-1) == in, "linear layer: takes [.., ", in, "], got ", x);
  const auto as_x = [&](const Tensor& p) { return x.dtype() == DType::bf16 ? cast(p, x.dtype()) : p; };
  const Tensor y = matmul(reshape(x, {x.numel() / in, in}), as_x(weight_), {.transpose_b = true});
  return reshape(y + as_x(bias_), x.shape().with(-1, out));
}

Sequential& Sequential::add(std::function<Tensor(const Tensor&)> f) {
  check(f != nullptr, "sequential: an empty function was added as layer ", layers_.size());
  return append(std::make_unique<Function>(std::move(f)));
}

Sequential& Sequential::append(std::unique_ptr<Module> layer) {
  add_module(std::to_string(layers_.size()), *layer);
  layers_.push_back(std::move(layer));
  set_step(random_.key(), 0);
  return *this;
}

Tensor Sequential::forward(const Tensor& x) {
  Tensor y = x;
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    y = layers_[i]->forward(y);
    check(y.defined(), "sequential: layer ", i, " returned an undefined tensor");
  }
  return y;
}

}  // namespace voxgrad::nn
