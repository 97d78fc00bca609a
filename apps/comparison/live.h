// What a person sees while losses are compared: on a terminal a table that is drawn over itself, else a line per run.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>

#include "apps/comparison/results.h"
#include "apps/program/console.h"

namespace voxgrad::apps {

class Live {
 public:
  // `work` is that of all runs, in any unit: a step on a volume takes longer than one on a small picture.
  Live(Console& console, std::size_t total, double work) : console_(console), total_(total), work_(work) {}
  // To be called after every run, with its share of the work. `trained` says that it was trained now and not there
  // before.
  void show(const Comparison& comparison, bool trained, double work);

 private:
  std::string eta() const;
  std::string table(const Comparison& comparison) const;
  Console& console_;
  std::size_t total_, done_ = 0;
  double work_, done_work_ = 0, trained_work_ = 0;
  std::size_t drawn_ = 0, rows_ = 0;  // rows of the table on the screen, and those of the console after it
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace voxgrad::apps
