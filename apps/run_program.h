// The program `voxgrad` as a function: its verbs, and the one place where an error becomes a message and an exit code.
// A program of your own that registers losses (losses/core/registry.h) and then calls it has these losses in all verbs.
#pragma once

namespace voxgrad::apps {

// Returns the exit code. It is to be called once, with the arguments of main().
int run_program(int argc, const char* const* argv);

}  // namespace voxgrad::apps
