// A few hundred voxels of a class map [voxels, C], transposed to one array per channel, so that SIMD lanes run over
// voxels whatever the number of channels is. The arrays of the usual C stay in the first-level cache.
// A block ends in zeros up to whole vectors: label -1, valid 0. Include after engine/cpu/isa.h and simd_math.h.
#pragma once

namespace voxgrad::cpu::VOXGRAD_ISA {

// Calls f with the number of channels, as a constant if it is small: transposing becomes shuffles of vectors.
template <class F>
inline void with_channels(int channels, F&& f) {
  switch (channels) {
    case 1: return f(std::integral_constant<int, 1>{});
    case 2: return f(std::integral_constant<int, 2>{});
    case 3: return f(std::integral_constant<int, 3>{});
    case 4: return f(std::integral_constant<int, 4>{});
    case 5: return f(std::integral_constant<int, 5>{});
    case 8: return f(std::integral_constant<int, 8>{});
    default: return f(channels);
  }
}

// rows [count, channels] -> columns, `stride` apart, and back. The long side is walked in the order of memory.
template <class T>
inline void split(const T* __restrict rows, int channels, int count, T* __restrict columns, std::int64_t stride) {
  with_channels(channels, [=](auto n) {
    for (int i = 0; i < count; ++i)
      for (int c = 0; c < n; ++c) columns[c * stride + i] = rows[i * n + c];
  });
}
template <class T>
inline void join(const T* __restrict columns, std::int64_t stride, int channels, int count, T* __restrict rows) {
  with_channels(channels, [=](auto n) {
    for (int i = 0; i < count; ++i)
      for (int c = 0; c < n; ++c) rows[i * n + c] = columns[c * stride + i];
  });
}

// What softmax() fills besides p.
struct SoftmaxNeeds {
  bool q = false, l = false;  // of every channel
  bool truth = false;         // p, q, l of the true class
  bool complement = false;    // q, k, r
};

template <class T>
struct VoxelBlock {
  static constexpr int kStep = 64;  // voxels; a whole number of vectors of every instruction set

  int channels;  // of the map: one sigmoid channel is the second of two classes, the first has the logit 0
  int classes;
  int first;     // class of the first channel
  int capacity;  // voxels
  int count = 0, padded = 0;
  Scratch<T> memory;
  // Per class, [classes][capacity]; k = -log(1 - p), r = softmax without the largest class, h: of the gradient.
  T *z, *p, *q, *l, *k, *r, *h, *field;
  // Per voxel; top: class of the largest logit, top_q and top_h: its 1 - p and the h of its complement rows.
  T *label, *valid, *top, *top_q, *top_h, *true_p, *true_q, *true_l, *true_w, *values;

  explicit VoxelBlock(std::int64_t map_channels)
      : channels(static_cast<int>(map_channels)),
        classes(std::max(channels, 2)),
        first(classes - channels),
        capacity(std::clamp(32768 / (classes * static_cast<int>(sizeof(T)) * 3) / kStep, 1, 16) * kStep),
        memory(std::int64_t{capacity} * (8 * classes + 10)) {
    T* next = memory.data();
    for (T** array : {&z, &p, &q, &l, &k, &r, &h, &field}) *array = std::exchange(next, next + classes * capacity);
    for (T** array : {&label, &valid, &top, &top_q, &top_h, &true_p, &true_q, &true_l, &true_w, &values})
      *array = std::exchange(next, next + capacity);
  }
  T* at(T* array, int c) const { return array + std::int64_t{c} * capacity; }

  // `n` voxels. An ignored one has label -1, valid 0 and logits 0, whatever the map holds there.
  void fill(const T* logits, const std::uint8_t* labels, int n, int ignore, T temperature) {
    count = n;
    padded = (n + kStep - 1) / kStep * kStep;
    for (int i = 0; i < n; ++i) {
      valid[i] = T(labels[i] != ignore);
      label[i] = labels[i] != ignore ? T(labels[i]) : T(-1);
    }
    std::fill(valid + n, valid + padded, T(0));
    std::fill(label + n, label + padded, T(-1));
    if (first == 1) std::fill(z, z + padded, T(0));
    split(logits, channels, n, at(z, first), capacity);
    for (int c = first; c < classes; ++c) {
      T* zc = at(z, c);
      std::fill(zc + n, zc + padded, T(0));
      if (ignore < 0 && temperature == T(1)) continue;
      for (int i = 0; i < n; ++i) zc[i] = valid[i] > T(0) ? zc[i] * temperature : T(0);
    }
  }

