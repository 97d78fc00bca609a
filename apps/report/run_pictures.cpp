#include "apps/report/run_pictures.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>

#include "apps/program/console.h"
#include "apps/report/picture.h"
#include "apps/training/plan.h"
#include "apps/training/run_directory.h"
#include "apps/training/validation.h"
#include "engine/error.h"
#include "engine/names.h"
#include "engine/ops.h"
#include "nn/inference/windows.h"

namespace voxgrad::apps {
namespace {

constexpr std::int64_t kLargest = 1024;        // pixels of a side
constexpr std::size_t kMostBytes = 3'300'000;  // of all pictures of a page; base64 makes a third more of them
constexpr std::array kNames{"image", "truth", "prediction"};

// A case that is shown: its index in the dataset, and its results.
struct Choice {
  std::string kind;
  std::int64_t index;
  const CaseResult* result;
  double dice;
};

std::vector<Choice> choose(const std::vector<CaseResult>& results, const std::vector<std::int64_t>& cases) {
  const std::vector<double> dice = case_means(results);
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < dice.size(); ++i)
    if (!std::isnan(dice[i])) order.push_back(i);
  if (order.empty()) order.push_back(0);  // no case has anything in it
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return dice[a] < dice[b]; });
  std::vector<Choice> choices;
  const auto add = [&](const char* kind, std::size_t place) {
    const std::size_t i = order[place];
    choices.push_back({kind, cases[i], &results[i], dice[i]});
  };
  if (order.size() == 1) {
    add("only", 0);
    return choices;
  }
  add("worst", 0);
  if (order.size() > 2) add("median", order.size() / 2);
  add("best", order.size() - 1);
  return choices;
}

// "case_7, Dice 0.81; nucleus 0.90, rare -"
std::string caption_of(const Choice& choice, const std::vector<std::string>& class_names) {
  std::string words = choice.result->id + ", Dice " + fixed(choice.dice, 3);
  if (class_names.size() < 3) return words;
  for (std::size_t label = 1; label < class_names.size(); ++label)
    words += (label == 1 ? "; " : ", ") + class_names[label] + " " +
             fixed(choice.result->classes[label][losses::metric_index("dice")], 3);
  return words;
}

// What is drawn of a case: a picture, or one slice of a volume.
struct Shown {
  Tensor image, truth, prediction;
  LabelStyle style;

  std::array<std::string, 3> pngs(std::int64_t largest) const {
    const Picture picture = draw_slice(image, 0, largest);
    std::array<std::string, 3> files;
    for (std::size_t i = 0; i < 3; ++i)
      files[i] = to_png(enlarged(picture, i == 0 ? Tensor() : i == 1 ? truth : prediction, 0, largest, style));
    return files;
  }
};

Tensor slice_of(const Tensor& volume, std::int64_t z) { return slice(volume, 0, z, z + 1).clone(); }

}  // namespace

RunPictures draw_run(const RunRecord& run, const std::vector<Colour>& colours, const data::Dataset& dataset,
                     Device device) {
  const Split split = split_of(dataset, run.config.fold);
  RunPictures pictures;
  const std::vector<std::int64_t>& all = !split.val.empty()    ? split.val
                                         : !split.test.empty() ? split.test
                                                               : split.train;
  pictures.split = !split.val.empty() ? "validation" : !split.test.empty() ? "test" : "training";
  std::vector<std::int64_t> cases;
  std::vector<std::int64_t> validated = evenly(run.config.validate_cases, std::ssize(all));
  if (split.val.empty() || validated.empty()) validated = evenly(std::ssize(all), std::ssize(all));
  const auto is_of = [&](const CaseResult& result, std::int64_t place) {
    return result.id == nth(dataset.info().case_ids, nth(all, place));
  };
  // The choice of the clean-up, or the test, has segmented the same cases with the same weights.
  const std::vector<CaseResult>& seen = split.val.empty() ? run.test : run.val;
  const bool known = !seen.empty() && std::equal(seen.begin(), seen.end(), validated.begin(), validated.end(), is_of);
  for (const std::int64_t i : evenly(known ? std::ssize(validated) : kMostPictured, std::ssize(validated)))
    cases.push_back(nth(all, nth(validated, i)));
  pictures.cases = std::ssize(all);
  pictures.looked_at = std::ssize(cases);
  const nn::Model model = nn::load_model(run.file("best.safetensors"), device);
  if (dataset.classes() != model.spec.net.classes || model.spec.class_names != run.model.class_names)
    throw Error(ErrorKind::data,
                text(model.path, ": the model has ", model.spec.net.classes, " classes (",
                     join(model.spec.class_names, ", "), "), ", dataset.info().path, " has ", dataset.classes()),
                "the files are not of one training");
  const std::vector<CaseResult> results = known ? seen : evaluate_cases(model, dataset, cases);

  std::error_code failed;
  std::filesystem::create_directories(run.file("overlays"), failed);
  if (failed) throw Error(ErrorKind::io, "cannot make " + run.file("overlays") + ": " + failed.message());
  const int ignore = dataset.info().ignore_label;
  std::vector<Shown> drawn;
  std::size_t bytes = 0;
  for (const Choice& choice : choose(results, cases)) {
    const data::Case one = dataset.read(choice.index);
    Shown& picture =
        drawn.emplace_back(Shown{one.image, one.label, nn::predict(model, one.image, {.spacing = one.spacing}),
                                 label_style(one, colours, dataset.classes(), ignore)});
    ShownCase shown{choice.kind, caption_of(choice, run.model.class_names), {}};
    if (one.label.dims() == 3) {
      const std::int64_t z = fullest_slice(one.label, ignore);
      shown.caption += text("; slice ", z + 1, " of ", one.label.extent(0));
      for (Tensor* part : {&picture.image, &picture.truth, &picture.prediction}) *part = slice_of(*part, z);
    }
    const std::uint8_t* truth = picture.truth.data<std::uint8_t>();
    pictures.ignored = pictures.ignored || std::count(truth, truth + picture.truth.numel(), ignore) > 0;
    const std::array<std::string, 3> files = picture.pngs(kLargest);
    for (std::size_t i = 0; i < 3; ++i) {
      write_text(run.file(text("overlays/", choice.kind, "_", kNames[i], ".png")), files[i]);
      shown.tiles.push_back({kNames[i], text(kNames[i], " of the ", choice.kind, " case ", shown.caption), files[i]});
      bytes += files[i].size();
    }
    pictures.shown.push_back(std::move(shown));
  }
  for (std::int64_t largest = kLargest / 2; bytes > kMostBytes; largest /= 2) {
    bytes = 0;
    for (std::size_t k = 0; k < drawn.size(); ++k) {
      const std::array<std::string, 3> files = drawn[k].pngs(largest);
      for (std::size_t i = 0; i < 3; ++i) {
        pictures.shown[k].tiles[i].png = files[i];
        bytes += files[i].size();
      }
    }
    pictures.note = text("The pictures are shown with at most ", largest,
                         " pixels a side; the files in overlays/ have up to ", kLargest, ".");
  }
  return pictures;
}

}  // namespace voxgrad::apps
