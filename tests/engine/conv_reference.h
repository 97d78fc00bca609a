// Convolutions written as the sums that define them, over generated shapes, for the tests of the kernels.
#pragma once

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "engine/backend.h"
#include "engine/parallel.h"
#include "engine/random.h"
#include "tests/engine/kernel_cases.h"
#include "tests/test.h"

namespace voxgrad::test {

struct ConvCase {
  int dims;  // spatial axes, the last `dims` of three
  std::int64_t batch, cin, cout;
  Extents in, kernel, stride, padding, dilation;

  std::int64_t out(int axis) const {
    return (in[axis] + 2 * padding[axis] - dilation[axis] * (kernel[axis] - 1) - 1) / stride[axis] + 1;
  }
  // All three axes, the unused ones with extent 1.
  Extents outs() const { return {out(0), out(1), out(2)}; }
  bool valid() const {
    for (int axis = 0; axis < 3; ++axis)
      if (in[axis] + 2 * padding[axis] < dilation[axis] * (kernel[axis] - 1) + 1) return false;
    return true;
  }
  double products() const { return static_cast<double>(y().numel()) * static_cast<double>(weight().numel() / cout); }
  Shape shape(std::int64_t first, const Extents& extents, std::int64_t last) const {
    Shape result{first};
    for (int axis = 3 - dims; axis < 3; ++axis) result.push_back(extents[axis]);
    result.push_back(last);
    return result;
  }
  Shape x() const { return shape(batch, in, cin); }
  Shape y() const { return shape(batch, outs(), cout); }
  Shape weight() const { return shape(cout, kernel, cin); }
  ConvOptions options() const { return {pick(stride), pick(padding), pick(dilation)}; }
  std::string name() const {
    return text("x ", x(), " weight ", weight(), " y ", y(), " stride ", stride[0], stride[1], stride[2], " padding ",
                padding[0], padding[1], padding[2], " dilation ", dilation[0], dilation[1], dilation[2]);
  }

