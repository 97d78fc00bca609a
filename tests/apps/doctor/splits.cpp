// Splits that share patients, folds that share an image, and splits with names that nobody reads.
#include "apps/doctor/data_checks.h"
#include "tests/apps/support.h"

using namespace voxgrad;
using namespace voxgrad::test;

namespace {

// 18 images without groups.
data::DatasetContents images_in(const std::map<std::string, std::vector<std::int64_t>>& splits) {
  data::DatasetContents contents = data::make_phantom("nuclei2d", {18, {96, 96}, 1});
  for (data::Case& one : contents.cases) one.group.clear();
  contents.splits = splits;
  return contents;
}

// `checks` are those that speak, "splits, leakage?", the second one with a remark.
void check_speaks(const data::DatasetContents& contents, const std::string& checks, const std::string& words) {
  const Folder folder;
  data::write_dataset(folder.file("d.h5"), contents);
  const apps::DataQuestion question{.path = folder.file("d.h5"), .label_map = "", .loss = "", .pictures = ""};
  const std::vector<apps::Finding> findings = apps::examine_data(question, [](double) {}).findings;
  std::string names;
  for (const apps::Finding& one : findings) names += (names.empty() ? "" : ", ") + one.check + (one.failure ? "" : "?");
  const std::string report = apps::report_of(findings);
  CHECK_MESSAGE(names == checks, report);
  CHECK_MESSAGE(contains(report, words), report);
}

}  // namespace

TEST_CASE("names that look like slices of a patient in several splits are a remark") {
  data::DatasetContents slices =
      images_in({{"train", {0, 1, 6, 7, 12, 13}}, {"val", {2, 3, 8, 9, 14, 15}}, {"test", {4, 5, 10, 11, 16, 17}}});
  for (std::size_t i = 0; i < slices.cases.size(); ++i) slices.cases[i].id = text("p", i / 6, "_", i % 6);
  check_speaks(slices, "leakage?", "cases of 3 patients, as p0, are in several splits");
}

TEST_CASE("an image in two folds of a file that has folds alone is found") {
  data::DatasetContents folds = images_in({{"fold_0/val", {0, 1, 2, 3, 4, 5}},
                                           {"fold_1/val", {6, 7, 8, 9, 10, 11}},
                                           {"fold_2/val", {12, 13, 14, 15, 16, 17}}});
  check_speaks(folds, "", "nothing was found");
  folds.cases[13].image = folds.cases[2].image;
  folds.cases[13].label = folds.cases[2].label;
  check_speaks(folds, "leakage", "(\"case_002\") of fold_0 and case 13 (\"case_013\") of fold_2");
}

TEST_CASE("splits with other names than train, val and test are no folds") {
  const data::DatasetContents others =
      images_in({{"training", {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}}, {"testing", {12, 13, 14, 15, 16, 17}}});
  check_speaks(others, "splits, splits?, splits?", "name the /splits of the file train, val and test");
}

TEST_CASE("of many copies all pairs are counted and a few are named") {
  data::DatasetContents folds = images_in({{"fold_0/val", {0, 1, 2, 3, 4, 5}},
                                           {"fold_1/val", {6, 7, 8, 9, 10, 11}},
                                           {"fold_2/val", {12, 13, 14, 15, 16, 17}}});
  for (const std::size_t copy : {3, 4, 5, 6, 7, 8, 9}) {
    folds.cases[copy].image = folds.cases[2].image;
    folds.cases[copy].label = folds.cases[2].label;
  }
  check_speaks(folds, "leakage", "16 pairs of cases in different splits, of which 16 have the same image and 0 nearly");
  check_speaks(folds, "leakage", "; and 11 more");
}
