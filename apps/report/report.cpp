#include "apps/report/report.h"

#include <algorithm>
#include <cmath>

#include "apps/program/console.h"
#include "apps/program/svg.h"
#include "apps/report/html.h"
#include "apps/report/overlays.h"
#include "apps/report/plots/critical_difference.h"
#include "apps/report/plots/learning_curves.h"
#include "apps/report/plots/rows.h"
#include "apps/report/slices.h"
#include "apps/training/run_directory.h"
#include "engine/error.h"

namespace voxgrad::apps {
namespace {

constexpr double kNoLimit = 1e300;

std::string legend() {
  std::string keys = "<p>Kinds of losses: ";
  for (const auto& [family, shape] :
       {std::pair{losses::Family::distribution, "circle"}, std::pair{losses::Family::region, "square"},
        std::pair{losses::Family::boundary, "triangle"}, std::pair{losses::Family::compound, "diamond"}})
    keys += key(text("var(--", losses::name_of(family), ")"), text(losses::name_of(family), " (", shape, ")"));
  return keys + "</p>\n";
}

std::string means_plot(const Analysis& analysis) {
  RowPlot plot{
      "mean Dice of the losses with 95 % intervals on " + analysis.name, "mean Dice, 95 % interval", {}, 0, 1, 0.1};
  for (const LossStatistics& loss : analysis.losses) {
    plot.rows.push_back(
        {loss.loss, family_of(loss.loss), loss.mean, loss.mean, loss.mean, loss.interval.low, loss.interval.high});
    if (loss.loss == analysis.baseline) plot.reference = loss.mean;
  }
  return row_plot(plot);
}

std::string order_section(const std::vector<Analysis>& analyses) {
  std::string pictures;
  const Analysis& all = analyses.back();
  pictures += figure(means_plot(all), "Mean Dice, " + all.name + "; the dashed line is " + all.baseline);
  if (all.why_open.empty())
    pictures += figure(critical_difference_plot(all), "Mean rank over the cases, " + all.name +
                                                          "; losses that share a bar on the right are not told apart");
  for (std::size_t i = 0; i + 1 < analyses.size(); ++i)
    pictures += figure(means_plot(analyses[i]), "Mean Dice, " + analyses[i].name);
  return section("Means and critical differences", legend() + figures(pictures));
}

// Returns the values of one class of the tested cases, over all runs of a loss.
std::vector<double> class_values(const Comparison& comparison, const std::string& dataset, const std::string& loss,
                                 std::size_t label, const std::string& number) {
  std::vector<double> values;
  for (const ComparedRun& run : comparison.runs)
    if (run.dataset == dataset && run.loss == loss)
      for (const CaseNumbers& one : run.cases) values.push_back(number_of(comparison, one, number)[label - 1]);
  return values;
}

std::string boxes_section(const Comparison& comparison, const std::vector<Analysis>& analyses) {
  std::string pictures;
  for (std::size_t d = 0; d < comparison.datasets.size(); ++d) {
    const ComparedDataset& dataset = comparison.datasets[d];
    for (std::size_t label = 1; label < dataset.class_names.size(); ++label) {
      const std::string what = dataset.name + ", " + dataset.class_names[label];
      RowPlot plot{"box plots of the Dice of " + what, "Dice per case", {}, 0, 1, 2};
      for (const LossStatistics& loss : analyses[d].losses)
        add_box(plot, loss.loss, family_of(loss.loss),
                class_values(comparison, dataset.name, loss.loss, label, "dice"));
      pictures += figure(row_plot(plot), what);
    }
  }
  return section(
      "Dice per class",
      paragraph("Mark: median; box: quartiles; line: 5th to 95th percentile of the cases.") + figures(pictures));
}

std::string curves_section(const Comparison& comparison, const std::vector<Analysis>& analyses) {
  std::string pictures;
  for (std::size_t d = 0; d < comparison.datasets.size(); ++d) {
    const std::string plot = learning_curves_plot(comparison, comparison.datasets[d].name, shown_losses(analyses[d]));
    if (!plot.empty())
      pictures +=
          figure(plot, comparison.datasets[d].name + ": first, baseline and last of the ranking; thin: the others");
  }
  return pictures.empty() ? "" : section("Learning curves", figures(pictures));
}

std::string overlays_section(const std::vector<OverlayRow>& rows, const std::vector<std::string>& notes) {
  std::string body = "<p>" + legend_of_mistakes() + "</p>\n";
  for (const OverlayRow& row : rows) body += paragraph(row.dataset + ", " + row.caption) + tiles(row.tiles);
  for (const std::string& note : notes) body += paragraph(note);
  return rows.empty() && notes.empty() ? "" : section("Predictions", body);
}

std::string sizes_section(const Comparison& comparison, const std::vector<Analysis>& analyses) {
  std::string pictures;
  for (std::size_t i = 0; i < comparison.datasets.size(); ++i) {
    RowPlot plot{"bias of the predicted size on " + analyses[i].name, "(predicted - true) / true volume", {}, -1, 2};
    plot.reference = 0;
    for (const SizeBias& bias : size_bias(comparison, analyses[i]))
      plot.rows.push_back({bias.loss, family_of(bias.loss), bias.median, bias.low_quartile, bias.high_quartile,
                           bias.low_quartile, bias.high_quartile});
    pictures += figure(row_plot(plot), analyses[i].name);
  }
  return section("Bias of the predicted size",
                 paragraph("Median and quartiles over cases and classes. Left of the line regions are too small, right "
                           "of it too large; values above 2 are drawn at the end.") +
                     figures(pictures));
}

std::string costs_section(const Analysis& analysis) {
  RowPlot time{"seconds per training", "seconds per training and test", {}, 0, kNoLimit};
  RowPlot memory{"memory per training", "largest sum of all tensors, MiB", {}, 0, kNoLimit};
  time.from_zero = memory.from_zero = true;
  for (const LossStatistics& loss : analysis.losses) {
    const losses::Family family = family_of(loss.loss);
    time.rows.push_back({loss.loss, family, loss.seconds, loss.seconds, loss.seconds, loss.seconds, loss.seconds});
    const double mebibytes = loss.memory / (1 << 20);
    memory.rows.push_back({loss.loss, family, mebibytes, mebibytes, mebibytes, mebibytes, mebibytes});
  }
  return section("Time and memory",
                 paragraph("Means over the runs, on the machine of the protocol; other programs may have run beside.") +
                     figures(figure(row_plot(time), "Time") + figure(row_plot(memory), "Memory")));
}

}  // namespace

std::string write_report(const Comparison& comparison, const std::vector<Analysis>& analyses, const Answers& answers,
                         const std::string& directory, bool redraw) {
  if (analyses.empty())
    throw Error(ErrorKind::data, directory + ": no loss has been tested on every dataset yet",
                "let the comparison end");
  std::vector<std::string> notes;
  const std::vector<OverlayRow> pictures = overlays(comparison, analyses, directory, redraw, notes);
  std::string body, words;
  const int seeds = comparison.protocol.value("seeds", 1);
  body += paragraph(text(
      comparison.runs.size(), " trainings: ", analyses.back().losses.size(), " losses, ", comparison.datasets.size(),
      comparison.datasets.size() == 1 ? " dataset, " : " datasets, ", seeds, seeds == 1 ? " seed, " : " seeds, ",
      comparison.protocol.value("folds", 0) > 0 ? text(comparison.protocol.value("folds", 0), " folds")
                                                : std::string("the split of the file"),
      ". The same comparison in a new directory:"));
  body += "<code>" + escaped(comparison.protocol.value("command", "")) + "</code>\n";
  for (const std::string& part : answers.words) words += paragraph(part);
  body += section("In words", words);
  body += ranking_section(analyses) + heat_map_section(analyses) + order_section(analyses);
  body += boxes_section(comparison, analyses) + curves_section(comparison, analyses);
  body += overlays_section(pictures, notes) + sizes_section(comparison, analyses) + answers_section(answers);
  body += metrics_section(comparison, analyses) + costs_section(analyses.back());
  body += protocol_section(comparison, analyses);
  const std::size_t count = analyses.back().losses.size();
  const std::string title =
      count == 1 ? "Trainings with " + analyses.back().losses.front().loss : text("Comparison of ", count, " losses");
  const std::string path = directory + "/report.html";
  write_text(path, page(title, body));
  return path;
}

}  // namespace voxgrad::apps
