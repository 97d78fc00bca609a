#include "apps/report/overlays.h"

#include <algorithm>
#include <filesystem>
#include <span>

#include "apps/program/console.h"
#include "apps/program/words.h"
#include "apps/report/picture.h"
#include "apps/report/slices.h"
#include "apps/training/checkpoint.h"
#include "apps/training/plan.h"
#include "apps/training/run_directory.h"
#include "data/attributes.h"
#include "data/exchange/output.h"
#include "engine/error.h"
#include "engine/io/crc32.h"
#include "engine/ops.h"
#include "nn/inference/windows.h"

namespace voxgrad::apps {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kMostPixels = 1024;      // pixels of a side; larger images are thinned out
constexpr std::int64_t kEnlarged = 512;         // up to which smaller images are enlarged
constexpr std::size_t kBytesOfAll = 3'000'000;  // of all pictures of a page; base64 makes a third more of them

// One row of pictures: a case, and the run of each loss that was tested on it.
struct Scene {
  std::string kind, id;
  std::vector<const ComparedRun*> runs;
  std::vector<double> dice;
};

std::vector<Scene> scenes_of(const Comparison& comparison, const Analysis& analysis) {
  struct Tested {
    double dice;
    std::string id;
  };
  const std::vector<std::string> losses = shown_losses(analysis);
  std::vector<Tested> tested;
  for (const ComparedRun& run : comparison.runs)
    if (run.dataset == analysis.name && run.loss == losses.front() && run.seed == comparison.runs.front().seed)
      for (const CaseNumbers& one : run.cases)
        if (const double dice = dice_of(comparison, one); !std::isnan(dice)) tested.push_back({dice, one.id});
  std::stable_sort(tested.begin(), tested.end(), [](const Tested& a, const Tested& b) { return a.dice < b.dice; });
  std::vector<Scene> scenes;
  if (tested.empty()) return scenes;
  std::vector<std::pair<std::string, std::size_t>> chosen{{tested.size() == 1 ? "only" : "worst", 0}};
  if (tested.size() > 2) chosen.emplace_back("median", tested.size() / 2);
  if (tested.size() > 1) chosen.emplace_back("best", tested.size() - 1);
  for (const auto& [kind, index] : chosen) {
    Scene scene{kind, tested[index].id, {}, {}};
    for (const std::string& loss : losses)
      for (const ComparedRun& run : comparison.runs) {
        if (run.dataset != analysis.name || run.loss != loss || run.seed != comparison.runs.front().seed) continue;
        for (const CaseNumbers& one : run.cases)
          if (one.id == scene.id) {
            scene.runs.push_back(&run);
            scene.dice.push_back(dice_of(comparison, one));
          }
      }
    scenes.push_back(scene);
  }
  return scenes;
}

// The name has a checksum of the case and the runs, so that no picture of others is taken for it.
std::string file_of(const std::string& directory, const Analysis& analysis, const Scene& scene, std::size_t tile) {
  std::string shown = scene.id;
  for (const ComparedRun* run : scene.runs) shown += "\n" + run->path;
  return text(directory, "/overlays/", file_name(analysis.name), "_", scene.kind, "_",
              hexadecimal(crc32(std::as_bytes(std::span(shown)))), "_", tile, ".png");
}

// What is drawn of a case: a picture, or one slice of a volume.
struct DrawnCase {
  Tensor image, truth;
  std::vector<Tensor> mistakes;  // of each loss
  LabelStyle style;

