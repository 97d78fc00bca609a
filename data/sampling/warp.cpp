#include "data/sampling/warp.h"

#include <algorithm>
#include <cmath>
#include <type_traits>

namespace voxgrad::data {
namespace {

using Vector = std::array<double, 3>;

constexpr std::array<Vector, 3> kIdentity{{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}};

// The place of a sample between two voxels of an axis.
struct Between {
  std::int64_t index, next;  // steps in memory to the voxel before, and from it to the one behind
  float share;               // the weight of the one behind
};

// A position up to half a voxel beyond the first or last centre is still in that voxel.
bool outside(float position, std::int64_t extent) {
  return !(position >= -0.5f && position <= static_cast<float>(extent) - 0.5f);
}

// Mirrors a position at the faces of the voxels `first` and `last` until it lies between these.
float mirrored(float position, std::int64_t first, std::int64_t last) {
  const float low = static_cast<float>(first) - 0.5f, size = static_cast<float>(last - first + 1);
  const float inside = position - low;
  if (inside >= 0 && inside <= size) return position;
  const float rest = std::fmod(std::abs(inside), 2 * size);
  return low + std::min(rest, 2 * size - rest);
}

Between between(float position, std::int64_t extent, std::int64_t stride) {
  const float clamped = std::clamp(position, 0.0f, static_cast<float>(extent - 1));
  const std::int64_t index = static_cast<std::int64_t>(clamped);
  return {index * stride, index + 1 < extent ? stride : 0, clamped - static_cast<float>(index)};
}

// Interpolates all channels.
template <class Channels>
void interpolate(const float* from, const Between& z, const Between& y, const Between& x, Channels channels,
                 float* target) {
  const float* corner = from + z.index + y.index + x.index;
  for (std::int64_t c = 0; c < channels; ++c, ++corner) {
    const auto plane = [&](const float* p) {
      const float near = p[0] + x.share * (p[x.next] - p[0]);
      const float far = p[y.next] + x.share * (p[y.next + x.next] - p[y.next]);
      return near + y.share * (far - near);
    };
    const float front = plane(corner);
    target[c] = z.share == 0 ? front : front + z.share * (plane(corner + z.next) - front);
  }
}

// The value with the largest sum of weights among the eight voxels around a place.
std::uint8_t vote(const std::uint8_t* from, const Between& z, const Between& y, const Between& x) {
  const std::uint8_t* corner = from + z.index + y.index + x.index;
  std::array<std::uint8_t, 8> values;
  bool equal = true;
  for (std::size_t i = 0; i < 8; ++i) {
    values[i] = corner[((i & 4) != 0 ? z.next : 0) + ((i & 2) != 0 ? y.next : 0) + ((i & 1) != 0 ? x.next : 0)];
    equal = equal && values[i] == values[0];
  }
  if (equal) return values[0];
  std::array<float, 8> weights;
  for (std::size_t i = 0; i < 8; ++i)
    weights[i] = ((i & 4) != 0 ? z.share : 1 - z.share) * ((i & 2) != 0 ? y.share : 1 - y.share) *
                 ((i & 1) != 0 ? x.share : 1 - x.share);
  const auto votes = [&](std::uint8_t value) {
    float sum = 0;
    for (std::size_t i = 0; i < 8; ++i) sum += values[i] == value ? weights[i] : 0;
    return sum;
  };
  // The nearest voxel is the first candidate, so that it wins if sums are equal but for rounding.
  std::uint8_t best = values[(z.share > 0.5f ? 4u : 0u) | (y.share > 0.5f ? 2u : 0u) | (x.share > 0.5f ? 1u : 0u)];
  float most = votes(best);
  for (std::size_t i = 0; i < 8 && most < 0.5f; ++i)
    if (const float sum = votes(values[i]); sum > most + 1e-6f) best = values[i], most = sum;
  return best;
}

}  // namespace

// Where the voxels of a patch come from, row by row.
struct Warp::Points {
  Points(const Warp& warp, const Extents& extent, const Vector& centre);
  // Fills `position` with the places of the row (z, y) in the case.
  void row(std::int64_t z, std::int64_t y);
  std::array<std::vector<float>, 3> position;

 private:
  using Weights = std::array<float, 4>;
  // The nodes of an elastic field along one axis of a patch.
  struct Nodes {
    Nodes(std::int64_t extent, double voxels_per_cell);
    std::int64_t first = 0, count = 0;
    std::vector<std::int64_t> at;  // for each voxel of the axis the first of its four nodes, counted from `first`
    std::vector<Weights> weights;
  };
  static Weights spline_weights(double t);
  float shift_of(int axis, std::int64_t z, std::int64_t y, std::int64_t x) const;

