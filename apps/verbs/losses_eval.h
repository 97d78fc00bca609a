// `voxgrad losses eval`: a loss on given logits and labels.
#pragma once

#include "apps/verbs/program.h"

namespace voxgrad::apps {

void add_losses_eval(Program& program, CLI::App& losses);

}  // namespace voxgrad::apps
