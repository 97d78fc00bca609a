// The gradient of the integrals of the losses with respect to the logits. One thread per voxel adds up the derivatives
// of all integrands (the rows of the table in engine/integrands.h) and multiplies by the derivative of the softmax.
#include "engine/cuda/cuda_backend.h"
#include "engine/cuda/integration.h"
#include "engine/cuda/strided.h"

namespace voxgrad::cuda {
namespace {

constexpr int kThreads = 128;

// H_c of one voxel, in registers, or in the memory of the result if there are many classes.
template <class T, int kMost>
struct Slopes {
  T* memory;
  T kept[kMost > 0 ? kMost : 1];
  T top_h = 0;  // of the complement rows at the largest class

  __device__ __forceinline__ T& operator[](int c) {
    if constexpr (kMost > 0) return kept[c];
    return memory[c];
  }
};

// upstream(c): the gradient of the integral of class c, with the class weight.
template <class Row, class T, int kMost, class F>
__device__ __forceinline__ void add_slopes(const Integration<T>& pass, const typename Integration<T>::Row& row,
                                           const Voxel<T, kMost>& voxel, std::int64_t index, F&& upstream,
                                           Slopes<T, kMost>& h) {
  const auto slope = [&](const Point<T>& x, int c) {
    return upstream(c) * Row::slope(x.p, x.q, x.l, x.t, row.field_at(index, c - pass.first), row.a);
  };
  if constexpr (Row::scope == Scope::truth) {
    const T value = slope(voxel.template at_label<Row>(), voxel.label);
    for_classes<kMost>(0, pass.classes, [&](int c) { h[c] += c == voxel.label ? value : T(0); });
  } else {
    for_classes<kMost>(pass.first, pass.classes, [&](int c) {
      const T value = slope(voxel.template at<Row>(c), c);
      if constexpr (Row::scope == Scope::channel)
        h[c] += value;
      else if (c == voxel.top)
        h.top_h += value;
      else
        h[c] -= value * voxel.p(c) / (T(1) - voxel.p(c));
    });
  }
}

template <class T, int kMost>
__global__ void gradient_kernel(const Integration<T> pass, const double* dsums, T* dlogits) {
  for (std::int64_t i = first_index(); i < pass.samples * pass.voxels; i += index_step()) {
    T* dz = dlogits + i * pass.channels;
    Slopes<T, kMost> h;
    h.memory = dz;
    for_classes<kMost>(0, pass.classes, [&](int c) { h[c] = T(0); });
    Voxel<T, kMost> voxel;
    voxel.load(pass, i);
    if (voxel.label < 0) {
      for (int c = 0; c < pass.channels; ++c) dz[c] = T(0);
      continue;
    }
    const std::int64_t sample = divide(i, pass.voxels).quotient;
    for (int k = 0; k < pass.count; ++k) {
      const auto& row = pass.rows[k];
      const double* dsum = dsums + (k * pass.samples + sample) * pass.channels;
      const auto upstream = [&](int c) {
        return static_cast<T>(dsum[c < pass.first ? 0 : c - pass.first] * row.weight_of(voxel.label, c));
      };
      visit<T>(row.kind, [&]<class Row>(Row) {
        if constexpr (!Row::constant) add_slopes<Row>(pass, row, voxel, i, upstream, h);
      });
    }
    T others = 0, largest = 0;
    for_classes<kMost>(0, pass.classes, [&](int c) {
      others += c == voxel.top ? T(0) : h[c];
      largest = c == voxel.top ? h[c] : largest;
    });
    const T all = others + largest, top_h = voxel.top_p * h.top_h;
    for_classes<kMost>(pass.first, pass.classes, [&](int c) {
      T d = c == voxel.top ? voxel.top_q * largest - voxel.top_p * others : h[c] - voxel.p(c) * all;
      if (pass.complement) d += c == voxel.top ? -top_h : top_h * voxel.r(c);
      dz[c - pass.first] = d * pass.temperature;
    });
  }
}

}  // namespace

void CudaBackend::integrate_gradient(const Tensor& logits, const Tensor& labels, const std::vector<Integral>& rows,
                                     const IntegrateOptions& options, const Tensor&, const Tensor& dsums,
                                     const Tensor& dlogits) {
  dispatch_float(logits.dtype(), "integrate", [&]<class T>(T) {
    const Integration<T> pass(logits, labels, rows, options);
    with_classes<T>(pass.classes, [&](auto most) {
      launch(gradient_kernel<T, decltype(most)::value>, grid_for(labels.numel(), kThreads), pass, dsums.data<double>(),
             dlogits.data<T>());
    });
  });
}

}  // namespace voxgrad::cuda
