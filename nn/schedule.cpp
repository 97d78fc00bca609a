#include "nn/schedule.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "engine/error.h"
#include "engine/names.h"

namespace voxgrad::nn {
namespace {

template <class T>
void expect(bool ok, const char* name, T value, const char* range) {
  if (!ok) throw Error(ErrorKind::usage, text("schedule: ", name, " is ", value, ", must be ", range));
}

}  // namespace

Schedule::Schedule(Decay decay, const ScheduleOptions& options)
    : decay_(decay), options_(options), best_(std::numeric_limits<double>::quiet_NaN()) {
  expect(options.lr > 0 && std::isfinite(options.lr), "lr", options.lr, "a number above 0");
  expect(options.warmup >= 0, "warmup", options.warmup, "0 steps or more");
  expect(options.total > options.warmup, "total", options.total, "more steps than the warm-up");
  expect(options.lowest >= 0 && options.lowest <= options.lr, "lowest", options.lowest, "between 0 and lr");
  expect(options.power > 0, "power", options.power, "above 0");
  expect(options.factor > 0 && options.factor < 1, "factor", options.factor, "in (0, 1)");
  expect(options.period >= 0, "period", options.period, "0 steps or more");
  expect(options.patience >= 0, "patience", options.patience, "0 epochs or more");
  expect(options.threshold >= 0, "threshold", options.threshold, "0 or above");
  if (options_.period == 0) options_.period = (options.total - options.warmup - 1) / 3 + 1;
}

double Schedule::rate(std::int64_t step) const {
  check(step >= 0, "schedule: step ", step, " is negative");
  const ScheduleOptions& o = options_;
  if (step < o.warmup) return o.lr * static_cast<double>(step + 1) / static_cast<double>(o.warmup);
  const std::int64_t s = std::min(step, o.total) - o.warmup;
  const double x = static_cast<double>(s) / static_cast<double>(o.total - o.warmup);
  const std::int64_t drops = s / o.period;
  double rate = o.lr;
  switch (decay_) {
    case Decay::constant: break;
    case Decay::step: rate *= std::pow(o.factor, static_cast<double>(drops)); break;
    case Decay::poly: rate *= std::pow(1 - x, o.power); break;
    case Decay::cosine: rate = o.lowest + (o.lr - o.lowest) * (1 + std::cos(std::numbers::pi * x)) / 2; break;
    case Decay::plateau: rate *= std::pow(o.factor, drops_); break;
  }
  return std::max(rate, o.lowest);
}

void Schedule::report(double metric) {
  if (decay_ != Decay::plateau) return;
  const double margin = std::isfinite(best_) ? options_.threshold * std::fabs(best_) : 0;
  const bool better = options_.maximise ? metric > best_ + margin : metric < best_ - margin;
  if (better || (std::isnan(best_) && !std::isnan(metric)))
    best_ = metric, waited_ = 0;
  else if (++waited_ > static_cast<double>(options_.patience))
    waited_ = 0, ++drops_;
}

std::vector<double> Schedule::state() const {
  if (decay_ != Decay::plateau) return {};
  return {best_, waited_, drops_};
}

void Schedule::load_state(const std::vector<double>& state) {
  const std::size_t expected = decay_ == Decay::plateau ? 3 : 0;
  const char* const hint = "resume with the schedule that the run was started with";
  if (state.size() != expected)
    throw Error(ErrorKind::model, text("schedule: a state of ", state.size(), " numbers, expected ", expected), hint);
  if (decay_ != Decay::plateau) return;
  if (!(state[1] >= 0 && state[2] >= 0))
    throw Error(ErrorKind::model,
                text("schedule: a state with the counts ", state[1], " and ", state[2], ", both must be 0 or above"),
                hint);
  best_ = state[0];
  waited_ = state[1];
  drops_ = state[2];
}

const std::vector<std::string>& schedule_names() {
  static const std::vector<std::string> names{"constant", "step", "poly", "cosine", "plateau"};
  return names;
}

Schedule make_schedule(const std::string& name, const ScheduleOptions& options) {
  const std::size_t kind = choose("schedule", name, schedule_names());
  return {static_cast<Schedule::Decay>(kind), options};
}

}  // namespace voxgrad::nn
