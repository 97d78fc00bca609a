#include "apps/verbs/losses_pages.h"

#include <filesystem>
#include <span>
#include <vector>

#include "apps/program/console.h"
#include "apps/program/svg.h"
#include "apps/report/html.h"
#include "apps/report/loss_pictures.h"
#include "apps/report/picture.h"
#include "apps/training/run_directory.h"
#include "apps/verbs/losses_text.h"
#include "engine/error.h"
#include "engine/io/atomic_file.h"

namespace voxgrad::apps {
namespace {

using losses::Spec;

constexpr const char* kTitle = "The losses of voxgrad";

constexpr const char* kCatalogueStyle = R"(
a{color:inherit}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(150px,1fr));gap:14px}
.cards a{display:block;text-decoration:none;font-size:.85rem;line-height:1.35}
.cards img,.pictures img{display:block;width:192px;max-width:100%;image-rendering:pixelated;border-radius:3px}
.cards b{display:block;font-size:1rem;margin:.3em 0 0;text-decoration:underline;overflow-wrap:anywhere}
.cards span{color:var(--soft)}
code{margin:.6em 0;max-width:100ch}
table.words th,table.words td:nth-child(2){white-space:nowrap;overflow-wrap:normal}
table.words td:last-child{min-width:14em}
)";

constexpr const char* kExplained =
    "The red line is the border of a true disc, and the grey picture its prediction p, a disc as large that lies 6 "
    "pixels beside it. The coloured picture is the gradient with respect to the logit of the disc, computed by the "
    "loss. A step raises p where it is orange and lowers p where it is blue.";

std::string embedded(const std::string& png, const std::string& alt) {
  return "<img alt=\"" + escaped(alt) + "\" src=\"data:image/png;base64," + base64(png) + "\"/>\n";
}

std::string link(const std::string& name) { return "<a href=\"" + name + ".html\">" + name + "</a>"; }

std::string card(const Spec& spec, const LossPictures& pictures) {
  return "<a href=\"" + spec.name + ".html\">" + embedded(pictures.gradient, "gradient of " + spec.name) + "<b>" +
         spec.name + "</b><span>" + escaped(spec.summary) + "</span></a>\n";
}

std::string what_it_does(const LossPictures& pictures) {
  const std::string end =
      pictures.largest > 0 ? "The colours end at " + significant(pictures.largest, 2) + "." : "There is none here.";
  return figures(figure(embedded(predicted_disc(), "a predicted disc beside the true one"),
                        "Prediction p, and the truth.") +
                 figure(embedded(pictures.gradient, "the gradient at each pixel"), "Gradient dL/dz. " + end)) +
         paragraph(kExplained) +
         figures(figure(pictures.over_size.svg,
                        "The value for discs of any size in the right place. " + pictures.over_size.smallest) +
                 figure(pictures.over_shift.svg,
                        "The value for a disc of the true size that is moved. " + pictures.over_shift.smallest));
}

std::string parameters_table(const Spec& spec) {
  HtmlTable table("What can be set: " + spec.name + ":name=value,name=value",
                  {"parameter", "default", "range", "meaning"}, "words");
  for (const losses::Parameter& parameter : spec.parameters)
    table.row(
        {parameter.name, escaped(parameter.standard), escaped(range_text(parameter)), escaped(parameter.meaning)});
  return table.str();
}

std::string loss_page(const Spec& spec, const LossPictures& pictures, const std::string& links) {
  std::string formula = code_block(spec.formula), equal;
  if (const std::string words = symbols(spec); !words.empty()) formula += paragraph(words);
  for (const std::string& relation : relations(spec)) equal += relation + "\n";
  return page(spec.name,
              "<p>" + links + "</p>\n" + paragraph(spec.summary + ". Family: " + losses::name_of(spec.family) + ".") +
                  section("Formula", formula + paragraph("Source: " + spec.source)) +
                  section("What it does", what_it_does(pictures)) +
                  section("When it helps", paragraph(spec.helps + ".")) +
                  section("How it fails", paragraph(spec.fails + ".")) + section("Parameters", parameters_table(spec)) +
                  (equal.empty() ? "" : section("Equal losses", code_block(equal))) +
                  section("Try it", code_block(try_it(spec))),
              kCatalogueStyle);
}

std::string file_of(const std::string& directory, const std::string& name) {
  return (std::filesystem::path(directory) / (name + ".html")).string();
}

void write_page(const std::string& directory, const std::string& name, const std::string& html) {
  write_atomically(file_of(directory, name), {std::as_bytes(std::span(html))});
}

// A catalogue is drawn anew; pages of others stay.
void require_own_pages(const std::string& directory) {
  const std::string index = file_of(directory, "index");
  if (std::filesystem::exists(index) && read_text(index).find(text("<title>", kTitle, "</title>")) != std::string::npos)
    return;
  std::vector<std::string> files{index};
  for (const Spec& spec : losses::registry()) files.push_back(file_of(directory, spec.name));
  for (const std::string& file : files)
    if (std::filesystem::exists(file))
      throw Error(ErrorKind::usage, file + " is there, and no `voxgrad losses --html` has written it",
                  "give the catalogue a folder of its own");
}

}  // namespace

void write_loss_pages(const std::string& directory) {
  require_own_pages(directory);
  std::filesystem::create_directories(directory);
  std::string index =
      figures(figure(embedded(predicted_disc(), "a predicted disc beside the true one"),
                     "prediction p, and the border of the truth")) +
      paragraph(kExplained) +
      paragraph("Each loss has a page with its formula, its parameters, when it helps and how it fails.");
  const auto& all = losses::registry();
  std::string cards;
  for (auto spec = all.begin(); spec != all.end(); ++spec) {
    const auto next = std::next(spec);
    const LossPictures pictures = loss_pictures(*spec);
    std::string links = "<a href=\"index.html\">all losses</a>";
    if (spec != all.begin()) links += " \u00b7 before: " + link(std::prev(spec)->name);
    if (next != all.end()) links += " \u00b7 next: " + link(next->name);
    write_page(directory, spec->name, loss_page(*spec, pictures, links));
    cards += card(*spec, pictures);
    if (next != all.end() && next->family == spec->family) continue;
    index += section(family_title(spec->family), "<div class=\"cards\">\n" + cards + "</div>\n");
    cards.clear();
  }
  write_page(directory, "index", page(kTitle, index, kCatalogueStyle));
}

}  // namespace voxgrad::apps