 private:
  Extents pick(const Extents& values) const {
    Extents result;
    result.dims = dims;
    for (int i = 0; i < dims; ++i) result[i] = values[3 - dims + i];
    return result;
  }
};

// A convolution of one voxel and one channel, to be changed.
inline ConvCase point_case(int dims, std::int64_t batch) {
  return {dims, batch, 1, 1, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, {1, 1, 1}};
}

// A layer of a network: 3 x 3 (x 3), the extents stay.
inline ConvCase layer(int dims, std::int64_t batch, std::int64_t cin, std::int64_t cout, std::int64_t extent) {
  ConvCase c = point_case(dims, batch);
  c.cin = cin;
  c.cout = cout;
  for (int axis = 3 - dims; axis < 3; ++axis) {
    c.in[axis] = extent;
    c.kernel[axis] = 3;
    c.padding[axis] = 1;
  }
  return c;
}

// Calls term(x index, weight index, y index) for every product of the convolution.
template <class F>
void for_each_product(const ConvCase& c, F&& term) {
  const auto out = c.outs();
  std::int64_t y = 0;
  for (std::int64_t n = 0; n < c.batch; ++n)
    for (std::int64_t z = 0; z < out[0]; ++z)
      for (std::int64_t v = 0; v < out[1]; ++v)
        for (std::int64_t u = 0; u < out[2]; ++u)
          for (std::int64_t co = 0; co < c.cout; ++co, ++y)
            for (std::int64_t kz = 0; kz < c.kernel[0]; ++kz)
              for (std::int64_t kv = 0; kv < c.kernel[1]; ++kv)
                for (std::int64_t ku = 0; ku < c.kernel[2]; ++ku) {
                  const std::int64_t iz = z * c.stride[0] + kz * c.dilation[0] - c.padding[0];
                  const std::int64_t iv = v * c.stride[1] + kv * c.dilation[1] - c.padding[1];
                  const std::int64_t iu = u * c.stride[2] + ku * c.dilation[2] - c.padding[2];
                  if (iz < 0 || iz >= c.in[0] || iv < 0 || iv >= c.in[1] || iu < 0 || iu >= c.in[2]) continue;
                  const std::int64_t x = (((n * c.in[0] + iz) * c.in[1] + iv) * c.in[2] + iu) * c.cin;
                  const std::int64_t w = (((co * c.kernel[0] + kz) * c.kernel[1] + kv) * c.kernel[2] + ku) * c.cin;
                  for (std::int64_t ci = 0; ci < c.cin; ++ci)
                    term(static_cast<std::size_t>(x + ci), static_cast<std::size_t>(w + ci),
                         static_cast<std::size_t>(y));
                }
}

// Whole numbers in [-3, 3]: their sums of products are exact in f32, in any order.
template <class T>
Tensor whole_numbers(const Shape& shape, Random random) {
  std::vector<T> values(static_cast<std::size_t>(shape.numel()));
  for (T& value : values) value = static_cast<T>(static_cast<std::int64_t>(random.below(7)) - 3);
  return from_vector<T>(shape, values);
}
template <class T>
Tensor uniform_numbers(const Shape& shape, Random random) {
  std::vector<T> values(static_cast<std::size_t>(shape.numel()));
  for (T& value : values) value = static_cast<T>(random.uniform(-1, 1));
  return from_vector<T>(shape, values);
}

struct ConvTensors {
  Tensor x, weight, bias, dy;
};
struct ConvResults {
  Tensor y, dx, dweight;
};

template <class T>
ConvTensors whole_conv_tensors(const ConvCase& c, const Random& random) {
  return {whole_numbers<T>(c.x(), random.fork(1)), whole_numbers<T>(c.weight(), random.fork(2)),
          whole_numbers<T>({c.cout}, random.fork(3)), whole_numbers<T>(c.y(), random.fork(4))};
}
inline ConvTensors uniform_conv_tensors(const ConvCase& c, const Random& random) {
  return {uniform_numbers<double>(c.x(), random.fork(1)), uniform_numbers<double>(c.weight(), random.fork(2)),
          uniform_numbers<double>({c.cout}, random.fork(3)), uniform_numbers<double>(c.y(), random.fork(4))};
}

// The three directions by the backend. Results start as NaN: what a kernel forgets to write shows.
inline ConvResults run_conv(const ConvCase& c, const ConvTensors& t, bool with_bias = true) {
  Backend& backend = cpu_backend();
  const ConvResults r{full(c.y(), NAN, t.x.dtype()), full(c.x(), NAN, t.x.dtype()), full(c.weight(), NAN, t.x.dtype())};
  backend.conv({t.x}, t.weight, with_bias ? t.bias : Tensor(), c.options(), r.y);
  backend.conv_input_gradient(t.dy, t.weight, c.options(), {r.dx});
  backend.conv_weight_gradient({t.x}, t.dy, c.options(), r.dweight);
  return r;
}

// The same by definition, in f64.
inline ConvResults define_conv(const ConvCase& c, const ConvTensors& t, bool with_bias = true) {
  const std::vector<double> x = t.x.to_vector<double>(), w = t.weight.to_vector<double>(),
                            dy = t.dy.to_vector<double>(), b = t.bias.to_vector<double>();
  std::vector<double> y(dy.size()), dx(x.size()), dw(w.size());
  for (std::size_t i = 0; i < y.size(); ++i) y[i] = with_bias ? b[i % b.size()] : 0.0;
  for_each_product(c, [&](std::size_t i, std::size_t k, std::size_t o) {
    y[o] += x[i] * w[k];
    dx[i] += dy[o] * w[k];
    dw[k] += dy[o] * x[i];
  });
  return {from_vector<double>(c.y(), y), from_vector<double>(c.x(), dx), from_vector<double>(c.weight(), dw)};
}

inline ConvTensors to_type(const ConvTensors& t, DType type) {
  return {t.x.to(type), t.weight.to(type), t.bias.to(type), t.dy.to(type)};
}

// An environment variable that is set as long as the object lives.
class Setting {
 public:
  Setting(const char* name, const char* value) : name_(name) { setenv(name, value, 1); }
  ~Setting() { unsetenv(name_); }
  Setting(const Setting&) = delete;
  Setting& operator=(const Setting&) = delete;

 private:
  const char* name_;
};

// Runs f with so many threads.
template <class F>
auto with_threads(int count, F&& f) {
  const int before = threads();
  set_threads(count);
  auto result = f();
  set_threads(before);
  return result;
}

// Largest difference over the largest value of the reference; NaN counts as infinite.
inline double normalised_error(const Tensor& value, const Tensor& reference) {
  const std::vector<double> a = value.to_vector<double>(), b = reference.to_vector<double>();
  double error = 0, largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (!(std::abs(a[i] - b[i]) <= error)) error = std::isnan(a[i]) ? INFINITY : std::abs(a[i] - b[i]);
    largest = std::max(largest, std::abs(b[i]));
  }
  return error == 0 ? 0 : error / std::max(largest, 1e-30);
}

inline void check_same_bits(const ConvCase& c, const ConvTensors& tensors) {
  const ConvResults one = with_threads(1, [&] { return run_conv(c, tensors); });
  for (const int count : {2, 3}) {
    const ConvResults more = with_threads(count, [&] { return run_conv(c, tensors); });
    CHECK_MESSAGE(same_bits(one.y, more.y), count, " threads, forward ", c.name());
    CHECK_MESSAGE(same_bits(one.dx, more.dx), count, " threads, input gradient ", c.name());
    CHECK_MESSAGE(same_bits(one.dweight, more.dweight), count, " threads, weight gradient ", c.name());
  }
}

}  // namespace voxgrad::test
