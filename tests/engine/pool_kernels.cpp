// Pooling and upsampling against plain loops; each gradient is the exact transpose of its operation.
#include "engine/ops.h"
#include "tests/engine/kernel_cases.h"
#include "tests/test.h"

using namespace voxgrad;
using namespace voxgrad::test;

namespace {

Extents random_extents(Random& random, int dims, std::int64_t most) {
  if (random.chance(0.3)) return 1 + random.below(most);
  Extents result(1);
  result.dims = dims;
  for (int i = 0; i < dims; ++i) nth(result.value, i) = 1 + random.below(most);
  return result;
}

Shape scaled(const Shape& shape, const Extents& scale) {
  Shape result = shape;
  for (int axis = 0; axis < shape.spatial_dims(); ++axis) result[axis + 1] *= scale[axis];
  return result;
}

// Position of window voxel k of the output voxel `index`.
std::vector<std::int64_t> window_voxel(std::vector<std::int64_t> index, const Extents& window, std::int64_t k) {
  for (std::size_t axis = index.size() - 2; axis >= 1; --axis) {
    const std::int64_t size = window[static_cast<int>(axis) - 1];
    index[axis] = index[axis] * size + k % size;
    k /= size;
  }
  return index;
}

std::int64_t window_size(const Extents& window, int dims) {
  std::int64_t n = 1;
  for (int axis = 0; axis < dims; ++axis) n *= window[axis];
  return n;
}

// The weight of input i in output j along one axis, with PyTorch's align_corners=False.
double linear_weight(std::int64_t n, std::int64_t scale, std::int64_t i, std::int64_t j) {
  const double position = std::max(0.0, (static_cast<double>(j) + 0.5) / static_cast<double>(scale) - 0.5);
  const std::int64_t low = static_cast<std::int64_t>(position), high = std::min(low + 1, n - 1);
  const double rest = position - static_cast<double>(low);
  return (i == low ? 1 - rest : 0.0) + (i == high ? rest : 0.0);
}

double weight(Upsampling kind, std::int64_t n, std::int64_t scale, std::int64_t i, std::int64_t j) {
  return kind == Upsampling::nearest ? (j / scale == i ? 1.0 : 0.0) : linear_weight(n, scale, i, j);
}

// y and dx of a map, axis by axis.
std::vector<double> naive_axis(const std::vector<double>& x, const Shape& shape, int axis, std::int64_t scale,
                               Upsampling kind, bool transpose) {
  const std::int64_t n = shape[axis];
  const Shape large = shape.with(axis, n * scale);
  std::vector<double> y(static_cast<std::size_t>((transpose ? shape : large).numel()));
  for (std::int64_t k = 0; k < large.numel(); ++k) {
    const auto index = index_of(large, k);
    auto source = index;
    const std::int64_t j = nth(index, axis);
    for (std::int64_t i = std::max<std::int64_t>(0, j / scale - 1); i <= std::min(n - 1, j / scale + 1); ++i) {
      nth(source, axis) = i;
      std::int64_t from = 0;  // element_at would broadcast
      for (int a = 0; a < shape.dims(); ++a) from = from * shape[a] + nth(source, a);
      const double w = weight(kind, n, scale, i, j);
      if (transpose)
        nth(y, from) += w * nth(x, k);
      else
        nth(y, k) += w * nth(x, from);
    }
  }
  return y;
}

}  // namespace

TEST_CASE("max_pool takes the first maximum of each window and drops the rest") {
  Random random(31);
  for (int i = 0; i < 120; ++i) {
    const DType dtype = float_type(random);
    const Shape shape = odd_shape(random);
    Extents window = random_extents(random, shape.spatial_dims(), i % 10 == 0 ? 6 : 3);
    for (int axis = 0; axis < shape.spatial_dims(); ++axis)
      nth(window.value, axis) = std::min(window[axis], shape[axis + 1]);
    Tensor x = noise(shape, dtype, random);
    if (i % 2 == 0) {  // many equal values
      cpu_backend().unary(UnaryOp::affine, 2, 0, x, x);
      x = x.to(DType::i32).to(dtype);
    }
    Shape to = shape;
    for (int axis = 0; axis < shape.spatial_dims(); ++axis) to[axis + 1] /= window[axis];
    const Tensor y = empty(to, dtype), index = empty(to, DType::u8), dy = noise(to, dtype, random), dx = empty_like(x);
    cpu_backend().max_pool(x, window, y, index);
    cpu_backend().max_pool_gradient(dy, index, window, dx);
    const std::vector<double> in = values(x), out = values(y), which = values(index), upstream = values(dy);
    std::vector<double> gradient(in.size());
    bool same = true;
    for (std::int64_t k = 0; k < to.numel(); ++k) {
      const auto at = index_of(to, k);
      std::int64_t best = -1, best_k = 0;
      for (std::int64_t v = 0; v < window_size(window, shape.spatial_dims()); ++v) {
        const std::int64_t from = element_at(shape, window_voxel(at, window, v));
        if (best >= 0 && nth(in, from) <= nth(in, best)) continue;
        best = from;
        best_k = v;
      }
      const auto o = static_cast<std::size_t>(k);
      same = same && out[o] == nth(in, best) && which[o] == static_cast<double>(best_k);
      nth(gradient, best) += upstream[o];
    }
    CHECK_MESSAGE(same, "max_pool of " << x << " to " << y);
    CHECK_MESSAGE(values(dx) == gradient, "gradient of max_pool of " << x << " to " << y);
  }
}

