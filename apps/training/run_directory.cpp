#include "apps/training/run_directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <span>
#include <utility>

#include "apps/program/fields.h"
#include "apps/program/words.h"
#include "engine/error.h"
#include "engine/io/atomic_file.h"
#include "engine/io/uninterrupted.h"

namespace voxgrad::apps {
namespace {

namespace fs = std::filesystem;

// All files that a training replaces as a whole.
constexpr const char* kFiles[]{"config.toml",      "run.json",         "metrics.csv",          "curves.svg",
                               "next.safetensors", "last.safetensors", "previous.safetensors", "best.safetensors"};
constexpr off_t kMostOfText = 1 << 30;  // the largest comparisons have some tens of megabytes

[[noreturn]] void fail(const std::string& what, const std::string& path, int code) {
  throw Error(ErrorKind::io, what + " " + path + ": " + std::strerror(code));
}

void write_all(int descriptor, const std::string& bytes, const std::string& path) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n = uninterrupted([&] { return ::write(descriptor, bytes.data() + done, bytes.size() - done); });
    if (n < 0) fail("cannot write", path, errno);
    done += static_cast<std::size_t>(n);
  }
}

void rename_file(const std::string& from, const std::string& to) {
  if (std::rename(from.c_str(), to.c_str()) != 0) fail("cannot replace", to, errno);
}

int open_log(const std::string& directory, int flags) {
  const std::string path = directory + "/log.jsonl";
  const int descriptor = open_text(path, O_WRONLY | O_APPEND | O_NOFOLLOW | flags);  // a link leads elsewhere
  if (::flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    const int code = errno;
    ::close(descriptor);
    if (code != EWOULDBLOCK) fail("cannot lock", path, code);
    throw Error(ErrorKind::usage, "run directory " + directory + ": another process is training there",
                "wait for it, or give this run a directory of its own with -o");
  }
  return descriptor;
}

}  // namespace

RunDirectory::RunDirectory(std::string path, int log, bool created)
    : path_(std::move(path)), log_(log), created_(created), unused_(created) {}
RunDirectory::RunDirectory(RunDirectory&& other) noexcept
    : path_(std::move(other.path_)),
      log_(std::exchange(other.log_, -1)),
      created_(other.created_),
      unused_(other.unused_) {}
RunDirectory::~RunDirectory() {
  if (log_ < 0) return;
  std::error_code ignored;
  if (unused_) {
    remove_files();
    fs::remove(file("log.jsonl"), ignored);
    fs::remove(path_, ignored);  // fails if something else is in it
  }
  ::close(log_);  // the lock is held until everything is gone
}

void RunDirectory::remove_files() const {
  std::error_code ignored;
  for (const char* name : kFiles) fs::remove(file(name), ignored);
  remove_temporaries();
}

std::string RunDirectory::file_of_others(bool had_log) const {
  if (had_log) {  // that of a training is empty, or has an event in every line
    const std::string log = read_text(file("log.jsonl"));
    if (log.empty()) return "";
    const Json event = json_or_null(log.substr(0, log.find('\n')));
    return event.is_object() && event.contains("event") ? "" : "log.jsonl";
  }
  for (const char* name : kFiles)
    if (fs::exists(file(name))) return name;
  for (const char* name : {"live", "report.html", "overlays"})
    if (fs::exists(file(name))) return name;
  return "";
}

// A model is kept although its checkpoints were removed.
bool RunDirectory::is_finished() const {
  if (!fs::exists(file("best.safetensors")) || !fs::exists(file("run.json"))) return false;
  const Json manifest = json_or_null(read_text(file("run.json")));
  return manifest.is_object() && manifest.value("exit_reason", Json()) == "finished";
}

void RunDirectory::remove_temporaries() const {
  std::error_code ignored;
  for (const char* name : kFiles) fs::remove(file(text(name, ".tmp")), ignored);
  fs::remove_all(file("live"), ignored);  // it would be taken for what this process does
}

bool RunDirectory::exists(const std::string& path) { return fs::exists(path + "/log.jsonl"); }

bool RunDirectory::has_checkpoint(const std::string& path) {
  return fs::exists(path + "/last.safetensors") || fs::exists(path + "/previous.safetensors");
}

RunDirectory RunDirectory::create(const std::string& path) {
  std::error_code code;
  fs::create_directories(path, code);
  if (code) fail("cannot make the run directory", path, code.value());
  const bool had_log = exists(path);
  // The lock is taken first: of two processes that start at once, one makes the run and the other is refused.
  RunDirectory run(path, open_log(path, O_CREAT), false);  // until it is sure that nothing of others is in it
  if (const std::string name = run.file_of_others(had_log); !name.empty()) {
    if (!had_log) fs::remove(run.file("log.jsonl"), code);
    throw Error(ErrorKind::usage, "run directory " + path + ": " + name + " is there, and no training has written it",
                "choose another directory with -o");
  }
  if (has_checkpoint(path))
    throw Error(ErrorKind::usage, "run directory " + path + ": a run is in it already",
                "continue it with `voxgrad train --resume " + path + "`, or choose another directory with -o");
  if (run.is_finished())
    throw Error(ErrorKind::usage, "run directory " + path + ": the model of a finished training is in it",
                "choose another directory with -o, or remove this one");
  run.created_ = run.unused_ = true;
  run.remove_files();
  if (uninterrupted([&] { return ::ftruncate(run.log_, 0); }) != 0) fail("cannot empty", run.file("log.jsonl"), errno);
  return run;
}

