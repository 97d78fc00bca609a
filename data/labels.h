// What the values of a label array mean: classes, the ignore label, a --label-map. One place for the reader and the
// writer, so that both refuse the same files in the same words.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <span>
#include <string>

namespace voxgrad::data {

// The case a message is about.
struct Place {
  std::int64_t index = 0;
  std::string id;
  std::string where;  // "dataset /labels of nuclei.h5"
};

// `labels: case 17 ("img_017"): value 255 outside 0..1 (dataset /labels of nuclei.h5)`, thrown as Error(data).
[[noreturn]] void fail_case(const char* what, const Place& place, const std::string& problem,
                            const std::string& hint = {});

class LabelRule {
 public:
  using Seen = std::array<bool, 256>;  // which values occur

  // `ignore`: the value that says "unknown", kept as it is. With a non-empty map every value must be in it, or be the
  // ignore label. Error(usage) for a map that leads outside the classes.
  LabelRule(std::int64_t classes, int ignore, const std::map<int, int>& label_map = {});

  static Seen seen(std::span<const std::uint8_t> labels);
  // Error(data) if one of the values is no class.
  void require(const Seen& values, const Place& place) const;
  // Stored values to classes, in place. The values must have been required.
  void apply(std::span<std::uint8_t> labels) const;
  // Whether one of the values becomes a class other than the background.
  bool has_foreground(const Seen& values) const;
  // Whether the ignore label occurs, and not because a map says so.
  bool has_ignored(const Seen& values) const;
  // Error(data) for masks of {0, 255}: with 255 read as "ignore", nothing would be left of their foreground.
  [[noreturn]] void fail_without_foreground(const Place& place) const;

 private:
  std::int64_t classes_;
  int ignore_;
  bool mapped_;
  std::array<std::int16_t, 256> target_{};  // -1: no class
};

}  // namespace voxgrad::data
