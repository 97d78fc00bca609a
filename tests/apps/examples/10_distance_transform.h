// Solution: engine/cpu/distance.cpp: void envelope(
// Solution: engine/cpu/distance.cpp: void measure_row(
#pragma once

#include <ctime>
#include <limits>

#include "apps/examples/exercises/10_distance_transform.h"
#include "engine/random.h"
#include "tests/apps/examples/report.h"

namespace voxgrad::learn::hole10 {

struct Answer {
  decltype(&my_line) line = my_line;
  decltype(&my_distance) distance = my_distance;
};

// The definition.
inline std::vector<double> slow_line(const std::vector<double>& f, double s) {
  std::vector<double> d(f.size(), std::numeric_limits<double>::infinity());
  for (std::size_t i = 0; i < f.size(); ++i)
    for (std::size_t j = 0; j < f.size(); ++j) {
      const double step = s * (static_cast<double>(i) - static_cast<double>(j));
      d[i] = std::min(d[i], f[j] + step * step);
    }
  return d;
}

inline void check(Report& report, const Answer& answer = {}) {
  report.part("my_line", [&] {
    const double none = std::numeric_limits<double>::infinity();
    std::vector<std::vector<double>> lines{
        {0}, {none}, {none, none, none}, {none, 0, none, none, 7, none}, {4, 0, 9, 0, 0, 25}};
    for (std::uint64_t k = 0; k < 20; ++k) {
      Random random(k);
      lines.emplace_back(30);
      for (double& number : lines.back()) number = random.chance(0.3) ? none : static_cast<double>(random.below(200));
    }
    for (const std::vector<double>& f : lines)
      for (const double s : {1.0, 0.5, 3.0}) {
        const std::string what = text("a line of ", f.size(), ", s ", s);
        const std::vector<double> d = answer.line(f, s);
        expect(d.size() == f.size(), what, ": the result has ", d.size(), " elements");
        const Shape shape{std::ssize(f)};
        same(what, from_vector<double>(shape, d), from_vector<double>(shape, slow_line(f, s)));
      }
    // Processor time, because other programs may run at the same time.
    const std::vector<double> f = numbers({20000}, 1).to_vector<double>();
    const std::clock_t start = std::clock();
    const auto length = answer.line(f, 1).size();
    const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
    expect(length == f.size() && seconds < 0.1, "a line of 20000 took ", seconds,
           " s; 2 n steps take a few milliseconds, n^2 take more than a tenth of a second");
  });
  report.part("my_distance", [&] {
    const auto compare = [&](const std::string& what, const Tensor& mask, double row, double column) {
      const Tensor one = reshape(mask, Shape{1} + mask.shape());
      const Tensor both = distance_transform(one, {1}, {row, column}, DType::f64);
      same(text(what, ", distances ", row, " and ", column), answer.distance(mask, row, column),
           reshape(both, mask.shape()) * mask.to(DType::f64));
    };
    Tensor dots = full({20, 30}, 1, DType::u8);
    for (const auto& [v, u] : {std::pair{3, 4}, {15, 8}, {10, 25}}) dots.set({v, u}, 0);
    for (const auto& [row, column] : {std::pair{1.0, 1.0}, {3.0, 1.0}, {0.5, 2.0}}) {
      compare("three pixels outside of [20, 30]", dots, row, column);
      compare("random mask [12, 9]", argmax(numbers({12, 9, 2}, 1)), row, column);
    }
    compare("one row [1, 7]", reshape(tensor({1, 1, 0, 1, 1, 1, 1}, DType::u8), {1, 7}), 1, 2);
    compare("no object [4, 5]", zeros({4, 5}, DType::u8), 1, 1);
    compare("nothing outside [4, 5]", full({4, 5}, 1, DType::u8), 1, 1);
  });
}

}  // namespace voxgrad::learn::hole10
