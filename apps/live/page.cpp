#include "apps/live/page.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "apps/comparison/results.h"
#include "apps/program/console.h"
#include "apps/program/svg.h"
#include "apps/report/html.h"
#include "apps/report/plots/learning_curves.h"
#include "apps/report/plots/lines.h"
#include "apps/report/run_record.h"
#include "apps/report/slices.h"
#include "data/exchange/output.h"
#include "engine/error.h"

namespace voxgrad::apps {
namespace {

constexpr const char* kStyle = R"(
h1{overflow-wrap:anywhere}
progress{display:block;width:100%;height:14px;margin:.4em 0 1em;accent-color:var(--distribution)}
.facts{grid-template-columns:repeat(auto-fill,minmax(min(48%,165px),1fr))}
.facts small{color:var(--soft)}
.curves{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,420px),1fr));gap:18px 22px}
.curves:not(.race){align-items:end}
.curves svg{width:100%;height:auto}
.curves svg text{font-size:12px}
#\31_now p{max-width:none}
section h2{margin-top:1.4em}
.curves figcaption{font-size:1rem;max-width:none}
.pictures.case{display:grid;grid-template-columns:repeat(4,minmax(0,1fr));gap:10px;margin:.3em 0 1.4em}
.case img{display:block;width:100%;height:auto;border-radius:3px}
.case figcaption{margin:3px 0 0}
@media (max-width:640px){.pictures.case{grid-template-columns:repeat(2,minmax(0,1fr))}}
ul.log{padding-left:1.2em;overflow-wrap:anywhere;font-size:.9rem}
h3::first-letter{text-transform:none}
.race tbody th{white-space:normal;overflow-wrap:anywhere;min-width:7em}
.race td:nth-child(2){white-space:normal;text-align:left}
.race th:nth-child(2){text-align:left}
.race svg .thin{stroke-opacity:.6}
.race svg [class^=thick]{stroke-width:2}
.race svg .thick-0{stroke:var(--distribution)}
.race svg .thick-1{stroke:var(--region);stroke-dasharray:none}
.race svg .thick-2{stroke:var(--boundary);stroke-dasharray:none}
.race svg .thick-3{stroke:var(--compound)}
.race svg .thick-4{stroke:var(--ink);stroke-dasharray:6 3}
.race svg .thick-5{stroke:var(--soft);stroke-dasharray:2 3}
.race svg :is(.distribution,.region,.boundary,.compound){display:none}
)";
constexpr std::size_t kNamed = 6;  // losses with a colour in a race

constexpr const char* kScript = R"(<script>
"use strict";
const shown = {};
async function look() {
  try {
    const reply = await fetch("state.json", {cache: "no-store", signal: AbortSignal.timeout(30000)});
    if (!reply.ok) throw reply.status;
    const state = await reply.json();
    document.title = document.querySelector("h1").textContent = state.title;
    for (const [id, html] of Object.entries(state.parts))
      if (shown[id] !== html) document.getElementById(id).innerHTML = shown[id] = html;
    document.getElementById("lost").hidden = true;
  } catch {
    document.getElementById("lost").hidden = false;
  }
  setTimeout(look, 1000);
}
setTimeout(look, 1000);
</script>
)";

std::string fact(const std::string& name, const std::string& value, const std::string& more = "") {
  return "<div><dt>" + escaped(name) + "</dt><dd>" + escaped(value) +
         (more.empty() ? "" : "<small>" + escaped(more) + "</small>") + "</dd></div>\n";
}

std::string alarm(const std::string& words) { return "<p class=\"alarm\">" + escaped(words) + "</p>\n"; }

std::string progress(double done, double of, const std::string& what) {
  return text("<progress aria-label=\"", escaped(what), "\" max=\"", std::max(1.0, of), "\" value=\"", done,
              "\"></progress>\n");
}

std::string list(const std::vector<std::string>& lines) {
  std::string items;
  for (const std::string& line : lines) items += "<li>" + escaped(line) + "</li>\n";
  return "<ul class=\"log\">\n" + items + "</ul>\n";
}

std::string name_of_class(const LiveRun& run, std::size_t label) {
  return label < run.classes.size() ? run.classes[label] : text("class ", label);
}

std::string words_of_state(const LiveRun& run) {
  if (run.state == "running" && run.step == run.steps && run.steps > 0)
    return run.history.empty() || run.history.back().step < run.steps ? "validating" : "testing the best model";
  if (run.ended()) return run.state;
  return text("epoch ", run.epoch, " of ", run.epochs);
}

