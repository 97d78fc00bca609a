// How long a training takes, and how many steps fit a time that somebody has.
#pragma once

#include <functional>
#include <string>

#include "apps/training/plan.h"
#include "engine/tensor.h"

namespace voxgrad::apps {

// Seconds: of one step, of what ends an epoch beside a validation, of a checkpoint, of one validation, and of what
// comes at the end, the test and the choice of the clean-up. Validation and choice are those of all validation cases.
// `reading` is what a training case takes before its first patch, if prepared cases stay in memory; else a step has it.
// If some of them stay, `step` and `reading` are means over all cases.
// `pictures` are predictions of all cases of which the page shows some, where neither test nor choice tell what they
// take. `maps` is what it takes to look before the first step whether all training cases have the maps of the loss.
// Bytes: the peak of the process by the end of the training, and that of its tensors on the device.
struct Costs {
  double step = 0, epoch = 0, checkpoint = 0, validation = 0, test = 0, clean_up = 0, reading = 0, pictures = 0,
         maps = 0;
  std::int64_t memory = 0, tensors = 0;
};

// Does steps for `measured` seconds, at least three, and segments one case of each split; cases of other sizes are
// taken in proportion to the voxels of their windows. If `limit` is 0, it is the largest case, which decides the
// memory. Else it is the one in the middle, and up to eight others while there is time, and of a prediction that takes
// more than `limit` seconds a part is measured. What predictions take is copied from `known`, if it is given.
// `progress` is called meanwhile; an exception of it ends the work. If `folder` is given, files as large as those of a
// checkpoint are written there, and removed.
Costs measure_costs(const data::Dataset& dataset, const Plan& plan, Device device, double measured, double limit,
                    const std::function<void()>& progress, const Costs* known = nullptr,
                    const std::string& folder = "");

// Makes the maps that the loss asks for, as the training would before its first step. `progress` is as above.
void prepare_maps(const data::Dataset& dataset, const Plan& plan, const std::function<void()>& progress);

// Returns the seconds in which the network of a plan segments a voxel of a window, by the second of two predictions.
double voxel_seconds(const Plan& plan, Device device);

// Returns how many views of an image a test averages: 1, or 2 for each axis along which it is mirrored.
double view_count(const Plan& plan);

// Returns the seconds of what comes after the steps, and of the one validation that always takes place.
double seconds_at_end(const Plan& plan, const Costs& costs);
// Returns the seconds that the whole training of a plan takes, and those of them that are for the page of the run.
double seconds_of(const Plan& plan, const Costs& costs);
double page_seconds(const Plan& plan, const Costs& costs);

// Sets the number of steps, the schedule and the validations (training/validation.h) so that training, validations and
// test take `seconds`. Validations that the plan has not are not added.
// Throws Error(usage) if not one step fits.
void fit_time(Plan& plan, const Costs& costs, double seconds);

// Reads "90s", "20min", "2h" or "1h30min" as seconds. Throws Error(usage) for anything else.
double parse_time(const std::string& text);

}  // namespace voxgrad::apps
