// Measures the time of repeated work on any device.
#pragma once

#include <functional>
#include <vector>

#include "apps/program/json.h"
#include "engine/tensor.h"

namespace voxgrad::apps {

struct Timing {
  double median_ms, min_ms;
  int repeats;
};

// Runs `work` once without counting it, then `repeats` times; 0 means for about a second, 5 to 100 times.
Timing measure(Device device, int repeats, const std::function<void()>& work);

// The same for work in stages: `work` calls its argument at the end of each; one timing per stage.
std::vector<Timing> measure_stages(Device device, int repeats,
                                   const std::function<void(const std::function<void()>& stage_done)>& work);

// {median_ms, min_ms, repeats}
Json to_json(const Timing& timing);

}  // namespace voxgrad::apps
