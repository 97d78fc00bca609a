// The program: its verbs, and the one place where an error becomes a message and an exit code.
#include <signal.h>

#include <cstdio>
#include <exception>
#include <filesystem>
#include <new>
#include <string>

#include "apps/program/flags.h"
#include "apps/program/signals.h"
#include "apps/verbs/verbs.h"
#include "engine/error.h"

namespace {

using voxgrad::ErrorKind;

int exit_code(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::argument: return 1;
    case ErrorKind::usage: return 2;
    case ErrorKind::data: return 3;
    case ErrorKind::model: return 4;
    case ErrorKind::io: return 5;
    case ErrorKind::memory: return 6;
    case ErrorKind::diverged: return 7;
    case ErrorKind::check: return 8;
  }
  return 1;
}

int report(const std::string& message, const std::string& hint, int code) {
  std::fprintf(stderr, "error: %s\n", message.c_str());
  if (!hint.empty()) std::fprintf(stderr, "hint: %s\n", hint.c_str());
  return code;
}

void run(int argc, const char* const* argv) {
  namespace apps = voxgrad::apps;
  apps::Program program;
  apps::add_info(program);
  apps::add_synth(program);
  apps::add_import(program);
  apps::add_inspect(program);
  apps::add_doctor(program);
  apps::add_train(program);
  apps::add_watch(program);
  apps::add_evaluate(program);
  apps::add_predict(program);
  apps::add_export(program);
  apps::add_metrics(program);
  apps::add_losses(program);
  apps::add_compare(program);
  apps::add_report(program);
  apps::add_bench(program);
  program.run(argc, argv);
}

}  // namespace

int main(int argc, char** argv) {
  signal(SIGXFSZ, SIG_IGN);  // a file-size limit is then an error of write(), like a full disk
  try {
    run(argc, argv);
    return 0;
  } catch (const voxgrad::apps::Interrupted& interrupted) {
    return 128 + interrupted.signal;
  } catch (const voxgrad::Error& error) {
    const ErrorKind kind = error.kind();
    return report(voxgrad::apps::with_flags(kind, error.message()), voxgrad::apps::with_flags(kind, error.hint()),
                  exit_code(kind));
  } catch (const std::filesystem::filesystem_error& error) {
    return report(error.path1().string() + ": " + error.code().message(), "", exit_code(ErrorKind::io));
  } catch (const std::bad_alloc&) {
    return report("out of memory", "use a smaller --batch or --patch", exit_code(ErrorKind::memory));
  } catch (const std::exception& error) {
    return report(std::string("internal: ") + error.what(), "", 1);
  }
}
