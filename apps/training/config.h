// The settings of a training. Flags, TOML files and checkpoints name them with the same words. 0, an empty text or
// "auto" means that the value comes from the data, as does a switch without a value; training/plan.h fills it in.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "apps/program/json.h"
#include "engine/tensor.h"

namespace voxgrad::apps {

struct TrainConfig {
  std::string data, from, label_map, fold;
  std::string loss = "dice_ce";
  std::string targets = "auto";
  std::int64_t dims = 0, base = 0, depth = 0;
  std::string kernels, norm = "instance";
  bool residual = false;
  double dropout = 0;
  std::optional<bool> deep_supervision;
  bool amp = false;
  std::string crop = "auto", spacing = "auto", normalise = "auto";
  std::string patch;
  std::int64_t batch = 0, epochs = 0, steps = 0;
  double lr = 0;
  std::string optimizer = "adamw", schedule = "cosine";
  double weight_decay = 0.01, clip = 12, ema = 0;
  std::string augment;
  double foreground = 0.33;
  std::int64_t validate_every = 1, validate_cases = 0, patience = 0;
  std::string tta = "auto", clean_up = "auto", on_nan = "stop";
  std::uint64_t seed = 1;
};

// Calls f(name, member, help) for every setting but `seed`, which is a common flag. The names are those of the flags
// with an underscore for each hyphen.
template <class Config, class F>
void visit_settings(Config& c, F&& f) {
  f("data", c.data, "dataset file (HDF5, format 1); with --resume only if it has moved");
  f("from", c.from,
    "run or model whose weights the training begins with; its network is taken, too, but for options that are given "
    "(--kernels only with another --depth)");
  f("label_map", c.label_map, "stored label:class pairs, e.g. 0:0,255:1");
  f("fold", c.fold, "k/n: test on fold k of n (0 ..), validate on the next; empty: the splits of the file");
  f("loss", c.loss,
    "the loss as text, e.g. dice_ce or 0.7*dice+1.3*ce:weights=1/5 (see `voxgrad losses`); unless it is given, `train` "
    "takes dice_ce:smooth_nr=1,smooth_dr=1 for pictures");
  f("targets", c.targets,
    "the truth of the loss: labels, probabilities (the label probabilities of the file), or auto: the probabilities if "
    "the file has them");
  f("dims", c.dims, "axes of the network, 2 or 3; 2 segments volumes slice by slice; 0: from the data");
  f("base", c.base, "channels of the first level; 0: 16");
  f("depth", c.depth, "levels of the U-Net; 0: as many as leave 8 voxels along an axis, at most 5 in 2-D, 4 in 3-D");
  f("kernels", c.kernels,
    "extents of the kernels: spacing: 1 along the axis of thick slices until the voxels are cubes, else 3; full: 3 "
    "everywhere; empty: spacing");
  f("norm", c.norm, "normalisation layers: batch, instance, group or none");
  f("residual", c.residual, "residual blocks");
  f("dropout", c.dropout, "share of channels dropped after each block, 0 .. 1");
  f("deep_supervision", c.deep_supervision,
    "the loss at every resolution, weights 2^-k; without the flag: if the network has several and the loss needs no "
    "distances");
  f("amp", c.amp, "mixed precision on a GPU: feature maps in bf16, weights and gradients in f32");
  f("crop", c.crop,
    "cut images to the box of the voxels that are not 0: on, off, or auto: if a tenth of a case or more is outside");
  f("spacing", c.spacing,
    "spacing to which all images are resampled: 1x0.5x0.5, none, or auto: the median, if the training cases differ");
  f("normalise", c.normalise,
    "intensities: case, mask (voxels that are not 0), dataset (clipped, as for CT), rgb (by 255), none, or auto");
  f("patch", c.patch, "size of a training patch, 128 or 96x96x64; empty: the case, at most 256^2 or 64^3 voxels");
  f("batch", c.batch, "patches per step; 0: as many as have about 40,000 voxels, 1 to 16");
  f("epochs", c.epochs, "length of the training; 0: see --steps");
  f("steps", c.steps,
    "length of the training in optimiser steps; 0: six patches of every case, at least 80 million voxels, in 600 to "
    "3000 steps");
  f("lr", c.lr, "largest learning rate; 0: the default of the optimiser");
  f("optimizer", c.optimizer, "adamw, adam or sgd");
  f("schedule", c.schedule, "schedule of the learning rate: cosine, poly, step, plateau or constant");
  f("weight_decay", c.weight_decay, "weight decay; adam and sgd add it to the gradient, where 1e-4 or less is usual");
  f("clip", c.clip, "largest norm of the gradient; 0: no clipping");
  f("ema", c.ema,
    "decay of the moving average of the weights that is validated, tested and stored in best.safetensors; 0: none");
  f("augment", c.augment,
    "of the patches: none, geometry, intensity, default (both) or elastic (default and deformations), and single "
    "changes after it, as in default,elastic=0.3,rotate=0; empty: default, or none for cases that are seen a few times "
    "only");
  f("foreground", c.foreground, "share of patches that are centred on a foreground voxel, 0 .. 1");
  f("validate_every", c.validate_every,
    "epochs between validations, or more if these would take over a tenth of the time and --validate-cases is not "
    "given; 0: only after the last");
  f("validate_cases", c.validate_cases,
    "validation cases that are looked at, evenly spread; 0: as many, and as often, as a tenth of the time allows");
  f("patience", c.patience, "stop when so many validations in a row did not raise the smoothed Dice; 0: never");
  f("tta", c.tta,
    "test-time augmentation, the mean over mirrored images: on, off, or auto: if patches are flipped and the test "
    "with the choice of the clean-up takes at most a fifth of --time");
  f("clean_up", c.clean_up,
    "auto: of all foreground, and of each class, only the largest component is kept if the validation Dice gains; off");
  f("on_nan", c.on_nan, "when loss or gradient is not finite: stop, skip (the step) or rollback (to the checkpoint)");
}

// The most steps of a training; like the other limits it leaves room for products with other settings.
inline constexpr std::int64_t kMostSteps = 1'000'000'000'000;
// Throws Error(usage) that names the flag and its range if a number is outside it, whatever the data are.
void require_ranges(const TrainConfig& config);

Json to_json(const TrainConfig& config);
// Settings that are absent, because an earlier version did not know them, keep their defaults. Throws Error(model) for
// a setting of another type or outside its range.
TrainConfig config_from_json(const Json& json);
// Throws Error(model) if a setting is absent: then a resumed run would not go on as it began.
void require_all_settings(const Json& json);
// Writes the settings as flat TOML, which `train --config` reads.
std::string to_toml(const TrainConfig& config);

// Throws Error(usage) if the device cannot compute in bf16, which --amp needs.
void require_amp(Device device);

// Reads "128" or "96x96x64" (or with commas) as one value per axis. Throws Error(usage) that names `flag`.
Shape parse_sizes(const std::string& text, int dims, const std::string& flag);
std::string sizes_text(const Shape& sizes);  // "96x96x64"

// Reads "1x0.5x0.5" (or with commas), one number per axis or one for all. Throws Error(usage) that names --spacing for
// anything else.
std::vector<double> parse_spacing(const std::string& text, int dims);
std::string spacing_text(const std::vector<double>& spacing);  // "1x0.5x0.5", of six digits each

}  // namespace voxgrad::apps
