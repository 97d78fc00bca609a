// `voxgrad losses eval`: a loss on given logits and labels.
#pragma once

#include "apps/program/command_line.h"

namespace voxgrad::apps {

void add_losses_eval(Program& program, CLI::App& losses);

}  // namespace voxgrad::apps
