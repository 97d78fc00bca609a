// Checks of the splits: what is in them, and what is in two of them.
#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "apps/doctor/data_checks_detail.h"
#include "apps/program/console.h"
#include "apps/program/words.h"
#include "engine/error.h"
#include "engine/names.h"

namespace voxgrad::apps {
namespace {

constexpr double kAlike = 0.999;       // correlation of the thumbnails
constexpr double kAlikeDetail = 0.95;  // correlation of what is left of them without their coarse part
constexpr double kAlikeSketch = 0.98;  // correlation of 4 x 4 (x 4) means, which is cheap
constexpr std::size_t kMostPairs = 5;  // that are named

using Values = std::vector<float>;

// Brings the values to mean 0 and length 1; all zero if they are constant.
void standardise(Values& values) {
  double mean = 0, squares = 0;
  for (const float v : values) mean += static_cast<double>(v) / static_cast<double>(values.size());
  for (float& v : values) {
    v -= static_cast<float>(mean);
    squares += static_cast<double>(v) * static_cast<double>(v);
  }
  const float scale = squares > 0 ? static_cast<float>(1 / std::sqrt(squares)) : 0;
  for (float& v : values) v *= scale;
}

double correlation(const Values& a, const Values& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return sum;
}

// A thumbnail [(16, 16,) 16] or [32, 32] made coarser: means over cubes of `side` cells.
struct Grid3 {
  std::int64_t depth, width;  // width also is the height
};
Grid3 grid_of(const Values& thumbnail) { return thumbnail.size() == 32 * 32 ? Grid3{1, 32} : Grid3{16, 16}; }

Values coarse(const Values& thumbnail, std::int64_t parts) {
  const Grid3 grid = grid_of(thumbnail);
  const std::int64_t slabs = grid.depth == 1 ? 1 : parts;
  Values means(static_cast<std::size_t>(slabs * parts * parts));
  for (std::int64_t i = 0; i < std::ssize(thumbnail); ++i) {
    const std::int64_t z = i / (grid.width * grid.width), y = i / grid.width % grid.width, x = i % grid.width;
    nth(means, ((z * slabs / grid.depth) * parts + y * parts / grid.width) * parts + x * parts / grid.width) +=
        nth(thumbnail, i);
  }
  return means;
}

// What is left of a thumbnail without the mean of its neighbourhood.
Values detail_of(const Values& thumbnail) {
  const Grid3 grid = grid_of(thumbnail);
  Values detail(thumbnail.size());
  for (std::int64_t i = 0; i < std::ssize(thumbnail); ++i) {
    const std::int64_t z = i / (grid.width * grid.width), y = i / grid.width % grid.width, x = i % grid.width;
    float sum = 0, count = 0;
    for (std::int64_t w = std::max<std::int64_t>(z - 1, 0); w <= std::min(z + 1, grid.depth - 1); ++w)
      for (std::int64_t v = std::max<std::int64_t>(y - 1, 0); v <= std::min(y + 1, grid.width - 1); ++v)
        for (std::int64_t u = std::max<std::int64_t>(x - 1, 0); u <= std::min(x + 1, grid.width - 1); ++u) {
          sum += nth(thumbnail, (w * grid.width + v) * grid.width + u);
          ++count;
        }
    nth(detail, i) = nth(thumbnail, i) - sum / count;
  }
  return detail;
}

struct Look {
  Values sketch, thumbnail, detail;
};

struct Pair {
  const CaseFacts *one, *other;
  bool equal;
};

// The first pairs are named; of many copies there are more than memory for all.
struct Pairs {
  std::vector<Pair> named;
  std::size_t all = 0, equal = 0;
  void add(const Pair& pair) {
    ++all;
    equal += pair.equal ? 1 : 0;
    if (named.size() < kMostPairs) named.push_back(pair);
  }
};

// Pairs of cases in different splits with the same image, or nearly so.
Pairs pairs_across(const Facts& facts) {
  std::vector<Look> looks;
  for (const CaseFacts& one : facts.cases) {
    Look look{coarse(one.thumbnail, 4), one.thumbnail, detail_of(one.thumbnail)};
    for (Values* values : {&look.sketch, &look.thumbnail, &look.detail}) standardise(*values);
    looks.push_back(std::move(look));
  }
  Pairs pairs;
  for (std::size_t i = 0; i < facts.cases.size(); ++i)
    for (std::size_t j = 0; j < i; ++j) {
      const CaseFacts &one = facts.cases[i], &other = facts.cases[j];
      if (one.split == other.split || one.split.empty() || other.split.empty()) continue;
      if (one.constant() || other.constant()) continue;
      const bool equal = one.image_hash == other.image_hash;
      const bool alike = !equal && correlation(looks[i].sketch, looks[j].sketch) > kAlikeSketch &&
                         correlation(looks[i].thumbnail, looks[j].thumbnail) > kAlike &&
                         correlation(looks[i].detail, looks[j].detail) > kAlikeDetail;
      if (equal || alike) pairs.add({&other, &one, equal});
    }
  return pairs;
}

std::string list_of(const Facts& facts, const Pairs& pairs, bool with_splits) {
  std::vector<std::string> words;
  for (const Pair& pair : pairs.named) {
    const auto name = [&](const CaseFacts& one) {
      return facts.name_of(one.index) + (with_splits ? " of " + one.split : "");
    };
    words.push_back(name(*pair.one) + " and " + name(*pair.other));
  }
  return join(words, "; ") + (pairs.all > kMostPairs ? text("; and ", pairs.all - kMostPairs, " more") : "");
}

}  // namespace

DataFindings check_splits(const Facts& facts) {
  if (!facts.has_splits) return {};
  DataFindings findings;
  const char* const remedy =
      "name the /splits of the file train, val and test; a file without any gets three, if it has three cases (or "
      "groups)";
  if (facts.split.train.empty())
    findings.push_back(
        finding_of(true, "there is no training case.", "split train", "nothing can be trained.", remedy));
  if (facts.split.val.empty())
    findings.push_back(finding_of(false, "there is no validation case.", "split val",
                                  "the weights of the last epoch are taken, not the best ones.", remedy));
  if (facts.split.test.empty())
    findings.push_back(finding_of(false, "there is no test case.", "split test",
                                  "nobody learns how good the network is on images that it has not seen.", remedy));
  if (facts.split.train.size() == 1)
    findings.push_back(finding_of(false, "there is a single training case.", "split train",
                                  "the network learns it by heart and little that holds for others.",
                                  "give more cases, or cut a large image into several"));
  return findings;
}

DataFindings check_training_classes(const Facts& facts) {
  if (!facts.has_splits || facts.split.train.empty() || has_no_foreground(facts)) return {};
  DataFindings findings;
  for (std::size_t c = 1; c < facts.info.class_names.size(); ++c) {
    std::map<std::string, std::int64_t> cases;
    for (const CaseFacts& one : facts.cases)
      if (one.class_voxels[c] > 0) ++cases[one.split];
    if (cases.empty()) continue;  // another check says so
    const std::string name = text("class ", c, " (\"", facts.info.class_names[c], "\")");
    if (cases["train"] == 0)
      findings.push_back(finding_of(
          true,
          text(name, " is in no training case, but in ", cases["val"], " of val and ", cases["test"], " of test."),
          "split train", "the network never learns it, and its Dice is 0.",
          "move cases that have it to the split train"));
    for (const auto& [split, members] : {std::pair{"val", &facts.split.val}, {"test", &facts.split.test}})
      if (cases["train"] > 0 && cases[split] == 0 && !members->empty())
        findings.push_back(finding_of(false, text(name, " is in no case of the split ", split, "."),
                                      text("split ", split), "nothing is known about how well it is found.",
                                      text("move cases that have it to the split ", split)));
  }
  return findings;
}

DataFindings check_leakage(const Facts& facts) {
  DataFindings findings;
  if (const std::string patients = shared_patients(facts.info, facts.split); !patients.empty())
    findings.push_back(finding_of(false, patients + ".", "",
                                  "slices of a patient are alike, so the results are better than for new patients.",
                                  "see whether the names mean patients; if they do not, nothing is wrong"));
  const Pairs pairs = pairs_across(facts);
  if (pairs.all == 0) return findings;
  findings.push_back(
      finding_of(true,
                 text(count_text(pairs.all, "pair"), " of cases in different splits, of which ", pairs.equal,
                      " have the same image and ", pairs.all - pairs.equal, " nearly the same."),
                 list_of(facts, pairs, true),
                 "what is validated or tested on was trained on, and the results are better than they will be for new "
                 "images.",
                 facts.info.splits.empty()
                     ? "leave out the copies, or give a case and its copies the same group (`voxgrad import --groups`)"
                     : "leave out the copies, or put a case and its copies into the same split"));
  return findings;
}

DataFindings check_contradictions(const Facts& facts) {
  std::map<std::uint64_t, const CaseFacts*> first;
  Pairs pairs;
  for (const CaseFacts& one : facts.cases) {
    if (one.constant()) continue;
    const auto [known, is_new] = first.emplace(one.image_hash, &one);
    if (!is_new && known->second->split == one.split && known->second->label_hash != one.label_hash)
      pairs.add({known->second, &one, true});
  }
  if (pairs.all == 0) return {};
  return {finding_of(true, text(count_text(pairs.all, "pair"), " of cases have the same image with different masks."),
                     list_of(facts, pairs, false),
                     "no prediction can be right for both, so the loss cannot become small.",
                     "keep one of the masks; if two people drew them, merge the masks or make two datasets")};
}

}  // namespace voxgrad::apps
