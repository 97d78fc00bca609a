#include "apps/report/slices.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "apps/report/html.h"
#include "apps/training/interval.h"
#include "apps/training/validation.h"
#include "data/attributes.h"
#include "data/exchange/output.h"
#include "engine/error.h"
#include "engine/names.h"
#include "engine/ops.h"

namespace voxgrad::apps {
namespace {

constexpr std::int64_t kTile = 320, kPhoto = 1024;  // pixels of a side of a slice and of a picture
constexpr int kTiles = 9;
constexpr Colour kAgreement{0x56, 0xB4, 0xE9}, kMissed{0xF0, 0xE4, 0x42}, kFalse{0xD5, 0x5E, 0x00};
constexpr std::uint8_t kNoMatter = 255;  // of a map of mistakes
constexpr std::int64_t kGap = 6, kPaper = 10;
constexpr double kHidden = 0.6;                 // how much of the image ignored voxels cover
constexpr double kMostStretched = 16;           // pixels of a side of a voxel whose other side has one
constexpr std::int64_t kPixelsPerBorder = 200;  // a border has a pixel for so many pixels of the picture

struct SliceExtents {
  std::int64_t slices, height, width;
  explicit SliceExtents(const Shape& shape)
      : slices(shape.dims() == 3 ? shape[0] : 1), height(shape[-2]), width(shape[-1]) {}
  // Every how manieth voxel is drawn.
  std::int64_t step(std::int64_t largest) const { return (std::max(height, width) + largest - 1) / largest; }
};

// Returns the slices that are shown.
std::vector<std::int64_t> chosen_slices(const Tensor& labels) {
  const SliceExtents extents(labels.shape());
  const std::uint8_t* values = labels.data<std::uint8_t>();
  const std::int64_t area = extents.height * extents.width;
  std::vector<std::int64_t> full, all;
  for (std::int64_t z = 0; z < extents.slices; ++z) {
    all.push_back(z);
    if (std::any_of(values + z * area, values + (z + 1) * area, [](std::uint8_t label) { return label != 0; }))
      full.push_back(z);
  }
  const std::vector<std::int64_t>& from = full.empty() ? all : full;
  std::vector<std::int64_t> result;
  for (const std::int64_t i : evenly(kTiles, std::ssize(from))) result.push_back(nth(from, i));
  return result;
}

void blend(Colour& under, const Colour& over, double share) {
  for (std::size_t c = 0; c < 3; ++c) under[c] = static_cast<std::uint8_t>((1 - share) * under[c] + share * over[c]);
}

void paste(Drawing& drawing, std::int64_t x, std::int64_t y, const Picture& tile) {
  for (std::int64_t row = 0; row < tile.height; ++row)
    for (std::int64_t column = 0; column < tile.width; ++column) {
      const std::uint8_t* rgb = tile.rgb.data() + 3 * (row * tile.width + column);
      drawing.fill(x + column, y + row, 1, 1, {rgb[0], rgb[1], rgb[2]});
    }
}

// Cuts a text, so that it is not wider than `width`.
std::string fitting(std::string words, std::int64_t width) {
  if (Drawing::text_width(words) <= width) return words;
  words.resize(std::min(words.size(), Drawing::kMostLetters));
  while (!words.empty() && Drawing::text_width(words + "..") > width) words.pop_back();
  return words + "..";
}

// The names of the classes with their colours, in as many lines as the width asks for.
class Legend {
 public:
  Legend(const std::vector<std::string>& names, std::int64_t width) : names_(names) {
    std::int64_t x = 0, y = 0;
    for (std::size_t c = 1; c < names.size(); ++c) {
      const std::int64_t needed = kBox + 6 + Drawing::text_width(names[c]) + 20;
      if (x > 0 && x + needed > width) {
        x = 0;
        y += Drawing::kTextHeight + 4;
      }
      places_.push_back({x, y});
      x += needed;
    }
    height_ = y + Drawing::kTextHeight;
  }
  std::int64_t height() const { return height_; }
  void draw(Drawing& drawing, std::int64_t left, std::int64_t top, const std::vector<Colour>& colours) const {
    for (std::size_t i = 0; i < places_.size(); ++i) {
      drawing.fill(left + places_[i].x, top + places_[i].y, kBox, kBox, colours[i + 1]);
      drawing.text(left + places_[i].x + kBox + 6, top + places_[i].y, names_[i + 1], {30, 30, 30});
    }
  }

