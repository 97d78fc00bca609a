// A few hundred voxels of a class map [voxels, C], transposed to one array per channel. So the lanes of a vector are
// voxels, whatever the number of channels is. For the usual C the arrays stay in the first-level cache. Behind the last
// voxel a block has zeros up to whole vectors: label -1, valid 0. Include this file after engine/cpu/isa.h and
// simd_math.h.
#pragma once

namespace voxgrad::cpu::VOXGRAD_ISA {

// Calls f with the number of channels. Small numbers are constants, so that a transpose becomes shuffles of vectors.
// f64 does without most of them, because each is compiled again in every kernel file (README.md, decision 9).
template <class T, class F>
inline void with_channels(int channels, F&& f) {
  if (channels == 2) return f(std::integral_constant<int, 2>{});
  if constexpr (sizeof(T) == sizeof(float)) {
    switch (channels) {
      case 1: return f(std::integral_constant<int, 1>{});
      case 3: return f(std::integral_constant<int, 3>{});
      case 4: return f(std::integral_constant<int, 4>{});
      case 5: return f(std::integral_constant<int, 5>{});
      case 8: return f(std::integral_constant<int, 8>{});
      default: break;
    }
  }
  f(channels);
}
template <class N>
inline constexpr bool kOdd = false;
template <int Channels>
inline constexpr bool kOdd<std::integral_constant<int, Channels>> = Channels % 2 == 1 && Channels > 1;

// An odd number of channels has no factor in common with the number of lanes. `Channels` vectors of the map hold kLanes
// voxels, and each of them has the elements of a channel at other lanes. So a blend of all of them holds all elements
// of the channel, though out of order. Where element `lane` of vector `Source` belongs to the channel, it replaces the
// element of `to`.
template <int Channels, int Channel, int Source, class T, std::size_t... lane>
[[gnu::always_inline]] inline Vec<T> blend(Vec<T> to, Vec<T> from, std::index_sequence<lane...>) {
  constexpr int L = kLanes<T>;
  constexpr auto belongs = [](std::size_t i) { return (Source * L + static_cast<int>(i)) % Channels == Channel; };
  return __builtin_shufflevector(to, from, static_cast<int>(belongs(lane) ? L + lane : lane)...);
}
// Puts a blend in the order of voxels, and back. (The second operand is zero because GCC 12 folds some shuffles of a
// vector with itself wrongly.)
template <int Channels, int Channel, class T, std::size_t... lane>
[[gnu::always_inline]] inline Vec<T> in_order(Vec<T> blended, std::index_sequence<lane...>) {
  return __builtin_shufflevector(blended, Vec<T>{}, ((static_cast<int>(lane) * Channels + Channel) % kLanes<T>)...);
}
template <int Channels, int Channel, class T, std::size_t... lane>
[[gnu::always_inline]] inline Vec<T> out_of_order(Vec<T> column, std::index_sequence<lane...>) {
  constexpr auto voxel = [](std::size_t i) {
    for (int v = 0; v < kLanes<T>; ++v)
      if ((v * Channels + Channel) % kLanes<T> == static_cast<int>(i)) return v;
    return 0;
  };
  return __builtin_shufflevector(column, Vec<T>{}, voxel(lane)...);
}

// Calls f(constant) for 0 .. Count - 1.
template <int Count, class F>
[[gnu::always_inline]] inline void unrolled(F&& f) {
  [&]<int... i>(std::integer_sequence<int, i...>) { (f(std::integral_constant<int, i>{}), ...); }
  (std::make_integer_sequence<int, Count>());
}

// Compilers do not use shuffles by themselves if the number of channels is odd. These two functions transpose the first
// voxels by whole vectors, and return the number of these voxels.
template <int Channels, class T>
inline int split_vectors(const T* rows, int count, T* columns, std::int64_t stride) {
  constexpr auto lanes = std::make_index_sequence<kLanes<T>>();
  int i = 0;
  for (; i + kLanes<T> <= count; i += kLanes<T>) {
    Vec<T> row[Channels];
    for (int v = 0; v < Channels; ++v) row[v] = load(rows + i * Channels + v * kLanes<T>);
    unrolled<Channels>([&](auto c) {
      Vec<T> all = row[0];
      unrolled<Channels - 1>([&](auto v) { all = blend<Channels, c, v + 1, T>(all, row[v + 1], lanes); });
      store(columns + c * stride + i, in_order<Channels, c, T>(all, lanes));
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
    unrolled<Channels>(
        [&](auto c) { column[c] = out_of_order<Channels, c, T>(load(columns + c * stride + i), lanes); });
    unrolled<Channels>([&](auto v) {
      Vec<T> row = column[0];
      unrolled<Channels - 1>([&](auto c) { row = blend<Channels, c + 1, v, T>(row, column[c + 1], lanes); });
      store(rows + i * Channels + v * kLanes<T>, row);
    });
  }
  return i;
}

// Transposes rows [count, channels] to columns that are `stride` apart, and back. The long side is walked in the order
// of memory.
template <class T>
inline void split(const T* __restrict rows, int channels, int count, T* __restrict columns, std::int64_t stride) {
  with_channels<T>(channels, [=](auto n) {
    int first = 0;
    if constexpr (kOdd<decltype(n)>) first = split_vectors<n>(rows, count, columns, stride);
    for (int i = first; i < count; ++i)
      for (int c = 0; c < n; ++c) columns[c * stride + i] = rows[i * n + c];
  });
}
template <class T>
inline void join(const T* __restrict columns, std::int64_t stride, int channels, int count, T* __restrict rows) {
  with_channels<T>(channels, [=](auto n) {
    int first = 0;
    if constexpr (kOdd<decltype(n)>) first = join_vectors<n>(columns, stride, count, rows);
    for (int i = first; i < count; ++i)
      for (int c = 0; c < n; ++c) rows[i * n + c] = columns[c * stride + i];
  });
}

// What a block has to hold besides p.
struct SoftmaxNeeds {
  bool q = false, l = false;  // of every channel
  bool true_p = false, true_q = false, true_l = false;
  bool complement = false;  // q, k, r

  bool truth() const { return true_p || true_q || true_l; }
  bool digits() const { return q || l || truth() || complement; }
};

template <class T>
struct VoxelBlock {
  static constexpr int kStep = 64;  // voxels; a whole number of vectors of every instruction set

  int channels;  // of the map: one sigmoid channel is the second of two classes, the first has the logit 0
  int classes;
  int first;     // class of the first channel
  int capacity;  // voxels
  int count = 0, padded = 0;
  const T* next = nullptr;  // logits of the next block, fetched while the softmax of this one is computed
  Scratch<T> memory;
  // Per class, [classes][capacity]. k = -log(1 - p), r is the softmax without the class with p > 1/2, and h belongs to
  // the gradient.
  T *z, *p, *q, *l, *k, *r, *h, *field;
  // Per voxel. top_q is 1 - p of the largest logit, and -log p_c = log_sum + (largest - z_c). These three exist if
  // softmax() was asked for digits. top_h is h of the complement rows at the class with p > 1/2.
  T *label, *valid, *top_q, *top_h, *largest, *log_sum, *true_p, *true_q, *true_l, *true_w, *values;

  explicit VoxelBlock(std::int64_t map_channels)
      : channels(static_cast<int>(map_channels)),
        classes(std::max(channels, 2)),
        first(classes - channels),
        capacity(capacity_of(classes)),
        memory(std::int64_t{capacity} * (8 * classes + 11)) {
    T* free = memory.data();
    for (T** array : {&z, &p, &q, &l, &k, &r, &h, &field}) *array = std::exchange(free, free + classes * capacity);
    for (T** array : {&label, &valid, &top_q, &top_h, &largest, &log_sum, &true_p, &true_q, &true_l, &true_w, &values})
      *array = std::exchange(free, free + capacity);
  }
  static int capacity_of(int class_count) {
    return std::clamp(32768 / (class_count * static_cast<int>(sizeof(T)) * 3) / kStep, 1, 4) * kStep;
  }
  T* at(T* array, int c) const { return array + std::int64_t{c} * capacity; }

  // Fills in the labels of `n` voxels. An ignored voxel has label -1 and valid 0.
  void fill_labels(const std::uint8_t* labels, int n, int ignore) {
    count = n;
    padded = (n + kStep - 1) / kStep * kStep;
    for (int i = 0; i < n; ++i) {
      valid[i] = T(labels[i] != ignore);
      label[i] = labels[i] != ignore ? T(labels[i]) : T(-1);
    }
    std::fill(valid + n, valid + padded, T(0));
    std::fill(label + n, label + padded, T(-1));
  }
  // Call this after fill_labels. An ignored voxel has the logits 0, whatever the map holds there.
  void fill_logits(const T* logits, int ignore, T temperature) {
    if (first == 1) std::fill(z, z + padded, T(0));
    split(logits, channels, count, at(z, first), capacity);
    for (int c = first; c < classes; ++c) {
      T* zc = at(z, c);
      std::fill(zc + count, zc + padded, T(0));
      if (ignore < 0 && temperature == T(1)) continue;
      for (int i = 0; i < count; ++i) zc[i] = valid[i] > T(0) ? zc[i] * temperature : T(0);
    }
  }

  // Computes p, and whatever else is needed.
  void softmax(const SoftmaxNeeds& needs) {
    with_channels<T>(classes, [&](auto n) {
      if (!needs.digits())
        for (int i = 0; i < padded; i += kLanes<T>) probabilities<false>(n, i);
      else
        for (int i = 0; i < padded; i += kLanes<T>) probabilities<true>(n, i);
      if (needs.digits())
        for (int i = 0; i < padded; i += kLanes<T>) digits(n, i, needs);
    });
  }

  // Computes q from a p that exists already. For p > 1/2 it is the sum of the others, so that no digits are lost.
  void complete_q() {
    with_channels<T>(classes, [&](auto n) {
      for (int i = 0; i < padded; i += kLanes<T>) {
        Vec<T> rest{};
        for (int c = 0; c < n; ++c) {
          const Vec<T> pc = load(at(p, c) + i);
          rest += pc > T(0.5) ? Vec<T>{} : pc;
        }
        for (int c = 0; c < n; ++c) {
          const Vec<T> pc = load(at(p, c) + i);
          store(at(q, c) + i, pc > T(0.5) ? rest : T(1) - pc);
        }
      }
    });
  }

 private:
  // Computes the probabilities of one vector of voxels. n is the number of classes, a constant if it is small, so that
  // all loops are unrolled.
  // kDigits asks for top_q, largest and log_sum too. Then the largest logit is left out of the sum of the exponentials:
  // rest = sum_(c != top) exp(z_c - z_top). So 1 - p_top = rest / (1 + rest) and -log p = log1p(rest) + z_top - z keep
  // their digits however small they are. Exponentials above 1/2 are added up separately: if there is only one, it is
  // that of the largest logit, 1, and leaves no rest; if there are several, no digits are lost.
  template <bool kDigits, class N>
  [[gnu::always_inline]] void probabilities(N n, int i) {
    for (int c = 0; c < n; ++c) __builtin_prefetch(next + (i * n + c * kLanes<T>));
    Vec<T> most = load(z + i);
    for (int c = 1; c < n; ++c) {
      const Vec<T> zc = load(at(z, c) + i);
      most = zc > most ? zc : most;
    }
    Vec<T> rest{}, sum{}, scale;
    if constexpr (std::is_same_v<N, std::integral_constant<int, 2>>) {  // one exponential is enough
      const Vec<T> z0 = load(z + i), z1 = load(z + capacity + i);
      const auto second = z1 > z0;
      rest = exp_of((second ? z0 : z1) - most);
      sum = T(1) + rest;
      scale = T(1) / sum;
      store(p + i, second ? rest * scale : scale);
      store(p + capacity + i, second ? scale : rest * scale);
    } else {
      for (int c = 0; c < n; ++c) {
        const Vec<T> e = exp_of(load(at(z, c) + i) - most);
        if constexpr (kDigits) {
          const auto large = e > T(0.5);
          rest += large ? Vec<T>{} : e;
          sum += large ? e : Vec<T>{};
        } else {
          sum += e;
        }
        store(at(p, c) + i, e);
      }
      if constexpr (kDigits) {
        rest += sum - T(1);
        sum = T(1) + rest;
      }
      scale = T(1) / sum;
      for (int c = 0; c < n; ++c) store(at(p, c) + i, load(at(p, c) + i) * scale);
    }
    if constexpr (kDigits) {
      store(top_q + i, rest * scale);
      store(largest + i, most);
      // This is log1p(rest): what the sum loses by rounding is added back.
      store(log_sum + i, log_of(sum) + (rest - (sum - T(1))) * scale);
    }
  }

  template <class N>
  [[gnu::always_inline]] void digits(N n, int i, const SoftmaxNeeds& needs) {
    const Vec<T> qm = load(top_q + i), most = load(largest + i), base = load(log_sum + i), wanted = load(label + i);
    if (needs.q || needs.complement)
      for (int c = 0; c < n; ++c) {
        const Vec<T> pc = load(at(p, c) + i);
        store(at(q, c) + i, pc > T(0.5) ? qm : T(1) - pc);
      }
    if (needs.l)
      for (int c = 0; c < n; ++c) store(at(l, c) + i, base + (most - load(at(z, c) + i)));
    // A voxel without a label has p = 1, so it adds nothing to a loss.
    if (needs.true_p || needs.true_q) {
      Vec<T> pt = splat(T(1));
      for (int c = 0; c < n; ++c) pt = wanted == splat(T(c)) ? load(at(p, c) + i) : pt;
      store(true_p + i, pt);
      store(true_q + i, wanted < T(0) ? Vec<T>{} : pt > T(0.5) ? qm : T(1) - pt);
    }
    if (needs.true_l) {
      Vec<T> zt = most;
      for (int c = 0; c < n; ++c) zt = wanted == splat(T(c)) ? load(at(z, c) + i) : zt;
      store(true_l + i, wanted < T(0) ? Vec<T>{} : base + (most - zt));
    }
    if (needs.complement) complement(i, most, base);
  }

  // k = -log(1 - p). For p > 1/2 it is z_top - log sum_(c != top) exp(z_c), which needs the second largest logit.
  void complement(int i, Vec<T> most, Vec<T> base) {
    const Vec<T> none = splat(-std::numeric_limits<T>::infinity());
    Vec<T> second = none;
    for (int c = 0; c < classes; ++c) {
      const Vec<T> zc = load(at(z, c) + i);
      const auto better = (load(at(p, c) + i) <= T(0.5)) & (zc > second);
      second = better ? zc : second;
    }
    Vec<T> others{};
    for (int c = 0; c < classes; ++c) {
      const Vec<T> e = exp_of(load(at(z, c) + i) - second);
      const Vec<T> other = load(at(p, c) + i) <= T(0.5) ? e : Vec<T>{};
      others += other;
      store(at(r, c) + i, other);
    }
    const Vec<T> scale = T(1) / others, far = base + (most - second) - log_of(others);
    for (int c = 0; c < classes; ++c) {
      const Vec<T> pc = load(at(p, c) + i);
      const auto likely = pc > T(0.5);
      store(at(k, c) + i, likely ? far : -log1p_of<T>(likely ? Vec<T>{} : -pc));
      store(at(r, c) + i, load(at(r, c) + i) * scale);
    }
  }
};

}  // namespace voxgrad::cpu::VOXGRAD_ISA
