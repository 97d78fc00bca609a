#include "data/space.h"

#include <algorithm>
#include <cmath>
#include <string_view>

#include "engine/error.h"

namespace voxgrad::data {
namespace {

constexpr std::string_view kTowards = "RAS";  // right, anterior, superior: the positive ends of the world axes
constexpr std::string_view kAway = "LPI";     // left, posterior, inferior

}  // namespace

std::string orientation_of(const Affine& affine) {
  std::array<double, 3> length{};
  for (std::size_t column = 0; column < 3; ++column) {
    for (std::size_t row = 0; row < 3; ++row)
      if (!std::isfinite(affine[row][column]))
        throw Error(ErrorKind::data, text("affine: element ", row, ", ", column, " is ", affine[row][column]));
    length[column] = std::hypot(affine[0][column], affine[1][column], affine[2][column]);
    if (length[column] == 0) throw Error(ErrorKind::data, text("affine: column ", column, " is zero"));
  }
  // Of the six ways to give each column a world axis of its own, the one with the smallest angles in sum. In oblique
  // volumes two columns may be nearest to the same axis.
  std::array<std::size_t, 3> axis{0, 1, 2}, best{};
  double most = 0;
  do {
    double sum = 0;
    bool possible = true;
    for (std::size_t column = 0; column < 3; ++column) {
      const double cosine = std::abs(affine[axis[column]][column]) / length[column];
      possible = possible && cosine > 1e-6;
      sum += cosine;
    }
    if (possible && sum > most) {
      most = sum;
      best = axis;
    }
  } while (std::next_permutation(axis.begin(), axis.end()));
  if (most == 0) throw Error(ErrorKind::data, "affine: the axes x, y and z have no direction each of their own");
  std::string result;
  for (std::size_t column = 0; column < 3; ++column)
    result += affine[best[column]][column] > 0 ? kTowards[best[column]] : kAway[best[column]];
  return result;
}

std::vector<double> spacing_of(const Affine& affine) {
  std::vector<double> spacing;
  for (std::size_t column = 3; column-- > 0;)
    spacing.push_back(std::hypot(affine[0][column], affine[1][column], affine[2][column]));
  return spacing;
}

double distance_between(const Affine& a, const Affine& b, const Shape& extents) {
  double size = 0, apart = 0;
  for (std::size_t row = 0; row < 3; ++row) {
    double here = std::abs(a[row][3] - b[row][3]), whole = 0;
    for (std::size_t column = 0; column < 3; ++column) {
      const double voxels = static_cast<double>(extents[2 - static_cast<int>(column)]);
      here += std::abs(a[row][column] - b[row][column]) * voxels;
      whole += std::abs(a[row][column]) * voxels;
    }
    apart = std::max(apart, here);
    size = std::max(size, whole);
  }
  return apart / size;
}

Turn turn_to_ras(const std::string& orientation) {
  Turn turn;
  std::array<bool, 3> found{};
  for (std::size_t x = 0; x < orientation.size() && orientation.size() == 3; ++x) {
    const std::size_t towards = kTowards.find(orientation[x]);
    const std::size_t world = towards != kTowards.npos ? towards : kAway.find(orientation[x]);
    if (world == kAway.npos) break;
    found[world] = true;
    turn.axis[2 - world] = static_cast<int>(2 - x);  // x is the last axis of the array
    turn.backwards[2 - world] = towards == kTowards.npos;
  }
  if (!std::all_of(found.begin(), found.end(), [](bool f) { return f; }))
    throw Error(ErrorKind::data, "orientation \"" + orientation.substr(0, 20) + "\" is none",
                "three letters, one each of R or L, A or P, S or I");
  return turn;
}

Turn Turn::inverse() const {
  Turn result;
  for (int k = 0; k < 3; ++k) {
    nth(result.axis, nth(axis, k)) = k;
    nth(result.backwards, nth(axis, k)) = nth(backwards, k);
  }
  return result;
}

Shape Turn::operator()(const Shape& extents) const {
  return Shape{extents[axis[0]], extents[axis[1]], extents[axis[2]]};
}

std::vector<double> Turn::operator()(const std::vector<double>& spacing) const {
  check(spacing.size() == 3, "Turn: a spacing of ", spacing.size(), " axes is that of no volume [Z, Y, X]");
  return {nth(spacing, axis[0]), nth(spacing, axis[1]), nth(spacing, axis[2])};
}

Tensor Turn::operator()(const Tensor& x) const {
  if (is_identity()) return x;
  const bool channels = x.dims() == 4;
  check(x.dims() == 3 || channels, "Turn: ", x, " is no volume [Z, Y, X] or [Z, Y, X, C]");
  const std::size_t voxel = size_of(x.dtype()) * static_cast<std::size_t>(channels ? x.extent(-1) : 1);
  const Shape source{x.extent(0), x.extent(1), x.extent(2)}, extents = (*this)(source);
  const Tensor result = empty(channels ? extents + Shape{x.extent(-1)} : extents, x.dtype());
  const Shape strides{source[1] * source[2], source[2], 1};
  std::array<std::int64_t, 3> step{};
  std::int64_t first = 0;
  for (int k = 0; k < 3; ++k) {
    const std::int64_t stride = strides[nth(axis, k)];
    nth(step, k) = nth(backwards, k) ? -stride : stride;
    if (nth(backwards, k)) first += stride * (extents[k] - 1);
  }
  const std::byte* from = static_cast<const std::byte*>(x.raw());
  std::byte* to = static_cast<std::byte*>(result.raw());
  for (std::int64_t z = 0; z < extents[0]; ++z)
    for (std::int64_t y = 0; y < extents[1]; ++y) {
      std::int64_t at = first + z * step[0] + y * step[1];
      for (std::int64_t i = 0; i < extents[2]; ++i, at += step[2], to += voxel)
        std::memcpy(to, from + static_cast<std::size_t>(at) * voxel, voxel);
    }
  return result;
}

Affine Turn::operator()(const Affine& affine, const Shape& extents) const {
  Affine result = affine;
  for (std::size_t row = 0; row < 3; ++row)
    for (int k = 0; k < 3; ++k) {  // axis k of the array is column 2 - k
      const double column = affine[row][static_cast<std::size_t>(2 - nth(axis, k))];
      result[row][static_cast<std::size_t>(2 - k)] = nth(backwards, k) ? -column : column;
      if (nth(backwards, k)) result[row][3] += column * static_cast<double>(extents[nth(axis, k)] - 1);
    }
  return result;
}

}  // namespace voxgrad::data
