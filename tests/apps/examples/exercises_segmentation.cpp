// Exercises 6 to 10, with a right answer and wrong ones (exercises.h).
#include <cmath>
#include <limits>

#include "tests/apps/examples/06_dice.h"
#include "tests/apps/examples/07_boundary_field.h"
#include "tests/apps/examples/08_adamw.h"
#include "tests/apps/examples/09_patch_sampling.h"
#include "tests/apps/examples/10_distance_transform.h"
#include "tests/apps/examples/exercises.h"

namespace voxgrad::learn {
namespace {

constexpr double kNone = std::numeric_limits<double>::infinity();

struct DiceParts {
  Tensor p, t, I, P, G;  // p, t [N, H, W, C], the others [N, C]
};
template <int mistake>
DiceParts dice_parts(const Tensor& logits, const Tensor& labels) {
  DiceParts d;
  const Tensor e = exp(logits);
  d.p = mistake == 1 ? e / sum(e, {3}, true) : softmax(logits);  // 1: overflows
  d.t = zeros(logits.shape(), DType::f64);
  for (std::int64_t i = 0; i < labels.numel(); ++i)
    d.t.data<double>()[i * logits.extent(-1) + labels.data<std::uint8_t>()[i]] = 1;
  d.I = sum(d.p * d.t, {1, 2});
  d.P = sum(mistake == 2 ? square(d.p) : d.p, {1, 2});  // 2: the squares of V-Net
  d.G = sum(d.t, {1, 2});
  if (mistake == 3) d = {d.p, d.t, sum(d.I, {0}, true), sum(d.P, {0}, true), sum(d.G, {0}, true)};  // over the batch
  return d;
}
template <int mistake>
double dice_answer(const Tensor& logits, const Tensor& labels, double s) {
  const DiceParts d = dice_parts<mistake>(logits, labels);
  const Tensor ratio = (2.0 * d.I + (mistake == 4 ? 0 : s)) / (d.P + d.G + s);  // 4: s below alone
  return 1 - mean(ratio).item();
}
template <int mistake>
Tensor dice_gradient_answer(const Tensor& logits, const Tensor& labels, double s) {
  const DiceParts d = dice_parts<0>(logits, labels);
  const std::int64_t N = logits.extent(0), C = logits.extent(3);
  const double count = mistake == 5 ? 1 : static_cast<double>(N * C);  // 5: a sum in place of the mean
  const Tensor by_I = reshape(-2.0 / (d.P + d.G + s) / count, {N, 1, 1, C});
  const Tensor by_P = reshape((2.0 * d.I + s) / square(d.P + d.G + s) / count, {N, 1, 1, C});
  const Tensor g = mistake == 6 ? by_I * d.t : by_I * d.t + by_P;  // 6: the denominator is a constant
  if (mistake == 7) return d.p * g;                                // 7: of the softmax the diagonal alone
  if (mistake == 8) return g;                                      // 8: by the probabilities
  return d.p * (g - sum(d.p * g, {3}, true));
}

template <int mistake>
Tensor field_answer(const Tensor& labels, std::int64_t classes) {
  const std::int64_t N = labels.extent(0), H = labels.extent(1), W = labels.extent(2), S = H * W;
  const Tensor field = zeros(labels.shape() + Shape{classes}, DType::f64);
  const std::uint8_t* label = labels.data<std::uint8_t>();
  for (std::int64_t n = 0; n < N; ++n)
    for (std::int64_t i = 0; i < S; ++i)
      for (std::int64_t c = 0; c < classes; ++c) {
        const bool inside = label[n * S + i] == c;
        double nearest = kNone;
        for (std::int64_t j = mistake == 4 ? 0 : n * S; j < (mistake == 4 ? N * S : (n + 1) * S); ++j) {
          if ((label[j] == c) == inside) continue;  // 4: pixels of other samples count
          const double dv = static_cast<double>(i / W - j % S / W), du = static_cast<double>(i % W - j % S % W);
          nearest = std::min(nearest, mistake == 1 ? std::fabs(dv) + std::fabs(du) : std::sqrt(dv * dv + du * du));
        }
        if (mistake == 3 && inside) nearest -= 1;  // 3: pixels at the border are 0, as in the authors' code
        if (nearest < kNone || mistake == 5)
          field.data<double>()[(n * S + i) * classes + c] = inside == (mistake == 2) ? nearest : -nearest;  // 2: sign
      }
  return field;
}

template <int mistake>
void adamw_answer(std::vector<double>& w, const std::vector<double>& gradient, AdamState& state,
                  const AdamSettings& o) {
  state.m.resize(w.size());
  state.v.resize(w.size());
  const double t = static_cast<double>(++state.steps) - (mistake == 5 ? -1 : 0);  // 5: counts from 2
  for (std::size_t i = 0; i < w.size(); ++i) {
    const double g = gradient[i] + (mistake == 1 ? o.decay * w[i] : 0);  // 1: the decay of Adam
    state.m[i] = o.beta1 * state.m[i] + (1 - o.beta1) * g;
    state.v[i] = o.beta2 * state.v[i] + (1 - o.beta2) * g * g;
    const double M = mistake == 2 ? state.m[i] : state.m[i] / (1 - std::pow(o.beta1, t));  // 2: not repaired
    const double V = mistake == 2 ? state.v[i] : state.v[i] / (1 - std::pow(o.beta2, t));
    const double move = mistake == 3 ? M / std::sqrt(V + o.eps) : M / (std::sqrt(V) + o.eps);  // 3: eps in the root
    const double shrink = mistake == 1 ? 0 : mistake == 4 ? o.decay : o.lr * o.decay;          // 4: decay without lr
    w[i] = w[i] - shrink * w[i] - o.lr * move;
  }
}

template <int mistake>
Extents corner_answer(const Shape& image, const Shape& patch, const std::vector<std::vector<std::int64_t>>& foreground,
                      Random& random) {
  std::int64_t pixel = -1;
  if (!foreground.empty()) {
    std::vector<std::int64_t> list = nth(foreground, random.below(std::ssize(foreground)));
    if (mistake == 2) {  // every pixel of the foreground with the same probability
      list.clear();
      for (const auto& one : foreground) list.insert(list.end(), one.begin(), one.end());
    }
    pixel = nth(list, random.below(std::ssize(list)));
  }
  Extents corner;
  for (int axis = 0; axis < 2; ++axis) {
    const std::int64_t room = image[axis] - patch[axis];
    const std::int64_t place = axis == 0 ? pixel / image[1] : pixel % image[1];
    if (room < 0)
      corner[axis] = mistake == 4 ? 0 : -(-room / 2);  // 4: the margin is at the end
    else if (pixel < 0)
      corner[axis] =
          mistake == 1 ? random.below(std::max<std::int64_t>(room, 1)) : random.below(room + 1);  // 1: not the last
    else if (mistake == 3)
      corner[axis] = place - patch[axis] / 2;  // leaves the image
    else
      corner[axis] = std::clamp<std::int64_t>(place - (mistake == 5 ? 0 : patch[axis] / 2), 0, room);  // 5: no centre
  }
  return corner;
}
template <int mistake>
Tensor cut_answer(const Tensor& image, const Extents& corner, const Shape& patch) {
  const Tensor result = zeros(patch, DType::f32);
  for (std::int64_t v = 0; v < patch[0]; ++v)
    for (std::int64_t u = 0; u < patch[1]; ++u) {
      std::int64_t row = v + corner[0], column = u + corner[1];
      if (mistake == 6) {  // repeats the border
        row = std::clamp<std::int64_t>(row, 0, image.extent(0) - 1);
        column = std::clamp<std::int64_t>(column, 0, image.extent(1) - 1);
      }
      if (row < 0 || column < 0 || row >= image.extent(0) || column >= image.extent(1)) continue;
      result.data<float>()[v * patch[1] + u] = image.data<float>()[row * image.extent(1) + column];
    }
  return result;
}

template <int mistake>
std::vector<double> line_answer(const std::vector<double>& f, double s) {
  if (mistake == 1) return hole10::slow_line(f, s);
  const auto size = f.size();
  std::vector<double> d(size, kNone), begin;
  if (mistake == 2) {  // steps instead of squares
    d = f;
    for (std::size_t i = 1; i < size; ++i) d[i] = std::min(d[i], d[i - 1] + s * s);
    for (std::size_t i = size; i-- > 1;) d[i - 1] = std::min(d[i - 1], d[i] + s * s);
    return d;
  }
  std::vector<std::size_t> stack;
  const double square = mistake == 3 ? 1 : s * s;  // 3: forgets the distance
  const auto at = [&](std::size_t j) { return f[j] + square * static_cast<double>(j * j); };
  for (std::size_t j = 0; j < size; ++j) {
    if (f[j] == kNone) continue;
    double from = -kNone;
    for (bool again = true; again && !stack.empty();) {
      const std::size_t k = stack.back();
      from = (at(j) - at(k)) / (2 * square * static_cast<double>(j - k));
      if (from > begin.back()) break;
      stack.pop_back();
      begin.pop_back();
      from = -kNone;
      again = mistake != 4;  // 4: removes one at most
    }
    stack.push_back(j);
    begin.push_back(from);
  }
  std::size_t part = 0;
  for (std::size_t i = 0; i < size && !stack.empty(); ++i) {
    while (part + 1 < stack.size() && begin[part + 1] < static_cast<double>(i)) ++part;
    const double step = s * (static_cast<double>(i) - static_cast<double>(stack[part]));
    d[i] = f[stack[part]] + step * step;
  }
  return d;
}
template <int mistake>
Tensor distance_answer(const Tensor& mask, double row_distance, double column_distance) {
  const std::int64_t H = mask.extent(0), W = mask.extent(1);
  const Tensor result = empty(mask.shape(), DType::f64);
  double* to = result.data<double>();
  for (std::int64_t i = 0; i < mask.numel(); ++i) to[i] = mask.data<std::uint8_t>()[i] == 1 ? kNone : 0;
  for (std::int64_t v = 0; v < H; ++v) {
    const auto d = line_answer<0>({to + v * W, to + (v + 1) * W}, mistake == 5 ? row_distance : column_distance);
    std::copy(d.begin(), d.end(), to + v * W);
  }
  for (std::int64_t u = 0; u < W; ++u) {
    std::vector<double> f;
    for (std::int64_t v = 0; v < H; ++v) f.push_back(to[v * W + u]);
    if (mistake != 6) f = line_answer<0>(f, mistake == 5 ? column_distance : row_distance);  // 6: rows alone
    for (std::int64_t v = 0; v < H; ++v) {
      const double square = nth(f, v);
      to[v * W + u] = square == kNone && mistake != 8 ? 0 : mistake == 7 ? square : std::sqrt(square);  // 7: squared
    }
  }
  return result;
}

}  // namespace

TEST_CASE("exercise 6, Dice from integrals, tells right from wrong") {
  judge(hole6::check, hole6::Answer{dice_answer<0>, dice_gradient_answer<0>},
        {{.dice = dice_answer<1>},
         {.dice = dice_answer<2>},
         {.dice = dice_answer<3>},
         {.dice = dice_answer<4>},
         {.gradient = dice_gradient_answer<5>},
         {.gradient = dice_gradient_answer<6>},
         {.gradient = dice_gradient_answer<7>},
         {.gradient = dice_gradient_answer<8>}});
}

TEST_CASE("exercise 7, the boundary field, tells right from wrong") {
  judge(hole7::check, hole7::Answer{field_answer<0>},
        {{field_answer<1>}, {field_answer<2>}, {field_answer<3>}, {field_answer<4>}, {field_answer<5>}});
}

TEST_CASE("exercise 8, AdamW, tells right from wrong") {
  judge(hole8::check, hole8::Answer{adamw_answer<0>},
        {{adamw_answer<1>}, {adamw_answer<2>}, {adamw_answer<3>}, {adamw_answer<4>}, {adamw_answer<5>}});
}

TEST_CASE("exercise 9, patch sampling, tells right from wrong") {
  judge(hole9::check, hole9::Answer{corner_answer<0>, cut_answer<0>},
        {{.corner = corner_answer<1>},
         {.corner = corner_answer<2>},
         {.corner = corner_answer<3>},
         {.corner = corner_answer<4>},
         {.corner = corner_answer<5>},
         {.cut = cut_answer<6>}});
}

TEST_CASE("exercise 10, the distance transform, tells right from wrong") {
  judge(hole10::check, hole10::Answer{line_answer<0>, distance_answer<0>},
        {{.line = line_answer<1>},
         {.line = line_answer<2>},
         {.line = line_answer<3>},
         {.line = line_answer<4>},
         {.distance = distance_answer<5>},
         {.distance = distance_answer<6>},
         {.distance = distance_answer<7>},
         {.distance = distance_answer<8>}});
}

}  // namespace voxgrad::learn
