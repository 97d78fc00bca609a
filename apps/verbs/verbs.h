// The verbs of the program, one file each. Every function adds one verb with its options.
#pragma once

#include "apps/program/command_line.h"

namespace voxgrad::apps {

void add_bench(Program& program);
void add_compare(Program& program);
void add_doctor(Program& program);
void add_evaluate(Program& program);
void add_export(Program& program);
void add_import(Program& program);
void add_info(Program& program);
void add_inspect(Program& program);
void add_losses(Program& program);
void add_losses_eval(Program& program, CLI::App& losses);  // `losses eval`, below `losses`
void add_metrics(Program& program);
void add_predict(Program& program);
void add_report(Program& program);
void add_study(Program& program);
void add_synth(Program& program);
void add_train(Program& program);
void add_watch(Program& program);

}  // namespace voxgrad::apps
