// The command line: what all verbs of the program share. A verb is one file, verbs/<verb>.cpp, with one function that
// declares its options and names what runs after parsing.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "apps/program/console.h"
#include "apps/program/json.h"
#include "engine/tensor.h"

namespace voxgrad::apps {

inline constexpr const char* kLeftToARule = "auto";  // the default of a switch that is neither on nor off

struct Common {
  std::string device = "cpu";
  bool tf32 = false, fast = false;
  int threads = 0;  // 0: all that this process may use
  std::uint64_t seed = 1;
  bool json = false;
  bool quiet = false;
  bool verbose = false;

  Console console() const { return Console(quiet ? -1 : verbose ? 1 : 0); }
  // Throws Error(usage) if this build or this machine has no such device.
  Device get_device() const;
};

class Program {
 public:
  Program();
  // Adds a verb, or a verb below another; `run` is called after parsing, if it was chosen. Its options are added to
  // what this returns.
  CLI::App& verb(const std::string& name, const std::string& summary, std::function<void()> run,
                 CLI::App* parent = nullptr);
  // Parses the command line and runs the verb. Throws Error(usage) with a did-you-mean if it is wrong. --help and
  // --version print and stop.
  void run(int argc, const char* const* argv);
  const Common& common() const { return common_; }
  // How the program was called, for manifests.
  const std::string& command() const { return command_; }

 private:
  bool parse(int argc, const char* const* argv);
  void dump_config(const CLI::App& verb) const;
  CLI::App app_;
  Common common_;
  std::map<CLI::App*, std::function<void()>> runs_;
  bool dump_config_ = false;
  std::string command_;
};

// Prints the one JSON document of --json on stdout.
void print_json(const Json& document);
// Prints text on stdout. Throws Error(io) if it cannot be written.
void print_text(const std::string& text);

}  // namespace voxgrad::apps
