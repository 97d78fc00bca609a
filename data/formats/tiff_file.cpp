// Opens TIFF files with libtiff.
#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>

#include "data/formats/tiff_detail.h"

namespace voxgrad::data::detail {
namespace {

#if TIFFLIB_VERSION >= 20221213  // 4.5: what goes wrong is told to the one who opened the file
int keep(TIFF*, void* reason, const char*, const char* format, va_list values) {
  std::string& kept = *static_cast<std::string*>(reason);
  char message[256];
  std::vsnprintf(message, sizeof message, format, values);
  // libtiff leaves these tags out and reads on. tifffile writes the units 4 and 5, millimetres and micrometres.
  const bool needless =
      std::strstr(message, "Bad value") != nullptr && (std::strstr(message, "\"ResolutionUnit\" tag") != nullptr ||
                                                       std::strstr(message, "\"Orientation\" tag") != nullptr);
  if (kept.empty() && !needless) {
    kept = message;
    std::ranges::replace(kept, '\n', ' ');
  }
  return 1;
}
int ignore(TIFF*, void*, const char*, const char*, va_list) { return 1; }

struct Options {
  Options(std::string& reason, std::uint64_t most_bytes) : options(::TIFFOpenOptionsAlloc()) {
    ::TIFFOpenOptionsSetErrorHandlerExtR(options, &keep, &reason);
    ::TIFFOpenOptionsSetWarningHandlerExtR(options, &ignore, nullptr);
    ::TIFFOpenOptionsSetMaxSingleMemAlloc(options, static_cast<tmsize_t>(most_bytes));
  }
  ~Options() { ::TIFFOpenOptionsFree(options); }
  Options(const Options&) = delete;
  Options& operator=(const Options&) = delete;
  TIFFOpenOptions* options;
};
#else  // handlers for the whole process: off
struct Options {
  Options(std::string&, std::uint64_t) {
    ::TIFFSetErrorHandler(nullptr);
    ::TIFFSetWarningHandler(nullptr);
  }
};
#endif

// A file in memory that grows while it is written.
struct Memory {
  std::string* bytes;
  std::uint64_t at = 0;

  static Memory& of(thandle_t handle) { return *static_cast<Memory*>(handle); }
  static tmsize_t read(thandle_t handle, void* to, tmsize_t count) {
    Memory& memory = of(handle);
    const std::uint64_t left = memory.at < memory.bytes->size() ? memory.bytes->size() - memory.at : 0;
    const std::uint64_t some = std::min(static_cast<std::uint64_t>(count), left);
    std::memcpy(to, memory.bytes->data() + memory.at, some);
    memory.at += some;
    return static_cast<tmsize_t>(some);
  }
  static tmsize_t write(thandle_t handle, void* from, tmsize_t count) {
    Memory& memory = of(handle);
    const std::uint64_t end = memory.at + static_cast<std::uint64_t>(count);
    try {
      if (end > memory.bytes->size()) memory.bytes->resize(end);
    } catch (const std::exception&) {
      return -1;  // no exception may pass through C
    }
    std::memcpy(memory.bytes->data() + memory.at, from, static_cast<std::size_t>(count));
    memory.at = end;
    return count;
  }
  static toff_t seek(thandle_t handle, toff_t offset, int whence) {
    Memory& memory = of(handle);
    memory.at = offset + (whence == SEEK_CUR ? memory.at : whence == SEEK_END ? memory.bytes->size() : 0);
    return memory.at;
  }
  static int close(thandle_t handle) {
    delete static_cast<Memory*>(handle);
    return 0;
  }
  static toff_t size(thandle_t handle) { return of(handle).bytes->size(); }
};

}  // namespace

void Tiff::open(std::string& bytes, const char* mode, std::uint64_t most_bytes) {
  reason_ = std::make_unique<std::string>();
  [[maybe_unused]] const Options options(*reason_, most_bytes);
  auto memory = std::make_unique<Memory>(Memory{&bytes});
#if TIFFLIB_VERSION >= 20221213
  tiff_.reset(::TIFFClientOpenExt("", mode, memory.get(), &Memory::read, &Memory::write, &Memory::seek, &Memory::close,
                                  &Memory::size, nullptr, nullptr, options.options));
#else
  tiff_.reset(::TIFFClientOpen("", mode, memory.get(), &Memory::read, &Memory::write, &Memory::seek, &Memory::close,
                               &Memory::size, nullptr, nullptr));
#endif
  if (tiff_ != nullptr) static_cast<void>(memory.release());  // close() deletes it
}

Tiff::Tiff(std::string& bytes, const std::string& path) : tiff_(nullptr, &::TIFFClose) {
  // What libtiff asks for at once is a strip as it is stored, or tables. m: no mapping, which a file in memory has not.
  open(bytes, "rm", bytes.size() + (std::uint64_t{64} << 20));
  if (tiff_ == nullptr) refuse(path, "is no TIFF file that can be read (" + reason() + ")", "it is cut off or damaged");
}

Tiff::Tiff(std::string& target, std::uint64_t bytes) : tiff_(nullptr, &::TIFFClose) {
  open(target, bytes < std::uint64_t{4000} << 20 ? "w" : "w8", 0);  // 0: no limit
  if (tiff_ == nullptr) throw Error(ErrorKind::memory, "no memory to write a TIFF file: " + *reason_);
}

}  // namespace voxgrad::data::detail
