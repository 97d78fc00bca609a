// Runs the real program as a user would, and small datasets for it.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "data/phantoms.h"
#include "tests/data/support.h"
#include "tests/test.h"

namespace voxgrad::test {

struct Outcome {
  int code = -1;  // exit code; 256 + signal if one ended the process
  std::string out, err;
};

// The program, running. Its output is collected by wait().
class Running {
 public:
  // `prepare` runs in the child before the program starts (limits, environment).
  explicit Running(const std::vector<std::string>& arguments, const std::function<void()>& prepare = {},
                   const char* path = VOXGRAD_PROGRAM) {
    if (::pipe(out_) != 0 || ::pipe(err_) != 0) throw std::runtime_error("pipe");
    child_ = ::fork();
    if (child_ < 0) throw std::runtime_error("fork");
    if (child_ > 0) {
      ::close(out_[1]);
      ::close(err_[1]);
      return;
    }
    ::dup2(out_[1], STDOUT_FILENO);
    ::dup2(err_[1], STDERR_FILENO);
    for (const int end : {out_[0], out_[1], err_[0], err_[1]}) ::close(end);
    if (prepare) prepare();
    std::vector<char*> words;
    std::vector<std::string> copies{path};
    copies.insert(copies.end(), arguments.begin(), arguments.end());
    for (std::string& word : copies) words.push_back(word.data());
    words.push_back(nullptr);
    ::execv(words[0], words.data());
    ::_exit(127);
  }

  void send(int signal) const { ::kill(child_, signal); }
#ifdef __linux__
  // From now on the program cannot write beyond this size of a file.
  void limit_file_size(rlim_t bytes) const {
    const rlimit limit{bytes, bytes};
    if (::prlimit(child_, RLIMIT_FSIZE, &limit, nullptr) != 0) throw std::runtime_error("prlimit");
  }
#endif

  // Reads until stderr has shown `words`; false if the program ended first.
  bool saw(const std::string& words) {
    while (!contains(result_.err, words))
      if (!read_some()) return contains(result_.err, words);
    return true;
  }

  Outcome wait() {
    while (read_some()) {
    }
    int status = 0;
    ::waitpid(child_, &status, 0);
    result_.code = WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
    ::close(out_[0]);
    ::close(err_[0]);
    return result_;
  }

 private:
  // False when both streams have ended.
  bool read_some() {
    pollfd ends[2]{{out_open_ ? out_[0] : -1, POLLIN, 0}, {err_open_ ? err_[0] : -1, POLLIN, 0}};
    if (!out_open_ && !err_open_) return false;
    ::poll(ends, 2, -1);
    const auto take = [](const pollfd& end, std::string& to, bool& open) {
      if (end.revents == 0) return;
      char buffer[4096];
      const ssize_t count = ::read(end.fd, buffer, sizeof buffer);
      if (count > 0)
        to.append(buffer, static_cast<std::size_t>(count));
      else
        open = false;
    };
    take(ends[0], result_.out, out_open_);
    take(ends[1], result_.err, err_open_);
    return out_open_ || err_open_;
  }

  int out_[2]{}, err_[2]{};
  bool out_open_ = true, err_open_ = true;
  pid_t child_ = -1;
  Outcome result_;
};

inline Outcome program(const std::vector<std::string>& arguments, const std::function<void()>& prepare = {}) {
  return Running(arguments, prepare).wait();
}

// A phantom dataset; splits of about 70/15/15.
inline std::string phantom_file(const Folder& folder, const std::string& task, std::int64_t cases, const Shape& size) {
  const std::string path = folder.file(task + ".h5");
  data::write_dataset(path, data::make_phantom(task, {cases, size, 1}));
  return path;
}

// The smallest training that still has several epochs: 44 steps in 3 epochs, well below a second.
inline std::vector<std::string> small_training(const std::string& data, const std::string& run,
                                               const std::vector<std::string>& more = {}) {
  std::vector<std::string> words{"train",     data,      "-o",      run,  "--base",  "4",
                                 "--depth",   "2",       "--batch", "2",  "--patch", "32",
                                 "--augment", "default", "--steps", "44", "--loss",  "dice_ce"};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

}  // namespace voxgrad::test