RunDirectory RunDirectory::reopen(const std::string& path) {
  if (!exists(path))
    throw Error(ErrorKind::io, "no run in " + path + ": " + path + "/log.jsonl does not exist",
                "`voxgrad train FILE.h5 -o " + path + "` starts one");
  RunDirectory run(path, open_log(path, 0), false);
  run.remove_temporaries();
  return run;
}

void RunDirectory::log(const Json& line) {
  unused_ = false;
  const off_t size = ::lseek(log_, 0, SEEK_END);
  try {
    write_all(log_, dumped(line) + "\n", file("log.jsonl"));
  } catch (const Error&) {
    if (size >= 0 && uninterrupted([&] { return ::ftruncate(log_, size); }) != 0)
      fail("cannot take a broken line back from", file("log.jsonl"), errno);
    throw;
  }
}

void RunDirectory::write(const std::string& name, const std::string& contents) {
  unused_ = false;
  write_text(file(name), contents);
}

void RunDirectory::save_last(const TensorFile& checkpoint) {
  unused_ = false;
  // At every instant `last` or `previous` is a whole checkpoint: the new one is complete before a name moves.
  const std::string next = file("next.safetensors"), last = file("last.safetensors");
  save_tensors(next, checkpoint);
  if (fs::exists(last)) rename_file(last, file("previous.safetensors"));
  rename_file(next, last);
  sync_directory_of(last);
}

void RunDirectory::save_best(const TensorFile& checkpoint) { save_tensors(file("best.safetensors"), checkpoint); }

TensorFile RunDirectory::load_last(std::string& warning) const {
  const std::string last = file("last.safetensors"), previous = file("previous.safetensors");
  const std::string next = file("next.safetensors");  // alone, of a process that was killed before it could rename it
  warning.clear();
  if (!has_checkpoint(path_) && !fs::exists(next))
    throw Error(ErrorKind::io, "run directory " + path_ + ": no checkpoint, the run ended before its first one",
                "`voxgrad train FILE.h5 -o " + path_ + "` starts it again");
  if (!fs::exists(previous)) return load_tensors(fs::exists(last) ? last : next);
  try {
    return load_tensors(last);
  } catch (const Error& error) {
    TensorFile older = load_tensors(previous);
    warning = error.message() + "; going on from " + previous;
    return older;
  }
}

int open_text(const std::string& path, int flags) {
  const int descriptor =  // a pipe must not block
      uninterrupted([&] { return ::open(path.c_str(), flags | O_CLOEXEC | O_NONBLOCK, 0666); });
  struct stat status {};
  int code = descriptor < 0 || ::fstat(descriptor, &status) != 0 ? errno : 0;
  if (code == 0 && S_ISDIR(status.st_mode)) code = EISDIR;
  const bool pipe = code == ENXIO || (code == 0 && !S_ISREG(status.st_mode));  // ENXIO: a pipe that nobody reads
  if (code == 0 && !pipe) return descriptor;
  if (descriptor >= 0) ::close(descriptor);
  if (pipe) throw Error(ErrorKind::io, "cannot open " + path + ": it is no regular file", "remove it");
  fail("cannot open", path, code);
}

std::string read_text(const std::string& path) {
  const int descriptor = open_text(path, O_RDONLY);
  struct stat status {};
  if (::fstat(descriptor, &status) == 0 && status.st_size > kMostOfText) {
    ::close(descriptor);
    throw Error(ErrorKind::data, text(path, ": it has ", status.st_size, " bytes, more than ", kMostOfText),
                "no text that the program writes is as long");
  }
  std::string bytes;
  char part[1 << 16];
  ssize_t count = 0;
  while ((count = uninterrupted([&] { return ::read(descriptor, part, sizeof part); })) > 0)
    bytes.append(part, static_cast<std::size_t>(count));
  const int code = errno;
  ::close(descriptor);
  if (count < 0) fail("cannot read", path, code);
  return bytes;
}

Json read_json(const std::string& path) {
  return reading(path, ErrorKind::data, [&] { return parse_json(read_text(path)); });
}

void write_text(const std::string& path, const std::string& contents) {
  write_atomically(path, {std::as_bytes(std::span(contents))});
}

RunDirectory create_free_directory(const std::string& data, const std::string& loss) {
  const std::string name = file_name(fs::path(data).stem().string() + "-" + loss);
  for (int i = 1;; ++i) {
    const std::string path = i == 1 ? "runs/" + name : text("runs/", name, "-", i);
    std::error_code unknown;
    if (RunDirectory::exists(path) && fs::file_size(path + "/log.jsonl", unknown) != 0) continue;
    try {
      return RunDirectory::create(path);
    } catch (const Error& error) {  // another process plans there, or it has files of others
      if (error.kind() != ErrorKind::usage) throw;
    }
  }
}

}  // namespace voxgrad::apps
