// The console shows messages and progress on stderr while the program works. Results go to stdout elsewhere.
#pragma once

#include <chrono>
#include <string>
#include <vector>

namespace voxgrad::apps {

class Console {
 public:
  // verbosity: -1 quiet (warnings only), 0 normal, 1 verbose.
  explicit Console(int verbosity = 0);
  ~Console();

  // Texts of strangers may be in any line; control characters are shown as they are written in JSON. `over` lines above
  // are drawn over, which only a live() console can.
  void say(const std::string& line, std::size_t over = 0);
  void detail(const std::string& line);  // -v only
  void warn(const std::string& line);
  // True if stderr is a terminal that can draw a line again (not TERM=dumb) and nobody asked for quiet.
  bool live() const { return live_; }
  // Draws a progress bar over the one before, ten times a second at most, and removes it at 1. Does nothing unless
  // live().
  void bar(double fraction, const std::string& text);
  // The rows that all lines so far take on a terminal of this width.
  std::size_t rows() const { return rows_; }

 private:
  void print(const std::string& line, const std::string& before = "");
  int verbosity_;
  bool live_;
  bool colour_;
  bool drawn_ = false;
  std::size_t rows_ = 0;
  std::chrono::steady_clock::time_point last_{};
};

// "3.2 s", "4 min 10 s", "2 h 05 min".
std::string duration(double seconds);
// "812 MiB", "1.4 GiB".
std::string size_text(std::int64_t bytes);
// A number with a fixed number of digits; "-" for NaN.
std::string fixed(double value, int digits);
// A number of unknown magnitude, with this many digits from the first that is not 0, and all before the point up to
// 10^6: 0.05, 65535, 1.234e-09; "-" for NaN.
std::string significant(double value, int digits = 4);
// What is done in a second: "12.3", and "0.04" of what takes longer.
std::string per_second(double rate);
// The largest resident set of this process so far.
std::int64_t peak_memory_bytes();
// Gives released memory back; peak_memory_bytes() then speaks of what is held from now on (Linux).
void reset_peak_memory();
// What processes may still take, by the machine and by the limits of the control groups of this process, as Slurm and
// containers set them; 0 if the system does not say.
std::int64_t available_memory_bytes();
// What control groups of version 2 or 1 leave of `bytes`. `list` is a file such as /proc/self/cgroup, which names the
// groups of a process. They are folders below `root`; the limits of those above them hold, too.
std::int64_t left_in_groups(std::int64_t bytes, const std::string& list, const std::string& root);

// A table of text. A column is as wide as its widest cell; the first `left` columns are aligned left, the others right.
class Table {
 public:
  Table(std::vector<std::string> header, std::size_t left);
  void row(std::vector<std::string> cells);
  std::string str() const;

 private:
  std::vector<std::vector<std::string>> rows_;
  std::size_t left_;
};

}  // namespace voxgrad::apps
