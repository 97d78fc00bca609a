// Splits and folds: shares, determinism, and that no group is ever split.
#include <algorithm>
#include <set>

#include "data/splits.h"
#include "tests/data/support.h"
#include "tests/test.h"

using namespace voxgrad;
using namespace voxgrad::data;
using namespace voxgrad::test;

namespace {

using Cases = std::vector<std::int64_t>;

Dataset dataset_of(const Folder& folder, const std::vector<std::string>& groups) {
  DatasetContents contents = random_contents(std::vector<Shape>(groups.size(), Shape{2, 2}), 1, 2);
  for (std::size_t i = 0; i < groups.size(); ++i) {
    contents.cases[i].group = groups[i];
    contents.cases[i].id = "case " + std::to_string(i);
  }
  write_dataset(folder.file("d.h5"), contents);
  return Dataset::open(folder.file("d.h5"));
}

DatasetInfo info_of(const std::vector<std::string>& groups, std::size_t cases) {
  DatasetInfo info;
  info.case_ids.assign(cases, "x");
  info.groups = groups;
  return info;
}

Cases count_up(std::int64_t n) {
  Cases all;
  for (std::int64_t i = 0; i < n; ++i) all.push_back(i);
  return all;
}

// Whether the parts hold every one of the cases exactly once.
bool partition(std::vector<Cases> parts, const Cases& of) {
  Cases all;
  for (const Cases& part : parts) all.insert(all.end(), part.begin(), part.end());
  std::sort(all.begin(), all.end());
  return all == of;
}

bool share_a_group(const Cases& a, const Cases& b, const std::vector<std::string>& groups) {
  std::set<std::string> of_a;
  for (const std::int64_t i : a) of_a.insert(groups[static_cast<std::size_t>(i)]);
  return std::any_of(b.begin(), b.end(),
                     [&](std::int64_t i) { return of_a.count(groups[static_cast<std::size_t>(i)]) > 0; });
}

std::vector<std::string> random_groups(std::size_t cases, std::int64_t groups, std::uint64_t seed) {
  Random random(seed);
  std::vector<std::string> result;
  for (std::size_t i = 0; i < cases; ++i) result.push_back("patient " + std::to_string(random.below(groups)));
  return result;
}

}  // namespace

TEST_CASE("splits: a file without any gets 70/15/15, always the same") {
  const Folder folder;
  const Dataset dataset = dataset_of(folder, std::vector<std::string>(40));
  const Cases train = dataset.split("train"), val = dataset.split("val"), test = dataset.split("test");
  CHECK(train.size() == 28);
  CHECK(val.size() == 6);
  CHECK(test.size() == 6);
  CHECK(partition({train, val, test}, count_up(40)));
  CHECK(train == dataset.split("train"));
  CHECK(test != Cases{34, 35, 36, 37, 38, 39});  // drawn, not the last ones
  CHECK(dataset.split("all") == count_up(40));
  CHECK(contains(error_of([&] { dataset.split("holdout"); }),
                 "split \"holdout\" is not in d\nhint: it has all, test, train, val"));
}

TEST_CASE("splits: few cases go to training first, then to the test") {
  const Folder folder;
  for (const std::size_t cases : {1u, 2u, 3u}) {
    const Dataset dataset = dataset_of(folder, std::vector<std::string>(cases));
    CHECK(dataset.split("train").size() == 1);
    CHECK(dataset.split("test").size() == (cases > 1 ? 1 : 0));
    CHECK(dataset.split("val").size() == (cases > 2 ? 1 : 0));
  }
}

TEST_CASE("splits: no group is in two of them") {
  const Folder folder;
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    const std::vector<std::string> groups = random_groups(30, 9, seed);
    const Dataset dataset = dataset_of(folder, groups);
    const Cases train = dataset.split("train"), val = dataset.split("val"), test = dataset.split("test");
    CHECK(partition({train, val, test}, count_up(30)));
    CHECK(train.size() > test.size());
    CHECK(!test.empty());
    CHECK(!share_a_group(train, val, groups));
    CHECK(!share_a_group(train, test, groups));
    CHECK(!share_a_group(val, test, groups));
  }
}

