// Writing a file so that a crash, a full disk or a killed process never leaves half of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace voxgrad {

using Bytes = std::span<const std::byte>;

// A file that is written as `path`.tmp and gets its name when it is whole. Every failure is an Error(io) with the
// reason of the system; the file that was there before is then unchanged. Without save() nothing remains. A temporary
// file that a killed process left is overwritten. If two processes write the same path at the same time, the second one
// gets an Error(io).
class AtomicFile {
 public:
  explicit AtomicFile(const std::string& path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  void write(Bytes bytes, std::uint64_t offset);
  // Returns how many bytes there were. They are fewer than asked for only where the file ends.
  std::size_t read(std::span<std::byte> bytes, std::uint64_t offset) const;
  void resize(std::uint64_t size);
  void sync();
  // Flushes the file to the disk (fsync), renames it and flushes the directory. Only if this very last step fails is
  // the new file already in place.
  void save();

 private:
  bool open_and_lock();
  [[noreturn]] void give_up(const char* step, int code);
  void forget();
  std::string target_, path_;
  int file_ = -1, place_ = -1;  // place_: among those that remove_temporaries() knows
};

// Unlinks the temporaries of all files of this process that are not saved yet, before the process ends. A handler of a
// signal may call this.
void remove_temporaries() noexcept;

// Flushes the folder of a file to the disk (fsync), after which a rename in it outlives a power cut. Throws Error(io).
void sync_directory_of(const std::string& path);

// Writes the pieces, one after the other, as the file `path`. What was written is read back from the disk and compared
// before the file gets its name. Throws as AtomicFile does.
void write_atomically(const std::string& path, const std::vector<Bytes>& pieces);

}  // namespace voxgrad
