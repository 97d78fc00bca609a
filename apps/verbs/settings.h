// Flags that several verbs have: the settings of a training, the live page, mirroring, clean-up, and the tolerance of a
// metric.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "apps/program/command_line.h"
#include "apps/training/config.h"

namespace voxgrad::apps {

// "weight_decay" -> "--weight-decay"; the dataset is the argument without a flag.
inline std::string option_name(const std::string& setting) {
  if (setting == "data") return setting;
  std::string flag = "--" + setting;
  for (char& c : flag)
    if (c == '_') c = '-';
  return flag;
}

// A switch that nobody has set is left to a rule, and --dump-config leaves it out.
inline void add_switch(CLI::App& verb, const std::string& flag, std::optional<bool>& member, const std::string& help) {
  verb.add_flag_function(
          flag + ",!--no-" + flag.substr(2), [&member](std::int64_t count) { member = count > 0; }, help)
      ->default_str(kLeftToARule);
}

// Adds every setting but those in `without`.
inline void add_settings(CLI::App& verb, TrainConfig& config, const std::vector<std::string>& without = {}) {
  visit_settings(config, [&](const std::string& name, auto& member, const char* help) {
    if (std::find(without.begin(), without.end(), name) != without.end()) return;
    const std::string flag = option_name(name);
    using Type = std::decay_t<decltype(member)>;
    if constexpr (std::is_same_v<Type, bool>)
      verb.add_flag(flag + ",!--no-" + flag.substr(2), member, help);
    else if constexpr (std::is_same_v<Type, std::optional<bool>>)
      add_switch(verb, flag, member, help);
    else
      verb.add_option(flag, member, help);
  });
}

inline void add_watch_flag(CLI::App& verb, std::string& port) {
  verb.add_option("--watch", port, "show the work live in a browser on this machine; PORT: 8008, 0: any that is free")
      ->expected(0, 1)
      ->type_name("[PORT]")
      ->configurable(false);
}

inline void add_tta_flag(CLI::App& verb, std::optional<bool>& tta) {
  add_switch(verb, "--tta", tta,
             "average over the images mirrored along all axes that the training mirrored: better by little, and 2^axes "
             "times as slow; without the flag as the model says");
}

inline void add_clean_up_flag(CLI::App& verb, bool& clean_up) {
  verb.add_flag_function(
      "--no-clean-up", [&clean_up](std::int64_t count) { clean_up = count <= 0; },
      "keep the small connected components that the model removes from its labels");
}

inline void add_tau(CLI::App& verb, double& tau) {
  verb.add_option(
          "--tau", tau,
          "tolerance of NSD in mm, or in pixels where the spacing is; 0: the largest voxel spacing of each case")
      ->check(CLI::Range(0.0, 1e6));
}

}  // namespace voxgrad::apps
