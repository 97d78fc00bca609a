#include "apps/report/run_page.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <optional>

#include "apps/program/console.h"
#include "apps/program/fields.h"
#include "apps/program/svg.h"
#include "apps/program/words.h"
#include "apps/report/plots/lines.h"
#include "apps/report/run_pictures.h"
#include "apps/training/checkpoint.h"
#include "apps/training/clean_up_choice.h"
#include "apps/training/evaluation_text.h"
#include "apps/training/plan.h"
#include "apps/training/run_directory.h"
#include "engine/error.h"
#include "engine/names.h"

namespace voxgrad::apps {
namespace {

namespace fs = std::filesystem;

std::string dataset_name(const RunRecord& run) {
  return fs::path(run.manifest.at("dataset").at("path").get<std::string>()).stem().string();
}

// Says how far the run came if it has not ended.
std::string state(const RunRecord& run) {
  const std::string reason = run.manifest.at("exit_reason");
  if (run.finished()) return "";
  const std::string reached = text(" at step ", run.steps, " of ", run.config.steps, ".");
  if (reason == "diverged") return "The training diverged" + reached;
  if (reason == "interrupted") return "The training was interrupted" + reached;
  return text("The training has not come to its end; it was last seen", reached);
}

std::string alarm(const std::string& words) { return "<p class=\"alarm\">" + escaped(words) + "</p>\n"; }

std::string first_words(const RunRecord& run) {
  std::string body;
  if (finds_nothing(run.best_epoch > 0 ? run.val_dice : std::nan(""), foreground_mean(run.test)))
    body += alarm(
        "This model finds nothing: no voxel of any class was found in the validation and test cases. A longer training "
        "(--steps), another --loss or another --lr may help.");
  if (const std::string words = state(run); !words.empty()) body += alarm(words);
  return body;
}

std::string fact(const std::string& name, const std::string& value, const std::string& more = "") {
  return "<div><dt>" + escaped(name) + "</dt><dd>" + escaped(value) +
         (more.empty() ? "" : "<small>" + escaped(more) + "</small>") + "</dd></div>\n";
}

// Where nothing was validated, no epoch is the best one.
std::string weights_words(const RunRecord& run) {
  return text("with the weights of the ", std::isnan(run.val_dice) ? "last" : "best", " epoch");
}

std::string headline(const RunRecord& run) {
  std::string facts;
  if (!run.test.empty()) {
    std::string more = cases_words(run.test) + ", too few for an interval";
    if (too_few_words(run.test).empty()) {
      const Interval interval = bootstrap_interval(run.test);
      more =
          text("95 % interval ", fixed(interval.low, 3), " to ", fixed(interval.high, 3), ", ", cases_words(run.test));
    }
    facts += fact("Test Dice", fixed(foreground_mean(run.test), 3), more);
  }
  if (run.best_epoch > 0 && !std::isnan(run.val_dice)) {
    const std::int64_t epochs = run.history.empty() ? run.best_epoch : run.history.back().epoch;
    facts +=
        fact("Validation Dice", fixed(run.val_dice, 3), text("of the best epoch, ", run.best_epoch, " of ", epochs));
  }
  if (!run.history.empty()) facts += fact("Training loss", fixed(run.history.back().loss, 4), "of the last epoch");
  facts += fact("Time", duration(run.manifest.at("seconds")), text(run.steps, " of ", run.config.steps, " steps"));
  facts +=
      fact("Dataset", dataset_name(run), join({run.model.class_names.begin() + 1, run.model.class_names.end()}, ", "));
  const std::string &loss = run.config.loss, name = loss_name(loss);
  std::string parameters;
  for (std::size_t i = name.size() + 1; i < loss.size(); ++i)
    parameters += loss[i] == ',' ? ", " : std::string(1, loss[i]);
  facts += fact("Loss", name, parameters);
  return "<dl class=\"facts\">\n" + facts + "</dl>\n";
}

using Points = std::vector<std::pair<double, double>>;

template <class F>
Points points_of(const std::vector<EpochRecord>& history, F&& value_of) {
  Points points;
  for (const EpochRecord& record : history)
    if (const double value = value_of(record); std::isfinite(value))
      points.emplace_back(static_cast<double>(record.step), value);
  return points;
}

std::string curves(const RunRecord& run) {
  LinePlot loss{"training loss over the steps", "training loss, mean of each epoch", 0, 0, {}};
  loss.lines.push_back({"", points_of(run.history, [](const EpochRecord& e) { return e.loss; }), "thick-0"});
  for (const auto& [step, value] : loss.lines[0].points) {
    loss.low = std::min(loss.low, value);
    loss.high = std::max(loss.high, value);
  }
  if (loss.high <= loss.low) loss.high = loss.low + 1;
  LinePlot dice{"validation Dice over the steps", "validation Dice", 0, 1, {}};
  const std::size_t classes = run.model.class_names.size();
  for (std::size_t label = 1; label < classes && classes > 2; ++label)
    dice.lines.push_back({run.model.class_names[label],
                          points_of(run.history,
                                    [&](const EpochRecord& e) {
                                      return label <= e.val_classes.size() ? e.val_classes[label - 1] : std::nan("");
                                    }),
                          text("of-class class-", label)});
  dice.lines.push_back({classes > 2 ? "mean of the classes" : "",
                        points_of(run.history, [](const EpochRecord& e) { return e.val_dice; }), "thick-0"});
  std::string pictures;
  if (const std::string plot = line_plot(loss); !plot.empty()) pictures += figure(plot, "Training loss");
  if (const std::string plot = line_plot(dice); !plot.empty()) pictures += figure(plot, "Validation Dice");
  if (pictures.empty()) pictures = paragraph("A curve needs two epochs; there were fewer.");
  return section("Learning curve", figures(pictures));
}

std::string html_table(const std::string& caption, const Rows& rows) {
  HtmlTable table(caption, rows.front());
  for (std::size_t i = 1; i < rows.size(); ++i) {
    std::vector<std::string> cells;
    for (const std::string& cell : rows[i]) cells.push_back(escaped(cell));
    table.row(cells);
  }
  return table.str();
}

std::string test_section(const RunRecord& run) {
  if (run.test.empty()) return "";
  const std::string unit = run.model.training.spacing_unit;
  const MetricTables tables = metric_tables(run.test, run.model.class_names, unit.empty() ? "mm" : unit);
  std::string body = html_table("Means over the test cases, " + weights_words(run), tables.metrics);
  body += paragraph(tables.notes);
  if (!tables.empty_masks.empty())
    body += html_table("Cases without a class, or without any prediction of it", tables.empty_masks) +
            paragraph(tables.empty_notes);
  if (!tables.objects.empty()) body += html_table("Objects", tables.objects) + paragraph(tables.object_notes);
  if (!tables.sizes.empty()) body += html_table("True objects by size, in quarters", tables.sizes);
  return section("Test", body);
}

std::string pictures_section(const RunRecord& run, const RunPictures& pictures, const std::vector<Colour>& colours) {
  std::string body;
  if (!pictures.shown.empty()) {
    const std::string which = pictures.looked_at < pictures.cases ? text(pictures.looked_at, " of ", pictures.cases)
                              : pictures.cases == 1               ? "the only"
                                                                  : text("all ", pictures.cases);
    body += paragraph(text("From ", which, " ", pictures.split, pictures.cases == 1 ? " case" : " cases", ", ",
                           weights_words(run), pictures.split == "training" ? "; the network has seen them" : "", "."));
    std::string legend;
    for (std::size_t label = 1; label < run.model.class_names.size(); ++label)
      legend += key(css_colour(colours[label]), run.model.class_names[label]);
    if (pictures.ignored) legend += key(css_colour(kIgnored), "ignored");
    body += "<p>" + legend + "</p>\n";
  }
  for (const ShownCase& one : pictures.shown)
    body += "<h3>" + escaped(text(one.kind, " case: ", one.caption)) + "</h3>\n" + tiles(one.tiles, true);
  if (!pictures.note.empty()) body += paragraph(pictures.note);
  return section("Pictures", body);
}

std::string value_table(const std::string& caption, const std::string& what, const Rows& rows) {
  HtmlTable table(caption, {what, "value"}, "words");
  for (const std::vector<std::string>& row : rows) table.row({escaped(row[0]), escaped(row[1])});
  return table.str();
}

std::string normalisation_text(const nn::Normalisation& how) {
  switch (how.kind) {
    case nn::Normalisation::Kind::zscore_case: return "each image by its own mean and deviation";
    case nn::Normalisation::Kind::zscore_mask:
      return "each image by the mean and deviation of its voxels that are not 0";
    case nn::Normalisation::Kind::rgb: return "divided by 255";
    case nn::Normalisation::Kind::none: return "none";
    case nn::Normalisation::Kind::zscore_dataset: break;
  }
  std::string words = "by the training cases";
  for (std::size_t c = 0; c < how.mean.size(); ++c)
    words += text(
        "; channel ", c, ": ",
        how.low.empty() ? "" : text("clipped to ", significant(how.low[c]), " .. ", significant(how.high[c]), ", "),
        "mean ", significant(how.mean[c]), ", deviation ", significant(how.deviation[c]));
  return words;
}

std::string strides_text(const nn::UNetConfig& net) {
  std::string words;
  for (const Extents& stride : net.strides) {
    Shape axes;
    for (int axis = 0; axis < net.dims; ++axis) axes.push_back(stride[axis]);
    words += (words.empty() ? "" : ", ") + sizes_text(axes);
  }
  return words.empty() ? "none" : words;
}

// What the model removes from its labels, with the validation Dice before and after.
std::string clean_up_of(const RunRecord& run) {
  std::string words = clean_up_text(run.model.clean_up, run.model.class_names);
  const Json& results = run.manifest.at("results");
  if (!results.contains("clean_up") || results.at("clean_up").is_null()) return words;
  const Json& dices = member(object_at(results, "clean_up"), "val_dice");
  const auto dice = [&](const char* key) { return fixed(real_or_nan(dices, key, 0, 1), 4); };
  return text(words, "; validation Dice ", dice("before"), " without it, ", dice("after"), " with it");
}

// Every setting with the value that was used. An empty text means that there is none.
std::string settings_section(const RunRecord& run) {
  Rows rows;
  if (run.manifest.contains("split")) {
    const Json& split = run.manifest.at("split");
    rows.push_back({"cases", text(split.value("train", 0), " training, ", split.value("val", 0), " validation, ",
                                  split.value("test", 0), " test")});
  }
  rows.push_back({"classes", join(run.model.class_names, ", ")});
  rows.push_back({"channels", text(run.model.net.in_channels)});
  rows.push_back({"normalisation", normalisation_text(run.model.normalisation)});
  rows.push_back({"poolings", strides_text(run.model.net)});
  if (run.finished()) rows.push_back({"clean-up of the labels", clean_up_of(run)});
  const Json settings = to_json(run.config);
  for (const auto& [name, value] : settings.items()) {
    std::string words = value.is_string() ? value.get<std::string>() : value.dump();
    if (value.is_boolean()) words = value.get<bool>() ? "yes" : "no";
    if (value.is_number_float()) words = text(value.get<double>());
    if (name == "loss") words = run.loss;
    if (name == "epochs") words = text(run.manifest.value("epochs", run.config.epochs));
    std::string shown = name;
    std::replace(shown.begin(), shown.end(), '_', ' ');
    rows.push_back({shown, words.empty() ? "none" : words});
  }
  return section(
      "Settings",
      value_table("What the training was done with; config.toml has the same values, for --config", "setting", rows));
}

std::string machine_section(const RunRecord& run) {
  const Json& json = run.manifest;
  const auto threads = json.at("threads").get<int>();
  const auto words = [&](const char* name) { return json.at(name).get<std::string>(); };
  const auto bytes = [&](const char* name) { return size_text(json.at(name).get<std::int64_t>()); };
  return section(
      "Network and machine",
      value_table("What was trained, and where", "what",
                  {{"parameters", text(json.at("parameters").get<std::int64_t>())},
                   {"memory", bytes("peak_memory_bytes") + " in all, " + bytes("peak_tensor_bytes") + " of tensors"},
                   {"time", duration(json.at("seconds"))},
                   {"device", words("device")},
                   {"processor", text(words("cpu"), ", ", count_text(threads, "thread"))},
                   {"program", "voxgrad " + words("version") + ", " + words("compiler") + ", " + words("build")}}));
}

std::string warnings_section(const RunRecord& run) {
  if (run.warnings.empty()) return "";
  std::string list;
  for (const std::string& warning : run.warnings) list += "<li>" + escaped(warning) + "</li>\n";
  return section("Warnings", "<ul>\n" + list + "</ul>\n");
}

std::string command_section(const RunRecord& run) {
  std::string again = "voxgrad train --config RUN/config.toml -o AGAIN";
  if (run.manifest.at("device") != "cpu") again += " --device " + run.manifest.at("device").get<std::string>();
  for (const char* flag : {"tf32", "fast"})
    if (run.manifest.value(flag, Json()) == true) again += text(" --", flag);
  return section(
      "The same run again",
      paragraph(
          "RUN is the directory of this page, and its config.toml has the settings that were chosen. With the same "
          "dataset, on one machine, the results have the same bits.") +
          code_block(again) +
          paragraph(
              "This is how the run was started. Where time or memory decide, the command would choose steps, batch or "
              "patch anew:") +
          code_block(run.manifest.at("command").get<std::string>()));
}

// Opens the dataset of a run; nothing, and a note, if there is none with its content.
std::optional<data::Dataset> find_dataset(const RunRecord& run, std::string& note) {
  const std::string path = run.manifest.at("dataset").at("path");
  if (!fs::exists(path)) {
    note = "No pictures: the dataset is not at " + path + " any more.";
    return std::nullopt;
  }
  data::Dataset dataset = open_dataset(path, run.config.label_map);
  const DatasetChecksums sums = checksums_of(dataset);
  const Json& known = run.manifest.at("dataset");
  if (known.value("images_crc32", 0u) == sums.images && known.value("labels_crc32", 0u) == sums.labels) return dataset;
  note = "No pictures: " + path + " has another content than at the time of the training.";
  return std::nullopt;
}

RunPictures pictures_of(const RunRecord& run, const std::vector<Colour>& colours, Device device,
                        const data::Dataset* dataset) try {
  RunPictures none;
  if (run.best_epoch == 0) {
    none.note = "No pictures: no epoch has ended yet.";
    return none;
  }
  std::optional<data::Dataset> found;
  if (dataset == nullptr) {
    found = find_dataset(run, none.note);
    if (!found) return none;
    dataset = &*found;
  }
  return draw_run(run, colours, *dataset, device);
} catch (const Error& error) {
  if (error.kind() != ErrorKind::usage) throw;
  throw Error(ErrorKind::data, run.file("run.json") + ": " + error.message(), "the file is damaged");
}

}  // namespace

std::string write_run_page(const std::string& directory, Device device, const data::Dataset* dataset) {
  const RunRecord run = read_run(directory);
  const std::vector<Colour> colours = class_colours(run.model, run.directory);
  const RunPictures pictures = pictures_of(run, colours, device, dataset);
  std::string style;
  for (std::size_t label = 1; label < colours.size(); ++label)
    style += text("svg .class-", label, "{stroke:", css_colour(colours[label]), "}\n");
  const std::string body = reading(run.file("run.json"), ErrorKind::data, [&] {
    return first_words(run) + headline(run) + curves(run) + test_section(run) +
           pictures_section(run, pictures, colours) + warnings_section(run) + settings_section(run) +
           machine_section(run) + command_section(run);
  });
  const std::string path = run.file("report.html");
  write_text(path, page(text("Training on ", dataset_name(run), " with ", loss_name(run.config.loss)), body, style));
  return path;
}

}  // namespace voxgrad::apps
