#include "apps/report/report.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>
#include <utility>

#include "apps/program/console.h"
#include "apps/program/svg.h"
#include "apps/program/words.h"
#include "apps/report/card.h"
#include "apps/report/html.h"
#include "apps/report/overlays.h"
#include "apps/report/paper/paper.h"
#include "apps/report/plots/critical_difference.h"
#include "apps/report/plots/learning_curves.h"
#include "apps/report/plots/power.h"
#include "apps/report/plots/rows.h"
#include "apps/report/slices.h"
#include "apps/training/run_directory.h"
#include "engine/error.h"
#include "engine/names.h"

namespace voxgrad::apps {
namespace {

constexpr double kNoLimit = 1e300;
constexpr double kShown = 0.3;  // of the Dice below the best loss

// What the marks of the plots mean, of the kinds that were compared.
std::string legend(const Analysis& analysis) {
  std::string keys;
  for (const auto& [family, shape] :
       {std::pair{losses::Family::distribution, "circle"}, std::pair{losses::Family::region, "square"},
        std::pair{losses::Family::boundary, "triangle"}, std::pair{losses::Family::compound, "diamond"}})
    if (std::any_of(analysis.losses.begin(), analysis.losses.end(),
                    [&, family = family](const LossStatistics& loss) { return family_of(loss.loss) == family; }))
      keys += key(text("var(--", losses::name_of(family), ")"), text(losses::name_of(family), " (", shape, ")"));
  return "<p>Kinds of losses: " + keys + "</p>\n";
}

// The plots of a page, which a paper takes, too.
class Gallery {
 public:
  // Returns a plot for the page.
  std::string add(const std::string& name, const Svg& picture, const std::string& caption) {
    figures_.push_back({file_name(name, names_), caption, picture});
    return figure(picture.str(), caption);
  }
  const std::vector<Figure>& figures() const { return figures_; }

