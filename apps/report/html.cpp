#include "apps/report/html.h"

#include <algorithm>

#include "apps/program/console.h"
#include "apps/program/svg.h"
#include "apps/report/drawing.h"
#include "apps/report/picture.h"
#include "apps/report/plots/look.h"
#include "engine/error.h"

namespace voxgrad::apps {
namespace {

constexpr const char* kStyle = R"(
*{box-sizing:border-box}
body{margin:0 auto;padding:16px 14px 48px;max-width:1400px;background:var(--paper);color:var(--ink);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
h1{font-size:1.6rem;line-height:1.25;margin:.4em 0}
h3{font-size:1rem;margin:1.2em 0 .3em;overflow-wrap:anywhere}
h3::first-letter{text-transform:uppercase}
h2{font-size:1.2rem;margin:2.2em 0 .6em;padding-top:.7em;border-top:1px solid var(--line)}
p{max-width:75ch;margin:.6em 0}
h1,p,caption,figcaption,summary{overflow-wrap:anywhere}
code{display:block;padding:10px 12px;background:var(--panel);border-radius:6px;overflow-x:auto;white-space:pre-wrap;
overflow-wrap:anywhere;font-size:.85rem}
.wide{overflow-x:auto;margin:.8em 0}
table{border-collapse:collapse;font-size:.85rem;font-variant-numeric:tabular-nums}
caption{text-align:left;color:var(--soft);padding:0 0 6px}
caption div{width:max-content;max-width:min(75ch,calc(100vw - 28px))}
th,td{padding:3px 9px;text-align:right;white-space:nowrap;border-bottom:1px solid var(--line)}
thead th{vertical-align:bottom;white-space:normal;background:var(--panel);font-weight:600}
th:first-child,td:first-child{text-align:left}
tbody th{position:sticky;left:0;background:var(--paper);font-weight:500}
td.shade{padding:0}
td.shade span{display:block;padding:3px 9px}
.pictures{display:flex;flex-wrap:wrap;gap:18px 14px;align-items:flex-start}
figure{margin:0;max-width:100%}
figure>svg{display:block;max-width:100%;height:auto}
figcaption{font-size:.85rem;color:var(--soft);max-width:360px;margin:0 0 4px}
.tiles{display:grid;grid-template-columns:repeat(auto-fill,minmax(150px,1fr));gap:10px;max-width:760px}
.tiles figcaption{margin:3px 0 0}
.tiles img{display:block;width:100%;image-rendering:pixelated;border-radius:3px}
.tiles.large{grid-template-columns:repeat(auto-fit,minmax(min(100%,230px),1fr));max-width:none;margin:.6em 0 1.6em}
.large img{width:auto;max-width:100%;max-height:88vh;image-rendering:auto}
.facts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,165px),1fr));gap:10px;margin:1em 0}
.facts div{padding:8px 12px;background:var(--panel);border-radius:6px;overflow-wrap:anywhere}
dt{font-size:.85rem;color:var(--soft)}
dd{margin:0;font-size:1.25rem;font-weight:600;line-height:1.3}
dd small{display:block;font-size:.85rem;font-weight:400}
.alarm{padding:10px 14px;border-left:4px solid var(--region);background:var(--panel);max-width:none}
table.words td,table.words th{text-align:left;white-space:normal;overflow-wrap:anywhere}
.entry{white-space:nowrap;margin-right:.9em}
details{margin:.7em 0}
summary{cursor:pointer;font-weight:600}
.key{display:inline-block;width:.8em;height:.8em;border-radius:2px;margin:0 .35em 0 0;vertical-align:-.05em}
svg text{font:10.5px system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
svg polyline{fill:none}
svg .of-class{stroke-width:2;filter:drop-shadow(0 0 .5px var(--ink))}
.curve:hover polyline:first-of-type{stroke-width:3.6}
.curve:hover text{font-weight:700}
svg:has(.curve:hover) .curve:not(:hover){opacity:.2}
.answer{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,440px),1fr));gap:14px 28px;align-items:start;
margin:1em 0}
.card{padding:14px 18px;background:var(--panel);border-left:5px solid var(--boundary);border-radius:6px}
.card.open{border-color:var(--region)}
.card h2{margin:0 0 .5em;padding:0;border:0;font-size:1.5rem;line-height:1.2;overflow-wrap:anywhere}
.card dl{margin:0}
.card dt{margin-top:.6em}
.card dd{font-size:1rem;font-weight:400;line-height:1.45;overflow-wrap:anywhere}
.sections{display:flex;flex-wrap:wrap;gap:0 28px}
.sections>section{flex:0 1 auto;min-width:min(100%,360px)}
.sections>section>p{max-width:360px}
.swipe,.on-phone{display:none}
@media (max-width:699px){.on-desk{display:none}.on-phone{display:block}.swipe{display:block;color:var(--soft);
font-size:.85rem;margin:.6em 0 0}tbody th{max-width:44vw;overflow:hidden;text-overflow:ellipsis}.card{padding:12px 14px}}
@media print{details>*{display:block}}
)";

