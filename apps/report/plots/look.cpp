#include "apps/report/plots/look.h"

#include <algorithm>

#include "apps/report/drawing.h"
#include "engine/error.h"

namespace voxgrad::apps {
namespace {

const std::vector<Tone> kTones{
    {"paper", {0xff, 0xff, 0xff}, {0x15, 0x17, 0x1a}},   {"ink", {0x1b, 0x1d, 0x20}, {0xe9, 0xea, 0xec}},
    {"soft", {0x56, 0x5b, 0x62}, {0xa9, 0xae, 0xb5}},    {"line", {0xd5, 0xd8, 0xdc}, {0x3b, 0x40, 0x46}},
    {"panel", {0xf4, 0xf5, 0xf6}, {0x1f, 0x22, 0x26}},   {"distribution", {0x00, 0x72, 0xb2}, {0x5a, 0xb8, 0xee}},
    {"region", {0xc2, 0x4e, 0x00}, {0xff, 0x9d, 0x57}},  {"boundary", {0x00, 0x80, 0x5d}, {0x38, 0xc9, 0x9c}},
    {"compound", {0xa3, 0x41, 0x7f}, {0xe7, 0x9a, 0xcb}}};
const Tone *const kInk = &kTones[1], *const kSoft = &kTones[2], *const kLine = &kTones[3];

const std::vector<Look> kLooks{{"grid", nullptr, kLine},
                               {"leader", nullptr, kLine},
                               {"reference", nullptr, kSoft, 1, 1, 1, 4, 3},
                               {"whisker", nullptr, kSoft, 1, 1, 1.2},
                               {"box", kSoft, kSoft, 0.28, 1, 0.8},
                               {"bar", nullptr, kSoft, 1, 0.45, 6},
                               {"group", nullptr, kInk, 1, 1, 2.4},
                               {"thin", nullptr, kSoft, 1, 0.4, 1},
                               {"thick-0", nullptr, kInk, 1, 1, 2},
                               {"thick-1", nullptr, kInk, 1, 1, 2, 6, 3},
                               {"thick-2", nullptr, kInk, 1, 1, 2, 2, 3},
                               {"", kInk},
                               {"soft", kSoft},
                               {"distribution", &kTones[5]},
                               {"region", &kTones[6]},
                               {"boundary", &kTones[7]},
                               {"compound", &kTones[8]},
                               {"of-distribution", nullptr, &kTones[5], 1, 1, 1.6},
                               {"of-region", nullptr, &kTones[6], 1, 1, 1.6},
                               {"of-boundary", nullptr, &kTones[7], 1, 1, 1.6},
                               {"of-compound", nullptr, &kTones[8], 1, 1, 1.6}};

// The rules of all looks. `before` stands before every selector, and `colour` writes a tone.
template <class Colour>
std::string rules(const std::string& before, Colour&& colour) {
  std::string css;
  for (const Look& look : kLooks) {
    css += before + (look.style[0] == '\0' ? "text" : std::string(".") + look.style) + "{";
    if (look.fill) css += "fill:" + colour(*look.fill) + ";";
    if (!look.fill) css += "fill:none;";
    if (look.fill && look.fill_opacity < 1) css += text("fill-opacity:", look.fill_opacity, ";");
    if (look.stroke) css += text("stroke:", colour(*look.stroke), ";stroke-width:", look.width, ";");
    if (look.stroke && look.stroke_opacity < 1) css += text("stroke-opacity:", look.stroke_opacity, ";");
    if (look.dash > 0) css += text("stroke-dasharray:", look.dash, " ", look.gap, ";");
    css += "}\n";
  }
  return css;
}

}  // namespace

const std::vector<Tone>& tones() { return kTones; }

const Look* look_of(const std::string& style) {
  const auto found = std::find_if(kLooks.begin(), kLooks.end(), [&](const Look& look) { return look.style == style; });
  return found == kLooks.end() ? nullptr : &*found;
}

std::string look_rules() {
  return rules("svg ", [](const Tone& tone) { return std::string("var(--") + tone.name + ")"; });
}

std::string paper_style() {
  return "text{font:10.5px Helvetica,Arial,sans-serif}\n" +
         rules("", [](const Tone& tone) { return css_colour(tone.light); });
}

}  // namespace voxgrad::apps
