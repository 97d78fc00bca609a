#include "apps/program/console.h"

#include <sys/ioctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
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
  std::fputs((before + shown(line, kLongestMessage) + "\n").c_str(), stderr);
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
  winsize window{};
  const int columns = ioctl(STDERR_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 0 ? window.ws_col : 80;
  constexpr int kCells = 24;
  const int full = std::clamp(static_cast<int>(std::lround(fraction * kCells)), 0, kCells);
  std::string bar;
  for (int i = 0; i < kCells; ++i) bar += i < full ? '#' : '.';
  std::string line = first_letters("[" + bar + "] " + shown(text), static_cast<std::size_t>(columns - 1));
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
  std::int64_t limit = 0, current = 0;
  std::ifstream most("/sys/fs/cgroup/memory.max"), now("/sys/fs/cgroup/memory.current"),
      parts("/sys/fs/cgroup/memory.stat");
  if (most >> limit && now >> current) {
    for (std::string word; parts >> word;)  // files that the system keeps in memory give way
      if (std::int64_t cached = 0; word == "inactive_file" && parts >> cached) current -= cached;
    bytes = std::min(bytes, std::max<std::int64_t>(limit - current, 1));
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
