// Checks of intensities, channels and of the place of volumes in space.
#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "apps/doctor/data_checks_detail.h"
#include "apps/program/console.h"
#include "engine/error.h"
#include "engine/names.h"

namespace voxgrad::apps {
namespace {

constexpr std::int64_t kFewValues = 8;
constexpr double kLeftOver = 0.02;                // the share of the deviation that is left without the outliers
constexpr double kSmallest = 5, kLargest = 3000;  // mm, the extents of a volume of a body
constexpr double kMixedSpacing = 3;
constexpr double kSamePower = 1.25;  // how far two spacings may be from a power of ten to be the same in other units

double size_of_voxel(const std::vector<double>& spacing) {
  double product = 1;
  for (const double step : spacing) product *= step;
  return std::pow(product, 1.0 / static_cast<double>(spacing.size()));
}

double median_of(std::vector<double> values) {
  const auto middle = values.begin() + std::ssize(values) / 2;
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// The factor of 10 or 1000, up or down, by which the unit of a spacing seems to differ from that of the others; else 1.
double unit_factor(double spacing, double usual) {
  for (const double factor : {1e-3, 0.1, 10.0, 1e3}) {
    const double off = spacing / usual / factor;
    if (off < kSamePower && off > 1 / kSamePower) return factor;
  }
  return 1;
}

// Cases whose voxels are 1000 times as large as usual, or as small; or also those with 10 times.
std::vector<std::int64_t> cases_of_other_unit(const Facts& facts, bool also_ten = true) {
  std::vector<double> sizes;
  for (const CaseFacts& one : facts.cases) sizes.push_back(size_of_voxel(nth(facts.info.spacings, one.index)));
  const double usual = median_of(sizes);
  return cases_with(facts, [&](const CaseFacts& one) {
    const double factor = unit_factor(size_of_voxel(nth(facts.info.spacings, one.index)), usual);
    return factor == 1e-3 || factor == 1e3 || (also_ten && factor != 1);
  });
}

std::string spacing_words(const Facts& facts, std::int64_t index) {
  std::string words;
  for (const double step : nth(facts.info.spacings, index)) words += (words.empty() ? "" : " x ") + significant(step);
  return words + (facts.info.physical ? " mm" : " px");
}

}  // namespace

DataFindings check_constant_images(const Facts& facts) {
  if (looks_exchanged(facts)) return {};
  DataFindings findings;
  for (const bool masked : {true, false}) {
    const std::vector<std::int64_t> constant =
        cases_with(facts, [&](const CaseFacts& one) { return one.constant() && (one.foreground > 0) == masked; });
    if (constant.empty()) continue;
    findings.push_back(finding_of(
        masked, text("every voxel of the image has the same value", masked ? ", but its mask is not empty." : "."),
        cases_text(facts, constant),
        masked ? "the network is told to find an object where there is nothing to see."
               : "the normalisation makes zeros of it, and nothing is learned from it.",
        "read the image again, or leave the case out"));
  }
  return findings;
}

DataFindings check_few_values(const Facts& facts) {
  if (looks_exchanged(facts)) return {};
  const std::vector<std::int64_t> coarse = cases_with(facts, [](const CaseFacts& one) {
    return !one.constant() && std::all_of(one.channels.begin(), one.channels.end(),
                                          [](const ChannelFacts& channel) { return channel.distinct < kFewValues; });
  });
  if (2 * coarse.size() <= facts.cases.size()) return {};
  const CaseFacts& first = *std::find_if(facts.cases.begin(), facts.cases.end(),
                                         [&](const CaseFacts& one) { return one.index == coarse.front(); });
  const ChannelFacts& channel = first.channels.front();
  return {
      finding_of(true,
                 text("the image has only ", channel.distinct, " different values, ", significant(channel.least),
                      " to ", significant(channel.most), "."),
                 cases_text(facts, coarse),
                 "almost all that could be seen in the image was lost, as when values from 0 to 1 are stored as whole "
                 "numbers.",
                 "scale before the values are rounded, or store them as f32")};
}

DataFindings check_outliers(const Facts& facts) {
  const auto dwarfed = [](const ChannelFacts& channel) {
    return channel.distinct >= kFewValues && channel.trimmed > 0 &&  // 0: the image is nearly empty
           channel.trimmed < kLeftOver * channel.deviation;
  };
  const std::vector<std::int64_t> found = cases_with(
      facts, [&](const CaseFacts& one) { return std::any_of(one.channels.begin(), one.channels.end(), dwarfed); });
  if (found.empty()) return {};
  const CaseFacts& first = *std::find_if(facts.cases.begin(), facts.cases.end(),
                                         [&](const CaseFacts& one) { return one.index == found.front(); });
  const ChannelFacts& channel = *std::find_if(first.channels.begin(), first.channels.end(), dwarfed);
  return {finding_of(true,
                     text("a few voxels dwarf all others: the values are ", significant(channel.least), " to ",
                          significant(channel.most), ", their standard deviation is ", significant(channel.deviation),
                          ", and ", significant(channel.trimmed), " without the 0.2 % that lie farthest out."),
                     cases_text(facts, found),
                     "after the normalisation the rest of the image is one value, and the network sees nothing in it.",
                     "clip the images to sensible values, for instance to their percentiles 0.1 and 99.9")};
}

DataFindings check_channels(const Facts& facts) {
  if (facts.info.channels < 2) return {};
  DataFindings findings;
  std::map<std::pair<std::int64_t, std::int64_t>, std::size_t> equal;
  for (const CaseFacts& one : facts.cases)
    if (!one.constant())
      for (const auto& pair : one.equal_channels) ++equal[pair];
  std::vector<std::string> pairs;
  for (const auto& [pair, count] : equal)
    if (2 * count > facts.cases.size()) pairs.push_back(text(pair.first, " and ", pair.second));
  if (!pairs.empty())
    findings.push_back(finding_of(
        false, text("the channels ", join(pairs, ", "), " are equal in most cases."), "",
        "they cost memory and time and say nothing more; if they should be different images, one was read twice.",
        "store grey images with one channel, and compare the files that the channels were read from"));
  std::vector<std::string> empty;
  std::vector<std::int64_t> cases;
  for (std::int64_t c = 0; c < facts.info.channels; ++c) {
    const auto found =
        cases_with(facts, [&](const CaseFacts& one) { return !one.constant() && nth(one.channels, c).distinct == 1; });
    if (found.empty()) continue;
    empty.push_back(std::to_string(c));
    if (found.size() > cases.size()) cases = found;
  }
  if (!empty.empty())
    findings.push_back(finding_of(false, text("the channel ", join(empty, ", "), " has a single value."),
                                  cases_text(facts, cases), "the network cannot use what is not there.",
                                  "look for the file of this channel, or leave the channel out in all cases"));
  return findings;
}

DataFindings check_spacing_unit(const Facts& facts) {
  if (!facts.info.physical) return {};
  const std::vector<std::int64_t> others = cases_of_other_unit(facts);
  if (!others.empty()) {
    const std::int64_t usual = std::find_if(facts.cases.begin(), facts.cases.end(), [&](const CaseFacts& one) {
                                 return std::find(others.begin(), others.end(), one.index) == others.end();
                               })->index;
    return {finding_of(
        !cases_of_other_unit(facts, false).empty(),  // a factor of 10 may be another objective of a microscope
        text("the spacing is ", spacing_words(facts, others.front()), ", that of ", facts.name_of(usual), " is ",
             spacing_words(facts, usual), ": they differ by a power of ten, as if the units were mixed."),
        cases_text(facts, others),
        "distances, volumes and losses that measure them are wrong in these cases, and the plan takes a "
        "wrong shape of voxels.",
        "write the spacing of all cases in millimetres")};
  }
  if (facts.info.dims != 3) return {};
  std::array<double, 3> extents{};
  const std::vector<std::int64_t> odd = cases_with(facts, [&](const CaseFacts& one) {
    double most = 0;
    for (std::size_t k = 0; k < 3; ++k)
      most = std::max(most, static_cast<double>(nth(facts.info.shapes, one.index)[static_cast<int>(k)]) *
                                nth(facts.info.spacings, one.index)[k]);
    return most < kSmallest || most > kLargest;
  });
  if (odd.empty()) return {};
  for (std::size_t k = 0; k < 3; ++k)
    extents[k] = static_cast<double>(nth(facts.info.shapes, odd.front())[static_cast<int>(k)]) *
                 nth(facts.info.spacings, odd.front())[k];
  return {finding_of(false,
                     text("the volume measures ", significant(extents[0], 3), " x ", significant(extents[1], 3), " x ",
                          significant(extents[2], 3), " mm (spacing ", spacing_words(facts, odd.front()),
                          "), which is no size of a scan of a body: the unit may be wrong."),
                     cases_text(facts, odd),
                     "a training does not mind, but all distances and volumes in the results are in this unit.",
                     "millimetres are expected; for a microscope this is right, and nothing has to be done")};
}

DataFindings check_mixed_spacing(const Facts& facts) {
  if (spacing_of_training(facts) != "none") return {};
  const std::vector<std::int64_t> others = cases_of_other_unit(facts);
  DataFindings findings;
  for (std::size_t axis = 0; axis < static_cast<std::size_t>(facts.info.dims); ++axis) {
    const auto spacing = [&](std::int64_t index) { return nth(facts.info.spacings, index)[axis]; };
    std::int64_t finest = -1, coarsest = -1;
    for (const CaseFacts& one : facts.cases) {
      if (std::find(others.begin(), others.end(), one.index) != others.end()) continue;
      if (finest < 0 || spacing(one.index) < spacing(finest)) finest = one.index;
      if (coarsest < 0 || spacing(one.index) > spacing(coarsest)) coarsest = one.index;
    }
    if (finest < 0 || spacing(coarsest) <= kMixedSpacing * spacing(finest)) continue;
    const std::string name(1, "zyx"[axis + 3 - static_cast<std::size_t>(facts.info.dims)]);
    findings.push_back(finding_of(
        false,
        text("along ", name, " the spacing is ", significant(spacing(finest)), " in ", facts.name_of(finest), " and ",
             significant(spacing(coarsest)), " in ", facts.name_of(coarsest), "."),
        "",
        "a training does not resample these, so the same object is several times larger in one case than in the other.",
        "see that all spacings are millimetres, and give the training a --spacing to which all cases are resampled"));
  }
  return findings;
}

DataFindings check_orientations(const Facts& facts) {
  if (facts.info.orientations.empty()) return {};
  std::string turned;  // an orientation other than RAS
  for (const CaseFacts& one : facts.cases)
    if (const std::string& lies = nth(facts.info.orientations, one.index); !lies.empty() && lies != "RAS")
      turned = lies;
  const std::vector<std::int64_t> silent =
      cases_with(facts, [&](const CaseFacts& one) { return nth(facts.info.orientations, one.index).empty(); });
  if (silent.empty() || silent.size() == facts.cases.size()) return {};
  return {finding_of(!turned.empty(),
                     text("the case does not say how it lies (no affine), others do",
                          turned.empty() ? "." : text(" and are turned from ", turned, " to RAS.")),
                     cases_text(facts, silent),
                     "it is taken as it is stored, and may lie upside down among the others.",
                     "import these cases from files that have their orientation (NIfTI), or leave them out")};
}

}  // namespace voxgrad::apps