TEST_CASE("splits: from three groups on none is empty, and a group stays whole") {
  const Folder folder;
  for (const std::size_t size : {1u, 2u, 5u, 30u})
    for (std::size_t count = 1; count < 12; ++count) {
      std::vector<std::string> groups;
      for (std::size_t i = 0; i < count * size; ++i) groups.push_back("patient " + std::to_string(i / size));
      groups.insert(groups.end(), 3, "patient 0");  // one is larger than the others
      const Dataset dataset = dataset_of(folder, groups);
      const Cases train = dataset.split("train"), val = dataset.split("val"), test = dataset.split("test");
      CHECK(partition({train, val, test}, count_up(std::ssize(groups))));
      CHECK(!train.empty());
      CHECK_MESSAGE(test.empty() == (count < 2), count << " groups of " << size);
      CHECK_MESSAGE(val.empty() == (count < 3), count << " groups of " << size);
      for (const auto& [a, b] : {std::pair(train, val), std::pair(train, test), std::pair(val, test)})
        CHECK(!share_a_group(a, b, groups));
    }
}

TEST_CASE("splits: the cases of a file that has none must stay where they were in earlier versions") {
  CHECK(split_of(info_of({}, 20), "test") == Cases{12, 13, 17});
  CHECK(split_of(info_of({}, 20), "val") == Cases{1, 3, 6});
  std::vector<std::string> groups;
  for (int i = 0; i < 25; ++i) groups.push_back("patient " + std::to_string(i % 7 * i % 5));
  CHECK(split_of(info_of(groups, 25), "test") == Cases{16, 18, 22, 24});
  CHECK(split_of(info_of(groups, 25), "val") == Cases{2, 3, 11});
}

TEST_CASE("splits: the splits of the file win") {
  const Folder folder;
  DatasetContents contents = random_contents(std::vector<Shape>(4, Shape{2, 2}), 1, 2);
  contents.splits = {{"train", {3, 1}}, {"test", {0}}};
  write_dataset(folder.file("d.h5"), contents);
  const Dataset dataset = Dataset::open(folder.file("d.h5"));
  CHECK(dataset.split("train") == Cases{3, 1});
  CHECK(contains(error_of([&] { dataset.split("val"); }), "hint: it has all, test, train"));
}

TEST_CASE("folds: every case is held out once, folds are of one size, groups stay whole") {
  const Cases cases = count_up(33);
  for (const int folds : {2, 5, 33}) {
    std::vector<Cases> held_out;
    for (int fold = 0; fold < folds; ++fold) {
      const Fold found = make_fold(info_of({}, 33), cases, folds, fold, 7);
      CHECK(partition({found.train, found.val}, cases));
      CHECK(static_cast<int>(found.val.size()) >= 33 / folds);
      CHECK(static_cast<int>(found.val.size()) <= (33 + folds - 1) / folds);
      held_out.push_back(found.val);
    }
    CHECK(partition(held_out, cases));
  }
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const std::vector<std::string> groups = random_groups(33, 12, seed);
    std::vector<Cases> held_out;
    for (int fold = 0; fold < 4; ++fold) {
      const Fold found = make_fold(info_of(groups, 33), cases, 4, fold, seed);
      CHECK(!share_a_group(found.train, found.val, groups));
      held_out.push_back(found.val);
    }
    CHECK(partition(held_out, cases));
  }
}

TEST_CASE("folds: of some of the cases, in any order, by the seed") {
  const DatasetInfo info = info_of({}, 20);
  const Fold a = make_fold(info, {3, 5, 7, 11, 13, 17}, 3, 1, 1), b = make_fold(info, {17, 13, 3, 5, 7, 11}, 3, 1, 1);
  CHECK(a.val == b.val);
  CHECK(a.train == b.train);
  CHECK(partition({a.train, a.val}, {3, 5, 7, 11, 13, 17}));
  int others = 0;
  for (std::uint64_t seed = 2; seed < 12; ++seed)
    others += make_fold(info, {3, 5, 7, 11, 13, 17}, 3, 1, seed).val != a.val;
  CHECK(others > 5);
  CHECK(contains(error_of([&] {
                   make_fold(info, {1, 2}, 3, 0, 1);
                 }),
                 "folds: 3 of 2 cases\nhint: every fold needs at least one case"));
  CHECK(contains(error_of([&] { make_fold(info_of({"a", "a", "b"}, 3), {0, 1, 2}, 3, 0, 1); }), "3 of 2 groups"));
  CHECK_THROWS_AS(make_fold(info, {1, 2, 3}, 3, 3, 1), Error);
  CHECK_THROWS_AS(make_fold(info, {1, 2, 30}, 3, 0, 1), Error);
}
