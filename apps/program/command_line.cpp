#include "apps/program/command_line.h"

#include <signal.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <limits>
#include <type_traits>
#include <utility>
#include <vector>

#include "apps/program/flags.h"
#include "apps/program/manifest.h"
#include "apps/program/toml.h"
#include "apps/program/words.h"
#include "engine/backend.h"
#include "engine/error.h"
#include "engine/names.h"
#include "engine/parallel.h"

namespace voxgrad::apps {
namespace {

// Returns the verb that was called after the verbs that it is below; empty if there was none.
std::vector<CLI::App*> chosen(const CLI::App& app) {
  std::vector<CLI::App*> chain;
  for (auto verbs = app.get_subcommands(); !verbs.empty(); verbs = verbs.front()->get_subcommands())
    chain.push_back(verbs.front());
  return chain;
}

std::string name_of(const std::vector<CLI::App*>& chain) {
  std::vector<std::string> names;
  for (const CLI::App* verb : chain) names.push_back(verb->get_name());
  return join(names, " ");
}

// The name of a flag, or of an argument without a flag, in a TOML file.
std::string setting_name(const CLI::Option& option) {
  std::string name = option.get_lnames().empty() ? option.get_name() : option.get_lnames().front();
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

bool is_switch(const CLI::Option& option) { return option.get_expected_max() == 0; }

// CLI11 takes yes, off, any number and nothing at all for true or false, too.
void require_switch(const std::string& where, const std::string& value) {
  if (value == "true" || value == "false") return;
  throw Error(ErrorKind::usage, where + ": `" + value + "` is neither true nor false",
              "true switches it on, as the flag alone does; false leaves it off");
}

// Refuses --switch=value among the last `rest` words, those that the program or a verb reads.
void check_switches(const CLI::App& app, int argc, const char* const* argv, std::size_t rest) {
  for (int i = argc - static_cast<int>(rest); i < argc && std::strcmp(argv[i], "--") != 0; ++i) {
    const std::string word = argv[i];
    const std::size_t at = word.find('=');
    if (!word.starts_with("--") || at == std::string::npos) continue;
    const CLI::Option* const option = app.get_option_no_throw(word.substr(0, at));
    if (option != nullptr && is_switch(*option)) require_switch(word.substr(0, at), word.substr(at + 1));
  }
}

// Reads a number before CLI11 does. That takes no text at all for 0 and 010 for 8, and cuts what is too large.
template <class T>
std::string check_number(std::string& word) {
  T value{};
  const char* const end = word.data() + word.size();
  const auto [at, code] = std::from_chars(word.data(), end, value);
  if constexpr (std::is_floating_point_v<T>) {
    return code == std::errc{} && at == end && std::isfinite(value) ? "" : "`" + word + "` is no finite number";
  } else {
    const auto is_negative = [&] {  // where a number cannot be
      std::int64_t number = 0;
      const auto [last, failed] = std::from_chars(word.data(), end, number);
      return last == end && failed == std::errc{} && number < 0;
    };
    const bool outside =
        (code == std::errc::result_out_of_range && at == end) || (std::is_unsigned_v<T> && is_negative());
    if (code == std::errc{} && at == end) return word = std::to_string(value), "";
    if (!outside) return "`" + word + "` is no whole number";
    using Limits = std::numeric_limits<T>;
    return text(word, " outside ", Limits::min(), "..", Limits::max());
  }
}

void check_numbers(CLI::App& app) {
  for (CLI::Option* option : app.get_options()) {
    const std::string type = option->get_type_name();  // with what the checks add
    if (type.starts_with("UINT")) option->transform(CLI::Validator(check_number<std::uint64_t>, ""));
    if (type.starts_with("INT")) option->transform(CLI::Validator(check_number<std::int64_t>, ""));
    if (type.starts_with("FLOAT")) option->transform(CLI::Validator(check_number<double>, ""));
  }
}

// Reads a flat TOML file. Keys that are not common flags belong to the verb that was called; their words are joined
// by underscores. The reader of CLI11 is not used, because it leaves escapes in a text as they are and ends it at a #.
class FlatToml final : public CLI::ConfigTOML {
 public:
  explicit FlatToml(const CLI::App& app) : app_(app) {}
  std::vector<CLI::ConfigItem> from_config(std::istream& in) const override {
    std::vector<CLI::ConfigItem> settings;
    std::map<const CLI::Option*, std::int64_t> lines;
    const auto verbs = chosen(app_);
    constexpr std::size_t kMost = 1 << 20;  // a device has no end
    std::string toml(kMost, '\0');
    in.read(toml.data(), kMost);
    if (in.bad()) throw Error(ErrorKind::io, "--config: the file cannot be read");
    toml.resize(static_cast<std::size_t>(in.gcount()));
    if (toml.size() == kMost)
      throw Error(ErrorKind::usage, "--config: has 1 MiB or more, which is too much for settings");
    for (auto& [written, values, line] : read_flat_toml(toml)) {
      CLI::ConfigItem& item = settings.emplace_back();
      item.name = written;
      item.inputs = std::move(values);
      std::replace(item.name.begin(), item.name.end(), '_', '-');
      const CLI::Option* option = app_.get_option_no_throw("--" + item.name);
      if (option == nullptr && !verbs.empty()) {
        for (const CLI::App* verb : verbs) item.parents.push_back(verb->get_name());
        option = verbs.back()->get_option_no_throw("--" + item.name);
        if (option == nullptr) option = verbs.back()->get_option_no_throw(item.name);  // an argument without a flag
        if (option == nullptr) refuse_key(written, *verbs.back());
      }
      if (option == nullptr) continue;
      const auto [before, first] = lines.emplace(option, line);
      if (!first)
        throw Error(ErrorKind::usage,
                    text("--config: lines ", before->second, " and ", line, " both set `", written, "`"),
                    "leave one of them");
      if (is_switch(*option)) require_switch(text("--config: line ", line, ": ", written), join(item.inputs, ", "));
    }
    return settings;
  }

 private:
  [[noreturn]] void refuse_key(const std::string& key, const CLI::App& verb) const {
    std::vector<std::string> known;
    for (const CLI::App* part : {&app_, &verb})
      for (const CLI::Option* option : part->get_options())
        if (option->get_configurable() && !option->get_lnames().empty()) known.push_back(setting_name(*option));
    throw Error(ErrorKind::usage, "--config: " + verb.get_name() + " has no setting `" + key + "`",
                suggestion(key, known));
  }
  const CLI::App& app_;
};

std::vector<std::string> flag_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options())
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  return names;
}

// Says in the words of this program what CLI11 could not read.
[[noreturn]] void refuse(const CLI::App& app, const CLI::ParseError& error) {
  const auto verbs = chosen(app);
  const std::vector<std::string> rest = app.remaining(true);
  if (verbs.empty()) {
    std::vector<std::string> names;
    for (const CLI::App* verb : app.get_subcommands([](const CLI::App*) { return true; }))
      names.push_back(verb->get_name());
    for (const std::string& word : rest)
      if (!word.starts_with("-")) throw Error(ErrorKind::usage, "unknown verb `" + word + "`", suggestion(word, names));
    throw Error(ErrorKind::usage, rest.empty() ? "no verb given" : "unknown flag `" + rest.front() + "`",
                "`voxgrad --help` lists the verbs: " + join(names, ", "));
  }
  const CLI::App& verb = *verbs.back();
  const std::string name = name_of(verbs), help = "`voxgrad " + name + " --help` explains the options";
  const auto flag =
      std::find_if(rest.begin(), rest.end(), [](const std::string& word) { return word.starts_with("-"); });
  if (flag == rest.end()) {
    std::string problem = error.what();
    if (const std::size_t at = problem.find(": At Most 1 required"); at != std::string::npos)
      problem = problem.substr(0, at) + " is given more than once";
    if (dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr && !rest.empty())
      problem = "unexpected argument `" + rest.front() + "`";
    throw Error(ErrorKind::usage, name + ": " + problem, help);
  }
  const std::string word = flag->substr(0, flag->find('='));
  std::vector<std::string> names = flag_names(verb), common = flag_names(app);
  names.insert(names.end(), common.begin(), common.end());
  const std::string near = nearest(word, names);
  throw Error(ErrorKind::usage, name + ": unknown flag `" + word + "`",
              near.empty() ? help : "did you mean `" + near + "`?");
}

std::string toml_value(const CLI::Option& option) {
  std::vector<std::string> values =
      option.count() > 0 ? option.reduced_results() : std::vector<std::string>{option.get_default_str()};
  if (option.get_expected_min() == 0 && option.count() == 0) return "false";
  for (std::string& value : values) {
    double parsed = 0;
    const bool plain = value == "true" || value == "false" || CLI::detail::lexical_cast(value, parsed);
    if (!plain) value = toml_text(value);
  }
  return values.size() == 1 ? values.front() : "[" + join(values, ", ") + "]";
}

// A switch that was not given, and is then neither true nor false.
bool is_left_to_a_rule(const CLI::Option& option) {
  return option.count() == 0 && is_switch(option) && option.get_default_str() == kLeftToARule;
}

}  // namespace

