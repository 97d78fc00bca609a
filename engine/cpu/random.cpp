// Random tensors and dropout. Element i takes word i % 4 of philox(key, i / 4). In a block of normal numbers, the words
// 0 and 1 make the elements 0 and 1, and the words 2 and 3 make 2 and 3 (Box-Muller).
#include <algorithm>
#include <cmath>
#include <numbers>

#include "engine/random.h"

#include "engine/cpu/isa.h"

namespace voxgrad::cpu::VOXGRAD_ISA {
namespace {

constexpr std::int64_t kRandomGrain = 16384;

// The words of the elements [first, first + kBatch): philox() of random.h for many counters at once.
constexpr std::int64_t kBatch = 256, kPhiloxBlocks = kBatch / 4;

void philox_batch(std::uint64_t key, std::uint64_t counter, std::uint32_t* words) {
  std::uint32_t c0[kPhiloxBlocks], c1[kPhiloxBlocks], c2[kPhiloxBlocks] = {}, c3[kPhiloxBlocks] = {};
  for (std::uint32_t i = 0; i < kPhiloxBlocks; ++i) {
    c0[i] = static_cast<std::uint32_t>(counter + i);
    c1[i] = static_cast<std::uint32_t>((counter + i) >> 32);
  }
  auto k0 = static_cast<std::uint32_t>(key), k1 = static_cast<std::uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u)
    for (int i = 0; i < kPhiloxBlocks; ++i) {
      const std::uint64_t a = std::uint64_t{0xD2511F53u} * c0[i], b = std::uint64_t{0xCD9E8D57u} * c2[i];
      c0[i] = static_cast<std::uint32_t>(b >> 32) ^ c1[i] ^ k0;
      c1[i] = static_cast<std::uint32_t>(b);
      c2[i] = static_cast<std::uint32_t>(a >> 32) ^ c3[i] ^ k1;
      c3[i] = static_cast<std::uint32_t>(a);
    }
  for (int i = 0; i < kPhiloxBlocks; ++i) {
    words[4 * i] = c0[i];
    words[4 * i + 1] = c1[i];
    words[4 * i + 2] = c2[i];
    words[4 * i + 3] = c3[i];
  }
}

// Calls write(i, words, count) with the words of the elements i .. i + count.
template <class F>
void for_words(std::uint64_t key, std::int64_t numel, const F& write) {
  parallel_for(numel, kRandomGrain, [&](std::int64_t begin, std::int64_t end) {
    std::uint32_t words[kBatch];
    for (std::int64_t i = begin; i < end; i += kBatch) {
      philox_batch(key, static_cast<std::uint64_t>(i / 4), words);
      write(i, words, std::min(kBatch, end - i));
    }
  });
}

template <class T>
void uniform(std::uint64_t key, double a, double b, T* y, std::int64_t numel) {
  // Rounding to T must not reach the ends, which to_unit() never does.
  const T low = static_cast<T>(a), high = static_cast<T>(b);
  const T smallest = std::nextafter(low, high), largest = std::nextafter(high, low);
  for_words(key, numel, [=](std::int64_t i, const std::uint32_t* words, std::int64_t count) {
    T* to = y + i;
    for (std::int64_t k = 0; k < count; ++k) {
      const T value = static_cast<T>(a + (b - a) * to_unit(words[k]));
      to[k] = value == low ? smallest : value == high ? largest : value;
    }
  });
}

// log, sine and cosine are polynomials, so that the loop over them is vectorised. They are those of fdlibm (Sun
// Microsystems 1993), within 1 ulp, and they give the same numbers with every C library.
inline double log_of_unit(double u) {  // u > 0 and normal
  std::int64_t bits;
  std::memcpy(&bits, &u, sizeof bits);
  const std::int32_t exponent = (static_cast<std::int32_t>(bits >> 32) - 0x3fe6a09e) >> 20;
  bits -= static_cast<std::int64_t>(exponent) << 52;  // so the mantissa is between sqrt(1/2) and sqrt(2)
  double m;
  std::memcpy(&m, &bits, sizeof m);
  const double f = m - 1, s = f / (2 + f), z = s * s, half = 0.5 * f * f;
  const double r = z * (6.666666666666735130e-01 +
                        z * (3.999999999940941908e-01 +
                             z * (2.857142874366239149e-01 +
                                  z * (2.222219843214978396e-01 +
                                       z * (1.818357216161805012e-01 +
                                            z * (1.531383769920937332e-01 + z * 1.479819860511658591e-01))))));
  return exponent * std::numbers::ln2 + (f - (half - s * (half + r)));
}

// The sine and cosine of 2 pi u, for u in 0 .. 1.
inline void sine_cosine(double u, double& sine, double& cosine) {
  const std::int32_t quarter = static_cast<std::int32_t>(4 * u + 0.5);
  const double r = (4 * u - quarter) * (std::numbers::pi / 2), z = r * r;
  const double s = r + r * z *
                           (-1.66666666666666324348e-01 +
                            z * (8.33333333332248946124e-03 +
                                 z * (-1.98412698298579493134e-04 +
                                      z * (2.75573137070700676789e-06 +
                                           z * (-2.50507602534068634195e-08 + z * 1.58969099521155010221e-10)))));
  const double c = 1 - 0.5 * z +
                   z * z *
                       (4.16666666666666019037e-02 +
                        z * (-1.38888888888741095749e-03 +
                             z * (2.48015872894767294178e-05 +
                                  z * (-2.75573143513906633035e-07 +
                                       z * (2.08757232129817482790e-09 - z * 1.13596475577881948265e-11)))));
  const bool odd = (quarter & 1) != 0;
  const double a = odd ? c : s, b = odd ? s : c;
  sine = (quarter & 2) != 0 ? -a : a;
  cosine = ((quarter + 1) & 2) != 0 ? -b : b;
}

template <class T>
void normal(std::uint64_t key, double mean, double deviation, T* y, std::int64_t numel) {
  for_words(key, numel, [=](std::int64_t i, const std::uint32_t* words, std::int64_t count) {
    double numbers[kBatch];
    for (std::int64_t k = 0; k < kBatch; k += 2) {
      const double radius = std::sqrt(-2 * log_of_unit(to_unit(words[k])));
      double sine, cosine;
      sine_cosine(to_unit(words[k + 1]), sine, cosine);
      numbers[k] = radius * cosine;
      numbers[k + 1] = radius * sine;
    }
    T* to = y + i;
    for (std::int64_t k = 0; k < count; ++k) to[k] = static_cast<T>(mean + deviation * numbers[k]);
  });
}

}  // namespace

