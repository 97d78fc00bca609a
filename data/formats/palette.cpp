// Palettes: indices that stand for colours.
#include <algorithm>

#include "data/formats/formats_detail.h"

namespace voxgrad::data {
namespace {

bool is_grey(const std::vector<Colour>& colours) {
  return std::all_of(colours.begin(), colours.end(), [](const Colour& c) { return c[0] == c[1] && c[1] == c[2]; });
}

}  // namespace

void apply_palette(Image& image) {
  if (image.palette.empty()) return;
  const std::int64_t channels = is_grey(image.palette) ? 1 : 3, pixels = image.values.numel();
  const Tensor result = empty(image.extents() + Shape{channels});
  for (std::int64_t i = 0; i < pixels; ++i) {
    const Colour& colour = image.palette[static_cast<std::size_t>(image.values.data<float>()[i])];
    for (std::int64_t c = 0; c < channels; ++c)
      result.data<float>()[i * channels + c] = static_cast<float>(nth(colour, c));
  }
  image.values = result;
  image.palette.clear();
}

namespace detail {

void set_palette(Image& image, std::vector<Colour> palette) {
  image.palette = std::move(palette);
  const float* values = image.values.data<float>();
  const float largest = image.palette.empty() ? 0 : *std::max_element(values, values + image.values.numel());
  if (largest < static_cast<float>(image.palette.size()) || image.palette.empty()) return;
  image.notes.push_back(text("The palette has ", image.palette.size(), " colours, but pixels have values up to ",
                             largest, ": Those without a colour are shown black."));
  image.palette.resize(static_cast<std::size_t>(largest) + 1);
}

void set_palette_or_grey(Image& image, std::vector<Colour> palette) {
  set_palette(image, std::move(palette));
  if (is_grey(image.palette)) apply_palette(image);
}

void check_palette(const Image& image) {
  if (image.palette.empty()) return;
  check(image.element == h5::Element::u8 && image.channels() == 1 && image.palette.size() <= 256,
        "write_image: a palette of ", image.palette.size(), " colours for ", image.channels(), " channels of ",
        h5::name_of(image.element));
  for_each_value<std::uint8_t>(image, [&](std::int64_t, std::uint8_t value) {
    check(value < image.palette.size(), "write_image: value ", +value, " outside the palette of ", image.palette.size(),
          " colours");
  });
}

}  // namespace detail
}  // namespace voxgrad::data
