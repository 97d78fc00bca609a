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
template <class N>
inline constexpr bool kOdd = false;
template <int Channels>
inline constexpr bool kOdd<std::integral_constant<int, Channels>> = Channels % 2 == 1 && Channels > 1;

// The elements of `from` that have their place in vector Source of kLanes * Channels numbers [voxel, channel], at the
// lanes of the column of one channel (or the other way round); the other lanes keep what `to` has.
template <int Channels, int Channel, int Source, class T, std::size_t... lane>
inline Vec<T> take_rows(Vec<T> to, Vec<T> from, std::index_sequence<lane...>) {
  constexpr int L = kLanes<T>;
  constexpr auto at = [](std::size_t i) { return static_cast<int>(i) * Channels + Channel; };
  return __builtin_shufflevector(to, from, (at(lane) / L == Source ? L + at(lane) % L : static_cast<int>(lane))...);
}
template <int Channels, int Channel, int Target, class T, std::size_t... lane>
inline Vec<T> take_column(Vec<T> to, Vec<T> from, std::index_sequence<lane...>) {
  constexpr int L = kLanes<T>;
  constexpr auto at = [](std::size_t i) { return Target * L + static_cast<int>(i); };
  return __builtin_shufflevector(
      to, from, (at(lane) % Channels == Channel ? L + at(lane) / Channels : static_cast<int>(lane))...);
}

// Calls f(constant) for 0 .. Count - 1.
template <int Count, class F>
[[gnu::always_inline]] inline void unrolled(F&& f) {
  [&]<int... i>(std::integer_sequence<int, i...>) { (f(std::integral_constant<int, i>{}), ...); }
  (std::make_integer_sequence<int, Count>());
}

// Of an odd number of channels compilers make no shuffles by themselves. The first voxels by whole vectors; returns how
// many.
template <int Channels, class T>
inline int split_vectors(const T* rows, int count, T* columns, std::int64_t stride) {
  constexpr auto lanes = std::make_index_sequence<kLanes<T>>();
  int i = 0;
  for (; i + kLanes<T> <= count; i += kLanes<T>) {
    Vec<T> row[Channels];
    for (int v = 0; v < Channels; ++v) row[v] = load(rows + i * Channels + v * kLanes<T>);
    unrolled<Channels>([&](auto c) {
      Vec<T> column{};  // not row[0]: GCC 12 folds some shuffles of one vector with itself wrongly
      unrolled<Channels>([&](auto v) { column = take_rows<Channels, c, v, T>(column, row[v], lanes); });
      store(columns + c * stride + i, column);
    });
  }
  return i;
}
template <int Channels, class T>
inline int join_vectors(const T* columns, std::int64_t stride, int count, T* rows) {
  constexpr auto lanes = std::make_index_sequence<kLanes<T>>();
  int i = 0;
  for (; i + kLanes<T> <= count; i += kLanes<T>) {
    Vec<T> column[Channels];
    for (int c = 0; c < Channels; ++c) column[c] = load(columns + c * stride + i);
    unrolled<Channels>([&](auto v) {
      Vec<T> row{};
      unrolled<Channels>([&](auto c) { row = take_column<Channels, c, v, T>(row, column[c], lanes); });
      store(rows + i * Channels + v * kLanes<T>, row);
    });
  }
  return i;
}

// rows [count, channels] -> columns, `stride` apart, and back. The long side is walked in the order of memory.
template <class T>
inline void split(const T* __restrict rows, int channels, int count, T* __restrict columns, std::int64_t stride) {
  with_channels(channels, [=](auto n) {
    int first = 0;
    if constexpr (kOdd<decltype(n)>) first = split_vectors<n>(rows, count, columns, stride);
    for (int i = first; i < count; ++i)
      for (int c = 0; c < n; ++c) columns[c * stride + i] = rows[i * n + c];
  });
}
template <class T>
inline void join(const T* __restrict columns, std::int64_t stride, int channels, int count, T* __restrict rows) {
  with_channels(channels, [=](auto n) {
    int first = 0;
    if constexpr (kOdd<decltype(n)>) first = join_vectors<n>(columns, stride, count, rows);
    for (int i = first; i < count; ++i)
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
        capacity(std::clamp(32768 / (classes * static_cast<int>(sizeof(T)) * 3) / kStep, 1, 4) * kStep),
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
    with_channels(classes, [&](auto n) {
      for (int i = 0; i < padded; i += kLanes<T>) softmax_of(n, i, needs);
    });
  }

 private:
  // Of one vector of voxels; n: the number of classes, a constant if it is small, so that all loops are unrolled.
  template <class N>
  [[gnu::always_inline]] void softmax_of(N n, int i, const SoftmaxNeeds& needs) {
    Vec<T> largest = load(z + i), where{};
    for (int c = 1; c < n; ++c) {
      const Vec<T> zc = load(at(z, c) + i);
      const auto larger = zc > largest;
      where = larger ? splat(T(c)) : where;
      largest = larger ? zc : largest;
    }
    Vec<T> rest{};
    if constexpr (std::is_same_v<N, std::integral_constant<int, 2>>) {  // one exponential will do
      rest = exp_of((where > T(0) ? load(at(z, 0) + i) : load(at(z, 1) + i)) - largest);
    } else {
      for (int c = 0; c < n; ++c) {
        const Vec<T> e = exp_of(load(at(z, c) + i) - largest);
        rest += where == splat(T(c)) ? Vec<T>{} : e;
        store(at(p, c) + i, e);
      }
    }
    const Vec<T> sum = T(1) + rest, scale = T(1) / sum, top_rest = rest * scale;
    // log1p(rest): what the rounding of the sum lost is put back.
    const Vec<T> log_sum =
        needs.l || needs.truth || needs.complement ? log_of(sum) + (rest - (sum - T(1))) * scale : Vec<T>{};
    const Vec<T> wanted = load(label + i);
    Vec<T> pt = splat(T(1)), qt{}, lt{};  // of the true class; a voxel without label costs nothing
    for (int c = 0; c < n; ++c) {
      const auto here = where == splat(T(c));
      Vec<T> pc;
      if constexpr (std::is_same_v<N, std::integral_constant<int, 2>>)
        pc = here ? scale : top_rest;
      else
        pc = load(at(p, c) + i) * scale;
      store(at(p, c) + i, pc);
      if (!needs.q && !needs.l && !needs.truth && !needs.complement) continue;
      const Vec<T> qc = here ? top_rest : T(1) - pc;
      const Vec<T> lc = log_sum + (largest - load(at(z, c) + i));
      if (needs.q || needs.complement) store(at(q, c) + i, qc);
      if (needs.l) store(at(l, c) + i, lc);
      const auto truth = wanted == splat(T(c));
      pt = truth ? pc : pt;
      qt = truth ? qc : qt;
      lt = truth ? lc : lt;
    }
    store(top + i, where);
    store(top_q + i, top_rest);
    if (needs.truth) {
      store(true_p + i, pt);
      store(true_q + i, qt);
      store(true_l + i, lt);
    }
    if (needs.complement) complement(i, largest, where, log_sum);
  }

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