void CpuBackend::random(Distribution distribution, std::uint64_t key, double a, double b, const Tensor& y) {
  dispatch_float(y.dtype(), "random", [&]<class T>(T) {
    if (distribution == Distribution::uniform)
      uniform(key, a, b, y.data<T>(), y.numel());
    else
      normal(key, a, b, y.data<T>(), y.numel());
  });
}

void CpuBackend::dropout(const Tensor& x, double probability, bool channelwise, std::uint64_t key, const Tensor& y) {
  if (channelwise) {
    Shape shape = Shape::filled(x.dims(), 1);
    shape[0] = x.extent(0);
    shape[-1] = x.extent(-1);
    const Tensor mask = full(shape, 1, x.dtype());
    dropout(mask, probability, false, key, mask);
    return binary(BinaryOp::multiply, x, mask, y);
  }
  dispatch_float(x.dtype(), "dropout", [&]<class T>(T) {
    const T* from = x.data<T>();
    T* to = y.data<T>();
    const T scale = probability < 1 ? static_cast<T>(1 / (1 - probability)) : T(0);
    for_words(key, x.numel(), [=](std::int64_t i, const std::uint32_t* words, std::int64_t count) {
      const T *in = from + i, kept = scale;
      T* out = to + i;
      const double limit = probability;
      VOXGRAD_INDEPENDENT for (std::int64_t k = 0; k < count; ++k) out[k] =
          in[k] * (to_unit(words[k]) < limit ? T(0) : kept);
    });
  });
}

}  // namespace voxgrad::cpu::VOXGRAD_ISA
