// A primitive on the CPU and on the card. Every tensor of the card lies between margins, so that an access outside of
// it is seen: inputs between NaN, outputs between marks that must stay.
#pragma once

#include <functional>

#include "tests/engine/kernel_cases.h"

namespace voxgrad::test {

constexpr std::int64_t kMargin = 64;  // elements: the alignment of a tensor stays that of an allocation

// Copies of host tensors on the card; an undefined tensor stays one.
class Guarded {
 public:
  explicit Guarded(const Tensor& x) {
    if (!x.defined()) return;
    before_ = empty({x.numel() + 2 * kMargin}, x.dtype());
    std::memset(before_.raw(), 0xff, before_.bytes());
    std::memcpy(before_.alias(kMargin, x.shape()).raw(), x.raw(), x.bytes());
    whole_ = before_.to(Device::cuda);
    tensor_ = whole_.alias(kMargin, x.shape());
  }
  const Tensor& tensor() const { return tensor_; }
  bool margins_intact() const {
    if (!whole_.defined()) return true;
    const Tensor after = whole_.to(Device::cpu);
    const std::size_t margin = kMargin * size_of(after.dtype()), end = after.bytes() - margin;
    const auto *a = static_cast<const char*>(before_.raw()), *b = static_cast<const char*>(after.raw());
    return std::memcmp(a, b, margin) == 0 && std::memcmp(a + end, b + end, margin) == 0;
  }

 private:
  Tensor before_, whole_, tensor_;
};

using Tensors = std::vector<Tensor>;
// Calls a primitive, with tensors of the backend's device.
using Primitive = std::function<void(Backend&, const Tensors& inputs, const Tensors& outputs)>;

struct Parity {
  Tensors cpu, card;    // the outputs, on the host
  bool intact = true;   // nothing was written outside of the outputs
  bool repeats = true;  // the card gave the same bits twice
  // The largest difference of the outputs (kernel_cases.h); infinite if something else is wrong.
  double difference() const {
    double worst = intact && repeats ? 0 : INFINITY;
    for (std::size_t i = 0; i < cpu.size(); ++i)
      worst = std::max(worst, test::difference(values(card[i]), values(cpu[i])));
    return worst;
  }
  bool equal() const {
    bool same = intact && repeats;
    for (std::size_t i = 0; i < cpu.size(); ++i) same = same && same_bits(cpu[i], card[i]);
    return same;
  }
};

// outputs: what they hold before the call.
inline Parity compare(const Primitive& primitive, const Tensors& inputs, const Tensors& outputs) {
  Parity result;
  for (const Tensor& y : outputs) result.cpu.push_back(y.clone());
  primitive(cpu_backend(), inputs, result.cpu);
  for (int round = 0; round < 2; ++round) {
    std::vector<Guarded> in(inputs.begin(), inputs.end()), out(outputs.begin(), outputs.end());
    Tensors ins, outs;
    for (const Guarded& x : in) ins.push_back(x.tensor());
    for (const Guarded& y : out) outs.push_back(y.tensor());
    primitive(cuda_backend(), ins, outs);
    for (std::size_t i = 0; i < out.size(); ++i) {
      const Tensor y = outs[i].to(Device::cpu);
      result.intact = result.intact && out[i].margins_intact();
      if (round == 0)
        result.card.push_back(y);
      else
        result.repeats = result.repeats && same_bits(result.card[i], y);
    }
  }
  return result;
}

}  // namespace voxgrad::test
