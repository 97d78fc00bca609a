#include "apps/training/config.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "apps/program/toml.h"
#include "engine/error.h"

namespace voxgrad::apps {

Json to_json(const TrainConfig& config) {
  Json json;
  visit_settings(config, [&](const char* name, const auto& value, const char*) { json[name] = value; });
  json["seed"] = config.seed;
  return json;
}

TrainConfig config_from_json(const Json& json) {
  TrainConfig config;
  const auto take = [&](const char* name, auto& value, const char* = "") {
    if (!json.contains(name)) return;
    try {
      json.at(name).get_to(value);
    } catch (const nlohmann::json::exception& error) {
      throw Error(ErrorKind::model, text("configuration: setting `", name, "`: ", error.what()));
    }
  };
  visit_settings(config, take);
  take("seed", config.seed);
  return config;
}

void require_all_settings(const Json& json) {
  const TrainConfig usual;
  visit_settings(usual, [&](const std::string& name, const auto&, const char*) {
    if (!json.contains(name))
      throw Error(
          ErrorKind::model,
          "the run has no setting `" + name + "`: an earlier version began it, which this one cannot go on with",
          "its model can be used; to go on from its weights, start a new run with --from");
  });
}

std::string to_toml(const TrainConfig& config) {
  std::string result = "# The settings of this run; `voxgrad train --config FILE` takes them.\n";
  const Json json = to_json(config);
  for (const auto& [name, value] : json.items())
    result += name + " = " + (value.is_string() ? toml_text(value) : value.dump()) + "\n";
  return result;
}

void require_amp(Device device) {
  if (device == Device::cpu)
    throw Error(ErrorKind::usage, "--amp: device cpu does not compute in bf16",
                "add --device cuda, or leave --amp out");
}

Shape parse_sizes(const std::string& text, int dims, const std::string& flag) {
  std::vector<std::int64_t> sizes;
  const char* at = text.data();
  const char* const end = at + text.size();
  bool ok = !text.empty();
  while (ok && at < end) {
    std::int64_t value = 0;
    const auto [next, code] = std::from_chars(at, end, value);
    ok = code == std::errc{} && value >= 1 && value <= 65536 &&
         (next == end || ((*next == 'x' || *next == ',') && next + 1 < end));
    sizes.push_back(value);
    at = next == end ? end : next + 1;
  }
  if (ok && sizes.size() == 1) return Shape::filled(dims, sizes[0]);
  if (!ok || std::ssize(sizes) != dims)
    throw Error(ErrorKind::usage,
                flag + ": cannot read \"" + text + "\" as the extents of " + std::to_string(dims) + " axes",
                dims == 2 ? "write 128 or 128x96" : "write 64 or 96x96x32");
  return Shape(sizes);
}

std::string sizes_text(const Shape& sizes) {
  std::string result;
  for (const std::int64_t size : sizes) result.append(result.empty() ? "" : "x").append(std::to_string(size));
  return result;
}

std::vector<double> parse_spacing(const std::string& words, int dims) {
  std::vector<double> spacing;
  const char* at = words.data();
  const char* const end = at + words.size();
  bool ok = !words.empty();
  while (ok && at < end) {
    double value = 0;
    const auto [next, code] = std::from_chars(at, end, value);
    ok = code == std::errc{} && value > 0 && std::isfinite(value) &&
         (next == end || ((*next == 'x' || *next == ',') && next + 1 < end));
    spacing.push_back(value);
    at = next == end ? end : next + 1;
  }
  if (ok && spacing.size() == 1) spacing.assign(static_cast<std::size_t>(dims), spacing[0]);
  if (!ok || std::ssize(spacing) != dims)
    throw Error(ErrorKind::usage,
                "--spacing: cannot read \"" + words + "\" as the spacing of " + std::to_string(dims) + " axes",
                dims == 2 ? "write 0.5 or 1x0.5" : "write 1 or 3x0.8x0.8");
  return spacing;
}

std::string spacing_text(const std::vector<double>& spacing) {
  std::string result;
  for (const double step : spacing) result += (result.empty() ? "" : "x") + text(step);
  return result;
}

}  // namespace voxgrad::apps