  std::vector<std::string> pngs(std::int64_t largest) const {
    const Picture picture = draw_slice(image, 0, largest);
    std::vector<std::string> files{to_png(enlarged(picture, {}, 0, largest, style)),
                                   to_png(enlarged(picture, truth, 0, largest, style))};
    for (const Tensor& map : mistakes)
      files.push_back(to_png(enlarged(picture, map, 0, largest, style_of_mistakes(style))));
    return files;
  }
};

DrawnCase drawn_case(const data::Dataset& dataset, const Scene& scene, const std::string& directory, Device device) {
  const std::vector<std::string>& ids = dataset.info().case_ids;
  const auto index = std::find(ids.begin(), ids.end(), scene.id) - ids.begin();
  const data::Case one = dataset.read(index);
  const int ignore = dataset.info().ignore_label;
  const std::int64_t z = fullest_slice(one.label, ignore);
  const auto cut = [&](const Tensor& whole) {
    return one.label.dims() == 3 ? slice(whole, 0, z, z + 1).clone() : whole;
  };
  DrawnCase shown{
      cut(one.image), cut(one.label), {}, label_style(one, dataset.info().class_colours, dataset.classes(), ignore)};
  for (const ComparedRun* run : scene.runs) {
    const nn::Model model = nn::load_model(model_file(directory + "/" + run->path), device);
    shown.mistakes.push_back(
        mistakes(shown.truth, cut(nn::predict(model, one.image, {.spacing = one.spacing})), ignore));
  }
  return shown;
}

// Writes the pictures at the resolution of the cases, or at the largest that `budget` bytes allow.
void draw_scenes(const ComparedDataset& known, const Analysis& analysis, const std::vector<Scene>& scenes,
                 const std::string& directory, Device device, const std::string& label_map, std::size_t budget) {
  const data::Dataset dataset = open_dataset(known.path, label_map);
  if (known.used.contains("images_crc32")) {
    const DatasetChecksums sums = checksums_of(dataset);
    if (known.used.at("images_crc32") != sums.images || known.used.at("labels_crc32") != sums.labels)
      throw Error(ErrorKind::data, known.path + " has another content than at the time of the comparison");
  }
  std::vector<DrawnCase> shown;
  for (const Scene& scene : scenes) shown.push_back(drawn_case(dataset, scene, directory, device));
  std::int64_t side = 0;
  for (const DrawnCase& one : shown) side = std::max({side, one.truth.extent(-1), one.truth.extent(-2)});
  std::int64_t largest = side > kEnlarged ? kMostPixels : kEnlarged;
  std::vector<std::vector<std::string>> files;
  for (std::size_t bytes = budget + 1; bytes > budget; largest /= 2) {
    bytes = 0;
    files.clear();
    for (const DrawnCase& one : shown) {
      files.push_back(one.pngs(largest));
      for (const std::string& file : files.back()) bytes += file.size();
    }
    if (largest <= 64) break;
  }
  for (std::size_t i = 0; i < scenes.size(); ++i)
    for (std::size_t tile = 0; tile < files[i].size(); ++tile)
      write_text(file_of(directory, analysis, scenes[i], tile), files[i][tile]);
}

}  // namespace

std::vector<std::string> shown_losses(const Analysis& analysis) {
  std::vector<std::string> shown{analysis.losses.front().loss};
  for (const std::string& loss : {analysis.baseline, analysis.losses.back().loss})
    if (std::find(shown.begin(), shown.end(), loss) == shown.end()) shown.push_back(loss);
  return shown;
}

std::string legend_of_classes(const ComparedDataset& dataset) {
  const auto classes = std::ssize(dataset.class_names);
  const std::string own = dataset.used.value("class_colours", "");
  const std::vector<Colour> colours =
      !own.empty() ? data::colours_of(own, dataset.name) : data::default_colours(classes);
  std::string legend;
  for (std::size_t label = 1; label < dataset.class_names.size(); ++label)
    legend += key(css_colour(colours[label]), dataset.class_names[label]);
  return legend;
}

std::string label_map_of(const Comparison& comparison) {
  const auto settings = comparison.protocol.find("settings");
  return settings == comparison.protocol.end() ? "" : settings->value("label_map", "");
}

std::vector<OverlayRow> overlays(const Comparison& comparison, const std::vector<Analysis>& analyses,
                                 const std::string& directory, bool redraw, Device device,
                                 std::vector<std::string>& notes) {
  std::vector<OverlayRow> rows;
  for (std::size_t d = 0; d < comparison.datasets.size() && d < analyses.size(); ++d) {
    const Analysis& analysis = analyses[d];
    const std::vector<Scene> scenes = scenes_of(comparison, analysis);
    if (scenes.empty()) continue;
    const bool there = std::all_of(scenes.begin(), scenes.end(), [&](const Scene& scene) {
      return fs::exists(file_of(directory, analysis, scene, scene.runs.size() + 1));
    });
    try {
      fs::create_directories(directory + "/overlays");
      if (redraw || !there)
        draw_scenes(comparison.datasets[d], analysis, scenes, directory, device, label_map_of(comparison),
                    kBytesOfAll / comparison.datasets.size());
      for (const Scene& scene : scenes) {
        OverlayRow row{
            d, scene.kind + " case of " + scene.runs.front()->loss + " on " + analysis.name + ": " + scene.id, {}};
        const auto add = [&](const std::string& caption, const std::string& what) {
          const std::string file = read_text(file_of(directory, analysis, scene, row.tiles.size()));
          row.tiles.push_back({caption, what + " case " + scene.id, file});
        };
        add("image", "image of");
        add("truth, in the colours of the classes", "classes in the truth of");
        for (std::size_t k = 0; k < scene.runs.size(); ++k) {
          const std::string dice = scene.runs[k]->loss + ", Dice " + fixed(scene.dice[k], 2);
          add("mistakes of " + dice, "mistakes of " + dice + ", on");
        }
        rows.push_back(row);
      }
    } catch (const Error& error) {
      notes.push_back("No pictures of " + analysis.name + ": " + error.message());
    } catch (const fs::filesystem_error& error) {
      notes.push_back("No pictures of " + analysis.name + ": " + error.what());
    }
  }
  return rows;
}

}  // namespace voxgrad::apps
