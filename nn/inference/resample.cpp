#include "nn/inference/resample.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "engine/parallel.h"

namespace voxgrad::nn {
namespace {

constexpr std::int64_t kColumns = 32;  // lines that are resampled together, because they lie side by side in memory
constexpr std::int64_t kBeyond = 2;    // samples beyond both ends that the taps of a cubic reach

// The old samples that a new one is the weighted sum of: `first` and those behind it.
struct Taps {
  std::int64_t first;
  std::array<double, 4> weights;
};

std::int64_t count_of(Order order) { return order == Order::nearest ? 1 : order == Order::linear ? 2 : 4; }

// The samples may lie beyond the ends.
Taps taps_of(const Line& line, std::int64_t j, Order order) {
  const double at = (static_cast<double>(j) + 0.5) * static_cast<double>(line.from) / static_cast<double>(line.to);
  if (order == Order::nearest) return {static_cast<std::int64_t>(at), {1}};
  const double whole = std::floor(at - 0.5), t = at - 0.5 - whole, s = 1 - t;
  const auto first = static_cast<std::int64_t>(whole);
  if (order == Order::linear) return {first, {s, t}};
  return {first - 1,
          {s * s * s / 6, (4 - 6 * t * t + 3 * t * t * t) / 6, (4 - 6 * s * s + 3 * s * s * s) / 6, t * t * t / 6}};
}

// Replaces `n` rows of values by the coefficients of the cubic B-splines through their columns. On either side there
// are kBeyond further rows with the outermost values, which get coefficients too: the recursions over these constant
// continuations are geometric series, and where a line is constant its coefficients tend to its value.
void to_coefficients(double* rows, std::int64_t n, std::int64_t columns) {
  const double pole = std::sqrt(3.0) - 2, gain = (1 - pole) * (1 - 1 / pole);  // gain is 6
  std::vector<double> front(rows - columns, rows), back(rows + n * columns, rows + (n + 1) * columns);
  for (std::int64_t c = 0; c < columns; ++c) rows[c] += pole * nth(front, c) / (1 - pole);
  for (std::int64_t at = columns; at < n * columns; ++at) rows[at] += pole * rows[at - columns];
  double* const last = rows + (n - 1) * columns;
  for (std::int64_t c = 0; c < columns; ++c) {
    const double steady = nth(back, c) / (1 - pole);
    last[c] = -pole * (steady / (1 - pole) + (last[c] - steady) / (1 - pole * pole));
  }
  for (std::int64_t at = (n - 1) * columns - 1; at >= 0; --at) rows[at] = pole * (rows[at + columns] - rows[at]);
  for (std::int64_t at = 0; at < n * columns; ++at) rows[at] *= gain;
  for (std::int64_t c = 0; c < columns; ++c)
    for (std::int64_t k = 1; k <= kBeyond; ++k) {
      rows[c - k * columns] = nth(front, c) + pole * (rows[c - (k - 1) * columns] - nth(front, c));
      last[c + k * columns] = nth(back, c) + pole * (last[c + (k - 1) * columns] - nth(back, c));
    }
}

}  // namespace

std::int64_t lowest_source(const Line& line, std::int64_t j, Order order) {
  return std::clamp<std::int64_t>(taps_of(line, j, order).first, 0, line.from - 1);
}

std::int64_t highest_source(const Line& line, std::int64_t j, Order order) {
  return std::clamp<std::int64_t>(taps_of(line, j, order).first + count_of(order) - 1, 0, line.from - 1);
}

Tensor resample_axis(const Tensor& x, int axis, const Line& line, Order order) {
  const std::int64_t there = x.extent(axis), made = line.end - line.begin, taps = count_of(order);
  check(x.dtype() == DType::f32 && there > 0 && made >= 0 && (order != Order::cubic || there == line.from),
        "resample_axis: ", made, " of ", line.to, " samples from ", there, " of ", line.from, ", axis ", axis, " of ",
        x);
  std::vector<Taps> table;
  for (std::int64_t j = line.begin; j < line.end; ++j) {
    table.push_back(taps_of(line, j, order));
    table.back().first -= line.first;
  }
  std::int64_t outer = 1, inner = 1;
  for (int a = 0; a < x.dims(); ++a) (a < axis ? outer : inner) *= a == axis ? 1 : x.extent(a);
  const Tensor result = empty(x.shape().with(axis, made));
  const std::int64_t blocks = (inner + kColumns - 1) / kColumns;
  parallel_for(outer * blocks, std::max<std::int64_t>(1, 16384 / (kColumns * there)),
               [&](std::int64_t begin, std::int64_t end) {
                 std::vector<double> buffer(static_cast<std::size_t>((there + 2 * kBeyond) * kColumns));
                 for (std::int64_t block = begin; block < end; ++block) {
                   const std::int64_t column = block % blocks * kColumns, columns = std::min(kColumns, inner - column);
                   const float* from = x.data<float>() + block / blocks * there * inner + column;
                   float* to = result.data<float>() + block / blocks * made * inner + column;
                   double* const rows = buffer.data() + kBeyond * columns;
                   for (std::int64_t i = -kBeyond; i < there + kBeyond; ++i)
                     std::copy_n(from + std::clamp<std::int64_t>(i, 0, there - 1) * inner, columns, rows + i * columns);
                   if (order == Order::cubic) to_coefficients(rows, there, columns);
                   for (std::int64_t j = 0; j < made; ++j) {
                     const Taps& tap = nth(table, j);
                     const double* row = rows + tap.first * columns;
                     for (std::int64_t c = 0; c < columns; ++c) {
                       double sum = 0;
                       for (std::int64_t k = 0; k < taps; ++k) sum += nth(tap.weights, k) * row[k * columns + c];
                       to[j * inner + c] = static_cast<float>(sum);
                     }
                   }
                 }
               });
  return result;
}

Tensor resample_image(const Tensor& image, const Shape& extents, const std::vector<Order>& orders) {
  const int dims = extents.dims();
  check(image.dims() == dims + 1 && std::ssize(orders) == dims, "resample_image: ", image, " to ", extents);
  Tensor result = image;
  bool cubic = false;
  for (int axis = 0; axis < dims; ++axis) {
    if (extents[axis] == image.extent(axis)) continue;
    result = resample_axis(result, axis, {image.extent(axis), extents[axis]}, nth(orders, axis));
    cubic = cubic || nth(orders, axis) == Order::cubic;
  }
  if (!cubic) return result;
  const std::int64_t channels = image.extent(-1);
  const float* values = image.data<float>();
  float* made = result.data<float>();
  for (std::int64_t c = 0; c < channels; ++c) {
    float low = values[c], high = values[c];
    for (std::int64_t i = c, end = image.numel(); i < end; i += channels) {
      low = std::min(low, values[i]);
      high = std::max(high, values[i]);
    }
    for (std::int64_t i = c, end = result.numel(); i < end; i += channels) made[i] = std::clamp(made[i], low, high);
  }
  return result;
}

namespace {

// The two voxels around a place on an axis, as steps in memory, the weight of the second, and which one is nearer.
struct Around {
  std::array<std::int64_t, 2> index;
  float share;
  bool second;
};

std::vector<Around> around(const Line& line, Order order, std::int64_t stride) {
  std::vector<Around> result;
  for (std::int64_t j = 0; j < line.to; ++j) {
    const std::int64_t low = lowest_source(line, j, order), high = highest_source(line, j, order);
    const bool linear = order == Order::linear && line.from != line.to;
    const std::int64_t near = lowest_source(line, j, Order::nearest);
    const float share = linear ? static_cast<float>(taps_of(line, j, order).weights[1]) : 0;
    result.push_back(linear ? Around{{low * stride, high * stride}, share, near == high}
                            : Around{{near * stride, near * stride}, 0, false});
  }
  return result;
}

// The value of largest weight among the eight voxels around a place.
std::uint8_t vote(const std::uint8_t* labels, const Around& z, const Around& y, const Around& x, int ignore) {
  std::array<std::uint8_t, 8> values;
  for (std::size_t i = 0; i < 8; ++i) values[i] = labels[z.index[i >> 2] + y.index[i >> 1 & 1] + x.index[i & 1]];
  const std::uint8_t nearest = values[(z.second ? 4u : 0u) | (y.second ? 2u : 0u) | (x.second ? 1u : 0u)];
  if (nearest == ignore || std::all_of(values.begin(), values.end(), [&](auto value) { return value == nearest; }))
    return nearest;
  const auto weight_of = [&](std::uint8_t value) {
    float sum = 0;
    for (std::size_t i = 0; i < 8; ++i)
      if (values[i] == value)
        sum += ((i & 4) != 0 ? z.share : 1 - z.share) * ((i & 2) != 0 ? y.share : 1 - y.share) *
               ((i & 1) != 0 ? x.share : 1 - x.share);
    return sum;
  };
  constexpr float kRounding = 1e-6f;  // sums that are equal but for rounding are equal
  std::uint8_t best = nearest;
  float most = weight_of(nearest);
  for (const std::uint8_t value : values)
    if (const float weight = weight_of(value); value != ignore && weight > most + kRounding)
      best = value, most = weight;
  return best;
}

}  // namespace

Tensor resample_labels(const Tensor& labels, const Shape& extents, const std::vector<Order>& orders, int ignore) {
  const int dims = extents.dims(), lead = 3 - dims;
  check(labels.dtype() == DType::u8 && labels.dims() == dims && std::ssize(orders) == dims, "resample_labels: ", labels,
        " to ", extents);
  if (extents == labels.shape()) return labels;
  std::array<std::vector<Around>, 3> axes;  // a picture is a volume of one slice
  std::int64_t stride = 1;
  for (int axis = 2; axis >= 0; --axis) {
    const std::int64_t from = axis < lead ? 1 : labels.extent(axis - lead), to = axis < lead ? 1 : extents[axis - lead];
    nth(axes, axis) = around({from, to}, axis < lead ? Order::nearest : nth(orders, axis - lead), stride);
    stride *= from;
  }
  const Tensor result = empty(extents, DType::u8);
  std::uint8_t* target = result.data<std::uint8_t>();
  for (const Around& z : axes[0])
    for (const Around& y : axes[1])
      for (const Around& x : axes[2]) *target++ = vote(labels.data<std::uint8_t>(), z, y, x, ignore);
  return result;
}

}  // namespace voxgrad::nn
