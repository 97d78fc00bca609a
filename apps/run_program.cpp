#include "apps/run_program.h"

#include <cxxabi.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <filesystem>
#include <new>
#include <string>
#include <system_error>
#include <typeinfo>

#include "apps/program/flags.h"
#include "apps/program/signals.h"
#include "apps/program/untrusted_files.h"
#include "apps/program/words.h"
#include "apps/verbs/verbs.h"
#include "engine/error.h"

namespace voxgrad::apps {
namespace {

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

int say_error(const std::string& message, const std::string& hint, int code) {
  constexpr std::size_t kLongest = 4000;
  std::fprintf(stderr, "error: %s\n", shown(message, kLongest).c_str());
  if (!hint.empty()) std::fprintf(stderr, "hint: %s\n", shown(hint, kLongest).c_str());
  return code;
}

// A file that is opened while one of the standard streams is closed would get its number, and then its output.
void open_standard_streams() {
  int file = ::open("/dev/null", O_RDWR);
  while (file >= 0 && file <= STDERR_FILENO) file = ::dup(file);
  if (file >= 0) ::close(file);
}

[[noreturn]] void end_without_memory() {
  for (const char* words : {"error: out of memory\nhint: ", memory_hint().c_str(), "\n"})
    [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, words, std::strlen(words));
  ::_exit(exit_code(ErrorKind::memory));
}

std::terminate_handler usual_end = nullptr;

// Where no memory is left, it may be a destructor that asks for some, and nobody can catch that.
[[noreturn]] void end_uncaught() {
  const std::type_info* const type = abi::__cxa_current_exception_type();
  if (type != nullptr && *type == typeid(std::bad_alloc)) end_without_memory();
  usual_end();
  std::abort();
}

void add_verbs_and_run(int argc, const char* const* argv) {
  Program program;
  add_info(program);
  add_synth(program);
  add_import(program);
  add_inspect(program);
  add_doctor(program);
  add_train(program);
  add_watch(program);
  add_evaluate(program);
  add_predict(program);
  add_export(program);
  add_metrics(program);
  add_losses(program);
  add_compare(program);
  add_report(program);
  add_study(program);
  add_bench(program);
  program.run(argc, argv);
}

int run_and_say(int argc, const char* const* argv) {
  try {
    add_verbs_and_run(argc, argv);
    return 0;
  } catch (const Interrupted& interrupted) {
    return 128 + interrupted.signal;
  } catch (const Error& error) {
    const ErrorKind kind = error.kind();
    return say_error(with_flags(kind, error.message()), with_flags(kind, error.hint()), exit_code(kind));
  } catch (const std::filesystem::filesystem_error& error) {
    return say_error(error.path1().string() + ": " + error.code().message(), "", exit_code(ErrorKind::io));
  } catch (const std::system_error& error) {  // std::thread throws it
    return say_error(std::string("the system has no more of something: ") + error.what(),
                     "use fewer --threads, or end other programs", exit_code(ErrorKind::memory));
  } catch (const std::bad_alloc&) {
    return say_error("out of memory", memory_hint(), exit_code(ErrorKind::memory));
  } catch (const std::exception& error) {
    return say_error(std::string("internal: ") + error.what(), "", 1);
  }
}

}  // namespace

int run_program(int argc, const char* const* argv) {
  open_standard_streams();
  signal(SIGXFSZ, SIG_IGN);  // a file-size limit is then an error of write(), like a full disk
  signal(SIGPIPE, SIG_IGN);  // progress that nobody reads is dropped, and the work goes on
  signal(SIGCHLD, SIG_DFL);  // who started the program may ignore it, and then nobody knows how a child ended
  usual_end = std::set_terminate(end_uncaught);
  end_on_signals();
  check_files_in_child();
  int code = 0;
  try {
    code = run_and_say(argc, argv);
  } catch (const std::bad_alloc&) {  // not even the words of an error found memory
    end_without_memory();
  }
  if (code == exit_code(ErrorKind::memory) || code == exit_code(ErrorKind::io)) {
    std::fflush(nullptr);
    ::_exit(code);  // HDF5 cannot end in peace after a disk or the memory failed it
  }
  return code;
}

}  // namespace voxgrad::apps