std::string now_part(const LiveRun& run) {
  const auto seconds = [](double value) { return std::isnan(value) ? std::string("-") : duration(value); };
  std::string body;
  if (run.silent > kSilence)
    body += alarm(text("Nothing was heard of this training for ", duration(run.silent),
                       ". It validates or tests large images, trains without --watch and is heard of after each epoch, "
                       "or its process has ended."));
  if (run.state == "diverged" || run.state == "error")
    body += alarm(text("The training has ended with an error at step ", run.step, "; see Messages."));
  body += progress(static_cast<double>(run.step), static_cast<double>(run.steps), "steps of the training");
  body += "<dl class=\"facts\">\n";
  body += fact("Step", text(run.step, " of ", run.steps), words_of_state(run));
  if (run.ended())
    body += fact("Test Dice", fixed(run.test_dice, 3), "by the best weights");
  else
    body += fact("Time left", seconds(run.eta()), text(per_second(run.rate), " steps a second"));
  body += fact("Best validation Dice", fixed(run.best_dice(), 3));
  body += fact("Training loss", fixed(run.last_loss(), 4));
  body += fact("Learning rate", significant(run.lr, 3));
  body += fact("Time", seconds(run.seconds),
               run.memory > 0 ? text(size_text(static_cast<std::int64_t>(run.memory)), " of memory") : "");
  return body + "</dl>\n<p>" + escaped(text("Loss ", run.loss, "; ", run.network)) + "</p>\n";
}

std::string curves_part(const LiveRun& run) {
  LinePlot loss{"training loss over the steps", "training loss", 0, 0, {{"", run.losses, "thick-0"}}};
  for (const auto& [step, value] : run.losses) {
    loss.low = std::min(loss.low, value);
    loss.high = std::max(loss.high, value);
  }
  if (loss.high <= loss.low) loss.high = loss.low + 1;
  LinePlot dice{"validation Dice over the steps", "validation Dice", 0, 1, {}};
  std::size_t classes = 0;
  for (const EpochRecord& record : run.history) classes = std::max(classes, record.val_classes.size());
  const auto line = [&](const std::string& name, const std::string& style, auto&& value_of) {
    dice.lines.push_back({name, {}, style});
    for (const EpochRecord& record : run.history)
      if (const double value = value_of(record); std::isfinite(value))
        dice.lines.back().points.emplace_back(static_cast<double>(record.step), value);
  };
  std::string style;
  const std::vector<Colour> usual = data::default_colours(static_cast<std::int64_t>(classes) + 1);
  for (std::size_t label = 1; label <= classes && classes > 1; ++label) {
    line(name_of_class(run, label), text("of-class class-", label),
         [&](const EpochRecord& e) { return label <= e.val_classes.size() ? e.val_classes[label - 1] : std::nan(""); });
    style += text("svg .class-", label,
                  "{stroke:", run.colours.size() == classes + 1 ? run.colours[label] : css_colour(usual[label]), "}\n");
  }
  line(classes > 1 ? "mean of the classes" : "", "thick-0", [](const EpochRecord& e) { return e.val_dice; });
  std::string plots;
  for (const LinePlot& plot : {loss, dice})
    if (const std::string picture = line_plot(plot); !picture.empty()) plots += figure(picture, "");
  if (plots.empty()) return section("Curves", paragraph("They begin with the second point."));
  return "<style>" + style + "</style>\n" + section("Curves", "<div class=\"curves\">\n" + plots + "</div>\n");
}

std::string pictures_part(const LiveRun& run) {
  if (run.pictures.empty())
    return run.ended() ? "" : section("Predictions", paragraph("The first pictures come with the first validation."));
  std::string body =
      run.pictures_of_report
          ? paragraph("The cases of the report, which were chosen and drawn after the training.")
          : text("<p>The worst, the median and the best case of the first validation, as they are after step ",
                 run.pictured, ". Mistakes: ", legend_of_mistakes(), "</p>\n");
  for (std::size_t i = 0; i < run.pictures.size(); ++i) {
    body += "<h3>" + escaped(run.pictures[i].caption) + "</h3>\n<div class=\"pictures case\">\n";
    for (std::size_t k = 0; k < run.pictures[i].files.size(); ++k) {
      const std::string name = run.pictures[i].files[k].first;
      body +=
          text("<figure><img alt=\"", escaped(name), " of ", escaped(run.pictures[i].caption), "\" src=\"picture/", i,
               "/", k, ".png?step=", run.pictured, "\"/><figcaption>", escaped(name), "</figcaption></figure>\n");
    }
    body += "</div>\n";
  }
  return section("Predictions", body);
}

std::string words_part(const std::vector<std::string>& warnings, const std::vector<std::string>& messages) {
  std::string body;
  if (!warnings.empty()) body += section("Warnings", list(warnings));
  if (!messages.empty()) body += section("Messages", list(messages));
  return body;
}

std::vector<std::string> datasets_of(const LiveComparison& comparison) {
  std::vector<std::string> names;
  for (const LiveRow& row : comparison.rows)
    if (std::find(names.begin(), names.end(), row.dataset) == names.end()) names.push_back(row.dataset);
  return names;
}

