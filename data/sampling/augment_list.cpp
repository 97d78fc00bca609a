// Reads lists of augmentations: the names of sets and of the members of AugmentOptions.
#include <algorithm>
#include <charconv>

#include "data/sampling/augment.h"
#include "engine/names.h"

namespace voxgrad::data {
namespace {

struct Member {
  const char* name;
  std::vector<double AugmentOptions::*> places;  // all of them get the value
  double low, high;
  bool change;  // whether it is the probability of a kind of change, and not an amount or a part of a kind
  std::vector<double AugmentOptions::*> amount_of = {};  // the probabilities of the changes whose amount it is
};

const std::vector<Member>& members() {
  using A = AugmentOptions;
  static const std::vector<Member> table{
      {"flip", {&A::flip_z, &A::flip_y, &A::flip_x}, 0, 1, true},
      {"flip_z", {&A::flip_z}, 0, 1, false},
      {"flip_y", {&A::flip_y}, 0, 1, false},
      {"flip_x", {&A::flip_x}, 0, 1, false},
      {"turn", {&A::turn}, 0, 1, true},
      {"rotate", {&A::rotate}, 0, 1, true},
      {"rotate_angle", {&A::rotate_angle}, 0, 180, false, {&A::rotate}},
      {"scale", {&A::scale}, 0, 1, true},
      {"scale_range", {&A::scale_range}, 1, 10, false, {&A::scale}},
      {"elastic", {&A::elastic}, 0, 1, true},
      {"elastic_amount", {&A::elastic_amount}, 0, 0.4, false, {&A::elastic}},
      {"blur", {&A::blur}, 0, 1, true},
      {"blur_sigma", {&A::blur_sigma}, 0, 100, false, {&A::blur}},
      {"low_resolution", {&A::low_resolution}, 0, 1, true},
      {"low_resolution_least", {&A::low_resolution_least}, 0.01, 1, false, {&A::low_resolution}},
      {"gain", {&A::gain}, 0, 1, true},
      {"gain_range", {&A::gain_range}, 1, 100, false, {&A::gain}},
      {"bias", {&A::bias}, 0, 1, true},
      {"bias_range", {&A::bias_range}, 0, 100, false, {&A::bias}},
      {"brightness", {&A::brightness}, 0, 1, true},
      {"brightness_range", {&A::brightness_range}, 1, 100, false, {&A::brightness}},
      {"inverted_gamma", {&A::inverted_gamma}, 0, 1, true},
      {"gamma", {&A::gamma}, 0, 1, true},
      {"gamma_range", {&A::gamma_range}, 1, 100, false, {&A::gamma, &A::inverted_gamma}},
      {"noise", {&A::noise}, 0, 1, true},
      {"noise_sigma", {&A::noise_sigma}, 0, 100, false, {&A::noise}},
  };
  return table;
}

// The probabilities are those of nnU-Net (Isensee et al. 2021) for the changes that it has. Flips and turns cost
// nothing, and where orientation means nothing they are as good as new images.
AugmentOptions set_of(const std::string& name, int dims) {
  AugmentOptions options;
  if (dims == 3) options.rotate_angle = 30;
  if (name == "none") return options;
  if (name != "intensity") {
    if (dims == 2) options.flip_y = options.flip_x = options.turn = 0.5;
    options.rotate = options.scale = 0.2;
  }
  if (name != "geometry") {
    options.blur = 0.2;
    options.low_resolution = 0.25;
    options.gain = options.bias = options.brightness = 0.15;
    options.inverted_gamma = options.noise = 0.1;
    options.gamma = 0.3;
  }
  if (name == "elastic") options.elastic = 0.2;
  return options;
}

std::vector<std::string> items_of(const std::string& list) {
  std::vector<std::string> items;
  for (std::size_t begin = 0; begin <= list.size();) {
    const std::size_t end = std::min(list.find(',', begin), list.size());
    items.push_back(list.substr(begin, end - begin));
    begin = end + 1;
  }
  return items;
}

void set_member(AugmentOptions& options, const std::string& item, std::size_t equals) {
  const Member& member = members()[choose("augment", item.substr(0, equals), augment_members())];
  double value = 0;
  const char *const first = item.data() + equals + 1, *const last = item.data() + item.size();
  const auto [end, code] = std::from_chars(first, last, value);
  if (code != std::errc{} || end != last || !(value >= member.low && value <= member.high))
    throw Error(ErrorKind::usage, text("augment: the value of \"", item, "\" is not allowed"),
                text(member.name, " takes a number from ", member.low, " to ", member.high));
  for (double AugmentOptions::*const place : member.places) options.*place = value;
}

}  // namespace

std::vector<std::string> augment_sets() { return {"none", "geometry", "intensity", "default", "elastic"}; }

std::vector<std::string> augment_members() {
  std::vector<std::string> names;
  for (const Member& member : members()) names.emplace_back(member.name);
  return names;
}

std::vector<std::string> augment_changes() {
  std::vector<std::string> names;
  for (const Member& member : members())
    if (member.change) names.emplace_back(member.name);
  return names;
}

std::map<std::string, double> augment_values(const AugmentOptions& options) {
  std::map<std::string, double> values;
  for (const Member& member : members())
    if (member.places.size() == 1) values.emplace(member.name, options.*member.places.front());
  return values;
}

AugmentOptions augment_options(const std::string& list, int dims) {
  AugmentOptions options = set_of("none", dims);
  bool first = true;
  for (const std::string& item : items_of(list)) {
    const std::size_t equals = item.find('=');
    if (equals != std::string::npos) {
      set_member(options, item, equals);
    } else if (first) {
      choose("augment", item, augment_sets());
      options = set_of(item, dims);
    } else {
      throw Error(ErrorKind::usage, text("augment: \"", item, "\" has no value"),
                  "write a set and then members with values, for example default,elastic=0.3");
    }
    first = false;
  }
  return options;
}

void require_effect(const std::string& list) {
  const AugmentOptions options = augment_options(list, 2);  // the changes that have amounts are the same for volumes
  const auto happens = [&](double AugmentOptions::*const probability) { return options.*probability > 0; };
  for (const std::string& item : items_of(list)) {
    const std::string name = item.substr(0, item.find('='));
    for (const Member& member : members()) {
      if (name != member.name || member.amount_of.empty() ||
          std::any_of(member.amount_of.begin(), member.amount_of.end(), happens))
        continue;
      const std::string change = name.substr(0, name.rfind('_'));
      throw Error(ErrorKind::usage, text("augment: \"", item, "\" changes nothing, because ", change, " is 0"),
                  text("add ", change, "=0.2, or leave ", item, " out"));
    }
  }
}

}  // namespace voxgrad::data
