// The run directory holds everything that one training leaves behind. Only one process at a time writes there.
//   config.toml  run.json  log.jsonl  metrics.csv  curves.svg  report.html  overlays/*.png  live/*
//   last.safetensors  previous.safetensors  best.safetensors
#pragma once

#include <string>

#include "apps/program/json.h"
#include "engine/io/safetensors.h"

namespace voxgrad::apps {

// Returns a descriptor of a text file of a run; `flags` are those of open(2). All are opened here. Throws Error(io),
// also for a pipe, at which a reader would wait.
int open_text(const std::string& path, int flags);
// Reads a whole text file. Throws Error(io), and Error(data) if it has more than 1 GiB.
std::string read_text(const std::string& path);
// Reads a file of JSON. Throws Error(io), and Error(data) that names the file if it is damaged.
Json read_json(const std::string& path);
// Replaces a text file as a whole. Throws Error(io); the old file is then still there.
void write_text(const std::string& path, const std::string& contents);

class RunDirectory {
 public:
  // Makes the directory and its parents. Throws Error(usage) if a run is in it already, or a file of somebody else
  // that a training would replace, Error(io) if it cannot be made.
  // What a run without a checkpoint has left there is removed, because it cannot be resumed.
  static RunDirectory create(const std::string& path);
  // Opens the directory of a run, and removes what a killed process has half written, and the live page of the process
  // before. Throws Error(io) if there is no run in it, Error(usage) if another process is writing there.
  static RunDirectory reopen(const std::string& path);
  // True if `path` is a directory with a run.
  static bool exists(const std::string& path);
  // True if last.safetensors or `previous` is there: a run that has begun is not begun again.
  static bool has_checkpoint(const std::string& path);

  RunDirectory(RunDirectory&& other) noexcept;
  RunDirectory& operator=(RunDirectory&&) = delete;
  // Removes a directory that create() made and in which nothing was written.
  ~RunDirectory();
  // Says that the run has failed before it began. The destructor then removes all that create() and the functions below
  // have made, so that the next start is not refused. The directory of a resumed run stays.
  void discard() { unused_ = created_; }

  const std::string& path() const { return path_; }
  std::string file(const std::string& name) const { return path_ + "/" + name; }

  // Appends a line to log.jsonl with one write. A line that does not fit on the disk is removed again. This and the
  // functions below throw Error(io) and then leave what was there before.
  void log(const Json& line);
  // Replaces a text file as a whole.
  void write(const std::string& name, const std::string& contents);
  // Writes last.safetensors; the last checkpoint before becomes `previous`.
  void save_last(const TensorFile& checkpoint);
  void save_best(const TensorFile& checkpoint);
  // Reads last.safetensors, or `previous` if that one is damaged or absent; `warning` then says so. If neither is
  // there, reads `next`.
  TensorFile load_last(std::string& warning) const;

 private:
  RunDirectory(std::string path, int log, bool created);
  // Returns the name of a file that a training would replace although no training has written it; empty if there is
  // none.
  std::string file_of_others(bool had_log) const;
  bool is_finished() const;
  void remove_files() const;
  void remove_temporaries() const;
  std::string path_;
  int log_;  // descriptor of log.jsonl; holds the lock
  bool created_, unused_;
};

// Makes runs/<dataset>-<loss>, with a number if that is taken. A log without an event is no run: it is that of a
// process that was killed while it planned, and its directory is taken over.
RunDirectory create_free_directory(const std::string& data, const std::string& loss);

}  // namespace voxgrad::apps
