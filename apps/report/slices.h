// Pictures of images with labels laid over them. Of a volume they show slices along the first axis.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "apps/report/drawing.h"
#include "data/dataset.h"
#include "nn/inference/model.h"

namespace voxgrad::apps {

// The slice of labels [Z, Y, X] with most voxels that are neither background nor `ignore`, or the middle one if all
// are; 0 for labels [Y, X].
std::int64_t fullest_slice(const Tensor& labels, int ignore = 255);

// What is drawn black and what white.
struct Window {
  double dark = 0, light = 0;
};
// The 1st and the 99th percentile of what draw_slice() would draw.
Window window_of(const Tensor& image, std::int64_t slice, std::int64_t largest);

// Draws a slice of an image [*S, C] with at most `largest` pixels a side; of larger ones every second or third voxel is
// drawn. Three channels are colours; otherwise the first one is drawn in grey. The default is the image's own window.
Picture draw_slice(const Tensor& image, std::int64_t slice, std::int64_t largest,
                   const std::optional<Window>& window = {});

// How labels are shown: a colour for each class, and grey where they have the value `ignore`.
struct LabelStyle {
  std::vector<Colour> colours;
  int ignore = -1;
  // The last row of a slice is on top, as the front of the body is in the orientation RAS.
  bool upright = false;
  double area = 0.35;  // how much of the image a class covers inside its border
  // How many pixels wide and tall a voxel is at least, so that bodies keep their shape where voxels are no squares.
  std::int64_t wide = 1, tall = 1;
};
inline constexpr Colour kIgnored{128, 128, 128};
// The colours of the classes of a model: its own, or the default ones. `where` begins the Error(data) if its own are no
// colours.
std::vector<Colour> class_colours(const nn::ModelSpec& model, const std::string& where);
// The style for a case, with these colours, or with the default ones if there are not as many as classes.
LabelStyle label_style(const data::Case& one, std::vector<Colour> colours, std::int64_t classes, int ignore = -1);

// How a prediction u8 [*S] agrees with the truth u8 [*S], as labels u8 [*S]: 0 where both are background, 1 found, 2
// missed, 3 found wrongly, 255 where the truth is `ignore`.
Tensor mistakes(const Tensor& truth, const Tensor& prediction, int ignore);
// How these are shown: in the blue, yellow and vermilion of Okabe and Ito's palette, which everybody can tell apart,
// and otherwise as the classes are.
LabelStyle style_of_mistakes(const LabelStyle& classes);
// What these colours mean, as HTML.
std::string legend_of_mistakes();

// Enlarges a picture that draw_slice() made with the same `slice` and `largest` by the largest whole factor that
// `largest` allows; where voxels are no squares, one axis more than the other. The classes of `labels` u8 [*S] are laid
// over it with clear borders; undefined labels leave it as it is.
Picture enlarged(const Picture& picture, const Tensor& labels, std::int64_t slice, std::int64_t largest,
                 const LabelStyle& style);

// Puts pictures side by side with their captions, if there are any, above and the classes below.
Picture draw_sheet(const std::vector<Picture>& pictures, const std::vector<std::string>& captions,
                   const std::vector<std::string>& class_names, const std::vector<Colour>& colours,
                   std::int64_t pictures_in_row = 3);

// Draws what was found: the classes with clear borders over the image, and their names below. Of a volume at most nine
// slices are shown, evenly spread over those with a class other than the background.
Picture draw_found(const Tensor& image, const Tensor& labels, const std::vector<std::string>& class_names,
                   const LabelStyle& style);

}  // namespace voxgrad::apps
