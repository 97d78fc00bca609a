#include "apps/playground/tasks.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>

#include "engine/error.h"
#include "engine/names.h"

namespace voxgrad::playground {
namespace {

// All points that are nearer than `radius` to a line; with `half_width` those that are that near to the border of it.
struct Part {
  double x0, y0, x1, y1, radius;
  double half_width = 0;
  double brightness = 1;
  bool labelled = true;

  // Distance to the border in pixels, negative inside.
  double distance(double x, double y) const {
    const double dx = x1 - x0, dy = y1 - y0, squared = dx * dx + dy * dy;
    const double along = squared > 0 ? std::clamp(((x - x0) * dx + (y - y0) * dy) / squared, 0.0, 1.0) : 0;
    const double from_border = std::hypot(x - x0 - along * dx, y - y0 - along * dy) - radius;
    return half_width > 0 ? std::abs(from_border) - half_width : from_border;
  }
};

double angle(Random& random) { return random.uniform(0, 2 * std::numbers::pi); }

Part disc(Random& random, double radius) {
  const double margin = std::min(radius + 3, 0.4 * kSide);
  const double x = random.uniform(margin, kSide - margin), y = random.uniform(margin, kSide - margin);
  return {x, y, x, y, radius};
}

// A disc that touches none of `others`, if one is found after a few tries.
Part disc_apart(Random& random, double radius, const std::vector<Part>& others) {
  Part found = disc(random, radius);
  for (int attempt = 0; attempt < 30; ++attempt) {
    const bool apart = std::all_of(others.begin(), others.end(), [&](const Part& other) {
      return std::hypot(found.x0 - other.x0, found.y0 - other.y0) > found.radius + other.radius + 6;
    });
    if (apart) break;
    found = disc(random, radius);
  }
  return found;
}

// Makes a disc longer.
void stretch(Random& random, Part& part, double length) {
  const double direction = angle(random);
  part.x1 += length * std::cos(direction);
  part.y1 += length * std::sin(direction);
}

std::vector<Part> blobs(Random& random, double size) {
  std::vector<Part> parts;
  for (std::int64_t count = 1 + random.below(2); count > 0; --count) {
    const double radius = size * random.uniform(5, 10);
    parts.push_back(disc_apart(random, radius, parts));
    stretch(random, parts.back(), size * random.uniform(0, 8));
  }
  return parts;
}

// Rings, and discs as bright as they are, which are no objects.
std::vector<Part> rings(Random& random, double size) {
  std::vector<Part> parts;
  const std::int64_t wanted = 1 + random.below(2), discs = 1 + random.below(2);
  for (std::int64_t i = 0; i < wanted + discs; ++i) {
    parts.push_back(disc_apart(random, size * random.uniform(5, 9), parts));
    if (i < wanted)
      parts.back().half_width = size * random.uniform(1.2, 1.8);
    else
      parts.back().labelled = false;
  }
  return parts;
}

// A line that bends at random from a place on, becomes thinner, and has branches.
void grow(Random& random, double x, double y, double direction, double radius, int branches, std::vector<Part>& parts) {
  constexpr double kStep = 5, kThinner = 0.96;
  for (int i = 0; i < 14 && x > -kStep && y > -kStep && x < kSide + kStep && y < kSide + kStep; ++i) {
    direction += 0.3 * random.normal();
    const double to_x = x + kStep * std::cos(direction), to_y = y + kStep * std::sin(direction);
    parts.push_back({x, y, to_x, to_y, radius});
    x = to_x;
    y = to_y;
    radius *= kThinner;
    if (branches > 0 && i > 1 && random.chance(0.3)) {
      --branches;
      grow(random, x, y, direction + (random.chance(0.5) ? 0.9 : -0.9), 0.75 * radius, 0, parts);
    }
  }
}

std::vector<Part> vessels(Random& random, double size) {
  std::vector<Part> parts;
  for (int i = 0; i < 2; ++i) {
    const double inwards = angle(random);
    const double x = kSide * (0.5 - 0.5 * std::cos(inwards)), y = kSide * (0.5 - 0.5 * std::sin(inwards));
    grow(random, x, y, inwards, size * random.uniform(1.0, 2.0), 2, parts);
  }
  return parts;
}

// Small ones, some of them hardly brighter than the rest.
std::vector<Part> lesions(Random& random, double size) {
  std::vector<Part> parts;
  for (std::int64_t count = 1 + random.below(5); count > 0; --count) {
    const double radius = size * random.uniform(1.2, 2.6);
    parts.push_back(disc_apart(random, radius, parts));
    stretch(random, parts.back(), size * random.uniform(0, 2));
    parts.back().brightness = random.uniform(0.4, 1);
  }
  return parts;
}

struct Kind {
  std::string name;
  std::vector<Part> (*draw)(Random&, double size);
};
const std::vector<Kind>& kinds() {
  static const std::vector<Kind> all = {{"blobs", blobs}, {"rings", rings}, {"vessels", vessels}, {"lesions", lesions}};
  return all;
}

// Brightness that changes slowly over the picture.
struct Ground {
  struct Wave {
    double x, y, phase;
  };
  std::array<Wave, 4> waves;

