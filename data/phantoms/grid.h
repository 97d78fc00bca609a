// A field of numbers on the voxels of an image, and the steps that turn tissue into a picture: smooth random fields,
// blur, bias field, noise, quantisation. Images are volumes of depth 1.
#pragma once

#include <cstdint>
#include <vector>

#include "data/phantoms/exact_math.h"

namespace voxgrad::data::phantom {

struct Extent {
  std::int64_t depth = 1, height = 1, width = 1;
  std::int64_t count() const { return depth * height * width; }
};

// A place or a displacement, in whatever unit a phantom computes; z is 0 in images.
struct Point {
  double z = 0, y = 0, x = 0;
};
inline Point operator+(Point a, Point b) { return {a.z + b.z, a.y + b.y, a.x + b.x}; }
inline Point operator-(Point a, Point b) { return {a.z - b.z, a.y - b.y, a.x - b.x}; }
inline Point operator*(double s, Point a) { return {s * a.z, s * a.y, s * a.x}; }
inline double dot(Point a, Point b) { return a.z * b.z + a.y * b.y + a.x * b.x; }
inline double length(Point a) { return std::sqrt(dot(a, a)); }

class Grid {
 public:
  explicit Grid(Extent extent, double value = 0.0)
      : extent_(extent), values_(static_cast<std::size_t>(extent.count()), value) {}
  const Extent& extent() const { return extent_; }
  std::int64_t count() const { return extent_.count(); }
  double& operator[](std::int64_t i) { return values_[static_cast<std::size_t>(i)]; }
  double operator[](std::int64_t i) const { return values_[static_cast<std::size_t>(i)]; }

 private:
  Extent extent_;
  std::vector<double> values_;
};

// Which places the voxels show: the origin is the middle of the picture, lengths are in millimetres (micrometres for
// cells). All of a phantom's anatomy is in these lengths, so that another size shows the same at another resolution.
struct View {
  Extent extent;
  Point spacing;
  Point at(std::int64_t z, std::int64_t y, std::int64_t x) const {
    const auto place = [](std::int64_t i, std::int64_t count, double step) {
      return (static_cast<double>(i) + 0.5 - 0.5 * static_cast<double>(count)) * step;
    };
    return {place(z, extent.depth, spacing.z), place(y, extent.height, spacing.y), place(x, extent.width, spacing.x)};
  }
  Point half() const {  // the corner of the picture
    return 0.5 * Point{static_cast<double>(extent.depth) * spacing.z, static_cast<double>(extent.height) * spacing.y,
                       static_cast<double>(extent.width) * spacing.x};
  }
};

// Calls f(index, place) for every voxel, in row-major order.
template <class F>
void for_each_voxel(const View& view, F&& f) {
  std::int64_t i = 0;
  for (std::int64_t z = 0; z < view.extent.depth; ++z)
    for (std::int64_t y = 0; y < view.extent.height; ++y)
      for (std::int64_t x = 0; x < view.extent.width; ++x) f(i++, view.at(z, y, x));
}

// Share of a voxel inside a surface at the signed distance `distance` (negative inside): partial volume.
inline double coverage(double distance, double voxel) {
  const double share = 0.5 - distance / voxel;
  return share < 0.0 ? 0.0 : share > 1.0 ? 1.0 : share;
}
inline double mix(double from, double to, double share) { return from + (to - from) * share; }

// A random field of mean 0 and variance 1 that varies over the length `scale`: a cubic B-spline with independent normal
// coefficients, `scale` apart.
Grid smooth_noise(Draw draw, const View& view, double scale);

// Gaussian blur with standard deviations in voxels; the border is mirrored. An axis with sigma 0 stays as it is.
void blur(Grid& grid, Point sigma);

// The slowly varying gain of a coil or a lamp, exp(strength * smooth_noise).
void apply_bias(Grid& grid, Draw draw, const View& view, double strength, double scale);

// Magnitude of a complex signal with normal noise in both parts: MR.
void add_rician_noise(Grid& grid, Draw draw, double deviation);
// Counts: normal noise with variance `gain` times the value, plus a constant `floor` of the detector.
void add_counting_noise(Grid& grid, Draw draw, double gain, double floor);
// Noise that is correlated over sigma voxels, with this standard deviation: reconstructed images such as CT.
void add_correlated_noise(Grid& grid, Draw draw, double deviation, Point sigma);

// 0 .. 1 to 0 .. 255.
std::vector<std::uint8_t> quantise(const Grid& grid);

}  // namespace voxgrad::data::phantom
