#include "apps/report/preview.h"

#include <string>

#include "apps/report/slices.h"

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

}  // namespace voxgrad::apps
