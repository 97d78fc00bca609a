#include "apps/doctor/data_checks.h"

#include <filesystem>

#include "apps/doctor/data_checks_detail.h"
#include "apps/program/flags.h"
#include "apps/program/words.h"
#include "apps/report/slices.h"
#include "apps/training/run_directory.h"
#include "engine/error.h"
#include "losses/core/loss.h"

namespace voxgrad::apps {
namespace {

constexpr DataCheck kDataChecks[]{
    {"label_values", "are the values of the masks classes?", Needs::images, check_label_values},
    {"exchanged", "are images and masks in each other's place?", Needs::images, check_exchanged},
    {"constant_images", "is there something in every image?", Needs::images, check_constant_images},
    {"few_values", "do images have more than a handful of grey values?", Needs::images, check_few_values},
    {"outliers", "do a few voxels dwarf all others?", Needs::images, check_outliers},
    {"channels", "does every channel say something of its own?", Needs::images, check_channels},
    {"spacing_unit", "are the volumes as large as a body, and is the unit the same?", Needs::images,
     check_spacing_unit},
    {"mixed_spacing", "are voxels about equally large in all cases, or can they be resampled?", Needs::images,
     check_mixed_spacing},
    {"orientations", "do all cases say how they lie?", Needs::images, check_orientations},
    {"splits", "are there cases to train, to validate and to test on?", Needs::images, check_splits},
    {"leakage", "is a test or validation image among those of the training?", Needs::images, check_leakage},
    {"unused_classes", "does every class occur?", Needs::labels, check_unused_classes},
    {"empty_masks", "is there any foreground?", Needs::labels, check_empty_masks},
    {"inverted_masks", "is the background outside and the foreground inside?", Needs::labels, check_inverted_masks},
    {"repeated_masks", "do different images have different masks?", Needs::labels, check_repeated_masks},
    {"displaced_masks", "do masks lie on their images, neither shifted nor flipped?", Needs::labels,
     check_displaced_masks},
    {"mixed_pairs", "does each image have its own mask?", Needs::labels, check_mixed_pairs},
    {"training_classes", "is every class in the training, and in validation and test?", Needs::labels,
     check_training_classes},
    {"contradictions", "do equal images have equal masks?", Needs::labels, check_contradictions},
    {"imbalance", "can the loss find a class this rare? (with --loss)", Needs::labels, check_imbalance},
    {"tiny_objects", "are objects larger than a few voxels?", Needs::labels, check_tiny_objects},
    {"patches", "will enough training patches show foreground?", Needs::labels, check_patches},
};

// One colour for each label, those of Okabe and Ito again and again.
Picture beside(const Picture& left, const Picture& right) {
  Picture both{left.width + right.width, std::max(left.height, right.height), {}};
  both.rgb.assign(static_cast<std::size_t>(3 * both.width * both.height), 255);
  const auto paste = [&](const Picture& part, std::int64_t x) {
    for (std::int64_t y = 0; y < part.height; ++y)
      std::copy_n(part.rgb.begin() + 3 * y * part.width, 3 * part.width, both.rgb.begin() + 3 * (y * both.width + x));
  };
  paste(left, 0);
  paste(right, left.width);
  return both;
}

std::string draw_case(const DataQuestion& question, const std::string& name, std::int64_t index, const Move& move) {
  data::DatasetOptions options;
  options.verify = false;
  options.label_map = parse_label_map(question.label_map);
  const data::Dataset dataset = data::Dataset::open(question.path, options);
  const data::Case one = dataset.read(index);
  const LabelStyle style = label_style(one, {}, 256);  // whatever values the labels have
  const auto draw = [&](const Tensor& label) {
    return draw_found(one.image, label, dataset.info().class_names, style);
  };
  const Picture as_it_is = draw(one.label);
  const Picture picture = move == Move{} ? as_it_is : beside(as_it_is, draw(moved(one.label, move)));
  const std::filesystem::path folder = question.pictures;
  std::error_code ignored;
  std::filesystem::create_directories(folder, ignored);
  const std::string path = (folder / (file_name(dataset.info().name + "." + name) + ".png")).string();
  write_text(path, to_png(picture));
  return path;
}

}  // namespace

std::span<const DataCheck> data_checks() { return kDataChecks; }

std::string cases_text(const Facts& facts, const std::vector<std::int64_t>& indices) {
  if (indices.size() == 1) return facts.name_of(indices.front());
  return text(indices.size(), " of ", facts.cases.size(), " cases, the first is ", facts.name_of(indices.front()));
}

DataExamination examine_data(const DataQuestion& question, const std::function<void(double)>& progress) {
  parse_label_map(question.label_map);
  if (!question.loss.empty()) static_cast<void>(losses::make_loss(question.loss));
  DataExamination result;
  const auto add = [&](const char* name, DataFindings found) {
    result.checks.emplace_back(name);
    for (Finding& finding : found) {
      finding.check = name;
      result.findings.push_back(std::move(finding));
    }
  };
  Facts facts;
  try {
    facts = gather_facts(question, progress);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::data) throw;
    add("reading", {finding_of(true, error.message(), question.path, "nothing can be read from this file.",
                               with_flags(error.kind(), error.hint()))});
    return result;
  }
  add("reading", facts.refusals);
  if (!question.pictures.empty())
    facts.draw = [&question](const std::string& name, std::int64_t index, const Move& move) {
      return draw_case(question, name, index, move);
    };
  for (const DataCheck& check : data_checks())
    if (!facts.cases.empty() && (check.needs == Needs::images || facts.labels)) add(check.name, check.find(facts));
  return result;
}

}  // namespace voxgrad::apps
