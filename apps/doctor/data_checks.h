// The checks of a dataset: each asks one question about the facts of facts.h. To add one, write a function in one of
// the files data_checks_*.cpp, and a row in the table of data_checks.cpp.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "apps/doctor/facts.h"

namespace voxgrad::apps {

enum class Needs : std::uint8_t { images, labels };  // labels: nothing is asked while labels are no classes

struct DataCheck {
  const char* name;
  const char* question;
  Needs needs;
  std::vector<Finding> (*find)(const Facts& facts);  // Finding::check is filled in by the caller
};
std::span<const DataCheck> data_checks();

struct DataExamination {
  std::vector<Finding> findings;
  std::vector<std::string> checks;  // the names of those that ran
};
// Runs the checks over a dataset file. What the reader refuses is a finding of the check "reading". Throws Error(usage)
// for a label map or a loss that cannot be read, and Error(io) if there is no such file.
DataExamination examine_data(const DataQuestion& question, const std::function<void(double)>& progress);

}  // namespace voxgrad::apps
