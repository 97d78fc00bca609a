#include "data/labels.h"

#include "engine/error.h"
#include "engine/shape.h"

namespace voxgrad::data {

void fail_case(const char* what, const CaseName& name, const std::string& problem, const std::string& hint) {
  throw Error(ErrorKind::data,
              text(what, ": case ", name.index, " (\"", name.id, "\"): ", problem, " (", name.where, ")"), hint);
}

LabelRule::LabelRule(std::int64_t classes, int ignore, const std::map<int, int>& label_map)
    : classes_(classes), ignore_(ignore), mapped_(!label_map.empty()) {
  target_.fill(-1);
  if (!mapped_)
    for (std::int64_t c = 0; c < classes; ++c) nth(target_, c) = static_cast<std::int16_t>(c);
  if (ignore >= 0) nth(target_, ignore) = static_cast<std::int16_t>(ignore);
  for (const auto& [from, to] : label_map) {
    if (from < 0 || from > 255 || ((to < 0 || to >= classes) && to != ignore))
      throw Error(ErrorKind::usage, text("label map ", from, ":", to, ": leads from 0..255 to a class 0..", classes - 1,
                                         " or the ignore label ", ignore));
    nth(target_, from) = static_cast<std::int16_t>(to);
  }
}

LabelRule::Seen LabelRule::seen(std::span<const std::uint8_t> labels) {
  Seen values{};
  add_seen(labels, values);
  return values;
}

void LabelRule::add_seen(std::span<const std::uint8_t> labels, Seen& values) {
  for (const std::uint8_t label : labels) values[label] = true;
}

void LabelRule::require(const Seen& values, const CaseName& name) const {
  int unknown = 0, bad = -1;  // how many of the values are no class, and the largest of them
  for (int value = 0; value < 256; ++value) {
    if (!nth(values, value) || nth(target_, value) >= 0) continue;
    ++unknown;
    bad = value;
  }
  if (bad < 0) return;
  if (mapped_)
    fail_case("labels", name, text("value ", bad, " is not in the label map"), text("add ", bad, ":CLASS to it"));
  std::string hint = "give every class a name in class_names, or use the label map OLD:NEW,..";
  if (classes_ == 2 && unknown == 1 && !values[1]) hint = text("use the label map 0:0,", bad, ":1");
  fail_case("labels", name, text("value ", bad, " outside 0..", classes_ - 1), hint);
}

void LabelRule::apply(std::span<std::uint8_t> labels) const {
  if (!mapped_) return;
  std::array<std::uint8_t, 256> table{};
  for (std::size_t i = 0; i < table.size(); ++i) table[i] = static_cast<std::uint8_t>(target_[i]);
  for (std::uint8_t& label : labels) label = table[label];
}

bool LabelRule::has_foreground(const Seen& values) const {
  for (std::size_t i = 0; i < values.size(); ++i)
    if (values[i] && target_[i] > 0 && target_[i] != ignore_) return true;
  return false;
}

bool LabelRule::has_ignored(const Seen& values) const { return !mapped_ && ignore_ >= 0 && nth(values, ignore_); }

void LabelCheck::add(const LabelRule::Seen& values, const CaseName& name) {
  rule_.require(values, name);
  foreground_ = foreground_ || rule_.has_foreground(values);
  if (!ignored_ && rule_.has_ignored(values)) ignored_ = name;
}

void LabelCheck::finish() const {
  if (!foreground_ && ignored_) rule_.fail_without_foreground(*ignored_);
}

void LabelRule::fail_without_foreground(const CaseName& name) const {
  fail_case("labels", name, text("value ", ignore_, " outside 0..", classes_ - 1),
            text("use the label map 0:0,", ignore_, ":1 if ", ignore_,
                 " is the foreground; no label of this file is a class other than the background"));
}

}  // namespace voxgrad::data