  const Warp& warp_;
  Vector middle_, centre_;                     // of the patch, in its own voxels and in those of the case
  std::array<Vector, 3> steps_{};              // from voxels of the patch to those of the case
  std::vector<Nodes> nodes_;                   // of each axis; empty without an elastic field
  std::array<std::vector<float>, 3> lattice_;  // the shifts of all nodes along each axis, in voxels of the patch
  std::vector<float> line_, shifts_;
};

// The weights of the four nodes around a point that lies at `t` from 0 to 1 between the middle two of them.
Warp::Points::Weights Warp::Points::spline_weights(double t) {
  const double s = 1 - t;
  return {static_cast<float>(s * s * s / 6), static_cast<float>((4 - 6 * t * t + 3 * t * t * t) / 6),
          static_cast<float>((4 - 6 * s * s + 3 * s * s * s) / 6), static_cast<float>(t * t * t / 6)};
}

Warp::Points::Nodes::Nodes(std::int64_t extent, double voxels_per_cell) {
  const auto place = [&](std::int64_t k) {
    return (static_cast<double>(k) - 0.5 * static_cast<double>(extent - 1)) / voxels_per_cell;
  };
  first = static_cast<std::int64_t>(std::floor(place(0))) - 1;
  for (std::int64_t k = 0; k < extent; ++k) {
    const double whole = std::floor(place(k));
    at.push_back(static_cast<std::int64_t>(whole) - 1 - first);
    weights.push_back(spline_weights(place(k) - whole));
  }
  count = at.back() + 4;
}

Warp::Points::Points(const Warp& warp, const Extents& extent, const Vector& centre) : warp_(warp), centre_(centre) {
  for (std::size_t a = 0; a < 3; ++a) {
    middle_[a] = 0.5 * static_cast<double>(extent.value[a] - 1);
    position[a].resize(static_cast<std::size_t>(extent[2]));
    for (std::size_t b = 0; b < 3; ++b)
      steps_[a][b] = warp.matrix_[a][b] * (a == b ? 1 : warp.spacing_[b] / warp.spacing_[a]);
  }
  if (warp.shift_ == 0) return;
  for (int a = 0; a < 3; ++a) nodes_.emplace_back(extent[a], warp.cell_ / nth(warp.spacing_, a));
  shifts_.resize(static_cast<std::size_t>(extent[2]));
  line_.resize(static_cast<std::size_t>(nodes_[2].count));
  for (int a = 0; a < 3; ++a)
    for (std::int64_t z = 0; nth(warp.bent_, a) && z < nodes_[0].count; ++z)
      for (std::int64_t y = 0; y < nodes_[1].count; ++y)
        for (std::int64_t x = 0; x < nodes_[2].count; ++x)
          nth(lattice_, a).push_back(shift_of(a, z + nodes_[0].first, y + nodes_[1].first, x + nodes_[2].first));
}

// A shift is a function of the node's place alone, so a larger patch about the same centre has the same field.
float Warp::Points::shift_of(int axis, std::int64_t z, std::int64_t y, std::int64_t x) const {
  const auto part = [](std::int64_t i) { return static_cast<std::uint64_t>(i) & 0xFFFFF; };
  const PhiloxBlock block = philox(warp_.key_, part(z) << 40 | part(y) << 20 | part(x), 1);
  return static_cast<float>((2 * to_unit(nth(block, axis)) - 1) * warp_.shift_ / nth(warp_.spacing_, axis));
}

void Warp::Points::row(std::int64_t z, std::int64_t y) {
  const double from_z = static_cast<double>(z) - middle_[0], from_y = static_cast<double>(y) - middle_[1];
  for (std::size_t a = 0; a < 3; ++a) {
    const Vector& step = steps_[a];
    const double first = centre_[a] + step[0] * from_z + step[1] * from_y - step[2] * middle_[2];
    for (std::size_t k = 0; k < position[a].size(); ++k)
      position[a][k] = static_cast<float>(first + step[2] * static_cast<double>(k));
  }
  for (std::size_t b = 0; b < 3; ++b) {
    if (lattice_[b].empty()) continue;
    std::fill(line_.begin(), line_.end(), 0.0f);
    for (std::int64_t i = 0; i < 4; ++i)
      for (std::int64_t j = 0; j < 4; ++j) {
        const float weight = nth(nth(nodes_[0].weights, z), i) * nth(nth(nodes_[1].weights, y), j);
        const std::int64_t node = (nth(nodes_[0].at, z) + i) * nodes_[1].count + nth(nodes_[1].at, y) + j;
        const float* nodes = lattice_[b].data() + node * nodes_[2].count;
        for (std::size_t n = 0; n < line_.size(); ++n) line_[n] += weight * nodes[n];
      }
    for (std::size_t k = 0; k < shifts_.size(); ++k) {
      const Weights& w = nodes_[2].weights[k];
      const float* p = line_.data() + nodes_[2].at[k];
      shifts_[k] = w[0] * p[0] + w[1] * p[1] + w[2] * p[2] + w[3] * p[3];
    }
    for (std::size_t a = 0; a < 3; ++a) {
      const float step = static_cast<float>(steps_[a][b]);
      for (std::size_t k = 0; step != 0 && k < shifts_.size(); ++k) position[a][k] += step * shifts_[k];
    }
  }
}

Warp::Warp(const std::vector<double>& spacing) : lead_(3 - static_cast<int>(spacing.size())), matrix_(kIdentity) {
  check(spacing.size() == 2 || spacing.size() == 3, "warp: ", spacing.size(), " spacings, expected 2 or 3");
  std::copy(spacing.begin(), spacing.end(), spacing_.begin() + lead_);
}

void Warp::rotate(int a, int b, double radians) {
  check(a != b && std::min(a, b) >= 0 && std::max(a, b) + lead_ < 3, "warp: a rotation from axis ", b, " to ", a);
  const double cosine = std::cos(radians), sine = std::sin(radians);
  // The last change of what is seen is the first one on the way from the patch to the case.
  for (Vector& row : matrix_) {
    const double from_a = nth(row, a + lead_), from_b = nth(row, b + lead_);
    nth(row, a + lead_) = cosine * from_a - sine * from_b;
    nth(row, b + lead_) = sine * from_a + cosine * from_b;
  }
}

void Warp::scale(int axis, double factor) {
  check(axis >= 0 && axis + lead_ < 3 && factor > 0, "warp: axis ", axis, " larger by ", factor);
  for (Vector& row : matrix_) nth(row, axis + lead_) /= factor;
}

void Warp::bend(const std::vector<int>& axes, double cell, double amount, const Random& random) {
  check(cell > 0 && amount >= 0 && amount <= 0.4, "warp: shifts up to ", amount, " of ", cell);
  for (const int axis : axes) nth(bent_, axis + lead_) = true;
  cell_ = cell;
  shift_ = amount * cell;
  key_ = random.key();
}

bool Warp::identity() const { return matrix_ == kIdentity && shift_ == 0; }

void Warp::sample(const Tensor& from, const Extents& corner, const Tensor& patch, const Extents& margin) const {
  const bool image = from.dtype() == DType::f32;
  const int dims = 3 - lead_;
  const std::int64_t channels = image ? from.extent(-1) : 1;
  check(from.dims() == dims + (image ? 1 : 0) && patch.dims() == from.dims() && patch.dtype() == from.dtype() &&
            (image ? patch.extent(-1) == channels : from.dtype() == DType::u8),
        "warp: a patch ", patch, " of a case ", from);
  Extents extent = 1, size = 1, first = 0, last = 0;  // the last two of case and box together
  Vector centre{};
  for (int i = 0; i < dims; ++i) {
    extent[lead_ + i] = from.extent(i);
    size[lead_ + i] = patch.extent(i);
    const std::int64_t box = patch.extent(i) - 2 * margin[i];
    first[lead_ + i] = std::min<std::int64_t>(corner[i], 0);
    last[lead_ + i] = std::max(corner[i] + box, from.extent(i)) - 1;
    nth(centre, lead_ + i) = static_cast<double>(corner[i]) + 0.5 * static_cast<double>(box - 1);
  }
  Points points(*this, size, centre);
  const std::int64_t row = extent[2] * channels, plane = extent[1] * row;
  const auto fill = [&]<class T>(const T* source, T* target, const auto& set) {
    for (std::int64_t z = 0; z < size[0]; ++z)
      for (std::int64_t y = 0; y < size[1]; ++y) {
        points.row(z, y);
        for (std::int64_t x = 0; x < size[2]; ++x, target += channels) {
          const float at_z = mirrored(nth(points.position[0], x), first[0], last[0]);
          const float at_y = mirrored(nth(points.position[1], x), first[1], last[1]);
          const float at_x = mirrored(nth(points.position[2], x), first[2], last[2]);
          if (outside(at_z, extent[0]) || outside(at_y, extent[1]) || outside(at_x, extent[2]))
            std::fill_n(target, channels, T{});
          else
            set(source, between(at_z, extent[0], plane), between(at_y, extent[1], row),
                between(at_x, extent[2], channels), target);
        }
      }
  };
  if (!image)
    return fill(from.data<std::uint8_t>(), patch.data<std::uint8_t>(),
                [](const std::uint8_t* source, const Between& z, const Between& y, const Between& x,
                   std::uint8_t* target) { *target = vote(source, z, y, x); });
  const auto set_channels = [&](auto count) {
    fill(from.data<float>(), patch.data<float>(),
         [count](const float* source, const Between& z, const Between& y, const Between& x, float* target) {
           interpolate(source, z, y, x, count, target);
         });
  };
  if (channels == 1)
    set_channels(std::integral_constant<std::int64_t, 1>{});
  else
    set_channels(channels);
}

}  // namespace voxgrad::data
