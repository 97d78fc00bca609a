// Says what the values of an array of labels mean: a class, the ignore label, or what a label map makes of them. Reader
// and writer both use it, so that they refuse the same files with the same words.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>

namespace voxgrad::data {

// Names the case that a message is about.
struct CaseName {
  std::int64_t index = 0;
  std::string id;
  std::string where;  // "dataset /labels of nuclei.h5"
};

// Throws Error(data): `labels: case 17 ("img_017"): value 255 outside 0..1 (dataset /labels of nuclei.h5)`.
[[noreturn]] void fail_case(const char* what, const CaseName& name, const std::string& problem,
                            const std::string& hint = {});

class LabelRule {
 public:
  using Seen = std::array<bool, 256>;  // for each value, whether it occurs

  // `ignore` is the value that says "unknown"; it stays as it is. If the map is not empty, every other value must be in
  // it. Throws Error(usage) for a map that leads to something that is no class.
  LabelRule(std::int64_t classes, int ignore, const std::map<int, int>& label_map = {});

  static Seen seen(std::span<const std::uint8_t> labels);
  static void add_seen(std::span<const std::uint8_t> labels, Seen& values);
  // Throws Error(data) if one of the values is neither a class nor the ignore label.
  void require(const Seen& values, const CaseName& name) const;
  // Replaces stored values by classes. require() must have accepted the values.
  void apply(std::span<std::uint8_t> labels) const;
  // Returns whether one of the values becomes a class other than the background.
  bool has_foreground(const Seen& values) const;
  // Returns whether the ignore label occurs among the values. It is false with a label map, which has decided then.
  bool has_ignored(const Seen& values) const;
  // Throws Error(data) for masks that hold 0 and 255 only: if 255 meant "unknown", they would have no foreground.
  [[noreturn]] void fail_without_foreground(const CaseName& name) const;

 private:
  std::int64_t classes_;
  int ignore_;
  bool mapped_;
  std::array<std::int16_t, 256> target_{};  // the class of each stored value, -1: none
};

// Checks the labels of all cases of a file, one after the other.
class LabelCheck {
 public:
  // If the file names its ignore label itself, it may hold nothing but background and that.
  LabelCheck(const LabelRule& rule, bool names_ignore_label) : rule_(rule), foreground_(names_ignore_label) {}
  void add(const LabelRule::Seen& values, const CaseName& name);
  void finish() const;

 private:
  const LabelRule& rule_;
  bool foreground_;
  std::optional<CaseName> ignored_;  // the first case in which the ignore label occurs
};

}  // namespace voxgrad::data