 private:
  static constexpr std::int64_t kBox = 14;
  struct Place {
    std::int64_t x, y;
  };
  const std::vector<std::string>& names_;
  std::vector<Place> places_;
  std::int64_t height_ = 0;
};

}  // namespace

std::vector<Colour> class_colours(const nn::ModelSpec& model, const std::string& where) {
  const std::vector<std::string>& own = model.training.class_colours;
  if (std::ssize(own) == model.net.classes) return data::colours_of(join(own, ","), where);
  return data::default_colours(model.net.classes);
}

LabelStyle label_style(const data::Case& one, std::vector<Colour> colours, std::int64_t classes, int ignore) {
  if (std::ssize(colours) != classes) colours = data::default_colours(classes);
  LabelStyle style{std::move(colours), ignore, one.affine.has_value() && one.spacing.size() == 3};
  if (one.spacing.size() < 2) return style;
  const double ratio = nth(one.spacing, std::ssize(one.spacing) - 2) / one.spacing.back();
  style.tall = std::lround(std::clamp(ratio, 1.0, kMostStretched));
  style.wide = std::lround(std::clamp(1 / ratio, 1.0, kMostStretched));
  return style;
}

std::int64_t fullest_slice(const Tensor& labels, int ignore) {
  const SliceExtents extents(labels.shape());
  const std::uint8_t* values = labels.data<std::uint8_t>();
  const std::int64_t area = extents.height * extents.width;
  std::int64_t most = 0, fullest = extents.slices / 2;
  for (std::int64_t z = 0; z < extents.slices; ++z) {
    const std::int64_t found = std::count_if(values + z * area, values + (z + 1) * area,
                                             [ignore](std::uint8_t label) { return label != 0 && label != ignore; });
    if (found > most) {
      most = found;
      fullest = z;
    }
  }
  return fullest;
}

Tensor mistakes(const Tensor& truth, const Tensor& prediction, int ignore) {
  Tensor result = zeros(truth.shape(), DType::u8);
  const std::uint8_t *right = truth.data<std::uint8_t>(), *found = prediction.data<std::uint8_t>();
  std::uint8_t* map = result.data<std::uint8_t>();
  for (std::int64_t i = 0; i < truth.numel(); ++i) {
    const bool nothing = right[i] == 0 && found[i] == 0;
    map[i] = right[i] == ignore ? kNoMatter : nothing ? 0 : right[i] == found[i] ? 1 : found[i] == 0 ? 2 : 3;
  }
  return result;
}

LabelStyle style_of_mistakes(const LabelStyle& classes) {
  LabelStyle style = classes;
  style.colours = {{}, kAgreement, kMissed, kFalse};
  style.ignore = kNoMatter;
  return style;
}

std::string legend_of_mistakes() {
  return key(css_colour(kAgreement), "found as in the truth") + key(css_colour(kMissed), "missed") +
         key(css_colour(kFalse), "false, or of another class");
}

Window window_of(const Tensor& image, std::int64_t slice, std::int64_t largest) {
  const SliceExtents extents(image.shape().without(-1));
  const std::int64_t channels = image.extent(-1), shown = channels == 3 ? 3 : 1, step = extents.step(largest);
  const float* values = image.data<float>() + slice * extents.height * extents.width * channels;
  std::vector<double> all;
  for (std::int64_t y = 0; y < extents.height; y += step)
    for (std::int64_t x = 0; x < extents.width; x += step)
      for (std::int64_t c = 0; c < shown; ++c)
        all.push_back(static_cast<double>(values[(y * extents.width + x) * channels + c]));
  const auto [dark, light] = quantiles(std::move(all), 0.01, 0.99);
  return {dark, light};
}

Picture draw_slice(const Tensor& image, std::int64_t slice, std::int64_t largest, const std::optional<Window>& window) {
  const SliceExtents extents(image.shape().without(-1));
  const std::int64_t channels = image.extent(-1), shown = channels == 3 ? 3 : 1, area = extents.height * extents.width;
  const float* values = image.data<float>() + slice * area * channels;
  const std::int64_t step = extents.step(largest);
  const auto [dark, light] = window ? *window : window_of(image, slice, largest);
  Picture picture{(extents.width + step - 1) / step, (extents.height + step - 1) / step, {}};
  for (std::int64_t y = 0; y < extents.height; y += step)
    for (std::int64_t x = 0; x < extents.width; x += step) {
      const std::int64_t i = y * extents.width + x;
      for (std::int64_t c = 0; c < 3; ++c) {
        const double value = static_cast<double>(values[i * channels + (shown == 3 ? c : 0)]);
        const double share = light > dark ? std::clamp((value - dark) / (light - dark), 0.0, 1.0) : 0.5;
        picture.rgb.push_back(static_cast<std::uint8_t>(255 * share));
      }
    }
  return picture;
}

Picture enlarged(const Picture& picture, const Tensor& labels, std::int64_t slice, std::int64_t largest,
                 const LabelStyle& style) {
  const std::int64_t side = std::max(picture.width * style.wide, picture.height * style.tall),
                     scale = std::max<std::int64_t>(1, largest / side);
  const std::int64_t across = scale * style.wide, down = scale * style.tall;  // pixels of a voxel
  Picture result{picture.width * across, picture.height * down, {}};
  std::vector<std::uint8_t> drawn;  // the label of each pixel of `picture`
  if (labels.defined()) {
    const SliceExtents extents(labels.shape());
    const std::int64_t step = extents.step(largest);
    const std::uint8_t* values = labels.data<std::uint8_t>() + slice * extents.height * extents.width;
    for (std::int64_t y = 0; y < extents.height; y += step)
      for (std::int64_t x = 0; x < extents.width; x += step) drawn.push_back(values[y * extents.width + x]);
    check(std::ssize(drawn) == picture.width * picture.height, "enlarged: labels ", labels, " do not fit the picture");
  }
  const std::int64_t border = std::max<std::int64_t>(1, std::max(result.width, result.height) / kPixelsPerBorder);
  // Whether a pixel of the result has another label within the border, along its row or its column.
  const auto is_border = [&](std::int64_t x, std::int64_t y, std::uint8_t label) {
    const std::int64_t column = x / across, row = y / down;
    for (std::int64_t c = std::max<std::int64_t>(x - border, 0) / across;
         c <= std::min(x + border, result.width - 1) / across; ++c)
      if (nth(drawn, row * picture.width + c) != label) return true;
    for (std::int64_t r = std::max<std::int64_t>(y - border, 0) / down;
         r <= std::min(y + border, result.height - 1) / down; ++r)
      if (nth(drawn, r * picture.width + column) != label) return true;
    return false;
  };
  result.rgb.resize(static_cast<std::size_t>(3 * result.width * result.height));
  std::uint8_t* to = result.rgb.data();
  for (std::int64_t row = 0; row < result.height; ++row) {
    const std::int64_t y = style.upright ? result.height - 1 - row : row;
    for (std::int64_t column = 0; column < picture.width; ++column) {
      const std::int64_t pixel = y / down * picture.width + column;
      const std::uint8_t* rgb = picture.rgb.data() + 3 * pixel;
      const std::uint8_t label = drawn.empty() ? std::uint8_t{0} : nth(drawn, pixel);
      const bool outlined = label != 0 && label != style.ignore;
      Colour inside{rgb[0], rgb[1], rgb[2]}, edge{};
      if (outlined) {
        edge = nth(style.colours, label);
        blend(inside, edge, style.area);
      } else if (label == style.ignore) {
        blend(inside, kIgnored, kHidden);
      }
      for (std::int64_t x = column * across; x < (column + 1) * across; ++x, to += 3) {
        const Colour& colour = outlined && is_border(x, y, label) ? edge : inside;
        for (std::size_t c = 0; c < 3; ++c) to[c] = colour[c];
      }
    }
  }
  return result;
}

Picture draw_sheet(const std::vector<Picture>& pictures, const std::vector<std::string>& captions,
                   const std::vector<std::string>& class_names, const std::vector<Colour>& colours,
                   std::int64_t pictures_in_row) {
  std::int64_t width = 0, height = 0;
  for (const Picture& picture : pictures) {
    width = std::max(width, picture.width);
    height = std::max(height, picture.height);
  }
  const std::int64_t caption = captions.empty() ? 0 : Drawing::kTextHeight + kGap;
  const std::int64_t columns = std::min<std::int64_t>(pictures_in_row, std::ssize(pictures));
  const std::int64_t rows = (std::ssize(pictures) + columns - 1) / columns;
  const std::int64_t wide = columns * (width + kGap) - kGap, tall = rows * (height + caption + kGap) - kGap;
  const Legend legend(class_names, wide);
  Drawing drawing(wide + 2 * kPaper, tall + legend.height() + 3 * kPaper);
  for (std::int64_t i = 0; i < std::ssize(pictures); ++i) {
    const std::int64_t x = kPaper + i % columns * (width + kGap), y = kPaper + i / columns * (height + caption + kGap);
    if (!captions.empty()) drawing.text(x, y, fitting(nth(captions, i), width), {30, 30, 30});
    paste(drawing, x, y + caption, nth(pictures, i));
  }
  legend.draw(drawing, kPaper, tall + 2 * kPaper, colours);
  return drawing.picture();
}

Picture draw_found(const Tensor& image, const Tensor& labels, const std::vector<std::string>& class_names,
                   const LabelStyle& style) {
  check(image.shape().without(-1) == labels.shape(), "draw_found: image ", image, " and labels ", labels);
  const std::vector<std::int64_t> slices = chosen_slices(labels);
  const std::int64_t largest = slices.size() > 1 ? kTile : kPhoto;
  std::vector<Picture> tiles;
  for (const std::int64_t z : slices)
    tiles.push_back(enlarged(draw_slice(image, z, largest), labels, z, largest, style));
  return draw_sheet(tiles, {}, class_names, style.colours);
}

}  // namespace voxgrad::apps