  // The largest logit is left out of the sum of the exponentials: rest = sum_(c != top) exp(z_c - z_top). So the
  // digits of 1 - p_top = rest / (1 + rest) and of -log p = log1p(rest) + z_top - z are there however small they are.
  void softmax(const SoftmaxNeeds& needs) {
    for (int i = 0; i < padded; i += kLanes<T>) {
      Vec<T> largest = load(z + i), where{};
      for (int c = 1; c < classes; ++c) {
        const Vec<T> zc = load(at(z, c) + i);
        const auto larger = zc > largest;
        where = larger ? splat(T(c)) : where;
        largest = larger ? zc : largest;
      }
      Vec<T> rest{};
      for (int c = 0; c < classes; ++c) {
        const Vec<T> e = exp_of(load(at(z, c) + i) - largest);
        rest += where == splat(T(c)) ? Vec<T>{} : e;
        store(at(p, c) + i, e);
      }
      const Vec<T> sum = T(1) + rest, scale = T(1) / sum;
      // log1p(rest): what the rounding of the sum lost is put back.
      const Vec<T> log_sum =
          needs.l || needs.truth || needs.complement ? log_of(sum) + (rest - (sum - T(1))) * scale : Vec<T>{};
      const Vec<T> wanted = load(label + i);
      Vec<T> pt = splat(T(1)), qt{}, lt{};  // of the true class; a voxel without label costs nothing
      for (int c = 0; c < classes; ++c) {
        const Vec<T> pc = load(at(p, c) + i) * scale;
        const Vec<T> qc = where == splat(T(c)) ? rest * scale : T(1) - pc;
        const Vec<T> lc = log_sum + (largest - load(at(z, c) + i));
        store(at(p, c) + i, pc);
        if (needs.q || needs.complement) store(at(q, c) + i, qc);
        if (needs.l) store(at(l, c) + i, lc);
        const auto truth = wanted == splat(T(c));
        pt = truth ? pc : pt;
        qt = truth ? qc : qt;
        lt = truth ? lc : lt;
      }
      store(top + i, where);
      store(top_q + i, rest * scale);
      if (needs.truth) {
        store(true_p + i, pt);
        store(true_q + i, qt);
        store(true_l + i, lt);
      }
      if (needs.complement) complement(i, largest, where, log_sum);
    }
  }

 private:
  // k = -log(1 - p): for the largest class z_top - log sum_(c != top) exp(z_c), which needs the second largest logit.
  void complement(int i, Vec<T> largest, Vec<T> where, Vec<T> log_sum) {
    const Vec<T> none = splat(-std::numeric_limits<T>::infinity());
    Vec<T> second = none;
    for (int c = 0; c < classes; ++c) {
      const Vec<T> zc = load(at(z, c) + i);
      const auto better = (where != splat(T(c))) & (zc > second);
      second = better ? zc : second;
    }
    Vec<T> others{};
    for (int c = 0; c < classes; ++c) {
      const Vec<T> e = exp_of(load(at(z, c) + i) - second);
      const Vec<T> other = where == splat(T(c)) ? Vec<T>{} : e;
      others += other;
      store(at(r, c) + i, other);
    }
    for (int c = 0; c < classes; ++c) {
      const Vec<T> pc = load(at(p, c) + i);
      const auto likely = pc > T(0.5);
      const Vec<T> far = log_sum + (largest - second) - log_of(others);
      store(at(k, c) + i, likely ? far : -log1p_of<T>(likely ? Vec<T>{} : -pc));
      store(at(r, c) + i, load(at(r, c) + i) / others);
    }
  }
};

}  // namespace voxgrad::cpu::VOXGRAD_ISA
