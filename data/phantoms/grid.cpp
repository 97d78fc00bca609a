#include "data/phantoms/grid.h"

#include <algorithm>
#include <array>

namespace voxgrad::data::phantom {
namespace {

// The lines along one axis of a row-major grid. There is one of `count` values for every pair (outer, inner); its
// values are `inner` apart.
struct Lines {
  std::int64_t outer, count, inner;
};

Lines lines_of(const Extent& extent, int axis) {
  switch (axis) {
    case 0: return {1, extent.depth, extent.height * extent.width};
    case 1: return {extent.depth, extent.height, extent.width};
    default: return {extent.depth * extent.height, extent.width, 1};
  }
}

std::array<double, 3> per_axis(Point p) { return {p.z, p.y, p.x}; }

Extent with_count(Extent extent, int axis, std::int64_t count) {
  (axis == 0 ? extent.depth : axis == 1 ? extent.height : extent.width) = count;
  return extent;
}

// Replaces every line along `axis` by one with `count` values. f(line, i) makes value i.
template <class F>
Grid map_lines(const Grid& grid, int axis, std::int64_t count, F&& f) {
  const Lines from = lines_of(grid.extent(), axis);
  Grid result(with_count(grid.extent(), axis, count));
  std::vector<double> line(static_cast<std::size_t>(from.count));
  for (std::int64_t outer = 0; outer < from.outer; ++outer)
    for (std::int64_t inner = 0; inner < from.inner; ++inner) {
      for (std::int64_t i = 0; i < from.count; ++i) nth(line, i) = grid[(outer * from.count + i) * from.inner + inner];
      for (std::int64_t i = 0; i < count; ++i) result[(outer * count + i) * from.inner + inner] = f(line, i);
    }
  return result;
}

// Returns the weights of four neighbouring coefficients at a place between the second (t = 0) and the third (t = 1).
std::array<double, 4> spline_weights(double t) {
  const double u = 1.0 - t;
  return {u * u * u / 6.0, (3.0 * t * t * t - 6.0 * t * t + 4.0) / 6.0, (3.0 * u * u * u - 6.0 * u * u + 4.0) / 6.0,
          t * t * t / 6.0};
}

std::vector<double> gaussian(double sigma) {
  const std::int64_t radius = static_cast<std::int64_t>(std::ceil(3.0 * sigma));
  std::vector<double> weights;
  double sum = 0.0;
  for (std::int64_t i = -radius; i <= radius; ++i) {
    const double x = static_cast<double>(i) / sigma;
    weights.push_back(exact_exp(-0.5 * x * x));
    sum += weights.back();
  }
  for (double& weight : weights) weight /= sum;
  return weights;
}

std::int64_t mirror(std::int64_t i, std::int64_t count) {
  const std::int64_t period = 2 * count;
  const std::int64_t wrapped = (i % period + period) % period;
  return wrapped < count ? wrapped : period - 1 - wrapped;
}

}  // namespace

Grid smooth_noise(Draw draw, const View& view, double scale) {
  const Extent& extent = view.extent;
  const std::array<double, 3> steps = per_axis((1.0 / scale) * view.spacing);
  const Extents counts{extent.depth, extent.height, extent.width};
  Extent lattice;
  double variance = 1.0;
  for (int axis = 0; axis < 3; ++axis) {
    if (counts[axis] == 1) continue;
    const double length = static_cast<double>(counts[axis]) * nth(steps, axis);
    lattice = with_count(lattice, axis, static_cast<std::int64_t>(length) + 4);
    variance *= 151.0 / 315.0;  // the sum of the squared weights, averaged over t
  }
  Grid grid(lattice);
  for (std::int64_t i = 0; i < grid.count(); ++i) grid[i] = draw.normal() / std::sqrt(variance);
  for (int axis = 0; axis < 3; ++axis) {
    if (counts[axis] == 1) continue;
    const double phase = draw.uniform();
    grid = map_lines(grid, axis, counts[axis], [&](const std::vector<double>& line, std::int64_t i) {
      const double place = static_cast<double>(i) * nth(steps, axis) + phase;
      const std::size_t first = std::min(static_cast<std::size_t>(place), line.size() - 4);
      const std::array<double, 4> w = spline_weights(place - static_cast<double>(first));
      return w[0] * line[first] + w[1] * line[first + 1] + w[2] * line[first + 2] + w[3] * line[first + 3];
    });
  }
  return grid;
}

void blur(Grid& grid, Point sigma) {
  const std::array<double, 3> sigmas = per_axis(sigma);
  for (int axis = 0; axis < 3; ++axis) {
    const std::int64_t count = lines_of(grid.extent(), axis).count;
    const double width = nth(sigmas, axis);
    if (width <= 0.0 || count == 1) continue;
    const std::vector<double> weights = gaussian(width);
    const std::int64_t radius = std::ssize(weights) / 2;
    grid = map_lines(grid, axis, count, [&](const std::vector<double>& line, std::int64_t i) {
      double sum = 0.0;
      for (std::int64_t k = -radius; k <= radius; ++k)
        sum += nth(weights, k + radius) * nth(line, mirror(i + k, count));
      return sum;
    });
  }
}

void apply_bias(Grid& grid, Draw draw, const View& view, double strength, double scale) {
  const Grid field = smooth_noise(draw, view, scale);
  for (std::int64_t i = 0; i < grid.count(); ++i) grid[i] *= exact_exp(strength * field[i]);
}

void add_rician_noise(Grid& grid, Draw draw, double deviation) {
  for (std::int64_t i = 0; i < grid.count(); ++i) {
    const auto [a, b] = draw.normal_pair();
    const double real = grid[i] + deviation * a, imaginary = deviation * b;
    grid[i] = std::sqrt(real * real + imaginary * imaginary);
  }
}

void add_counting_noise(Grid& grid, Draw draw, double gain, double floor) {
  for (std::int64_t i = 0; i < grid.count(); ++i)
    grid[i] += std::sqrt(gain * std::max(grid[i], 0.0) + floor * floor) * draw.normal();
}

void add_correlated_noise(Grid& grid, Draw draw, double deviation, Point sigma) {
  Grid noise(grid.extent());
  for (std::int64_t i = 0; i < noise.count(); ++i) noise[i] = draw.normal();
  blur(noise, sigma);
  double power = 0.0;
  for (std::int64_t i = 0; i < noise.count(); ++i) power += noise[i] * noise[i];
  const double factor = deviation / std::sqrt(power / static_cast<double>(noise.count()));
  for (std::int64_t i = 0; i < grid.count(); ++i) grid[i] += factor * noise[i];
}

std::vector<std::uint8_t> quantise(const Grid& grid) {
  std::vector<std::uint8_t> bytes;
  bytes.reserve(static_cast<std::size_t>(grid.count()));
  for (std::int64_t i = 0; i < grid.count(); ++i) {
    const double level = std::floor(255.0 * grid[i] + 0.5);
    bytes.push_back(static_cast<std::uint8_t>(std::clamp(level, 0.0, 255.0)));
  }
  return bytes;
}

}  // namespace voxgrad::data::phantom
