#include "apps/report/paper/pdf.h"

#include <cmath>
#include <vector>

#include "apps/program/console.h"
#include "apps/report/paper/latin.h"
#include "apps/report/plots/look.h"
#include "engine/error.h"

namespace voxgrad::apps {
namespace {

constexpr double kLetters = 10.5;   // points
constexpr double kCircle = 0.5523;  // of the radius, for four Bezier curves that make a circle

// In thousandths of the size, from the space to the tilde; other letters of Latin-1 are about as wide as an e.
constexpr int kWidths[]{278,  278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278,  // space .. /
                        556,  556, 556, 556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556,  // 0 .. ?
                        1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833, 722, 778,  // @ .. O
                        667,  778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556,  // P .. _
                        333,  556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556,  // ` .. o
                        556,  556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584};      // p .. ~
constexpr char kEllipsis = static_cast<char>(0x85);  // in the encoding of Windows, which PDF knows

// The bytes of a text in that encoding.
std::string encoded(const std::string& words) {
  std::string bytes;
  for (const char32_t letter : letters_of(words)) {
    const bool known = (letter >= 32 && letter < 127) || (letter >= 160 && letter < 256);
    bytes += letter == 0x2026 ? kEllipsis : known ? static_cast<char>(letter) : '?';
  }
  return bytes;
}

class Page {
 public:
  explicit Page(double height) : height_(height) {}

  void draw(const Mark& mark) {
    const Look* look = look_of(mark.style);
    if (look == nullptr) return;
    if (mark.kind == Mark::Kind::text) return write(mark, *look);
    if (look->fill != nullptr) set_colour(*look->fill, look->fill_opacity, "rg");
    if (look->stroke != nullptr) {
      set_colour(*look->stroke, look->stroke_opacity, "RG");
      add({look->width}, "w");
      content_ += look->dash > 0 ? "[" + number(look->dash) + number(look->gap) + "] 0 d\n" : std::string("[] 0 d\n");
    }
    outline(mark);
    const bool area = mark.kind != Mark::Kind::line && mark.kind != Mark::Kind::curve && look->fill != nullptr;
    content_ += area && look->stroke ? "b\n" : area ? "f\n" : "S\n";
  }
  const std::string& content() const { return content_; }

 private:
  static std::string number(double value) { return fixed(value, 2) + " "; }
  void add(const std::vector<double>& values, const char* command) {
    for (const double value : values) content_ += number(value);
    content_.append(command).append("\n");
  }

  // A colour that lets the white paper through is a lighter one.
  void set_colour(const Tone& tone, double opacity, const char* command) {
    std::vector<double> shares;
    for (const std::uint8_t value : tone.light) shares.push_back((opacity * value + (1 - opacity) * 255) / 255);
    add(shares, command);
  }

  void outline(const Mark& mark) {
    const auto [x, y] = mark.points.front();
    if (mark.kind == Mark::Kind::rect) {
      const auto [right, bottom] = mark.points.back();
      return add({x, height_ - bottom, right - x, bottom - y}, "re");
    }
    if (mark.kind == Mark::Kind::dot) return circle(x, height_ - y, mark.radius);
    const char* command = "m";
    for (const auto& [px, py] : mark.points) {
      add({px, height_ - py}, command);
      command = "l";
    }
    if (mark.kind == Mark::Kind::polygon) content_ += "h\n";
  }

  void circle(double x, double y, double r) {
    const double k = kCircle * r;
    add({x + r, y}, "m");
    add({x + r, y + k, x + k, y + r, x, y + r}, "c");
    add({x - k, y + r, x - r, y + k, x - r, y}, "c");
    add({x - r, y - k, x - k, y - r, x, y - r}, "c");
    add({x + k, y - r, x + r, y - k, x + r, y}, "c");
  }

  void write(const Mark& mark, const Look& look) {
    const auto [x, y] = mark.points.front();
    const double width = kLetters * helvetica_width(mark.words);
    const double start = x - (mark.anchor == "end" ? width : mark.anchor == "middle" ? width / 2 : 0);
    set_colour(look.fill != nullptr ? *look.fill : tones()[1], 1, "rg");
    content_ += "BT /F1 " + number(kLetters) + "Tf " + number(start) + number(height_ - y) + "Td (";
    for (const char letter : encoded(mark.words)) {
      if (letter == '(' || letter == ')' || letter == '\\') content_ += '\\';
      content_ += letter;
    }
    content_ += ") Tj ET\n";
  }

  double height_;
  std::string content_;
};

}  // namespace

double helvetica_width(const std::string& words) {
  double width = 0;
  for (const char letter : encoded(words))
    width += letter == kEllipsis ? 1000 : letter >= 32 && letter < 127 ? kWidths[letter - 32] : 556;
  return width / 1000;
}

std::string to_pdf(const Svg& picture) {
  Page page(picture.height());
  for (const Mark& mark : picture.marks())
    if (mark.kind != Mark::Kind::begin && mark.kind != Mark::Kind::end && !mark.points.empty()) page.draw(mark);
  const std::string& content = page.content();
  const std::vector<std::string> objects{
      "<< /Type /Catalog /Pages 2 0 R >>", "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
      text("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 ", fixed(picture.width(), 2), " ", fixed(picture.height(), 2),
           "] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>"),
      text("<< /Length ", content.size(), " >>\nstream\n", content, "endstream"),
      "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"};
  std::string file = "%PDF-1.4\n", places;
  for (std::size_t i = 0; i < objects.size(); ++i) {
    std::string place = std::to_string(file.size());
    place.insert(0, 10 - place.size(), '0');
    places += place + " 00000 n \n";
    file += text(i + 1, " 0 obj\n", objects[i], "\nendobj\n");
  }
  const std::size_t table = file.size();
  file += text("xref\n0 ", objects.size() + 1, "\n0000000000 65535 f \n", places, "trailer\n<< /Size ",
               objects.size() + 1, " /Root 1 0 R >>\nstartxref\n", table, "\n%%EOF\n");
  return file;
}

}  // namespace voxgrad::apps
