// What `voxgrad losses` says about losses.
#pragma once

#include <string>

#include "apps/program/json.h"
#include "losses/core/registry.h"

namespace voxgrad::apps {

std::string list_losses();                      // a table by family
std::string explain(const losses::Spec& spec);  // all that is known of one, at most 100 columns
std::string losses_markdown();                  // the table of losses/README.md
Json to_json(const losses::Spec& spec);

}  // namespace voxgrad::apps
