// Expect: "largest difference 6e-06 of the largest value" (at most 5e-5), and the engine many times faster.
//
// A convolution is a sum of products, written here as seven loops. The engine computes the same sums in another way
// (Winograd's, engine/cpu/README.md), with a fourth of the multiplications, so the last digits of an f32 differ.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>

#include "engine/ops.h"
#include "engine/random.h"

using namespace voxgrad;

namespace {

// y[n, v, u, o] = sum over a, b, i of x[n, v + a - 1, u + b - 1, i] w[o, a, b, i]; outside of the image x is 0.
Tensor by_hand(const Tensor& x, const Tensor& weight) {
  const std::int64_t N = x.extent(0), H = x.extent(1), W = x.extent(2), I = x.extent(3), O = weight.extent(0);
  Tensor y = zeros({N, H, W, O});
  const float *from = x.data<float>(), *w = weight.data<float>();
  float* to = y.data<float>();
  for (std::int64_t n = 0; n < N; ++n)
    for (std::int64_t v = 0; v < H; ++v)
      for (std::int64_t u = 0; u < W; ++u)
        for (std::int64_t o = 0; o < O; ++o, ++to)
          for (std::int64_t a = 0; a < 3; ++a)
            for (std::int64_t b = 0; b < 3; ++b) {
              const std::int64_t row = v + a - 1, column = u + b - 1;
              if (row < 0 || row >= H || column < 0 || column >= W) continue;
              for (std::int64_t i = 0; i < I; ++i)
                *to += from[((n * H + row) * W + column) * I + i] * w[((o * 3 + a) * 3 + b) * I + i];
            }
  return y;
}

template <class F>
double milliseconds(const F& f) {
  const auto start = std::chrono::steady_clock::now();
  f();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

int main() {
  const Tensor x = random_normal({1, 64, 64, 32}, Random(1).key());
  const Tensor weight = random_normal({32, 3, 3, 32}, Random(2).key());
  Tensor hand, engine;
  const double slow = milliseconds([&] { hand = by_hand(x, weight); });
  engine = conv(x, weight, {}, {.padding = 1});  // the first call also gets the memory
  const double fast = milliseconds([&] { engine = conv(x, weight, {}, {.padding = 1}); });
  const double difference = (max(abs(hand - engine)) / max(abs(hand))).item();
  std::printf("largest difference %.0e of the largest value; by hand %.1f ms, by the engine %.1f ms, %.0f times less\n",
              difference, slow, fast, slow / fast);
}
