// The rules of format 1 that hold for what is read and for what is written. Internal to this folder.
#pragma once

#include <string>
#include <vector>

#include "data/dataset.h"
#include "data/labels.h"
#include "engine/io/file_rules.h"

namespace voxgrad::data {

// A list of names that must be printable and different. Throws Error(data) whose message begins with `where`.
class Names {
 public:
  Names(const char* what, std::string where) : what_(what), where_(std::move(where)) {}
  void add(const std::string& name);

 private:
  const char* what_;
  std::string where_;
  NameList list_;
};

// Check class names, ignore label, colours and the label map of the source; the spacing and the affine of one case; all
// of it with case ids, groups and splits. They throw Error(data) whose message begins with `where`.
void require_classes(const DatasetInfo& info, const std::string& where);
void require_space(const CaseName& name, int dims, const std::vector<double>& spacing,
                   const std::optional<Affine>& affine);
void require_consistent(const DatasetInfo& info, const std::string& where);

}  // namespace voxgrad::data
