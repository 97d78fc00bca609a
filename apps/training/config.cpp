#include "apps/training/config.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <type_traits>

#include "apps/program/fields.h"
#include "apps/program/toml.h"
#include "engine/error.h"
#include "nn/unet.h"

namespace voxgrad::apps {

namespace {

template <class Number>
void require(bool ok, const char* flag, Number value, const std::string& range) {
  if (!ok) throw Error(ErrorKind::usage, text("--", flag, " ", value, " outside ", range));
}

// Reads a setting, of the type that it has.
template <class T>
void take(const Json& json, const std::string& name, T& value) {
  if constexpr (std::is_same_v<T, bool>)
    value = flag_at(json, name);
  else if constexpr (std::is_same_v<T, std::optional<bool>>)
    value = json.at(name).is_null() ? T() : flag_at(json, name);
  else if constexpr (std::is_same_v<T, std::string>)
    value = text_at(json, name);
  else if constexpr (std::is_same_v<T, double>)
    value = real_number(json, name);
  else if constexpr (std::is_same_v<T, std::uint64_t>)
    value = seed_number(json, name);
  else
    value = whole_number(json, name);
}

}  // namespace

void require_ranges(const TrainConfig& c) {
  const auto within = [](const char* flag, std::int64_t value, std::int64_t most) {
    require(value >= 0 && value <= most, flag, value, text("0..", most));
  };
  within("dims", c.dims, 3);
  within("base", c.base, nn::kMostChannels);
  within("depth", c.depth, 10);
  within("batch", c.batch, 65536);
  within("epochs", c.epochs, 1'000'000'000);
  within("steps", c.steps, kMostSteps);
  within("validate-every", c.validate_every, 1'000'000'000);
  within("validate-cases", c.validate_cases, 1'000'000'000);
  within("patience", c.patience, 1'000'000'000);
  require(c.lr >= 0 && std::isfinite(c.lr), "lr", c.lr, "0..");
  require(c.dropout >= 0 && c.dropout < 1, "dropout", c.dropout, "[0, 1)");
  require(c.ema >= 0 && c.ema < 1, "ema", c.ema, "[0, 1)");
  require(c.foreground >= 0 && c.foreground <= 1, "foreground", c.foreground, "[0, 1]");
  require(c.clip >= 0 && std::isfinite(c.clip), "clip", c.clip, "0..");
  require(c.weight_decay >= 0 && std::isfinite(c.weight_decay), "weight-decay", c.weight_decay, "0..");
}

Json to_json(const TrainConfig& config) {
  Json json;
  visit_settings(config, [&](const char* name, const auto& value, const char*) {
    if constexpr (std::is_same_v<std::decay_t<decltype(value)>, std::optional<bool>>)
      json[name] = value ? Json(*value) : Json();
    else
      json[name] = value;
  });
  json["seed"] = config.seed;
  return json;
}

TrainConfig config_from_json(const Json& json) try {
  TrainConfig config;
  if (!json.is_object()) member(json, "data");
  const auto take_known = [&](const char* name, auto& value, const char* = "") {
    if (json.contains(name)) take(json, name, value);
  };
  visit_settings(config, take_known);
  take_known("seed", config.seed);
  require_ranges(config);
  return config;
} catch (const Error& error) {
  throw Error(ErrorKind::model, "configuration: setting " + error.message());
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
  Json json = to_json(config);
  if (!config.from.empty() && config.kernels == "spacing") json.erase("kernels");  // those of the model
  for (const auto& [name, value] : json.items())
    if (!value.is_null()) result += name + " = " + (value.is_string() ? toml_text(value) : value.dump()) + "\n";
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