TEST_CASE("a NaN in a window is its maximum; windows of 255 voxels have an index") {
  for (std::int64_t at = 0; at < 8; ++at) {
    const Tensor x = full({1, 2, 2, 2, 19}, 1), y = empty({1, 1, 1, 1, 19}), index = empty({1, 1, 1, 1, 19}, DType::u8);
    x.data<float>()[at * 19 + 17] = NAN;
    cpu_backend().max_pool(x, 2, y, index);
    for (std::size_t c = 0; c < 19; ++c) CHECK(std::isnan(values(y)[c]) == (c == 17));
    CHECK(values(index)[17] == static_cast<double>(at));
  }
  const Tensor x = zeros({1, 255, 17}), y = empty({1, 1, 17}), index = empty({1, 1, 17}, DType::u8);
  x.data<float>()[254 * 17 + 16] = 1;
  cpu_backend().max_pool(x, 255, y, index);
  CHECK(values(index)[16] == 254);
  CHECK(values(index)[15] == 0);
}

TEST_CASE("a map without channels that is normalised when it is read is empty") {
  const FeatureMap none = deferred(zeros({1, 2, 2, 0}), zeros({1, 1}), full({1, 1}, 1));
  CHECK(max_pool(none, 2).shape() == Shape{1, 1, 1, 0});
}

TEST_CASE("nearest and linear upsampling equal plain loops, for any scale per axis") {
  Random random(32);
  for (int i = 0; i < 80; ++i) {
    Shape shape = odd_shape(random);
    for (int axis = 1; axis + 1 < shape.dims(); ++axis) shape[axis] = std::min<std::int64_t>(shape[axis], 12);
    const DType dtype = float_type(random);
    const Upsampling kind = random.chance(0.6) ? Upsampling::linear : Upsampling::nearest;
    const Extents scale = random_extents(random, shape.spatial_dims(), 3);
    const Tensor x = noise(shape, dtype, random), y = empty(scaled(shape, scale), dtype);
    const Tensor dy = noise(y.shape(), dtype, random), dx = empty_like(x);
    cpu_backend().upsample(x, kind, scale, y);
    cpu_backend().upsample_gradient(dy, kind, scale, dx);
    std::vector<double> up = values(x), down = values(dy);
    Shape low = shape, high = y.shape();
    for (int axis = 1; axis + 1 < shape.dims(); ++axis) {
      up = naive_axis(up, low, axis, scale[axis - 1], kind, false);
      low[axis] *= scale[axis - 1];
    }
    for (int axis = 1; axis + 1 < shape.dims(); ++axis) {
      high[axis] /= scale[axis - 1];
      down = naive_axis(down, high, axis, scale[axis - 1], kind, true);
    }
    CHECK_MESSAGE(difference(values(y), up) < tolerance(dtype), x << " to " << y);
    CHECK_MESSAGE(difference(values(dx), down) < 5 * tolerance(dtype), "gradient, " << x << " to " << y);
  }
}

TEST_CASE("linear upsampling by 2 and 3 gives the values of PyTorch") {
  const Tensor x = from_vector<double>({1, 3, 1}, {0, 4, 8}), y = empty({1, 6, 1}, DType::f64);
  cpu_backend().upsample(x, Upsampling::linear, 2, y);
  CHECK(values(y) == std::vector<double>{0, 1, 3, 5, 7, 8});
  const Tensor z = empty({1, 9, 1}, DType::f64);
  cpu_backend().upsample(x, Upsampling::linear, 3, z);
  CHECK(difference(values(z), {0, 0, 4.0 / 3, 8.0 / 3, 4, 16.0 / 3, 20.0 / 3, 8, 8}) < 1e-14);
}

TEST_CASE("pooling and upsampling do not depend on the number of threads") {
  Random random(33);
  const Tensor x = noise({2, 31, 33, 29, 17}, DType::f32, random), dy = noise({2, 62, 33, 58, 17}, DType::f32, random);
  CHECK(same_for_threads([&] {
    const Tensor y = empty({2, 15, 16, 14, 17}), index = empty(y.shape(), DType::u8), dx = empty_like(x);
    cpu_backend().max_pool(x, 2, y, index);
    cpu_backend().max_pool_gradient(y, index, 2, dx);
    const Tensor up = empty(dy.shape()), down = empty_like(x);
    cpu_backend().upsample(x, Upsampling::linear, {2, 1, 2}, up);
    cpu_backend().upsample_gradient(dy, Upsampling::linear, {2, 1, 2}, down);
    return std::vector<Tensor>{y, index, dx, up, down};
  }));
}
