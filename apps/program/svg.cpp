#include "apps/program/svg.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "apps/program/console.h"
#include "apps/program/words.h"

namespace voxgrad::apps {
namespace {

std::string at(const char* name, double value) { return std::string(" ") + name + "=\"" + fixed(value, 1) + "\""; }

std::string element(const Mark& mark) {
  const std::string style = mark.style.empty() ? "" : " class=\"" + mark.style + "\"";
  const auto [x, y] = mark.points.empty() ? std::pair{0.0, 0.0} : mark.points.front();
  const auto [x2, y2] = mark.points.empty() ? std::pair{0.0, 0.0} : mark.points.back();
  std::string list;
  for (const auto& [px, py] : mark.points) list += fixed(px, 1) + "," + fixed(py, 1) + " ";
  switch (mark.kind) {
    case Mark::Kind::line: return "<line" + at("x1", x) + at("y1", y) + at("x2", x2) + at("y2", y2) + style + "/>\n";
    case Mark::Kind::rect:
      return "<rect" + at("x", x) + at("y", y) + at("width", x2 - x) + at("height", y2 - y) + style + "/>\n";
    case Mark::Kind::curve: return "<polyline points=\"" + list + "\"" + style + "/>\n";
    case Mark::Kind::polygon: return "<polygon points=\"" + list + "\"" + style + "/>\n";
    case Mark::Kind::dot: return "<circle" + at("cx", x) + at("cy", y) + at("r", mark.radius) + style + "/>\n";
    case Mark::Kind::begin: return "<g" + style + ">\n";
    case Mark::Kind::end: return "</g>\n";
    case Mark::Kind::text: break;
  }
  const bool cut = !mark.whole.empty() && mark.whole != mark.words;
  return "<text" + at("x", x) + at("y", y) + " text-anchor=\"" + mark.anchor + "\"" + style + ">" +
         escaped(mark.words) + (cut ? "<title>" + escaped(mark.whole) + "</title>" : "") + "</text>\n";
}

// The distance of three to five ticks: 1, 2 or 5 times a power of ten.
double tick_step(double low, double high) {
  const double raw = (high - low) / 5.5, power = std::pow(10.0, std::floor(std::log10(raw)));
  for (const double step : {1.0, 2.0, 5.0})
    if (raw <= step * power) return step * power;
  return 10 * power;
}

}  // namespace

std::string escaped(const std::string& text) {
  std::string result;
  for (const char c : shown(text)) {
    switch (c) {
      case '&': result += "&amp;"; break;
      case '<': result += "&lt;"; break;
      case '>': result += "&gt;"; break;
      case '"': result += "&quot;"; break;
      default: result += c;
    }
  }
  return result;
}

std::string shortened(const std::string& text, std::size_t letters) {
  return letter_count(text) <= letters ? text : first_letters(text, letters - 1) + "\u2026";
}

void Svg::line(double x1, double y1, double x2, double y2, const std::string& style) {
  marks_.push_back({Mark::Kind::line, style, {{x1, y1}, {x2, y2}}});
}

void Svg::rect(double x, double y, double width, double height, const std::string& style) {
  marks_.push_back({Mark::Kind::rect, style, {{x, y}, {x + width, y + height}}});
}

void Svg::curve(const std::vector<std::pair<double, double>>& points, const std::string& style) {
  marks_.push_back({Mark::Kind::curve, style, points});
}

void Svg::dot(double x, double y, double radius, const std::string& style) {
  marks_.push_back({Mark::Kind::dot, style, {{x, y}}, radius});
}

void Svg::text(double x, double y, const std::string& anchor, const std::string& words, const std::string& style,
               const std::string& whole) {
  marks_.push_back({Mark::Kind::text, style, {{x, y}}, 0, words, anchor, whole});
}

void Svg::marker(double x, double y, losses::Family family) {
  const auto polygon = [&](const std::vector<std::pair<double, double>>& offsets) {
    Mark mark{Mark::Kind::polygon, losses::name_of(family)};
    for (const auto& [dx, dy] : offsets) mark.points.emplace_back(x + dx, y + dy);
    marks_.push_back(std::move(mark));
  };
  switch (family) {
    case losses::Family::distribution: dot(x, y, 3.5, losses::name_of(family)); break;
    case losses::Family::region: polygon({{-3.2, -3.2}, {3.2, -3.2}, {3.2, 3.2}, {-3.2, 3.2}}); break;
    case losses::Family::boundary: polygon({{0, -4.2}, {4.2, 3.2}, {-4.2, 3.2}}); break;
    case losses::Family::compound: polygon({{0, -4.6}, {4.6, 0}, {0, 4.6}, {-4.6, 0}}); break;
  }
}

void Svg::begin(const std::string& style) { marks_.push_back({Mark::Kind::begin, style}); }
void Svg::end() { marks_.push_back({Mark::Kind::end, ""}); }

std::string Svg::str(const std::string& style) const {
  std::string svg = std::string("<svg") + (style.empty() ? "" : " xmlns=\"http://www.w3.org/2000/svg\"") +
                    " viewBox=\"0 0 " + fixed(width_, 0) + " " + fixed(height_, 0) + "\" width=\"" + fixed(width_, 0) +
                    "\" height=\"" + fixed(height_, 0) + "\" role=\"img\" aria-label=\"" + escaped(title_) +
                    "\">\n<title>" + escaped(title_) + "</title>\n" +
                    (style.empty() ? "" : "<style>" + style + "</style>\n");
  for (const Mark& mark : marks_) svg += element(mark);
  return svg + "</svg>\n";
}

std::vector<double> Axis::ticks() const {
  const double step = tick_step(low, high);
  std::vector<double> found;
  for (double i = std::ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; ++i) found.push_back(i * step);
  return found;
}

std::string Axis::label(double tick) const {
  const double step = tick_step(low, high);
  const int digits = std::max(0, static_cast<int>(std::ceil(-std::log10(step) - 1e-9)));
  return fixed(std::fabs(tick) < step / 1e6 ? 0 : tick, digits);
}

Axis axis_around(const std::vector<double>& values, double least, double most, double narrowest, double from,
                 double to) {
  double low = most, high = least;
  for (const double value : values) {
    if (!std::isfinite(value)) continue;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  if (low > high) low = high = least;  // nothing to show
  const double margin = std::max({0.04 * (high - low), (narrowest - (high - low)) / 2, 1e-9});
  return {std::max(least, low - margin), std::min(std::max(most, low), high + margin), from, to};
}

void move_apart(std::vector<double>& places, double room, double top, double bottom) {
  for (std::size_t i = 0; i < places.size(); ++i) places[i] = std::max(places[i], i == 0 ? top : places[i - 1] + room);
  for (std::size_t i = places.size(); i-- > 0;)
    places[i] = std::min(places[i], i + 1 == places.size() ? bottom : places[i + 1] - room);
}

void draw_horizontal_axis(Svg& svg, const Axis& axis, double top, double bottom, const std::string& meaning) {
  for (const double tick : axis.ticks()) {
    svg.line(axis(tick), top, axis(tick), bottom, "grid");
    svg.text(axis(tick), bottom + 13, "middle", axis.label(tick), "soft");
  }
  svg.text((axis.from + axis.to) / 2, bottom + 28, "middle", meaning, "soft");
}

}  // namespace voxgrad::apps
