// The attributes of a dataset file that are texts with a meaning of their own.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "data/formats/image.h"

namespace voxgrad::data {

inline constexpr const char* kMillimetres = "mm";
inline constexpr const char* kPixels = "px";
inline constexpr int kMostMaskValue = 65535;  // masks are written with 16 bits at most

// Returns whether format 1 gives this attribute of "/" a meaning. Others are kept as they are.
bool is_own_attribute(const std::string& name);

// "0:0,255:1" and back. `where` begins the Error(data) for another text.
std::string text_of(const std::map<int, int>& label_map);
std::map<int, int> label_map_of(const std::string& text, const std::string& where);

// "#000000,#ff0000" and back.
std::string text_of(const std::vector<Colour>& colours);
std::vector<Colour> colours_of(const std::string& text, const std::string& where);

// The kind of this name, "PNG".
Kind kind_of_text(const std::string& text, const std::string& where);

}  // namespace voxgrad::data
