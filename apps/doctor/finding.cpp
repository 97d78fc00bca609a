#include "apps/doctor/finding.h"

#include <algorithm>

#include "apps/program/words.h"
#include "engine/error.h"

namespace voxgrad::apps {

Json to_json(const std::vector<Finding>& findings) {
  Json list = Json::array();
  for (const Finding& one : findings)
    list.push_back({{"check", one.check},
                    {"failure", one.failure},
                    {"what", one.what},
                    {"where", one.where},
                    {"why", one.why},
                    {"remedy", one.remedy},
                    {"picture", one.picture}});
  return list;
}

std::string report_of(const std::vector<Finding>& findings) {
  std::string result;
  std::size_t failures = 0;
  for (const bool failure : {true, false})
    for (const Finding& one : findings) {
      if (one.failure != failure) continue;
      failures += failure ? 1 : 0;
      result += text(failure ? "failed  " : "remark  ", one.check, one.where.empty() ? "" : " (" + one.where + ")",
                     ": ", one.what, "\n        ", one.why, "\n        ", one.remedy, "\n");
      if (!one.picture.empty()) result += "        see " + one.picture + "\n";
    }
  const std::size_t remarks = findings.size() - failures;
  if (findings.empty()) return "nothing was found\n";
  return result + text(failures, " failed, ", count_text(remarks, "remark"), "\n");
}

}  // namespace voxgrad::apps