 private:
  std::vector<Figure> figures_;
  std::set<std::string> names_;
};

Svg means_plot(const Analysis& analysis, double width = kPictureWidth) {
  const bool intervals = shows_intervals(analysis);
  const std::string what = intervals ? "mean Dice, 95 % interval" : "mean Dice";
  // A loss that collapsed would leave no room for the differences between the others.
  const double least = std::max(0.0, analysis.losses.front().mean - kShown);
  RowPlot plot{what + " of the losses on " + analysis.name, what, {}, least, 1, 0.1};
  for (const LossStatistics& loss : analysis.losses) {
    plot.rows.push_back({loss.loss, family_of(loss.loss), loss.mean, loss.mean, loss.mean,
                         intervals ? loss.interval.low : loss.mean, intervals ? loss.interval.high : loss.mean});
    if (loss.loss == analysis.baseline) plot.reference = loss.mean;
  }
  return row_plot(plot, width);
}

std::string means_caption(const Analysis& analysis) {
  return (shows_intervals(analysis) ? "Mean Dice with 95 % intervals, " : "Mean Dice, ") + analysis.name +
         (analysis.losses.size() > 1 ? "; the dashed line is " + analysis.baseline : "") +
         (analysis.losses.back().mean < analysis.losses.front().mean - kShown
              ? "; losses at the left edge are below the scale"
              : "");
}

// The first screen: the answer beside the ranking.
std::string answer_part(const Comparison& comparison, const std::vector<Analysis>& analyses, Gallery& gallery) {
  const Analysis& all = analyses.back();
  const std::string caption = means_caption(all);
  const std::string phone = gallery.add("ranking", means_plot(all), caption);
  return "<div class=\"answer\">\n" + to_html(card_of(comparison, analyses)) + "<div>\n" +
         by_width(figure(means_plot(all, kWideWidth).str(), caption), phone) + legend(all) + "</div>\n</div>\n";
}

std::string order_section(const std::vector<Analysis>& analyses, Gallery& gallery) {
  std::string pictures;
  for (std::size_t i = 0; i + 1 < analyses.size(); ++i)
    pictures += gallery.add("means_" + analyses[i].name, means_plot(analyses[i]), means_caption(analyses[i]));
  for (const Analysis& analysis : analyses) {
    if (!analysis.why_open.empty() || analysis.losses.size() < 2) continue;
    const bool tested = std::all_of(analysis.losses.begin(), analysis.losses.end(),
                                    [](const LossStatistics& loss) { return loss.too_short.empty(); });
    pictures += gallery.add("ranks_" + analysis.name, critical_difference_plot(analysis),
                            text("Mean rank over the ", analysis.grouped ? "groups" : "cases", ", ", analysis.name) +
                                "; losses that share a bar on the right are not told apart" +
                                (tested ? "" : "; losses whose trainings were too short are left out"));
  }
  return pictures.empty() ? "" : section("Means and critical differences", figures(pictures));
}

// Returns the Dice of one class of the tested cases, over all runs of a loss; NaN where the truth lacks the class.
std::vector<double> dices_of_class(const Comparison& comparison, const std::string& dataset, const std::string& loss,
                                   std::size_t label) {
  std::vector<double> values;
  for_cases(comparison, dataset, loss,
            [&](const CaseNumbers& one) { values.push_back(class_dices(comparison, one)[label - 1]); });
  return values;
}

std::string boxes_section(const Comparison& comparison, const std::vector<Analysis>& analyses, Gallery& gallery) {
  std::string pictures;
  for (std::size_t d = 0; d < comparison.datasets.size(); ++d) {
    const ComparedDataset& dataset = comparison.datasets[d];
    for (std::size_t label = 1; label < dataset.class_names.size(); ++label) {
      const std::string what = dataset.name + ", " + dataset.class_names[label];
      RowPlot plot{"box plots of the Dice of " + what, "Dice per case", {}, 0, 1, 2};
      for (const LossStatistics& loss : analyses[d].losses)
        add_box(plot, loss.loss, family_of(loss.loss), dices_of_class(comparison, dataset.name, loss.loss, label));
      pictures += gallery.add("dice_" + dataset.name + "_" + dataset.class_names[label], row_plot(plot), what);
    }
  }
  return section(
      "Dice per class",
      paragraph("Mark: median; box: quartiles; line: 5th to 95th percentile of the cases whose truth has the class.") +
          figures(pictures));
}

std::string curves_section(const Comparison& comparison, const std::vector<Analysis>& analyses, Gallery& gallery) {
  std::string pictures;
  for (std::size_t d = 0; d < comparison.datasets.size(); ++d) {
    const std::string& name = comparison.datasets[d].name;
    std::vector<std::string> losses;
    for (const LossStatistics& loss : analyses[d].losses) losses.push_back(loss.loss);
    const auto plot = [&](double width) { return named_curves_plot(comparison, name, losses, width); };
    const std::optional<Svg> desk = plot(kWideWidth), phone = plot(kPictureWidth);
    if (!desk) continue;
    const std::string caption = "Mean over the trainings, " + name + without_diverged(analyses[d]);
    gallery.add("curves_" + name, comparison.datasets.size() > 1 ? *phone : *desk,
                caption);  // two fit a line of a paper
    pictures += by_width(figure(desk->str(), caption), figure(phone->str(), caption));
  }
  if (pictures.empty()) return "";
  return section(
      "Learning curves",
      paragraph("Point at a line or a name to see it alone. Lines that end at the lower edge are far below.") +
          figures(pictures));
}

std::string overlays_section(const Comparison& comparison, const std::vector<OverlayRow>& rows,
                             const std::vector<std::string>& notes) {
  std::string body;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const ComparedDataset& dataset = comparison.datasets[rows[i].dataset];
    if (i == 0) body += "<p>Mistakes: " + legend_of_mistakes() + "</p>\n";
    if (i == 0 || rows[i - 1].dataset != rows[i].dataset)
      body += "<p>Classes of " + escaped(dataset.name) + ": " + legend_of_classes(dataset) + "</p>\n";
    body += "<h3>" + escaped(rows[i].caption) + "</h3>\n" + tiles(rows[i].tiles, true);
  }
  for (const std::string& note : notes) body += paragraph(note);
  return body.empty() ? "" : section("Predictions", body);
}

std::string sizes_section(const Comparison& comparison, const std::vector<Analysis>& analyses, Gallery& gallery) {
  std::string pictures;
  for (std::size_t i = 0; i < comparison.datasets.size(); ++i) {
    RowPlot plot{"bias of the predicted size on " + analyses[i].name, "(predicted - true) / true volume", {}, -1, 2};
    plot.reference = 0;
    for (const SizeBias& bias : size_bias(comparison, analyses[i]))
      plot.rows.push_back({bias.loss, family_of(bias.loss), bias.median, bias.low_quartile, bias.high_quartile,
                           bias.low_quartile, bias.high_quartile});
    pictures += gallery.add("size_bias_" + analyses[i].name, row_plot(plot),
                            "Bias of the size, " + analyses[i].name + without_diverged(analyses[i]));
  }
  return section("Bias of the predicted size",
                 paragraph("Median and quartiles over cases and classes. Left of the line regions are too small, right "
                           "of it too large; values above 2 are drawn at the end.") +
                     figures(pictures));
}

std::string costs_section(const Analysis& analysis, Gallery& gallery) {
  RowPlot time{"seconds per training", "seconds per training and test", {}, 0, kNoLimit};
  RowPlot memory{"memory per training", "largest sum of all tensors, MiB", {}, 0, kNoLimit};
  time.from_zero = memory.from_zero = true;
  for (const LossStatistics& loss : analysis.losses) {
    const losses::Family family = family_of(loss.loss);
    time.rows.push_back({loss.loss, family, loss.seconds, loss.seconds, loss.seconds, loss.seconds, loss.seconds});
    const double mebibytes = loss.memory / (1 << 20);
    memory.rows.push_back({loss.loss, family, mebibytes, mebibytes, mebibytes, mebibytes, mebibytes});
  }
  return section(
      "Time and memory",
      paragraph("Means over the runs, on the machine of the protocol; other programs may have run beside.") +
          figures(gallery.add("seconds", row_plot(time), "Time") + gallery.add("memory", row_plot(memory), "Memory")));
}

std::string power_section(const Comparison& comparison, const std::vector<Analysis>& analyses, Gallery& gallery) {
  std::string pictures;
  const std::vector<Scores> scores = scores_of(comparison);
  for (std::size_t d = 0; d < scores.size(); ++d) {
    const std::optional<Spread> spread = measured_spread(scores[d]);
    if (!spread) continue;
    const std::int64_t units = analyses[d].units, seeds = analyses[d].seeds, losses = std::ssize(scores[d].losses);
    const bool dot = std::isfinite(detectable_difference(*spread, units, seeds, losses));
    pictures += gallery.add("power_" + scores[d].dataset, power_plot(scores[d].dataset, *spread, units, seeds, losses),
                            text(scores[d].dataset, dot ? "; the dot is this comparison, " : "; this comparison, ",
                                 units, " units and ", seeds, " seeds", dot ? "" : ", is too small to find any"));
  }
  if (pictures.empty()) return "";
  return section("What a larger comparison could find",
                 paragraph(text("The difference of two losses that is found in four of five comparisons of ",
                                scores.front().losses.size(),
                                " losses, with the spreads of the cases and of the trainings that were seen here.")) +
                     figures(pictures));
}

std::string title_of(const Comparison& comparison, const Analysis& all) {
  const std::size_t losses = all.losses.size(), datasets = comparison.datasets.size();
  return text(losses == 1 ? "Trainings with " + all.losses.front().loss : text("Comparison of ", losses, " losses"),
              " on ", datasets == 1 ? comparison.datasets.front().name : text(datasets, " datasets"));
}

// "39 trainings: 13 losses, 1 dataset, 3 seeds, the split of the file."
std::string head_words(const Comparison& comparison, const Analysis& all) {
  const auto seeds = static_cast<std::size_t>(comparison.protocol.value("seeds", 1));
  const auto folds = static_cast<std::size_t>(comparison.protocol.value("folds", 0));
  return join({count_text(comparison.runs.size(), "training") + ": " + count_text(all.losses.size(), "loss"),
               count_text(comparison.datasets.size(), "dataset"), count_text(seeds, "seed"),
               folds > 0 ? text(folds, " folds") : "the split of the file"},
              ", ") +
         ".";
}

}  // namespace

