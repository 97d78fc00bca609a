#include "apps/report/preview.h"

#include <optional>
#include <string>

#include "apps/report/slices.h"
#include "apps/training/validation.h"

namespace voxgrad::apps {

Picture draw_preview(const data::Dataset& dataset, const std::vector<std::int64_t>& cases) {
  constexpr std::int64_t kCases = 9, kLargest = 320;  // pixels of a side
  const data::DatasetInfo& info = dataset.info();
  std::vector<Picture> pictures;
  std::vector<std::string> captions;
  std::vector<Colour> colours;
  for (const std::int64_t i : evenly(kCases, std::ssize(cases))) {
    const data::Case one = dataset.read(nth(cases, i));
    const LabelStyle style = label_style(one, info.class_colours, dataset.classes(), info.ignore_label);
    const std::int64_t slice = one.label.defined()     ? fullest_slice(one.label, info.ignore_label)
                               : one.image.dims() == 4 ? one.image.extent(0) / 2
                                                       : 0;
    pictures.push_back(enlarged(draw_slice(one.image, slice, kLargest), one.label, slice, kLargest, style));
    captions.push_back(one.id);
    colours = style.colours;
  }
  return draw_sheet(pictures, captions, info.labelled ? info.class_names : std::vector<std::string>(), colours);
}

Picture draw_augmented(const data::Dataset& dataset, const Plan& plan) {
  constexpr std::int64_t kCases = 4, kSamples = 7, kLargest = 256;  // pixels of a side
  const data::DatasetInfo& info = dataset.info();
  std::vector<Picture> pictures;
  std::vector<std::string> captions;
  LabelStyle style;
  std::int64_t sample = 0;
  for (const std::int64_t i : evenly(kCases, std::ssize(plan.loader.cases))) {
    data::LoaderOptions options = plan.loader;
    options.cases = {nth(plan.loader.cases, i)};
    options.batch = 1;
    options.fields = nullptr;
    data::Loader changed(dataset, options);
    options.augment = {};
    data::Loader plain(dataset, options);
    data::Case first = dataset.read(options.cases[0]);
    if (plan.config.spacing != "none") first.spacing = parse_spacing(plan.config.spacing, info.dims);
    style = label_style(first, info.class_colours, dataset.classes(), info.ignore_label);
    style.area = 0;
    std::optional<Window> window;
    const auto add = [&](const data::Batch& batch, const std::string& caption) {
      const Shape patch = options.patch;
      const Tensor image = batch.images.alias(0, patch + Shape{info.channels}), label = batch.labels.alias(0, patch);
      const std::int64_t slice = patch.dims() == 3 ? patch[0] / 2 : 0;
      if (!window) window = window_of(image, slice, kLargest);
      pictures.push_back(enlarged(draw_slice(image, slice, kLargest, window), label, slice, kLargest, style));
      captions.push_back(caption);
    };
    add(plain.batch(sample), info.case_ids[static_cast<std::size_t>(options.cases[0])]);
    for (std::int64_t k = 0; k < kSamples; ++k, ++sample)
      add(changed.batch(sample), "sample " + std::to_string(sample));
  }
  return draw_sheet(pictures, captions, info.class_names, style.colours, 1 + kSamples);
}

}  // namespace voxgrad::apps
