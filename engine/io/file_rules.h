// What files may say, where several kinds of them must agree: a dataset that is accepted must not lead to a model that
// is refused. Datasets, labels, images, models and the front end of the losses ask here.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace voxgrad {

// The distances between voxels that are believed. In millimetres they are less than an atom and a thousand kilometres.
// The coarsest axis of an image has at most kMostRatio times the finest: squares of distances then fit 32-bit numbers.
inline constexpr double kLeastSpacing = 1e-9, kMostSpacing = 1e9, kMostRatio = 1e6;
inline bool is_spacing(double step) { return step >= kLeastSpacing && step <= kMostSpacing; }  // false for NaN
// What is wrong with a spacing per axis, or with those of `samples` samples one after the other: "spacing must be ..".
// Empty if nothing is.
std::string spacing_problem(const std::vector<double>& spacing, std::int64_t axes, std::int64_t samples = 1);
// The axis of a volume whose voxels are more than three times as long as along each other one, as nnU-Net has it; -1 if
// there is none, or if there are not three spacings.
int thick_axis(const std::vector<double>& spacing);
// Throws Error(argument), "who: spacing must be ..", unless the spacing is empty or right for [samples, *axes].
void require_spacing(std::string_view who, const std::vector<double>& spacing, std::int64_t axes, std::int64_t samples);

// Whether a character in UTF-8 is one that controls a terminal, or that turns the text around it (U+202A .. U+202E and
// U+2066 .. U+2069).
bool is_control(std::string_view character);
// Whether a text is UTF-8 without such characters. Names are printed and written as JSON and HTML.
bool is_printable(std::string_view text);

// Names that must be printable and different, as those of classes.
class NameList {
 public:
  // Returns what is wrong with the next name, "1 is empty" or "0 and 1 are both "a""; nothing if it is right.
  std::string add(const std::string& name);

 private:
  std::map<std::string, std::size_t> first_;
};

}  // namespace voxgrad
