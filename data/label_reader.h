// Reads the labels of all cases of a file as classes. Datasets and files of labels both come here, so that they refuse
// the same values in the same words. Internal to this folder.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "data/format.h"
#include "data/labels.h"

namespace voxgrad::data {

class LabelReader {
 public:
  struct Source {
    std::vector<std::string> ids;
    std::function<Box(std::int64_t)> box;  // where the labels of a case are
    bool stacked = true;                   // whether one array with one checksum has all of them
    bool names_ignore_label = false;       // whether the file itself says which label means "unknown"
  };
  LabelReader(Source source, const LabelRule& rule) : source_(std::move(source)), rule_(rule) {}

  // Reads all labels in one pass and in bounded memory. Throws Error(data) that names the case and the value for the
  // first that the rule refuses, and for a wrong checksum.
  void verify() const;
  // Returns which values occur, as they are stored, in all cases.
  LabelRule::Seen values() const;
  // Returns the labels of one case as classes, u8 [*S] in the order in which they are stored. Throws as verify() does.
  // Several threads may call it. With `verified` nothing is asked of the other cases.
  Tensor read(std::int64_t index, bool verified) const;

 private:
  CaseName name(std::int64_t index, const Box& box) const {
    return {index, nth(source_.ids, index), box.array.where()};
  }
  void require_foreground(const CaseName& ignored) const;

  Source source_;
  LabelRule rule_;
  mutable std::mutex mutex_;
  mutable bool foreground_known_ = false;
};

}  // namespace voxgrad::data
