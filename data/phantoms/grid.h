// A number for every voxel, and the steps that turn tissue into a picture: smooth random fields, blur, bias field,
// noise, quantisation. An image is a volume of depth 1.
#pragma once

#include <cstdint>
#include <vector>

#include "data/phantoms/exact_math.h"
#include "engine/shape.h"

namespace voxgrad::data::phantom {

struct Extent {
  std::int64_t depth = 1, height = 1, width = 1;
  std::int64_t count() const { return depth * height * width; }
};

// A place or a displacement, in the unit of the phantom. z is 0 in images.
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
  double& operator[](std::int64_t i) { return nth(values_, i); }
  double operator[](std::int64_t i) const { return nth(values_, i); }

 private:
  Extent extent_;
  std::vector<double> values_;
};

// The places that the voxels show. The origin is the middle of the picture; lengths are in millimetres (micrometres for
// cells). All anatomy is described in these lengths, so a picture of another size shows the same at another resolution,
// but for lesions and tumours: their places are drawn among the voxels.
struct View {
  Extent extent;
  Point spacing;
  Point at(std::int64_t z, std::int64_t y, std::int64_t x) const {
    const auto place = [](std::int64_t i, std::int64_t count, double step) {
      return (static_cast<double>(i) + 0.5 - 0.5 * static_cast<double>(count)) * step;
    };
    return {place(z, extent.depth, spacing.z), place(y, extent.height, spacing.y), place(x, extent.width, spacing.x)};
  }
  Point half() const {  // the last corner of the picture
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

// Returns the share of a voxel that lies inside a surface (the partial volume). `distance` is the signed distance of
// the voxel's middle to the surface, negative inside.
inline double coverage(double distance, double voxel) {
  const double share = 0.5 - distance / voxel;
  return share < 0.0 ? 0.0 : share > 1.0 ? 1.0 : share;
}
inline double mix(double from, double to, double share) { return from + (to - from) * share; }

// Returns a random field of mean 0 and variance 1 that varies over the length `scale`. It is a cubic B-spline whose
// coefficients are independent normal numbers, `scale` apart.
Grid smooth_noise(Draw draw, const View& view, double scale);

// Applies a Gaussian blur whose standard deviations are given in voxels. The picture is mirrored at its border. An axis
// with sigma 0 stays as it is.
void blur(Grid& grid, Point sigma);

// Multiplies by the slowly varying gain of a coil or a lamp, exp(strength * smooth_noise).
void apply_bias(Grid& grid, Draw draw, const View& view, double strength, double scale);

// Adds the noise of MR: takes the magnitude of a complex signal with normal noise in both parts.
void add_rician_noise(Grid& grid, Draw draw, double deviation);
// Adds the noise of counted quanta: normal, with variance gain * value + floor^2; `floor` is that of the detector.
void add_counting_noise(Grid& grid, Draw draw, double gain, double floor);
// Adds the noise of reconstructed images such as CT: of this standard deviation, and correlated over sigma voxels.
void add_correlated_noise(Grid& grid, Draw draw, double deviation, Point sigma);

// Maps 0 .. 1 to the whole numbers 0 .. 255; what lies outside becomes the nearest of them.
std::vector<std::uint8_t> quantise(const Grid& grid);

}  // namespace voxgrad::data::phantom
