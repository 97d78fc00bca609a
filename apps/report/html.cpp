#include "apps/report/html.h"

#include <algorithm>

#include "apps/program/console.h"
#include "apps/program/svg.h"
#include "apps/report/picture.h"

namespace voxgrad::apps {
namespace {

// Colours of kinds of losses: Okabe and Ito's palette, lighter in the dark.
constexpr const char* kStyle = R"(
:root{color-scheme:light dark;--paper:#fff;--ink:#1b1d20;--soft:#565b62;--line:#d5d8dc;--panel:#f4f5f6;--heat:86,180,233;
--distribution:#0072b2;--region:#c24e00;--boundary:#00805d;--compound:#a3417f}
@media (prefers-color-scheme:dark){:root{--paper:#15171a;--ink:#e9eaec;--soft:#a9aeb5;--line:#3b4046;--panel:#1f2226;
--heat:86,140,200;--distribution:#5ab8ee;--region:#ff9d57;--boundary:#38c99c;--compound:#e79acb}}
*{box-sizing:border-box}
body{margin:0 auto;padding:16px 14px 48px;max-width:1180px;background:var(--paper);color:var(--ink);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
h1{font-size:1.6rem;line-height:1.25;margin:.4em 0}
h3{font-size:1rem;margin:1.2em 0 .3em;overflow-wrap:anywhere}
h3::first-letter{text-transform:uppercase}
h2{font-size:1.2rem;margin:2.2em 0 .6em;padding-top:.7em;border-top:1px solid var(--line)}
p{max-width:75ch;margin:.6em 0}
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
.tiles.large{grid-template-columns:repeat(auto-fit,minmax(min(100%,260px),1fr));max-width:none;margin:.6em 0 1.6em}
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
svg text{font:10.5px system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;fill:var(--ink)}
svg text.soft{fill:var(--soft)}
svg .grid{stroke:var(--line);stroke-width:1}
svg .reference{stroke:var(--soft);stroke-width:1;stroke-dasharray:4 3}
svg .whisker{stroke:var(--soft);stroke-width:1.2}
svg .box{fill:var(--soft);fill-opacity:.28;stroke:var(--soft);stroke-width:.8}
svg .bar{stroke:var(--soft);stroke-opacity:.45;stroke-width:6}
svg .group{stroke:var(--ink);stroke-width:2.4}
svg polyline{fill:none}
svg .thin{stroke:var(--soft);stroke-opacity:.4;stroke-width:1}
svg .thick-0,svg .thick-1,svg .thick-2{stroke:var(--ink);stroke-width:2}
svg .thick-1{stroke-dasharray:6 3}
svg .thick-2{stroke-dasharray:2 3}
svg .of-class{stroke-width:2;filter:drop-shadow(0 0 .5px var(--ink))}
svg .distribution{fill:var(--distribution)}svg .region{fill:var(--region)}
svg .boundary{fill:var(--boundary)}svg .compound{fill:var(--compound)}
@media print{details>*{display:block}}
)";

}  // namespace

std::string page(const std::string& title, const std::string& body, const std::string& style) {
  return "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
         "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<title>" +
         escaped(title) + "</title>\n<style>" + kStyle + style + "</style>\n</head>\n<body>\n<h1>" + escaped(title) +
         "</h1>\n" + body + "</body>\n</html>\n";
}

std::string section(const std::string& title, const std::string& body) {
  return "<section>\n<h2>" + escaped(title) + "</h2>\n" + body + "</section>\n";
}

std::string paragraph(const std::string& words) { return "<p>" + escaped(words) + "</p>\n"; }

std::string figure(const std::string& picture, const std::string& caption) {
  return "<figure>\n<figcaption>" + escaped(caption) + "</figcaption>\n" + picture + "</figure>\n";
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
  body_ = "<div class=\"wide\"><table" + (style.empty() ? "" : " class=\"" + style + "\"") + ">\n<caption><div>" +
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
