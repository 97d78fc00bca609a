#include "apps/report/overlays.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "apps/program/console.h"
#include "apps/report/png.h"
#include "apps/training/checkpoint.h"
#include "apps/training/plan.h"
#include "apps/training/run_directory.h"
#include "engine/error.h"
#include "nn/inference/windows.h"

namespace voxgrad::apps {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kLargest = 160;  // pixels of a side; larger images are thinned out
using Colour = std::uint8_t[3];
// Blue, yellow and vermilion of Okabe and Ito's palette.
constexpr Colour kAgreement{0x56, 0xB4, 0xE9}, kMissed{0xF0, 0xE4, 0x42}, kFalse{0xD5, 0x5E, 0x00};

// One slice of a case; in 3-D it is the one with most foreground.
struct Slice {
  std::int64_t height, width, channels, offset;  // offset in voxels
};

Slice slice_of(const data::Case& one) {
  const Shape& shape = one.label.shape();
  const bool flat = shape.dims() == 2;
  Slice slice{shape[-2], shape[-1], one.image.shape()[-1], 0};
  if (flat) return slice;
  const std::uint8_t* labels = one.label.data<std::uint8_t>();
  const std::int64_t area = slice.height * slice.width;
  std::int64_t most = -1;
  for (std::int64_t z = 0; z < shape[0]; ++z) {
    const std::int64_t found = std::count_if(labels + z * area, labels + (z + 1) * area,
                                             [](std::uint8_t label) { return label != 0 && label != 255; });
    if (found > most) {
      most = found;
      slice.offset = z * area;
    }
  }
  return slice;
}

// Draws the first channel in grey values from the 1st to the 99th percentile, with at most kLargest pixels a side.
// `colour_of` returns the colour that is laid over a voxel, or nullptr if there is none.
template <class F>
Picture draw(const data::Case& one, const Slice& slice, F&& colour_of) {
  const float* values = one.image.data<float>() + slice.offset * slice.channels;
  std::vector<double> sorted;
  for (std::int64_t i = 0; i < slice.height * slice.width; ++i)
    sorted.push_back(static_cast<double>(values[i * slice.channels]));
  std::sort(sorted.begin(), sorted.end());
  const double low = quantile(sorted, 0.01), high = std::max(quantile(sorted, 0.99), std::nextafter(low, HUGE_VAL));
  const std::int64_t step = (std::max(slice.height, slice.width) + kLargest - 1) / kLargest;
  Picture picture{(slice.width + step - 1) / step, (slice.height + step - 1) / step, {}};
  for (std::int64_t y = 0; y < slice.height; y += step)
    for (std::int64_t x = 0; x < slice.width; x += step) {
      const std::int64_t i = y * slice.width + x;
      const double grey = std::clamp((static_cast<double>(values[i * slice.channels]) - low) / (high - low), 0.0, 1.0);
      const std::uint8_t* colour = colour_of(slice.offset + i);
      for (int k = 0; k < 3; ++k)
        picture.rgb.push_back(
            static_cast<std::uint8_t>(colour == nullptr ? 255 * grey : 0.35 * 255 * grey + 0.65 * colour[k]));
    }
  return picture;
}

Picture draw_image(const data::Case& one, const Slice& slice) {
  return draw(one, slice, [](std::int64_t) -> const std::uint8_t* { return nullptr; });
}

Picture draw_overlay(const data::Case& one, const Slice& slice, const Tensor& prediction, int ignore) {
  const std::uint8_t* truth = one.label.data<std::uint8_t>();
  const std::uint8_t* found = prediction.data<std::uint8_t>();
  return draw(one, slice, [&](std::int64_t i) -> const std::uint8_t* {
    if (truth[i] == ignore || (truth[i] == 0 && found[i] == 0)) return nullptr;
    if (truth[i] == found[i]) return kAgreement;
    return found[i] == 0 ? kMissed : kFalse;
  });
}

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
  return text(directory, "/overlays/", analysis.name, "_", scene.kind, "_", tile, ".png");
}

void draw_scenes(const ComparedDataset& known, const Analysis& analysis, const std::vector<Scene>& scenes,
                 const std::string& directory, const std::string& label_map) {
  const data::Dataset dataset = open_dataset(known.path, label_map);
  const std::vector<std::string>& ids = dataset.info().case_ids;
  for (const Scene& scene : scenes) {
    const auto index = std::find(ids.begin(), ids.end(), scene.id) - ids.begin();
    const data::Case one = dataset.read(index);
    const Slice slice = slice_of(one);
    write_text(file_of(directory, analysis, scene, 0), to_png(draw_image(one, slice)));
    for (std::size_t k = 0; k < scene.runs.size(); ++k) {
      const nn::Model model = nn::load_model(model_file(directory + "/" + scene.runs[k]->path));
      const Tensor prediction = nn::predict(model, one.image);
      write_text(file_of(directory, analysis, scene, k + 1),
                 to_png(draw_overlay(one, slice, prediction, dataset.info().ignore_label)));
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
