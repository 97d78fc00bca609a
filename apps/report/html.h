// The parts of a HTML page for a report. The page is one file with its own style for light and dark screens; it loads
// nothing and has no script.
#pragma once

#include <string>
#include <vector>

namespace voxgrad::apps {

// Returns a whole document; `body` is HTML, `style` is CSS for this page alone.
std::string page(const std::string& title, const std::string& body, const std::string& style = "");
// Returns a section with its heading.
std::string section(const std::string& title, const std::string& body);
std::string paragraph(const std::string& words);   // plain text
std::string code_block(const std::string& words);  // plain text: a command or a formula
// Returns a picture (HTML) with its caption (plain text).
std::string figure(const std::string& picture, const std::string& caption);
// Puts pictures side by side as far as there is room.
std::string figures(const std::string& figures);
// Shows one of two pictures (HTML) of the same thing, by the width of the screen.
std::string by_width(const std::string& desk, const std::string& phone);
// Returns a part that opens when its title is clicked.
std::string folded(const std::string& title, const std::string& body);
// Returns an entry of a legend: a box in a colour (CSS) and what it means.
std::string key(const std::string& colour, const std::string& words);

struct Tile {
  std::string caption, alt, png;  // `png` is a file as bytes
};
// Puts tiles side by side. Large ones take a third of a wide page and all of a narrow one.
std::string tiles(const std::vector<Tile>& tiles, bool large = false);

// A table whose cells are HTML. The first column heads the rows and stays in sight where the table is wider than the
// page; on a phone a line above says that it goes on.
class HtmlTable {
 public:
  // `style` is a CSS class: "words" for cells of text, which are broken into lines.
  HtmlTable(const std::string& caption, const std::vector<std::string>& header, const std::string& style = "");
  void row(const std::vector<std::string>& cells);
  // Returns a cell with a shade for a share 0 .. 1.
  static std::string shaded(const std::string& words, double share);
  std::string str() const { return body_ + "</tbody></table></div>\n"; }

 private:
  std::string body_;
};

}  // namespace voxgrad::apps
