#include "apps/training/sides.h"

#include <cmath>

#include "engine/shape.h"

namespace voxgrad::apps {
namespace {

constexpr std::int64_t kParts = 12, kFewestPictures = 16;
constexpr double kClearly = 2, kMuch = 0.1;

// The part in which the centre of a pixel lies, so that mirrored pixels are in mirrored parts.
std::int64_t part_of(std::int64_t place, std::int64_t extent) { return (2 * place + 1) * kParts / (2 * extent); }

}  // namespace

Sides::Sides(std::int64_t classes) : classes_(classes) {
  for (std::vector<double>& half : sums_) half.assign(static_cast<std::size_t>(classes * kParts * kParts), 0);
}

void Sides::add(const Tensor& labels, int ignore) {
  const std::int64_t height = labels.extent(0), width = labels.extent(1);
  const std::uint8_t* label = labels.data<std::uint8_t>();
  const double share = 1 / static_cast<double>(labels.numel());
  std::vector<double>& half = sums_[static_cast<std::size_t>(cases_++ % 2)];
  for (std::int64_t y = 0; y < height; ++y)
    for (std::int64_t x = 0; x < width; ++x, ++label)
      if (*label != 0 && *label != ignore && *label < classes_)
        nth(half, (*label * kParts + part_of(y, height)) * kParts + part_of(x, width)) += share;
}

std::array<bool, 2> Sides::found() const {
  if (cases_ < kFewestPictures) return {};
  const double first = 1 / static_cast<double>((cases_ + 1) / 2), second = 1 / static_cast<double>(cases_ / 2);
  double same = 0, all = 0;
  std::array<double, 2> mirrored{};
  for (std::int64_t label = 0; label < classes_; ++label)
    for (std::int64_t y = 0; y < kParts; ++y)
      for (std::int64_t x = 0; x < kParts; ++x) {
        const auto difference = [&](std::int64_t row, std::int64_t column) {
          const double a = first * nth(sums_[0], (label * kParts + y) * kParts + x),
                       b = second * nth(sums_[1], (label * kParts + row) * kParts + column);
          return (a - b) * (a - b);
        };
        same += difference(y, x);
        const std::int64_t place = (label * kParts + y) * kParts + x;
        all += std::pow(first * nth(sums_[0], place), 2) + std::pow(second * nth(sums_[1], place), 2);
        mirrored[0] += difference(kParts - 1 - y, x);
        mirrored[1] += difference(y, kParts - 1 - x);
      }
  const auto has_sides = [&](double difference) {
    return difference > kClearly * same && difference - same > kMuch * all;
  };
  return {has_sides(mirrored[0]), has_sides(mirrored[1])};
}

}  // namespace voxgrad::apps