// The variables of the colours, for light and for dark screens.
std::string variables() {
  std::string light, dark;
  for (const Tone& tone : tones()) {
    light += text("--", tone.name, ":", css_colour(tone.light), ";");
    dark += text("--", tone.name, ":", css_colour(tone.dark), ";");
  }
  return ":root{color-scheme:light dark;" + light + R"(--heat:86,180,233}
@media (prefers-color-scheme:dark){:root{)" +
         dark + R"(--heat:86,140,200}}
)";
}

}  // namespace

std::string page(const std::string& title, const std::string& body, const std::string& style) {
  return "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
         "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<title>" +
         escaped(title) + "</title>\n<style>" + variables() + kStyle + look_rules() + style +
         "</style>\n</head>\n<body>\n<h1>" + escaped(title) + "</h1>\n" + body + "</body>\n</html>\n";
}

std::string section(const std::string& title, const std::string& body) {
  return "<section>\n<h2>" + escaped(title) + "</h2>\n" + body + "</section>\n";
}

std::string paragraph(const std::string& words) { return "<p>" + escaped(words) + "</p>\n"; }

std::string code_block(const std::string& words) { return "<code>" + escaped(words) + "</code>\n"; }

std::string figure(const std::string& picture, const std::string& caption) {
  return "<figure>\n<figcaption>" + escaped(caption) + "</figcaption>\n" + picture + "</figure>\n";
}

std::string by_width(const std::string& desk, const std::string& phone) {
  return "<div class=\"on-desk\">\n" + desk + "</div>\n<div class=\"on-phone\">\n" + phone + "</div>\n";
}

std::string figures(const std::string& figures) { return "<div class=\"pictures\">\n" + figures + "</div>\n"; }

std::string folded(const std::string& title, const std::string& body) {
  return "<details>\n<summary>" + escaped(title) + "</summary>\n" + body + "</details>\n";
}

std::string key(const std::string& colour, const std::string& words) {
  return "<span class=\"entry\"><span class=\"key\" style=\"background:" + colour + "\"></span>" + escaped(words) +
         "</span> ";
}

std::string tiles(const std::vector<Tile>& tiles, bool large) {
  std::string body = std::string("<div class=\"tiles") + (large ? " large" : "") + "\">\n";
  for (const Tile& tile : tiles)
    body += "<figure><img alt=\"" + escaped(tile.alt) + "\" src=\"data:image/png;base64," + base64(tile.png) +
            "\"/><figcaption>" + escaped(tile.caption) + "</figcaption></figure>\n";
  return body + "</div>\n";
}

HtmlTable::HtmlTable(const std::string& caption, const std::vector<std::string>& header, const std::string& style) {
  constexpr std::size_t kColumnsOfPhone = 4;
  if (header.size() > kColumnsOfPhone && style.empty())
    body_ = "<p class=\"swipe\">This table goes on to the right: swipe it.</p>\n";
  body_ += "<div class=\"wide\"><table" + (style.empty() ? "" : " class=\"" + style + "\"") + ">\n<caption><div>" +
           escaped(caption) + "</div></caption>\n<thead><tr>";
  for (const std::string& cell : header) body_ += "<th scope=\"col\">" + escaped(cell) + "</th>";
  body_ += "</tr></thead>\n<tbody>\n";
}

void HtmlTable::row(const std::vector<std::string>& cells) {
  body_ += "<tr><th scope=\"row\">" + cells.front() + "</th>";
  for (std::size_t i = 1; i < cells.size(); ++i)
    body_ += (cells[i].starts_with("<span style") ? "<td class=\"shade\">" : "<td>") + cells[i] + "</td>";
  body_ += "</tr>\n";
}

std::string HtmlTable::shaded(const std::string& words, double share) {
  return "<span style=\"background:rgba(var(--heat)," + fixed(0.75 * std::clamp(share, 0.0, 1.0), 2) + ")\">" +
         escaped(words) + "</span>";
}

}  // namespace voxgrad::apps
