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
  Live(Console& console, std::size_t total) : console_(console), total_(total) {}
  // To be called after every run. `trained` says that it was trained now and not there before.
  void show(const Comparison& comparison, bool trained);

 private:
  std::string eta() const;
  std::string table(const Comparison& comparison) const;
  Console& console_;
  std::size_t total_, done_ = 0, trained_ = 0;
  std::size_t drawn_ = 0;  // lines of the table on the screen
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace voxgrad::apps
