// Optimiser steps over flat buffers, as PyTorch defines them: one launch for all parameters.
#include <cmath>

#include "engine/cuda/cuda_backend.h"
#include "engine/cuda/device.h"
#include "engine/cuda/launch.h"
#include "engine/cuda/small.h"

namespace voxgrad::cuda {
namespace {

template <class T>
struct Sgd {
  T lr, momentum, decay, scale;
  bool nesterov, first;
};

// velocity null: no momentum.
template <class T>
__global__ void sgd_kernel(Sgd<T> step, const T* gradient, T* velocity, T* w, std::int64_t n) {
  for (std::int64_t i = first_index(); i < n; i += index_step()) {
    T g = step.scale * gradient[i] + step.decay * w[i];
    if (velocity) {
      const T v = step.first ? g : step.momentum * velocity[i] + g;
      velocity[i] = v;
      g = step.nesterov ? g + step.momentum * v : v;
    }
    w[i] -= step.lr * g;
  }
}

// Kingma and Ba 2015, algorithm 1; decoupled: Loshchilov and Hutter 2019, algorithm 2.
template <class T>
struct Adam {
  T rate, root, b1, b2, eps, scale, shrink, decay;
};

template <class T>
__global__ void adam_kernel(Adam<T> step, const T* gradient, T* first, T* second, T* w, std::int64_t n) {
  for (std::int64_t i = first_index(); i < n; i += index_step()) {
    const T g = step.scale * gradient[i] + step.decay * w[i];
    const T m = first[i] + step.b1 * (g - first[i]), v = second[i] + step.b2 * (g * g - second[i]);
    first[i] = m;
    second[i] = v;
    w[i] = step.shrink * w[i] - step.rate * m / (std::sqrt(v) * step.root + step.eps);
  }
}

template <class T>
__global__ void lerp_kernel(const T* x, T weight, T* y, std::int64_t n) {
  for (std::int64_t i = first_index(); i < n; i += index_step()) y[i] += weight * (x[i] - y[i]);
}

}  // namespace

void CudaBackend::sgd_step(const SgdStep& step, const Tensor& gradient, const Tensor& momentum, const Tensor& w) {
  dispatch_float(w.dtype(), "sgd_step", [&]<class T>(T) {
    const Sgd<T> how{static_cast<T>(step.lr),
                     static_cast<T>(step.momentum),
                     static_cast<T>(step.weight_decay),
                     static_cast<T>(step.gradient_scale),
                     step.nesterov,
                     step.first};
    launch(sgd_kernel<T>, grid_for(w.numel()), how, gradient.data<T>(),
           step.momentum == 0 ? nullptr : momentum.data<T>(), w.data<T>(), w.numel());
  });
}

void CudaBackend::adam_step(const AdamStep& step, const Tensor& gradient, const Tensor& first, const Tensor& second,
                            const Tensor& w) {
  dispatch_float(w.dtype(), "adam_step", [&]<class T>(T) {
    const double count = static_cast<double>(step.count);
    const double correction1 = 1 - std::pow(step.beta1, count), correction2 = 1 - std::pow(step.beta2, count);
    Adam<T> how;
    how.rate = static_cast<T>(step.lr / correction1);
    how.root = static_cast<T>(1 / std::sqrt(correction2));
    how.b1 = static_cast<T>(1 - step.beta1);
    how.b2 = static_cast<T>(1 - step.beta2);
    how.eps = static_cast<T>(step.eps);
    how.scale = static_cast<T>(step.gradient_scale);
    how.shrink = static_cast<T>(step.decoupled ? 1 - step.lr * step.weight_decay : 1);
    how.decay = static_cast<T>(step.decoupled ? 0 : step.weight_decay);
    launch(adam_kernel<T>, grid_for(w.numel()), how, gradient.data<T>(), first.data<T>(), second.data<T>(), w.data<T>(),
           w.numel());
  });
}

void CudaBackend::lerp(const Tensor& x, double weight, const Tensor& y) {
  if (small_lerp(x, weight, y)) return;
  dispatch_float(y.dtype(), "lerp", [&]<class T>(T) {
    launch(lerp_kernel<T>, grid_for(y.numel()), x.data<T>(), static_cast<T>(weight), y.data<T>(), y.numel());
  });
}

}  // namespace voxgrad::cuda
