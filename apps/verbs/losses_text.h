// What `voxgrad losses` says about losses.
#pragma once

#include <string>

#include "apps/program/json.h"
#include "apps/training/loss_advice.h"
#include "losses/core/registry.h"

namespace voxgrad::apps {

std::string list_losses();                      // a table by family
std::string explain(const losses::Spec& spec);  // all that is known of one, at most 100 columns
// The parts of an explanation.
std::string family_title(losses::Family family);               // "region: overlap and size of whole regions"
std::string symbols(const losses::Spec& spec);                 // the meaning of those in the formula
std::string range_text(const losses::Parameter& parameter);    // "0..1", "one, another", "0, 1"
std::vector<std::string> relations(const losses::Spec& spec);  // the losses that it is equal to
std::string try_it(const losses::Spec& spec);                  // commands that train with it and draw its gradient
std::string losses_markdown();                                 // the table of losses/README.md
// Losses to try on a dataset, with the command that compares them; at most 100 columns.
std::string advice_text(const std::vector<LossAdvice>& advice, const std::string& data);
Json to_json(const losses::Spec& spec);

}  // namespace voxgrad::apps
