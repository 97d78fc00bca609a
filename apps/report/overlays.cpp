#include "apps/report/overlays.h"

#include <algorithm>
#include <filesystem>

#include "apps/program/console.h"
#include "apps/program/words.h"
#include "apps/report/picture.h"
#include "apps/report/slices.h"
#include "apps/training/checkpoint.h"
#include "apps/training/plan.h"
#include "apps/training/run_directory.h"
#include "engine/error.h"
#include "nn/inference/windows.h"

namespace voxgrad::apps {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kLargest = 160;  // pixels of a side; larger images are thinned out

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
        if (const double dice = mean_of(comparison, one, "dice"); !std::isnan(dice)) tested.push_back({dice, one.id});
  std::stable_sort(tested.begin(), tested.end(), [](const Tested& a, const Tested& b) { return a.dice < b.dice; });
  std::vector<Scene> scenes;
  if (tested.empty()) return scenes;
  for (const auto& [kind, index] :
       {std::pair<std::string, std::size_t>{"worst", 0}, {"median", tested.size() / 2}, {"best", tested.size() - 1}}) {
    Scene scene{kind, tested[index].id, {}, {}};
    for (const std::string& loss : losses)
      for (const ComparedRun& run : comparison.runs) {
        if (run.dataset != analysis.name || run.loss != loss || run.seed != comparison.runs.front().seed) continue;
        for (const CaseNumbers& one : run.cases)
          if (one.id == scene.id) {
            scene.runs.push_back(&run);
            scene.dice.push_back(mean_of(comparison, one, "dice"));
          }
      }
    scenes.push_back(scene);
  }
  return scenes;
}

std::string file_of(const std::string& directory, const Analysis& analysis, const Scene& scene, std::size_t tile) {
  return text(directory, "/overlays/", file_name(analysis.name), "_", scene.kind, "_", tile, ".png");
}

void draw_scenes(const ComparedDataset& known, const Analysis& analysis, const std::vector<Scene>& scenes,
                 const std::string& directory, const std::string& label_map) {
  const data::Dataset dataset = open_dataset(known.path, label_map);
  const std::vector<std::string>& ids = dataset.info().case_ids;
  for (const Scene& scene : scenes) {
    const auto index = std::find(ids.begin(), ids.end(), scene.id) - ids.begin();
    const data::Case one = dataset.read(index);
    const std::int64_t slice = fullest_slice(one.label);
    write_text(file_of(directory, analysis, scene, 0), to_png(draw_slice(one.image, slice, kLargest)));
    for (std::size_t k = 0; k < scene.runs.size(); ++k) {
      const nn::Model model = nn::load_model(model_file(directory + "/" + scene.runs[k]->path));
      const Tensor prediction = nn::predict(model, one.image, {.spacing = one.spacing});
      write_text(
          file_of(directory, analysis, scene, k + 1),
          to_png(draw_slice(one.image, slice, kLargest, mistakes(one.label, prediction, dataset.info().ignore_label))));
    }
  }
}

}  // namespace

std::vector<std::string> shown_losses(const Analysis& analysis) {
  std::vector<std::string> shown{analysis.losses.front().loss};
  for (const std::string& loss : {analysis.baseline, analysis.losses.back().loss})
    if (std::find(shown.begin(), shown.end(), loss) == shown.end()) shown.push_back(loss);
  return shown;
}

std::vector<OverlayRow> overlays(const Comparison& comparison, const std::vector<Analysis>& analyses,
                                 const std::string& directory, bool redraw, std::vector<std::string>& notes) {
  std::vector<OverlayRow> rows;
  for (std::size_t d = 0; d < comparison.datasets.size() && d < analyses.size(); ++d) {
    const Analysis& analysis = analyses[d];
    const std::vector<Scene> scenes = scenes_of(comparison, analysis);
    const bool there = !scenes.empty() && fs::exists(file_of(directory, analysis, scenes.back(), 0));
    try {
      fs::create_directories(directory + "/overlays");
      if (redraw || !there)
        draw_scenes(comparison.datasets[d], analysis, scenes, directory,
                    comparison.protocol.at("settings").value("label_map", ""));
      for (const Scene& scene : scenes) {
        OverlayRow row{analysis.name, scene.kind + " case of " + scene.runs.front()->loss + ": " + scene.id, {}};
        row.tiles.push_back({"image", "image of case " + scene.id, read_text(file_of(directory, analysis, scene, 0))});
        for (std::size_t k = 0; k < scene.runs.size(); ++k)
          row.tiles.push_back(
              {scene.runs[k]->loss + ", Dice " + fixed(scene.dice[k], 2),
               "prediction of " + scene.runs[k]->loss + " on case " + scene.id + ", Dice " + fixed(scene.dice[k], 2),
               read_text(file_of(directory, analysis, scene, k + 1))});
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
