#include "apps/live/recorder.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "apps/live/state.h"
#include "apps/program/console.h"
#include "engine/error.h"
#include "engine/ops.h"

namespace voxgrad::apps {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostPoints = 400, kMostMessages = 50, kMostCases = 24;
constexpr std::int64_t kLargest = 256;  // pixels of a side
constexpr std::chrono::seconds kPause{1}, kPauseOfPictures{2};

// Readers see the whole file or the one before. It is not forced to the disk, which would take the time of a step.
void replace_file(const std::string& path, const std::string& bytes) {
  std::ofstream(path + ".new", std::ios::binary) << bytes;
  std::error_code failed;
  if (fs::file_size(path + ".new", failed) != bytes.size()) failed = std::make_error_code(std::errc::io_error);
  if (!failed) fs::rename(path + ".new", path, failed);
  if (failed) throw Error(ErrorKind::io, "cannot write " + path + ": " + failed.message());
}

std::string caption_of(const CaseResult& result, double dice, const std::vector<std::string>& class_names) {
  std::string words = result.id + ": Dice " + fixed(dice, 3);
  for (std::size_t label = 1; label < class_names.size() && class_names.size() > 2; ++label)
    words += (label == 1 ? " (" : ", ") + class_names[label] + " " +
             fixed(result.classes[label][losses::metric_index("dice")], 3);
  return words + (class_names.size() > 2 ? ")" : "");
}

Tensor slice_of(const Tensor& volume, std::int64_t z) { return slice(volume, 0, z, z + 1).clone(); }

std::vector<Picture> pictures_of(const data::Case& one, const Tensor& labels, const LabelStyle& style) {
  Tensor image = one.image, truth = one.label, found = labels;
  if (truth.dims() == 3) {
    const std::int64_t z = fullest_slice(truth, style.ignore);
    for (Tensor* part : {&image, &truth, &found}) *part = slice_of(*part, z);
  }
  const Picture plain = draw_slice(image, 0, kLargest);
  return {enlarged(plain, {}, 0, kLargest, style), enlarged(plain, truth, 0, kLargest, style),
          enlarged(plain, found, 0, kLargest, style),
          enlarged(plain, mistakes(truth, found, style.ignore), 0, kLargest, style_of_mistakes(style))};
}

void keep_last(Json& list, const std::string& words) {
  list.push_back(words);
  if (list.size() > kMostMessages) list.erase(list.begin());
}

}  // namespace

void LossCurve::add(std::int64_t step, double loss) {
  if (!std::isfinite(loss)) return;
  if (step < next_) {  // a rollback: these steps come again
    std::erase_if(points_, [step](const auto& point) { return point.first > step; });
    sum_ = 0;
    count_ = 0;
  }
  next_ = step + 1;
  sum_ += loss;
  if (++count_ < width_) return;
  points_.emplace_back(step + 1, sum_ / static_cast<double>(count_));
  sum_ = 0;
  count_ = 0;
  if (points_.size() < kMostPoints) return;
  for (std::size_t i = 0; i < points_.size() / 2; ++i)
    points_[i] = {points_[2 * i + 1].first, (points_[2 * i].second + points_[2 * i + 1].second) / 2};
  points_.resize(points_.size() / 2);
  width_ *= 2;
}

Json LossCurve::json() const {
  Json list = Json::array();
  for (const auto& [step, loss] : points_) list.push_back({step, loss});
  return list;
}

LiveRecorder::LiveRecorder(Observer& next, const std::string& directory, const Plan& plan, int ignore_label)
    : next_(next),
      folder_(directory + "/live"),
      ignore_(ignore_label),
      colours_(class_colours(plan.model, plan.config.data)) {
  state_ = {{"steps", plan.steps},
            {"epochs", plan.epoch_of(plan.steps)},
            {"messages", Json::array()},
            {"warnings", Json::array()}};
  for (const Colour& colour : colours_) state_["colours"].push_back(css_colour(colour));
  attempt([&] {
    fs::create_directories(folder_);
    write();
  });
}

