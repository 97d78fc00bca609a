// Optimiser steps over flat buffers, as PyTorch defines them.
#include <cmath>

#include "engine/cpu/isa.h"

namespace voxgrad::cpu::VOXGRAD_ISA {
namespace {

constexpr std::int64_t kStepGrain = 32768;

}  // namespace

void CpuBackend::sgd_step(const SgdStep& step, const Tensor& gradient, const Tensor& momentum, const Tensor& w) {
  dispatch_float(w.dtype(), "sgd_step", [&]<class T>(T) {
    const T lr = static_cast<T>(step.lr), mu = static_cast<T>(step.momentum), decay = static_cast<T>(step.weight_decay),
            scale = static_cast<T>(step.gradient_scale);
    const T* dw = gradient.data<T>();
    T* value = w.data<T>();
    if (step.momentum == 0) {
      parallel_for(w.numel(), kStepGrain, [=](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) value[i] -= lr * (scale * dw[i] + decay * value[i]);
      });
      return;
    }
    T* velocity = momentum.data<T>();
    const bool nesterov = step.nesterov, first = step.first;
    parallel_for(w.numel(), kStepGrain, [=](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const T g = scale * dw[i] + decay * value[i];
        const T v = first ? g : mu * velocity[i] + g;
        velocity[i] = v;
        value[i] -= lr * (nesterov ? g + mu * v : v);
      }
    });
  });
}

// Kingma and Ba 2015, algorithm 1. The decoupled form is algorithm 2 of Loshchilov and Hutter 2019.
void CpuBackend::adam_step(const AdamStep& step, const Tensor& gradient, const Tensor& first, const Tensor& second,
                           const Tensor& w) {
  dispatch_float(w.dtype(), "adam_step", [&]<class T>(T) {
    const double count = static_cast<double>(step.count);
    const double correction1 = 1 - std::pow(step.beta1, count), correction2 = 1 - std::pow(step.beta2, count);
    const T rate = static_cast<T>(step.lr / correction1), root = static_cast<T>(1 / std::sqrt(correction2));
    const T b1 = static_cast<T>(1 - step.beta1), b2 = static_cast<T>(1 - step.beta2), eps = static_cast<T>(step.eps);
    const T scale = static_cast<T>(step.gradient_scale);
    const T shrink = static_cast<T>(step.decoupled ? 1 - step.lr * step.weight_decay : 1);
    const T decay = static_cast<T>(step.decoupled ? 0 : step.weight_decay);
    const T* dw = gradient.data<T>();
    T *m = first.data<T>(), *v = second.data<T>(), *value = w.data<T>();
    parallel_for(w.numel(), kStepGrain, [=](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const T g = scale * dw[i] + decay * value[i];
        m[i] += b1 * (g - m[i]);
        v[i] += b2 * (g * g - v[i]);
        value[i] = shrink * value[i] - rate * m[i] / (std::sqrt(v[i]) * root + eps);
      }
    });
  });
}

void CpuBackend::lerp(const Tensor& x, double weight, const Tensor& y) {
  dispatch_float(y.dtype(), "lerp", [&]<class T>(T) {
    const T* from = x.data<T>();
    T* to = y.data<T>();
    const T t = static_cast<T>(weight);
    parallel_for(y.numel(), kStepGrain, [=](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) to[i] += t * (from[i] - to[i]);
    });
  });
}

}  // namespace voxgrad::cpu::VOXGRAD_ISA