// The rows of a dataset, the best first; those without a value last.
std::vector<const LiveRow*> ranked(const LiveComparison& comparison, const std::string& dataset) {
  std::vector<const LiveRow*> rows;
  for (const LiveRow& row : comparison.rows)
    if (row.dataset == dataset) rows.push_back(&row);
  const auto value = [](const LiveRow* row) { return std::isnan(row->val_dice()) ? -1 : row->val_dice(); };
  std::stable_sort(rows.begin(), rows.end(), [&](const LiveRow* a, const LiveRow* b) { return value(a) > value(b); });
  return rows;
}

// With few losses all have a name and a colour, in the order of the comparison; else the best of this moment.
std::vector<std::string> named_of(const std::vector<const LiveRow*>& best_first, const LiveComparison& comparison) {
  std::set<std::string> chosen;
  for (const LiveRow* row : best_first)
    if (chosen.size() < kNamed) chosen.insert(row->loss);
  std::vector<std::string> named;
  for (const LiveRow& row : comparison.rows)
    if (chosen.contains(row.loss) && std::find(named.begin(), named.end(), row.loss) == named.end())
      named.push_back(row.loss);
  return named;
}

std::string race_part(const LiveComparison& live) {
  Comparison comparison;
  for (const LiveRow& row : live.rows)
    for (const LiveRun& run : row.runs) {
      ComparedRun& compared = comparison.runs.emplace_back();
      compared.dataset = row.dataset;
      compared.loss = row.loss;
      compared.history = run.history;
    }
  std::string body;
  for (const std::string& dataset : datasets_of(live)) {
    const std::vector<const LiveRow*> rows = ranked(live, dataset);
    double least = 1;
    for (const LiveRow* row : rows)
      for (const LiveRun& run : row->runs)
        for (const EpochRecord& record : run.history)
          if (record.val_dice < least) least = record.val_dice;
    // Losses that are close to each other are told apart on a scale that begins at a full tenth below the lowest Dice.
    const double low = std::floor(10 * std::min(least, 0.9)) / 10;
    const std::string plot = learning_curves_plot(comparison, dataset, named_of(rows, live), low);
    HtmlTable table("The best loss in validation stands first", {"loss", "state", "validation Dice", "test Dice"});
    for (const LiveRow* row : rows) {
      const auto dice = [](double value) {
        return std::isnan(value) ? std::string("-") : HtmlTable::shaded(fixed(value, 3), value);
      };
      table.row({escaped(row->loss), escaped(row->words()), dice(row->val_dice()), dice(row->test_dice())});
    }
    body += section(dataset,
                    "<div class=\"curves race\">\n" +
                        (plot.empty() ? paragraph("The curves begin with the second validation.") : figure(plot, "")) +
                        table.str() + "</div>\n");
  }
  return body;
}

}  // namespace

LivePage page_of(const LiveRun& run) {
  LivePage page{run.data + " with " + loss_name(run.loss)};
  page.parts["1_now"] = now_part(run);
  page.parts["2_curves"] = curves_part(run);
  page.parts["3_cases"] = pictures_part(run);
  page.parts["4_words"] = words_part(run.warnings, run.messages);
  return page;
}

LivePage page_of(const LiveComparison& comparison, const std::string& name) {
  const auto done = static_cast<double>(comparison.done()), planned = static_cast<double>(comparison.planned());
  LivePage page{"Comparison " + name};
  page.parts["1_now"] = progress(done, planned, "runs of the comparison") +
                        paragraph(text(comparison.done(), " of ", comparison.planned(), " runs are done."));
  page.parts["2_curves"] = race_part(comparison);
  std::vector<std::string> warnings;
  for (const LiveRow& row : comparison.rows)
    for (const LiveRun& run : row.runs)
      for (const std::string& warning : run.warnings) {
        const std::string words = row.dataset + ", " + row.loss + ": " + warning;
        if (std::find(warnings.begin(), warnings.end(), words) == warnings.end()) warnings.push_back(words);
      }
  page.parts["4_words"] = words_part(warnings, {});
  return page;
}

LivePage page_of_failure(const std::string& message) {
  LivePage page{"voxgrad"};
  page.parts["1_now"] = alarm(message);
  return page;
}

std::string html_of(const LivePage& live) {
  std::string body =
      "<p class=\"alarm\" id=\"lost\" role=\"alert\" hidden=\"\">The program that served this page has ended or cannot "
      "be reached. "
      "`voxgrad watch DIRECTORY` shows the page again.</p>\n"
      "<noscript><meta http-equiv=\"refresh\" content=\"5\"/></noscript>\n";
  for (const auto& [id, html] : live.parts) body += "<div id=\"" + id + "\">\n" + html + "</div>\n";
  return page(live.title, body + kScript, kStyle);
}

}  // namespace voxgrad::apps
