#include "data/exchange/label_values.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "data/attributes.h"
#include "engine/error.h"
#include "engine/names.h"

namespace voxgrad::data {
namespace {

using Counts = LabelSurvey::Counts;

constexpr int kUnknown = 255;             // the class that means "unknown"
constexpr std::size_t kMostUnnamed = 32;  // more classes than that have names, or are something else
constexpr std::size_t kMostLines = 32;    // of a table in a message
constexpr int kManyClasses = 8;           // from so many on, unnamed classes may be numbers of objects

[[noreturn]] void refuse_labels(const std::string& problem, const std::string& hint) {
  throw Error(ErrorKind::data, "labels: " + problem, hint);
}

Colour colour_of(std::int32_t value) {
  const auto byte = [&](int shift) { return static_cast<std::uint8_t>(value >> shift & 0xFF); };
  return {byte(16), byte(8), byte(0)};
}

std::string colour_text(std::int32_t value) { return text_of({colour_of(value)}); }

double share(std::int64_t part, std::int64_t whole) {
  return 100 * static_cast<double>(part) / static_cast<double>(std::max<std::int64_t>(whole, 1));
}

std::string percent(double value) {
  std::array<char, 32> buffer{};
  std::snprintf(buffer.data(), buffer.size(), value < 0.1 ? "%.3f %%" : "%.1f %%", value);
  return buffer.data();
}

std::int64_t voxels_of(const Counts& counts) {
  std::int64_t all = 0;
  for (const auto& [value, count] : counts) all += count.voxels;
  return all;
}

std::string map_text(const std::map<int, int>& map) {
  std::vector<std::string> pairs;
  for (const auto& [from, to] : map) pairs.push_back(text(from, ":", to));
  return join(pairs, ",");
}

std::string values_text(const Counts& counts, bool colours) {
  std::vector<std::string> values;
  for (const auto& [value, count] : counts)
    if (values.size() < 10) values.push_back(colours ? colour_text(value) : std::to_string(value));
  return join(values, ", ") + (counts.size() > 10 ? text(" and ", counts.size() - 10, " more") : "");
}

// The values in their order become 0, 1, 2 and so on.
std::map<int, int> compact(const Counts& counts) {
  std::map<int, int> map;
  for (const auto& [value, count] : counts) map.emplace(value, static_cast<int>(map.size()));
  return map;
}

// A value whose voxels lie in areas, and not alone as those of noise and of smoothed borders.
bool is_area(const LabelSurvey::Count& count) { return count.voxels >= 2 * count.runs; }

[[noreturn]] void refuse_many(const Counts& counts, bool complete) {
  const std::int64_t all = voxels_of(counts);
  std::int64_t in_areas = 0;
  std::vector<std::pair<std::int64_t, int>> peaks;  // voxels and value
  for (const auto& [value, count] : counts) {
    if (!is_area(count)) continue;
    in_areas += count.voxels;
    peaks.emplace_back(count.voxels, value);
  }
  std::sort(peaks.rbegin(), peaks.rend());
  const std::string many = text(complete ? "" : "more than ", counts.size(), " values, ", counts.begin()->first, "..",
                                counts.rbegin()->first);
  const bool areas = 10 * in_areas >= 7 * all, few_areas = 2 * peaks.size() <= counts.size();
  if (areas && few_areas && peaks.size() >= 2) {
    std::vector<std::string> shown;
    for (const auto& [voxels, value] : peaks)
      if (shown.size() < 5) shown.push_back(text(value, " (", percent(share(voxels, all)), ")"));
    const int middle = (std::min(peaks[0].second, peaks[1].second) + std::max(peaks[0].second, peaks[1].second)) / 2;
    refuse_labels(text("the masks have ", many,
                       ", most of them at borders only: they were resized, smoothed or "
                       "compressed. Peaks at ",
                       join(shown, ", ")),
                  text("use the threshold ", middle, ", or make the masks again without smoothing"));
  }
  if (!areas)
    refuse_labels(text("these look like images and not like masks: ", many, ", and neighbours differ"),
                  "give the folder of masks; a mask has one value for each class");
  refuse_labels(text("the masks have ", many, ", each with an area of its own, as if they were numbers of objects"),
                "use the option instances to make every object class 1, or give class names if they are classes");
}

std::string table_of_colours(const Counts& counts) {
  std::vector<std::pair<std::int64_t, std::int32_t>> rows;  // in the order in which they become classes
  for (const auto& [colour, count] : counts) rows.emplace_back(count.voxels, colour);
  if (rows.size() > kMostLines) std::sort(rows.rbegin(), rows.rend());
  const std::int64_t all = voxels_of(counts);
  std::string table;
  for (std::size_t i = 0; i < std::min(kMostLines, rows.size()); ++i)
    table += "\n  " + colour_text(rows[i].second) + "  " + percent(share(rows[i].first, all));
  return table + (rows.size() > kMostLines ? text("\n  and ", rows.size() - kMostLines, " more") : "");
}

// A case whose values are the numbers of its files of masks, or null.
const Source* with_several_files(const std::vector<Source>& cases) {
  const auto found = std::ranges::find_if(cases, [](const Source& source) { return source.labels.size() > 1; });
  return found == cases.end() ? nullptr : &*found;
}

void name_classes(LabelDecision& decision, const Discovery& source, const LabelWishes& wishes, int classes) {
  classes = std::max(classes, 2);
  const std::vector<std::string>& names = wishes.class_names;
  if (!names.empty() && std::ssize(names) < classes)
    throw Error(ErrorKind::usage, text("class names: ", names.size(), " are given for ", classes, " classes"),
                "give one for each, the background first");
  if (decision.instances && std::ssize(names) > classes)
    throw Error(
        ErrorKind::usage,
        text("class names: ", names.size(), " are given, but the masks are objects, which make ", classes, " classes"),
        with_several_files(source.cases) != nullptr
            ? "name those alone"
            : "name those alone, or give label map 0:0,1:1,2:2 and so on, with which the values are classes");
  if (!names.empty()) {
    decision.class_names = names;
  } else if (decision.instances ? !decision.border && std::ssize(source.class_names) == classes
                                : std::ssize(source.class_names) >= classes && wishes.map.empty()) {
    decision.class_names = source.class_names;
  } else {
    decision.class_names = {"background"};
    if (classes > kManyClasses && wishes.map.empty() && !decision.colours)
      decision.notes.push_back(
          text("The values 1 .. ", classes - 1,
               " are taken as classes. If they are numbers of objects, use the option instances."));
    for (int c = 1; c < classes; ++c)
      decision.class_names.push_back(decision.border && c == 2         ? "border"
                                     : classes == 2 || decision.border ? "object"
                                                                       : text("class_", c));
  }
}

// Uses a map from values to classes, which all values that occur must be in.
void use_map(LabelDecision& decision, std::map<int, int> map, const Counts& counts, bool colours, const char* whose) {
  for (const auto& [value, count] : counts)
    if (!map.contains(value))
      refuse_labels(text("the value ", colours ? colour_text(value) : std::to_string(value), " (case ", count.first,
                         ", ", count.voxels, " voxels) is not in ", whose),
                    text("the values that occur are ", values_text(counts, colours)));
  bool identity = !colours;
  for (const auto& [value, target] : map) {
    identity = identity && value == target;
    if (target == kUnknown) decision.ignore_label = kUnknown;
  }
  if (!identity) decision.source_label_map = colours ? std::map<int, int>{} : map;
  decision.map = std::move(map);
}

int classes_in(const std::map<int, int>& map) {
  int classes = 0;
  for (const auto& [value, target] : map)
    if (target != kUnknown) classes = std::max(classes, target + 1);
  return classes;
}

void use_colours(LabelDecision& decision, const LabelSurvey& survey, const LabelWishes& wishes) {
  const Counts& counts = survey.counts();
  if (!survey.colours())
    refuse_labels("the masks have no colours but the values " + values_text(counts, false),
                  "use the label map " + map_text(compact(counts)));
  std::map<int, int> map = wishes.map;
  if (wishes.colours) {
    if (counts.size() > 255)
      refuse_labels(text("there are ", counts.size(),
                         " colours, which are no classes; the most frequent:", table_of_colours(counts)),
                    "make the masks again without smoothing");
    // Black is the background; without it, the most frequent colour is.
    const auto largest = std::max_element(
        counts.begin(), counts.end(), [](const auto& a, const auto& b) { return a.second.voxels < b.second.voxels; });
    const int background = counts.contains(0) ? 0 : largest->first;
    map[background] = 0;
    for (const auto& [colour, count] : counts)
      if (colour != background) map.emplace(colour, static_cast<int>(map.size()));
  }
  decision.colours = true;
  use_map(decision, map, counts, true, "the label map");
  decision.class_colours.resize(static_cast<std::size_t>(classes_in(map)));
  for (auto at = map.rbegin(); at != map.rend(); ++at)  // of several colours of a class the first one
    if (at->second != kUnknown) nth(decision.class_colours, at->second) = colour_of(at->first);
  for (const auto& [colour, target] : map)
    decision.notes.push_back(text("The colour ", colour_text(colour),
                                  target == kUnknown ? " is unknown." : text(" is class ", target, ".")));
}

void use_threshold(LabelDecision& decision, const LabelSurvey& survey, int threshold) {
  if (survey.colours()) refuse_labels("a threshold needs grey masks, these have colours", "use the label map colours");
  std::array<std::pair<int, std::int64_t>, 2> peak{};  // the most frequent value below and above
  for (const auto& [value, count] : survey.counts()) {
    auto& [best, voxels] = peak[value > threshold ? 1 : 0];
    if (count.voxels > voxels) {
      best = value;
      voxels = count.voxels;
    }
  }
  for (const int side : {0, 1})
    if (nth(peak, side).second == 0)
      throw Error(ErrorKind::usage,
                  text("labels: no value is ", side == 1 ? "above" : "at or below", " the threshold ", threshold),
                  text("the values are ", values_text(survey.counts(), false)));
  decision.threshold = threshold;
  decision.source_label_map = {{peak[0].first, 0}, {peak[1].first, 1}};
  decision.notes.push_back(text("Values above ", threshold, " are class 1."));
}

// Every class needs a value, or a colour: it could not be learnt, nor written into a mask.
void require_values(const LabelDecision& decision) {
  const std::map<int, int>& map = decision.threshold ? decision.source_label_map : decision.map;
  if (map.empty() || decision.instances) return;
  std::vector<bool> has_value(decision.class_names.size());
  for (const auto& [value, target] : map)
    if (target != kUnknown) nth(has_value, target) = true;
  const auto missing = std::find(has_value.begin(), has_value.end(), false) - has_value.begin();
  if (missing == std::ssize(has_value)) return;
  throw Error(ErrorKind::usage,
              text("labels: class ", missing, " (", nth(decision.class_names, missing), ") has no ",
                   decision.colours ? "colour" : "value",
                   missing == 1 && has_value.size() == 2 ? ", so there is no foreground" : ""),
              text("give every class 0 .. ", std::ssize(has_value) - 1, " one in the label map, or fewer class names"));
}

// Masks are written with the values of the source only where files of masks can hold all of them.
void keep_storable(LabelDecision& decision) {
  for (const auto& [value, target] : decision.source_label_map) {
    if (value >= 0 && value <= kMostMaskValue) continue;
    decision.notes.push_back(text("The value ", value, " is outside 0..", kMostMaskValue,
                                  ", so predicted masks will hold the numbers of the classes."));
    decision.source_label_map.clear();
    return;
  }
}

// An index says what its colour says, so it has one colour in all files, unless names say what the indices are.
void require_one_palette(const LabelSurvey& survey) {
  for (const auto& [index, colours] : survey.palette()) {
    if (colours.size() < 2) continue;
    const auto& [a, in_a] = *colours.begin();
    const auto& [b, in_b] = *colours.rbegin();
    refuse_labels(text("the index ", index, " of the palettes is ", text_of({a}), " in case ", in_a, ", but ",
                       text_of({b}), " in case ", in_b),
                  "give class names if the indices are classes whatever their colours are, or save all masks with one "
                  "palette");
  }
}

// Whether 255 is unknown, as in Pascal VOC: it stands beside other indices of palettes.
bool is_void(const LabelSurvey& survey) {
  const Counts counts = survey.counts();
  return survey.indexed() && counts.size() > 2 && counts.begin()->first == 0 && counts.rbegin()->first == 255;
}

// In masks of objects, too, the source may say that a value is unknown, and a palette says it of 255.
void use_instances(LabelDecision& decision, const LabelSurvey& survey, const Discovery& source, bool border) {
  decision.instances = true;
  decision.border = border;
  decision.notes.push_back(border ? "Every object is class 1, and class 2 where it touches another."
                                  : "Every object is class 1.");
  for (const auto& [value, target] : source.label_map)
    if (target == kUnknown) decision.map[value] = kUnknown;
  if (is_void(survey)) decision.map[255] = kUnknown;
  if (!decision.map.empty()) decision.ignore_label = kUnknown;
  for (const auto& [value, target] : decision.map)
    decision.notes.push_back(text("The value ", value, " of the masks is no object, but unknown."));
}

// Values that nobody explained: they are classes if they are 0, 1, 2 and so on.
int use_values(LabelDecision& decision, const LabelSurvey& survey, const Discovery& source, const LabelWishes& wishes) {
  const Counts& counts = survey.counts();
  const std::size_t named = std::max(wishes.class_names.size(), source.class_names.size());
  const int last = counts.rbegin()->first;
  const bool from_zero = counts.begin()->first == 0;
  if (named == 0) require_one_palette(survey);
  const auto is_named = [&](int value) { return value >= 0 && value < static_cast<int>(named); };
  if (std::all_of(counts.begin(), counts.end(), [&](const auto& c) { return is_named(c.first); }))
    return static_cast<int>(named);
  const auto beyond = std::find_if(counts.begin(), counts.end(), [&](const auto& c) { return !is_named(c.first); });
  if (beyond->first == kUnknown && last == kUnknown && counts.size() > 2) {  // classes with names, and 255
    decision.ignore_label = kUnknown;
    decision.notes.push_back("The value 255 is none of the named classes, so it is unknown.");
    return static_cast<int>(named);
  }
  std::map<int, int> map = compact(counts);
  if (survey.indexed() && from_zero && last <= 255) {  // a palette says that values are classes
    if (is_void(survey)) {
      map[255] = kUnknown;
      decision.notes.push_back("The index 255 of the palettes is unknown, as in Pascal VOC.");
    }
    use_map(decision, map, counts, false, "the palette");
    const int classes = classes_in(map);
    for (const auto& [index, target] : map)
      if (const auto at = survey.palette().find(index);
          target != kUnknown && at != survey.palette().end() && at->second.size() == 1)
        decision.class_colours.push_back(at->second.begin()->first);
    if (std::ssize(decision.class_colours) != classes) decision.class_colours.clear();
    decision.notes.push_back("The indices of the palettes are classes: " + map_text(map) + ".");
    return classes;
  }
  if (counts.size() > kMostUnnamed) refuse_many(counts, survey.complete());
  if (counts.size() == 1)
    refuse_labels(text("every voxel of every mask has the value ", last, ", so there is nothing to learn"),
                  from_zero ? "give class names if masks without any object are meant" : "give the folder of masks");
  if (from_zero && last == static_cast<int>(counts.size()) - 1) {
    if (last < kManyClasses) return last + 1;
    refuse_labels(text("the masks hold all values 0..", last, ", which may be classes or numbers of objects (", last,
                       " first in case ", counts.rbegin()->second.first, ")"),
                  "use the label map " + map_text(map) +
                      " if each value is a class; or use the option instances if each value is an object");
  }
  const auto at_borders = std::count_if(counts.begin(), counts.end(), [](const auto& c) { return !is_area(c.second); });
  if (counts.size() > 4 && 2 * at_borders >= std::ssize(counts)) refuse_many(counts, true);
  std::string hint = "use the label map " + map_text(map);
  if (last == 255 && counts.size() > 2) hint += text(", or with 255:255 at its end if 255 means unknown");
  if (!from_zero) hint += ", if the smallest value is the background";
  if (counts.size() > 8) hint += "; or use the option instances if each value is an object";
  refuse_labels(
      text("the masks hold the values ", values_text(counts, false), ", which are no classes 0, 1, 2 and so on (", last,
           " first in case ", counts.rbegin()->second.first, ")"),
      hint);
}

// Whether the source says that the labels are objects, for all cases or for none.
bool has_objects(const std::vector<Source>& cases) {
  const auto is_object = [](const Source& source) { return source.instances; };
  const auto objects = std::find_if(cases.begin(), cases.end(), is_object);
  const auto classes = std::find_if_not(cases.begin(), cases.end(), is_object);
  if (objects == cases.end() || classes == cases.end()) return objects != cases.end();
  refuse_labels(text("the masks of case ", objects->id, " are objects, those of case ", classes->id, " are classes"),
                "use the option instances if all of them are objects, or import each path into a file of its own");
}

}  // namespace

LabelDecision decide_labels(const LabelSurvey& survey, const Discovery& source, const LabelWishes& wishes) {
  const Counts& counts = survey.counts();
  if ((wishes.map.empty() ? 0 : 1) + (wishes.colours ? 1 : 0) + (wishes.threshold ? 1 : 0) +
          (wishes.instances ? 1 : 0) >
      1)
    throw Error(ErrorKind::usage, "labels: a label map, a threshold and instances exclude each other");
  LabelDecision decision;
  int classes = 2;
  const bool said = wishes.instances || !wishes.map.empty() || wishes.colours || wishes.threshold;
  const bool objects = said ? wishes.instances : has_objects(source.cases);
  if (wishes.border && !objects)
    throw Error(ErrorKind::usage, "labels: borders are those between objects, and the masks have none",
                "use the option instances");
  if (const Source* several = with_several_files(source.cases); several != nullptr && said && !objects)
    refuse_labels(text("case ", several->id, " has ", several->labels.size(),
                       " files of masks, so its values are the numbers of these files and no classes"),
                  "use the option instances if each file is an object, or store one value per voxel in one file");
  if (objects) {
    use_instances(decision, survey, source, wishes.border);
    classes = wishes.border ? 3 : 2;
  } else if (wishes.colours || wishes.map_of_colours) {
    use_colours(decision, survey, wishes);
    classes = classes_in(decision.map);
  } else if (wishes.threshold) {
    use_threshold(decision, survey, *wishes.threshold);
  } else if (survey.colours()) {
    refuse_labels(text("the masks are pictures with ", survey.complete() ? "" : "more than ", counts.size(),
                       " colours:", table_of_colours(counts)),
                  counts.size() > 255 ? "give the folder of masks; a mask has one colour for each class"
                                      : "use the label map colours to make each of them a class");
  } else if (!wishes.map.empty()) {
    use_map(decision, wishes.map, counts, false, "the label map");
    classes = classes_in(wishes.map);
  } else if (!source.label_map.empty()) {
    use_map(decision, source.label_map, counts, false, "the labels that the source describes");
    classes = classes_in(source.label_map);
  } else {
    classes = use_values(decision, survey, source, wishes);
  }
  if (classes > 255) refuse_labels(text("there are ", classes, " classes, at most 255 can be stored"), "");
  name_classes(decision, source, wishes, classes);
  require_values(decision);
  keep_storable(decision);
  return decision;
}

}  // namespace voxgrad::data
