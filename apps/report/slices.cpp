#include "apps/report/slices.h"

#include <algorithm>
#include <cmath>

#include "apps/training/interval.h"
#include "engine/error.h"

namespace voxgrad::apps {
namespace {

constexpr std::int64_t kTile = 320, kPhoto = 1024;  // pixels of a side of a slice and of a picture
constexpr int kTiles = 9, kTilesInRow = 3;
constexpr std::int64_t kGap = 6, kPaper = 10;
constexpr double kArea = 0.35, kBorder = 1;  // how much of the image the inside of a class and its border cover

struct SliceExtents {
  std::int64_t slices, height, width;
  explicit SliceExtents(const Shape& shape)
      : slices(shape.dims() == 3 ? shape[0] : 1), height(shape[-2]), width(shape[-1]) {}
};

// Returns the slices that are shown.
std::vector<std::int64_t> chosen_slices(const Tensor& labels) {
  const SliceExtents extents(labels.shape());
  const std::uint8_t* values = labels.data<std::uint8_t>();
  const std::int64_t area = extents.height * extents.width;
  std::vector<std::int64_t> full, chosen;
  for (std::int64_t z = 0; z < extents.slices; ++z)
    if (std::any_of(values + z * area, values + (z + 1) * area, [](std::uint8_t label) { return label != 0; }))
      full.push_back(z);
  for (std::int64_t z = 0; z < extents.slices && full.empty(); ++z) chosen.push_back(z);
  const std::vector<std::int64_t>& from = full.empty() ? chosen : full;
  const std::int64_t count = std::min<std::int64_t>(kTiles, std::ssize(from));
  std::vector<std::int64_t> result;
  for (std::int64_t i = 0; i < count; ++i) result.push_back(nth(from, (2 * i + 1) * std::ssize(from) / (2 * count)));
  return result;
}

// Copies a picture to a place of a drawing; `upright` begins with its last row.
void paste(Drawing& drawing, std::int64_t x, std::int64_t y, const Picture& tile, bool upright, std::int64_t scale) {
  for (std::int64_t row = 0; row < tile.height; ++row)
    for (std::int64_t column = 0; column < tile.width; ++column) {
      const std::int64_t from = upright ? tile.height - 1 - row : row;
      Colour colour{};
      std::copy_n(tile.rgb.begin() + 3 * (from * tile.width + column), 3, colour.begin());
      drawing.fill(x + column * scale, y + row * scale, scale, scale, colour);
    }
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

std::int64_t fullest_slice(const Tensor& labels) {
  const SliceExtents extents(labels.shape());
  const std::uint8_t* values = labels.data<std::uint8_t>();
  const std::int64_t area = extents.height * extents.width;
  std::int64_t most = -1, fullest = 0;
  for (std::int64_t z = 0; z < extents.slices; ++z) {
    const std::int64_t found = std::count_if(values + z * area, values + (z + 1) * area,
                                             [](std::uint8_t label) { return label != 0 && label != 255; });
    if (found > most) {
      most = found;
      fullest = z;
    }
  }
  return fullest;
}

Picture draw_slice(const Tensor& image, std::int64_t slice, std::int64_t largest, const PaintOf& over) {
  const SliceExtents extents(image.shape().without(-1));
  const std::int64_t channels = image.extent(-1), shown = channels == 3 ? 3 : 1, area = extents.height * extents.width;
  const float* values = image.data<float>() + slice * area * channels;
  std::vector<double> all;
  for (std::int64_t i = 0; i < area; ++i)
    for (std::int64_t c = 0; c < shown; ++c) all.push_back(static_cast<double>(values[i * channels + c]));
  const auto [dark, light] = quantiles(std::move(all), 0.01, 0.99);
  const std::int64_t step = (std::max(extents.height, extents.width) + largest - 1) / largest;
  Picture picture{(extents.width + step - 1) / step, (extents.height + step - 1) / step, {}};
  for (std::int64_t y = 0; y < extents.height; y += step)
    for (std::int64_t x = 0; x < extents.width; x += step) {
      const std::int64_t i = y * extents.width + x;
      const Paint paint = over ? over(slice * area + i) : Paint{};
      for (std::int64_t c = 0; c < 3; ++c) {
        const double value = static_cast<double>(values[i * channels + (shown == 3 ? c : 0)]);
        const double share = light > dark ? std::clamp((value - dark) / (light - dark), 0.0, 1.0) : 0.5;
        picture.rgb.push_back(
            static_cast<std::uint8_t>((1 - paint.share) * 255 * share + paint.share * nth(paint.colour, c)));
      }
    }
  return picture;
}

Picture draw_found(const Tensor& image, const Tensor& labels, const std::vector<std::string>& class_names,
                   const std::vector<Colour>& colours, bool upright) {
  check(image.shape().without(-1) == labels.shape(), "draw_found: image ", image, " and labels ", labels);
  const SliceExtents extents(labels.shape());
  const std::uint8_t* values = labels.data<std::uint8_t>();
  const auto paint = [&](std::int64_t voxel) -> Paint {
    const std::uint8_t label = values[voxel];
    if (label == 0) return {};
    const std::int64_t x = voxel % extents.width, y = voxel / extents.width % extents.height;
    const bool border = (x > 0 && values[voxel - 1] != label) ||
                        (x + 1 < extents.width && values[voxel + 1] != label) ||
                        (y > 0 && values[voxel - extents.width] != label) ||
                        (y + 1 < extents.height && values[voxel + extents.width] != label);
    return {nth(colours, label), border ? kBorder : kArea};
  };
  const std::vector<std::int64_t> slices = chosen_slices(labels);
  std::vector<Picture> tiles;
  for (const std::int64_t z : slices) tiles.push_back(draw_slice(image, z, slices.size() > 1 ? kTile : kPhoto, paint));
  const std::int64_t side = std::max(tiles[0].width, tiles[0].height);
  const std::int64_t scale = std::max<std::int64_t>(1, (slices.size() > 1 ? kTile : kPhoto) / side);
  const std::int64_t width = tiles[0].width * scale, height = tiles[0].height * scale;
  const std::int64_t columns = std::min<std::int64_t>(kTilesInRow, std::ssize(tiles));
  const std::int64_t rows = (std::ssize(tiles) + columns - 1) / columns;
  const std::int64_t wide = columns * (width + kGap) - kGap, tall = rows * (height + kGap) - kGap;
  const Legend legend(class_names, wide);
  Drawing drawing(wide + 2 * kPaper, tall + legend.height() + 3 * kPaper);
  for (std::size_t i = 0; i < tiles.size(); ++i) {
    const std::int64_t index = static_cast<std::int64_t>(i);
    paste(drawing, kPaper + index % columns * (width + kGap), kPaper + index / columns * (height + kGap), tiles[i],
          upright, scale);
  }
  legend.draw(drawing, kPaper, tall + 2 * kPaper, colours);
  return drawing.picture();
}

}  // namespace voxgrad::apps
