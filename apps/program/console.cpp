#include "apps/program/console.h"

#include <sys/ioctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "apps/program/words.h"
#include "engine/error.h"

namespace voxgrad::apps {
namespace {

constexpr std::size_t kLongestMessage = 20000;  // a plan with its reasons takes a tenth of it

bool terminal() {
  const char* term = std::getenv("TERM");
  return isatty(STDERR_FILENO) != 0 && (term == nullptr || std::string(term) != "dumb");
}

std::string format(const char* pattern, double a, double b = 0) {
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, pattern, a, b);
  return buffer;
}

std::size_t terminal_columns() {
  winsize window{};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 0 ? std::size_t{window.ws_col} : 80;
}

// "max" is no number and no limit, and neither is a file that is absent.
std::int64_t left_in_group(std::int64_t bytes, const std::filesystem::path& group) {
  std::error_code ignored;
  const bool newer = std::filesystem::exists(group / "memory.max", ignored);
  std::ifstream most(group / (newer ? "memory.max" : "memory.limit_in_bytes")),
      now(group / (newer ? "memory.current" : "memory.usage_in_bytes")), parts(group / "memory.stat");
  std::int64_t limit = 0, current = 0;
  if (!(most >> limit && now >> current)) return bytes;
  const std::string gives_way = newer ? "inactive_file" : "total_inactive_file";  // files that the system keeps
  for (std::string word; parts >> word;)
    if (std::int64_t cached = 0; word == gives_way && parts >> cached) current -= cached;
  return std::min(bytes, std::max<std::int64_t>(limit - current, 1));
}

}  // namespace

Console::Console(int verbosity)
    : verbosity_(verbosity),
      live_(verbosity >= 0 && terminal()),
      colour_(terminal() && std::getenv("NO_COLOR") == nullptr) {}

Console::~Console() {
  if (drawn_) std::fputs("\r\033[K", stderr);
}

void Console::print(const std::string& line, const std::string& before) {
  if (std::exchange(drawn_, false)) std::fputs("\r\033[K", stderr);
  const std::string words = shown(line, kLongestMessage);
  std::fputs((before + words + "\n").c_str(), stderr);
  const std::size_t columns = terminal_columns();
  std::istringstream lines(words);
  for (std::string one; std::getline(lines, one);)
    rows_ += std::max<std::size_t>(1, (letter_count(one) + columns - 1) / columns);
}

void Console::say(const std::string& line, std::size_t over) {
  if (verbosity_ >= 0) print(line, over > 0 ? voxgrad::text("\033[", over, "A\033[J") : "");
}

void Console::detail(const std::string& line) {
  if (verbosity_ > 0) print(line);
}

void Console::warn(const std::string& line) { print(line, colour_ ? "\033[33mwarning:\033[0m " : "warning: "); }

void Console::bar(double fraction, const std::string& text) {
  using namespace std::chrono;
  if (live_ && fraction >= 1) {  // done: what follows begins on an empty line
    if (std::exchange(drawn_, false)) std::fputs("\r\033[K", stderr);
    return;
  }
  if (!live_ || (drawn_ && steady_clock::now() - last_ < milliseconds(100))) return;
  last_ = steady_clock::now();
  constexpr int kCells = 24;
  const int full = std::clamp(static_cast<int>(std::lround(fraction * kCells)), 0, kCells);
  std::string bar;
  for (int i = 0; i < kCells; ++i) bar += i < full ? '#' : '.';
  std::string line = first_letters("[" + bar + "] " + shown(text), terminal_columns() - 1);
  if (colour_)
    line = "\033[36m" + line.substr(0, kCells + 2) + "\033[0m" +
           line.substr(std::min<std::size_t>(line.size(), kCells + 2));
  std::fputs(("\r\033[K" + line).c_str(), stderr);
  std::fflush(stderr);
  drawn_ = true;
}

std::string duration(double seconds) {
  if (!std::isfinite(seconds)) return "-";
  if (seconds < 100) return format("%.1f s", seconds);
  const double minutes = std::floor(seconds / 60);
  if (minutes < 100) return format("%.0f min %02.0f s", minutes, std::floor(seconds - 60 * minutes));
  return format("%.0f h %02.0f min", std::floor(minutes / 60), minutes - 60 * std::floor(minutes / 60));
}

std::string size_text(std::int64_t bytes) {
  const double mebibytes = static_cast<double>(bytes) / (1 << 20);
  return mebibytes < 1000 ? format("%.0f MiB", mebibytes) : format("%.1f GiB", mebibytes / 1024);
}

std::string fixed(double value, int digits) {
  if (std::isnan(value)) return "-";
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, "%.*f", digits, value);
  return buffer;
}

std::string significant(double value, int digits) {
  if (std::isnan(value)) return "-";
  if (std::abs(value) < 1e6)
    for (double size = std::pow(10, digits); size <= std::abs(value); size *= 10) ++digits;
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, "%.*g", digits, value);
  return buffer;
}

std::string per_second(double rate) { return rate < 1 ? significant(rate, 2) : fixed(rate, 1); }

std::int64_t available_memory_bytes() {
  std::int64_t bytes = 0;
  std::ifstream memory("/proc/meminfo");
  for (std::string word; memory >> word;)
    if (std::int64_t kilobytes = 0; word == "MemAvailable:" && memory >> kilobytes) bytes = kilobytes * 1024;
  return left_in_groups(bytes, "/proc/self/cgroup", "/sys/fs/cgroup");
}

std::int64_t left_in_groups(std::int64_t bytes, const std::string& list, const std::string& root) {
  std::ifstream groups(list);
  for (std::string line; std::getline(groups, line);) {  // "0::/job_7/step_0", of version 1 "9:cpu,memory:/job_7"
    std::istringstream parts(line);
    std::string number, controllers, path;
    std::getline(parts, number, ':'), std::getline(parts, controllers, ':'), std::getline(parts, path);
    const bool newer = controllers.empty();
    if (path.empty() || (!newer && ("," + controllers + ",").find(",memory,") == std::string::npos)) continue;
    const std::filesystem::path top = newer ? root : root + "/memory";
    // A container may see its own group at the top, and no folder with the path that the host gives it.
    std::filesystem::path group = top / std::filesystem::path(path).relative_path();
    for (; group != top && group != group.parent_path(); group = group.parent_path())
      bytes = left_in_group(bytes, group);
    bytes = left_in_group(bytes, top);
  }
  return bytes;
}

std::int64_t peak_memory_bytes() {
#ifdef __linux__
  // getrusage is of no use here: it begins with the size of the process that started this one.
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    std::int64_t kilobytes = 0;
    if (word == "VmHWM:" && status >> kilobytes) return kilobytes * 1024;
  }
#endif
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return std::int64_t{usage.ru_maxrss} * 1024;
}

void reset_peak_memory() {
#ifdef __GLIBC__
  ::malloc_trim(0);  // it keeps what was released
#endif
  std::ofstream("/proc/self/clear_refs") << 5;
}

Table::Table(std::vector<std::string> header, std::size_t left) : rows_{std::move(header)}, left_(left) {}

void Table::row(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }

std::string Table::str() const {
  std::vector<std::size_t> widths;
  for (const auto& row : rows_) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], letter_count(row[c]));
  }
  std::string result;
  for (const auto& row : rows_) {
    std::string line;
    for (std::size_t c = 0; c < row.size(); ++c) {
      const std::string space(widths[c] - letter_count(row[c]), ' ');
      line += (c > 0 ? "  " : "") + (c < left_ ? row[c] + space : space + row[c]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    result += line + "\n";
  }
  return result;
}

}  // namespace voxgrad::apps