void print_text(const std::string& text) {
  if (std::fputs(shown(text).c_str(), stdout) < 0 || std::fflush(stdout) != 0) {
    if (errno == EPIPE) {  // the reader wants no more, as `head`; SIGPIPE is ignored for the sake of stderr alone
      ::signal(SIGPIPE, SIG_DFL);
      ::raise(SIGPIPE);
    }
    throw Error(ErrorKind::io, std::string("cannot write to standard output: ") + std::strerror(errno));
  }
}

void print_json(const Json& document) { print_text(dumped(document, 2) + "\n"); }

Device Common::get_device() const {
  const Device wanted = device == "cuda" ? Device::cuda : Device::cpu;
  if (!has_device(wanted)) throw Error(ErrorKind::usage, "--device cuda: " + cuda_description(), "use --device cpu");
  backend_of(wanted).allow({.tf32 = tf32, .fast = fast});
  return wanted;
}

Program::Program()
    : app_("voxgrad: trains U-Nets for segmentation and compares every loss of the literature.", "voxgrad") {
  app_.option_defaults()->always_capture_default();
  app_.require_subcommand(1);
  app_.set_version_flag("--version", std::string("voxgrad ") + version());
  app_.add_option("--device", common_.device, "cpu or cuda")->check(CLI::IsMember({"cpu", "cuda"}));
  app_.add_flag("--tf32", common_.tf32,
                "on a GPU, TF32: the factors of f32 products are rounded to 10 bits, which is faster");
  app_.add_flag("--fast", common_.fast,
                "on a GPU, also take faster algorithms whose results differ in the last bits from run to run");
  app_.add_option("--threads", common_.threads,
                  "threads; 0: VOXGRAD_THREADS, or else all cores that the process may use")
      ->check(CLI::Range(0, 1024));
  app_.add_option("--seed", common_.seed, "seed of all random numbers");
  app_.add_flag("--json", common_.json, "one JSON document on stdout");
  app_.add_flag("-q,--quiet", common_.quiet, "warnings and errors only");
  app_.add_flag("-v,--verbose", common_.verbose, "more messages");
  app_.set_config("--config", "", "settings as a TOML file; flags win")->check([](const std::string& path) {
    return path.empty() ? "the name is empty" : "";
  });
  app_.add_flag("--dump-config", dump_config_,
                "print the settings as TOML and stop; those that were not given are comments")
      ->configurable(false);
  app_.config_formatter(std::make_shared<FlatToml>(app_));
  app_.allow_config_extras(CLI::config_extras_mode::error);
}