  explicit Ground(Random random) {
    for (Wave& wave : waves) {
      const double direction = angle(random), frequency = random.uniform(0.03, 0.25);
      wave = {frequency * std::cos(direction), frequency * std::sin(direction), angle(random)};
    }
  }
  double at(double x, double y) const {
    double sum = 0;
    for (const Wave& wave : waves) sum += std::sin(wave.x * x + wave.y * y + wave.phase);
    return 0.03 * sum;
  }
};

// About normal with deviation 1: the sum of the four numbers of a block, which is faster than an exact one.
double rough_normal(std::uint64_t key, int pixel) {
  double sum = -2;
  for (const std::uint32_t bits : philox(key, static_cast<std::uint64_t>(pixel))) sum += to_unit(bits);
  return sum * std::sqrt(3.0);
}

}  // namespace

const std::vector<std::string>& task_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const Kind& kind : kinds()) all.push_back(kind.name);
    return all;
  }();
  return names;
}

void check_task(const Task& task) {
  static_cast<void>(choose("task", task.name, task_names()));
  const auto within = [](const char* what, double value, double low, double high) {
    if (!(value >= low && value <= high))
      throw Error(ErrorKind::usage, text("task: ", what, ' ', value, " is outside ", low, "..", high));
  };
  within("size", task.size, 0.5, 2);
  within("contrast", task.contrast, 0, 1);
  within("noise", task.noise, 0, 1);
  within("rim", task.rim, 0, 16);
  within("empty", task.empty, 0, 1);
}

void draw_picture(const Task& task, Random random, float* image, std::uint8_t* label) {
  Random shape = random.fork(1);
  const bool empty = shape.chance(task.empty);
  const double border = task.rim * (shape.uniform() - 0.5);
  std::vector<Part> parts = kinds()[choose("task", task.name, task_names())].draw(shape, task.size);
  if (empty) std::erase_if(parts, [](const Part& part) { return part.labelled; });
  const Ground ground(random.fork(2));
  const std::uint64_t noise = random.fork(3).key();
  // A bend of the plane, so that discs are not round and lines are not straight.
  const double bend_x = angle(shape), bend_y = angle(shape), fade = std::max(task.rim, 1.0);
  for (int pixel = 0; pixel < kPixels; ++pixel) {
    const double column = pixel % kSide, row = pixel / kSide;
    const double x = column + task.size * std::sin(0.3 * row + bend_x);
    const double y = row + task.size * std::sin(0.3 * column + bend_y);
    double nearest = std::numeric_limits<double>::infinity(), light = 0;
    for (const Part& part : parts) {
      const double distance = part.distance(x, y);
      if (part.labelled) nearest = std::min(nearest, distance);
      light = std::max(light, part.brightness * std::clamp(0.5 - distance / fade, 0.0, 1.0));
    }
    const double value = ground.at(column, row) + task.contrast * light + task.noise * rough_normal(noise, pixel);
    image[pixel] = static_cast<float>(4 * value);
    label[pixel] = nearest < border ? 1 : 0;
  }
}

}  // namespace voxgrad::playground