std::string write_report(const Comparison& comparison, const std::vector<Analysis>& analyses, const Answers& answers,
                         const std::string& directory, bool redraw, Device device) {
  if (analyses.empty())
    throw Error(ErrorKind::data, directory + ": no loss has been tested on every dataset yet",
                "let the comparison end");
  std::vector<std::string> notes;
  const std::vector<OverlayRow> pictures = overlays(comparison, analyses, directory, redraw, device, notes);
  const Analysis& all = analyses.back();
  Gallery gallery;
  std::string body = paragraph(head_words(comparison, all)) + answer_part(comparison, analyses, gallery);
  body += ranking_section(analyses) + heat_map_section(analyses);
  body += "<div class=\"sections\">\n" + order_section(analyses, gallery) +
          curves_section(comparison, analyses, gallery) + "</div>\n";
  body += overlays_section(comparison, pictures, notes);
  body += "<div class=\"sections\">\n" + boxes_section(comparison, analyses, gallery) +
          sizes_section(comparison, analyses, gallery) + costs_section(all, gallery) +
          power_section(comparison, analyses, gallery) + "</div>\n";
  if (all.losses.size() > 1) body += answers_section(answers, all);
  body += metrics_section(comparison, analyses) + protocol_section(comparison, analyses);
  body +=
      section("The same comparison again, and a paper",
              paragraph("In a new directory (-o):") + code_block(comparison.protocol.value("command", "")) +
                  paragraph("The folder paper/ beside this page has the tables for LaTeX and as CSV, every figure as "
                            "SVG and PDF, a paragraph of methods, and the references."));
  write_paper(comparison, analyses, gallery.figures(), directory);
  const std::string path = directory + "/report.html";
  write_text(path, page(title_of(comparison, all), body));
  return path;
}

}  // namespace voxgrad::apps