CLI::App& Program::verb(const std::string& name, const std::string& summary, std::function<void()> run,
                        CLI::App* parent) {
  CLI::App* const added = (parent != nullptr ? parent : &app_)->add_subcommand(name, summary);
  added->fallthrough();
  added->footer("Flags of every verb, such as --device, --threads, --seed and --config: voxgrad --help");
  runs_[added] = std::move(run);
  return *added;
}

bool Program::parse(int argc, const char* const* argv) {
  for (int i = 0; i < argc; ++i) command_ += (i > 0 ? " " : "") + shell_word(argv[i]);
  const auto prepare = [argc, argv](CLI::App& app) {
    check_numbers(app);
    app.preparse_callback([&app, argc, argv](std::size_t rest) { check_switches(app, argc, argv, rest); });
  };
  prepare(app_);
  for (const auto& [verb, run] : runs_) prepare(*verb);
  try {
    app_.parse(argc, argv);
    return true;
  } catch (const CLI::CallForHelp&) {
    auto verbs = chosen(app_);
    const CLI::App& app = verbs.empty() ? app_ : *verbs.back();
    std::string before;  // what stands before its name in a command
    if (!verbs.empty()) verbs.pop_back(), before = verbs.empty() ? "voxgrad" : "voxgrad " + name_of(verbs);
    print_text(app.help(before));
  } catch (const CLI::CallForVersion&) {
    print_text(app_.version() + "\n");
  } catch (const CLI::ConfigError& error) {
    throw Error(ErrorKind::usage, std::string("--config: ") + error.what(),
                "`--dump-config` prints the settings of a verb");
  } catch (const std::ios_base::failure& error) {
    throw Error(ErrorKind::io, "--config: cannot be read: " + error.code().message());
  } catch (const CLI::FileError& error) {
    const std::string path = app_.get_config_ptr()->as<std::string>();
    std::error_code ignored;
    if (std::filesystem::is_directory(path, ignored))
      throw Error(ErrorKind::io, "--config: " + path + " is a folder", "name the file in it");
    throw Error(ErrorKind::io, std::string("--config: ") + error.what());
  } catch (const CLI::ParseError& error) {
    refuse(app_, error);
  }
  return false;  // printed what was asked for
}

void Program::run(int argc, const char* const* argv) {
  if (!parse(argc, argv)) return;
  CLI::App* const verb = chosen(app_).back();
  if (dump_config_) return dump_config(*verb);
  if (common_.threads > 0) set_threads(common_.threads);
  choose_memory_hint([verb](const char* flag) { return verb->get_option_no_throw(flag) != nullptr; });
  runs_.at(verb)();
}

// What was not given is a comment, because a setting in a file counts as given, and wins over a preset.
void Program::dump_config(const CLI::App& verb) const {
  std::string text;
  for (const CLI::App* app : {static_cast<const CLI::App*>(&app_), &verb})
    for (const CLI::Option* option : app->get_options())
      if (option->get_configurable() && option != app->get_help_ptr() && option != app->get_config_ptr() &&
          setting_name(*option) != "version" && !is_left_to_a_rule(*option))
        text += (option->count() == 0 ? "# " : "") + setting_name(*option) + " = " + toml_value(*option) + "\n";
  print_text(text);
}

}  // namespace voxgrad::apps
