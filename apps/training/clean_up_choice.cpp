#include "apps/training/clean_up_choice.h"

#include <algorithm>

#include "apps/program/console.h"
#include "engine/names.h"
#include "nn/inference/clean_up.h"

namespace voxgrad::apps {
namespace {

using Results = std::vector<CaseResult>;

double class_mean(const Results& results, std::size_t label) {
  return losses::summarise(over_cases(results, label)).mean;
}

// An undefined mean, of a class that is in no case, neither rises nor falls.
bool no_class_falls(const Results& before, const Results& after, std::size_t classes) {
  for (std::size_t label = 1; label < classes; ++label)
    if (class_mean(after, label) < class_mean(before, label)) return false;
  return true;
}

Tensor cleaned_up(const Tensor& labels, const nn::CleanUp& how) {
  const Tensor result = labels.clone();
  nn::clean_up(result, how, std::ssize(how.classes));
  return result;
}

}  // namespace

CleanUpChoice choose_clean_up(const nn::Model& model, const data::Dataset& dataset,
                              const std::vector<std::int64_t>& cases, const nn::Progress& progress) {
  const auto classes = static_cast<std::size_t>(dataset.classes());
  const nn::CleanUp foreground{.foreground = true, .classes = std::vector<std::int64_t>(classes, 0)},
      each{.classes = std::vector<std::int64_t>(classes, 1)};
  // The clean-up of a class changes no voxel of another one, so all classes are tried together.
  Results cleaned, plain_each, cleaned_each;
  EvaluateOptions options;
  options.clean_up = false;
  options.progress = progress;
  options.found = [&](const data::Case& one, const Tensor& labels, const CaseResult&) {
    const losses::Scoring scoring{.classes = dataset.classes(),
                                  .ignore = dataset.info().ignore_label,
                                  .spacing = one.spacing,
                                  .needs = losses::Needs::counts};
    const auto compare = [&](const Tensor& result) {
      CaseResult compared = compare_labels(one.id, result, one.label, scoring);
      compared.group = one.group;
      return compared;
    };
    const Tensor island_free = cleaned_up(labels, foreground);
    cleaned.push_back(compare(island_free));
    plain_each.push_back(compare(cleaned_up(labels, each)));
    cleaned_each.push_back(compare(cleaned_up(island_free, each)));
  };
  const Results plain = evaluate_cases(model, dataset, cases, options);

  CleanUpChoice choice;
  choice.chosen.foreground =
      validation_dice(cleaned) > validation_dice(plain) && no_class_falls(plain, cleaned, classes);
  const Results &start = choice.chosen.foreground ? cleaned : plain,
                &end = choice.chosen.foreground ? cleaned_each : plain_each;
  choice.before = validation_dice(plain);
  std::vector<std::int64_t> chosen(classes, 0);
  for (std::size_t label = 1; label < classes; ++label) {
    chosen[label] = class_mean(end, label) > class_mean(start, label) ? 1 : 0;
    choice.classes_before.push_back(class_mean(plain, label));
    choice.classes_after.push_back(class_mean(chosen[label] != 0 ? end : start, label));
  }
  choice.results = start;
  for (std::size_t i = 0; i < end.size(); ++i)
    for (std::size_t label = 1; label < classes; ++label)
      if (chosen[label] != 0) choice.results[i].classes[label] = end[i].classes[label];
  choice.after = validation_dice(choice.results);
  if (std::count(chosen.begin(), chosen.end(), 1) > 0) choice.chosen.classes = chosen;
  return choice;
}

Json to_json(const CleanUpChoice& choice, const std::vector<std::string>& class_names) {
  Json names = Json::array(), dice = Json::object();
  for (std::size_t label = 1; label < class_names.size(); ++label) {
    if (label < choice.chosen.classes.size() && choice.chosen.classes[label] != 0) names.push_back(class_names[label]);
    if (label <= choice.classes_before.size())
      dice[std::to_string(label)] = {{"before", number(choice.classes_before[label - 1])},
                                     {"after", number(choice.classes_after[label - 1])}};
  }
  return {{"foreground", choice.chosen.foreground},
          {"classes", names},
          {"val_dice", {{"before", number(choice.before)}, {"after", number(choice.after)}, {"classes", dice}}}};
}

std::string clean_up_text(const nn::CleanUp& how, const std::vector<std::string>& class_names) {
  std::vector<std::string> parts;
  if (how.foreground) parts.emplace_back("of all foreground");
  for (std::size_t label = 1; label < how.classes.size() && label < class_names.size(); ++label)
    if (how.classes[label] != 0) parts.push_back("of " + class_names[label]);
  return parts.empty() ? "none" : "only the largest component " + join(parts, ", then ");
}

std::string choice_text(const CleanUpChoice& choice, const std::vector<std::string>& class_names) {
  const std::string what = clean_up_text(choice.chosen, class_names);
  if (what == "none") return "none, because the validation Dice gains nothing by it";
  return text(what, "; validation Dice ", fixed(choice.after, 4), " with it, ", fixed(choice.before, 4), " without");
}

}  // namespace voxgrad::apps
