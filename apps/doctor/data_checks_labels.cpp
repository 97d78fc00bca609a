// Checks of the values in the masks.
#include <algorithm>
#include <map>

#include "apps/doctor/data_checks_detail.h"
#include "apps/program/console.h"
#include "engine/error.h"
#include "engine/names.h"

namespace voxgrad::apps {
namespace {

// Masks are inverted if the foreground has more than kMostInside of the voxels, nearly all of them in one piece, and
// the background is no more frequent at the rim than elsewhere. If the foreground has the whole rim too, that is
// certain.
constexpr double kMostInside = 0.6, kOnePiece = 0.95, kAtTheRim = 1.2, kWholeRim = 0.95;
constexpr std::int64_t kFewestRepeated = 3;

bool any_class(const Facts& facts, std::size_t label) {
  return std::any_of(facts.cases.begin(), facts.cases.end(),
                     [&](const CaseFacts& one) { return one.class_voxels[label] > 0; });
}

// The largest number of cases with the same mask, and one of them. Masks without foreground may be equal.
std::pair<std::int64_t, const CaseFacts*> most_frequent_mask(const Facts& facts) {
  std::map<std::uint64_t, std::map<std::uint64_t, const CaseFacts*>> images;  // by mask
  for (const CaseFacts& one : facts.cases)
    if (one.foreground > 0) images[one.label_hash][one.image_hash] = &one;
  std::pair<std::int64_t, const CaseFacts*> most{0, nullptr};
  for (const auto& [mask, owners] : images)
    if (std::ssize(owners) > most.first) most = {std::ssize(owners), owners.begin()->second};
  return most;
}

}  // namespace

bool looks_exchanged(const Facts& facts) {
  if (facts.labels || !facts.info.labelled || facts.cases.empty()) return false;
  const std::int64_t few = std::min<std::int64_t>(kManyValues, std::ssize(facts.info.class_names) + 1);
  return std::all_of(facts.cases.begin(), facts.cases.end(), [&](const CaseFacts& one) {
    const bool like_a_mask = std::all_of(one.channels.begin(), one.channels.end(),
                                         [&](const ChannelFacts& channel) { return channel.distinct <= few; });
    return like_a_mask && one.label_values >= kManyValues;
  });
}

bool has_no_foreground(const Facts& facts) {
  return std::all_of(facts.cases.begin(), facts.cases.end(), [](const CaseFacts& one) { return one.foreground == 0; });
}

bool has_repeated_masks(const Facts& facts) {
  const std::int64_t count = most_frequent_mask(facts).first;
  return count >= kFewestRepeated && 2 * count > std::ssize(facts.cases);
}

DataFindings check_label_values(const Facts& facts) {
  if (!facts.info.labelled)
    return {finding_of(false, "the file has no labels.", "",
                       "it is enough to predict, but nothing can be learned from it.",
                       "give the masks too when it is imported")};
  if (facts.labels || looks_exchanged(facts)) return {};
  return {finding_of(true, facts.label_problem + ".", "",
                     "a training refuses such labels. If they were squeezed into classes, all would be background or "
                     "classes that are not there. What follows from labels was not looked at.",
                     facts.label_remedy)};
}

DataFindings check_exchanged(const Facts& facts) {
  if (!looks_exchanged(facts)) return {};
  const CaseFacts& first = facts.cases.front();
  return {
      finding_of(true,
                 text("every image has at most ", first.channels.front().distinct, " different values and every mask ",
                      first.label_values, " or so: images and masks seem to be in each other's place."),
                 facts.name_of(first.index), "the network would have to make the picture from the mask.",
                 "write the file again with the pictures as /images and the masks as /labels; for "
                 "`voxgrad import` name the folder of masks with --masks")};
}

DataFindings check_unused_classes(const Facts& facts) {
  if (has_no_foreground(facts)) return {};
  std::vector<std::string> unused;
  for (std::size_t c = 1; c < facts.info.class_names.size(); ++c)
    if (!any_class(facts, c)) unused.push_back(text(c, " (\"", facts.info.class_names[c], "\")"));
  if (unused.empty()) return {};
  return {finding_of(true, text("no case has a voxel of class ", join(unused, ", "), "."), "",
                     "the network gets an output that nothing teaches, its Dice is undefined, and if the list of names "
                     "begins at another class than the labels, all results stand under wrong names.",
                     "compare class_names with the labels: the first name is that of label 0, the background; leave "
                     "out names that do not occur")};
}

DataFindings check_empty_masks(const Facts& facts) {
  if (!has_no_foreground(facts)) return {};
  std::int64_t ignored = 0;
  for (const CaseFacts& one : facts.cases) ignored += one.ignored;
  return {finding_of(
      true,
      text("all ", facts.cases.size(), " masks are empty: no voxel is of a class other than the background",
           ignored > 0 ? text(", but ", ignored, " are ignored (label ", facts.info.ignore_label, ").") : "."),
      "", "the best answer is then \"background everywhere\", and the prediction is black.",
      ignored > 0 ? text("if ", facts.info.ignore_label,
                         " is the foreground, remove the attribute ignore_label and use --label-map 0:0,",
                         facts.info.ignore_label, ":1")
                  : "look at the masks that the file was made from: were they read, and with their values?")};
}

DataFindings check_inverted_masks(const Facts& facts) {
  if (has_no_foreground(facts)) return {};
  if (!any_class(facts, 0))
    return {finding_of(true, "no voxel of any mask is background (label 0): the foreground is everywhere.", "",
                       "label 0 is what is left when no object is there; without it a class takes its place, and "
                       "metrics leave that class out or count it wrongly.",
                       "let 0 be the background; --label-map changes the numbers, for instance 1:0,2:1")};
  double rim = 0;
  const std::vector<std::int64_t> inverted = cases_with(facts, [&](const CaseFacts& one) {
    const double voxels = static_cast<double>(one.voxels - one.ignored), inside = static_cast<double>(one.foreground);
    rim += one.rim_foreground / static_cast<double>(facts.cases.size());
    return inside > kMostInside * voxels &&
           inside<voxels&& static_cast<double>(one.largest_object[1])> kOnePiece * inside &&
           1 - one.rim_foreground < kAtTheRim * (1 - inside / voxels);
  });
  if (facts.info.class_names.size() > 2 || 2 * inverted.size() <= facts.cases.size()) return {};
  double share = 0;
  for (const CaseFacts& one : facts.cases)
    share += 100 * static_cast<double>(one.foreground) / static_cast<double>(one.voxels * std::ssize(facts.cases));
  Finding finding = finding_of(
      rim > kWholeRim,
      text("\"", facts.info.class_names[1], "\" covers ", significant(share, 3), " % of the images and ",
           significant(100 * rim, 3),
           " % of their rim in one piece, and the background lies in it: the masks seem to be "
           "inverted."),
      cases_text(facts, inverted),
      "the loss and the metrics treat what you look for as the background: Dice is high for a network that finds "
      "nothing.",
      "exchange the two classes with --label-map 0:1,1:0, or give them the names that they have");
  if (facts.draw) finding.picture = facts.draw("inverted_masks", inverted.front(), {});
  return {finding};
}

DataFindings check_repeated_masks(const Facts& facts) {
  if (!has_repeated_masks(facts)) return {};
  const auto [count, example] = most_frequent_mask(facts);
  return {finding_of(true,
                     text(count, " of ", facts.cases.size(),
                          " images have the same mask, voxel by voxel, though the images "
                          "differ."),
                     "as in " + facts.name_of(example->index),
                     "the network learns this one mask by heart and looks at no image.",
                     "look at the program that wrote the masks: a loop that stores its first mask again and again "
                     "does this")};
}

}  // namespace voxgrad::apps