template <class F>
void LiveRecorder::attempt(F&& write) {
  if (broken_) return;
  std::string failure;
  try {
    write();
  } catch (const Error& error) {
    failure = error.message();
  } catch (const fs::filesystem_error& error) {
    failure = error.what();
  }
  if (failure.empty()) return;
  broken_ = true;
  next_.on_warning("the live page stands still: " + failure + "; training goes on");
}

void LiveRecorder::write() {
  written_ = Clock::now();
  state_["time"] = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  state_["seconds"] = std::chrono::duration<double>(written_ - start_).count();
  state_["memory"] = peak_memory_bytes();
  state_["loss"] = loss_.json();
  replace_file(folder_ + "/state.json", dumped(state_));
}

void LiveRecorder::on_step(const StepReport& report, const Plan& plan) {
  next_.on_step(report, plan);
  speed_.see(report.step);
  loss_.add(report.step, report.loss);
  if (Clock::now() - written_ < kPause) return;
  state_["step"] = report.step + 1;
  state_["lr"] = number(report.lr);
  state_["rate"] = number(speed_(report.step + 1));
  attempt([&] { write(); });
}

void LiveRecorder::on_case(const data::Case& one, const Tensor& labels, const CaseResult& result, const Plan& plan) {
  next_.on_case(one, labels, result, plan);
  if (broken_) return;
  const bool chosen = std::find(shown_.begin(), shown_.end(), one.id) != shown_.end();
  const bool first = shown_.empty() && seen_.size() < kMostCases;
  const double dice = case_means({result}).front();
  if (first || (chosen && Clock::now() - drawn_ >= kPauseOfPictures))
    seen_.push_back({"", one.id, caption_of(result, dice, plan.model.class_names), dice,
                     pictures_of(one, labels, label_style(one, colours_, plan.model.net.classes, ignore_))});
}

// Keeps the worst, the median and the best case of the first validation.
void LiveRecorder::choose() {
  std::stable_sort(seen_.begin(), seen_.end(), [](const Shown& a, const Shown& b) {
    return !std::isnan(a.dice) && (std::isnan(b.dice) || a.dice < b.dice);
  });
  const auto defined = static_cast<std::size_t>(
      std::count_if(seen_.begin(), seen_.end(), [](const Shown& one) { return !std::isnan(one.dice); }));
  const std::size_t last = std::max<std::size_t>(1, defined) - 1;
  for (const std::size_t i : {std::size_t{0}, (last + 1) / 2, last})
    if (std::find(shown_.begin(), shown_.end(), seen_[i].id) == shown_.end()) shown_.push_back(seen_[i].id);
}

void LiveRecorder::write_pictures(std::int64_t step) {
  std::vector<const Shown*> cases;
  for (const std::string& id : shown_) {
    const auto one = std::find_if(seen_.begin(), seen_.end(), [&](const Shown& other) { return other.id == id; });
    if (one == seen_.end()) return;  // this validation did not draw it, so all files stay as their captions say
    cases.push_back(&*one);
  }
  Json captions = Json::array();
  for (std::size_t shown = 0; shown < cases.size(); ++shown) {
    for (std::size_t i = 0; i < kPictureNames.size(); ++i)
      replace_file(folder_ + "/" + live_picture(shown, i), to_png(cases[shown]->pictures[i]));
    captions.push_back(cases[shown]->caption);
  }
  state_["pictures"] = {{"step", step}, {"cases", captions}};
  drawn_ = Clock::now();
}

void LiveRecorder::on_epoch(const EpochRecord& record, const Plan& plan) {
  state_["step"] = record.step;
  state_["rate"] = number(speed_(record.step));
  if (!std::isnan(record.lr)) state_["lr"] = number(record.lr);
  attempt([&] {
    if (shown_.empty() && !seen_.empty()) choose();
    if (!seen_.empty()) write_pictures(record.step);
    write();
  });
  seen_.clear();
  next_.on_epoch(record, plan);
}

void LiveRecorder::on_message(const std::string& message) {
  keep_last(state_["messages"], message);
  next_.on_message(message);
}

void LiveRecorder::on_warning(const std::string& warning) {
  keep_last(state_["warnings"], warning);
  next_.on_warning(warning);
}

}  // namespace voxgrad::apps
