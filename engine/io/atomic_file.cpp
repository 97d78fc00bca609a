#include "engine/io/atomic_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstring>
#include <system_error>

#include "engine/error.h"
#include "engine/io/uninterrupted.h"

namespace voxgrad {
namespace {

constexpr std::size_t kBlock = std::size_t{1} << 20;  // number of bytes that are read back at a time

[[noreturn]] void fail(const std::string& path, const char* step, int code) {
  std::string hint;
  if (code == ENOSPC || code == EDQUOT || code == EFBIG) hint = "free some space, or write to another disk";
  if (code == ENOENT) hint = "create the folder first";
  if (code == EACCES || code == EROFS) hint = "choose a folder that may be written to";
  if (code == ENAMETOOLONG) hint = "choose a shorter name: of most file systems' 255 bytes the temporary needs 4";
  throw Error(ErrorKind::io, text("cannot write ", path, ": ", step, ": ", std::generic_category().message(code)),
              hint);
}

// What remove_temporaries() knows of a temporary. A signal may come while a place is filled or has got another file;
// that the file still has this name is what counts.
struct Temporary {
  std::atomic<bool> taken = false;
  std::atomic<int> file = -1;
  char path[PATH_MAX];
};
std::array<Temporary, 32> temporaries;  // files that find none are written all the same

// Whether a file that is open has this name.
bool is_named(int file, const char* path) {
  struct stat mine, named;
  return ::fstat(file, &mine) == 0 && ::stat(path, &named) == 0 && mine.st_ino == named.st_ino &&
         mine.st_dev == named.st_dev;
}

// Returns the number of a place that knows this file, or -1.
int note(int file, const std::string& path) {
  for (std::size_t i = 0; i < temporaries.size() && path.size() < sizeof temporaries[i].path; ++i) {
    if (temporaries[i].taken.exchange(true)) continue;
    std::memcpy(temporaries[i].path, path.c_str(), path.size() + 1);
    temporaries[i].file = file;
    return static_cast<int>(i);
  }
  return -1;
}

}  // namespace

void sync_directory_of(const std::string& path) {
  const std::string folder = path.substr(0, path.rfind('/') + 1);
  const int file =
      uninterrupted([&] { return ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
  if (file < 0) fail(path, "open the folder", errno);
  const int code = uninterrupted([=] { return ::fsync(file); }) == 0 ? 0 : errno;
  ::close(file);
  if (code != 0 && code != EINVAL)
    fail(path, "fsync the folder", code);  // EINVAL means that this file system has no such call
}

void remove_temporaries() noexcept {
  for (const Temporary& place : temporaries)
    if (const int file = place.file; file >= 0 && is_named(file, place.path)) ::unlink(place.path);
}

AtomicFile::AtomicFile(const std::string& path) : target_(path), path_(path + ".tmp") {
  while (!open_and_lock()) {
  }
  if (uninterrupted([&] { return ::ftruncate(file_, 0); }) != 0) give_up("empty the temporary", errno);
}

AtomicFile::~AtomicFile() {
  if (!path_.empty()) ::unlink(path_.c_str());  // before close, because only the lock protects the name
  forget();
  ::close(file_);
}

void AtomicFile::forget() {
  if (place_ < 0) return;
  Temporary& place = temporaries[static_cast<std::size_t>(place_)];
  place.file = -1;
  place.taken = false;
}

// False if another process renamed or removed the file between open and lock, so that it is no longer the temporary.
bool AtomicFile::open_and_lock() {
  file_ = uninterrupted([&] { return ::open(path_.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666); });
  if (file_ < 0) fail(target_, "open the temporary", errno);
  if (::flock(file_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    ::close(file_);
    throw Error(ErrorKind::io, text("cannot write ", target_, ": it is being written by somebody else"),
                "let every run write to a folder of its own");
  }
  struct stat mine;
  if (::fstat(file_, &mine) != 0) give_up("stat", errno);
  if (is_named(file_, path_.c_str())) {
    place_ = note(file_, path_);
    return true;
  }
  ::close(file_);
  return false;
}

// The constructor calls this when it fails, because the destructor does not run then.
void AtomicFile::give_up(const char* step, int code) {
  ::unlink(path_.c_str());
  forget();
  ::close(file_);
  fail(target_, step, code);
}

void AtomicFile::write(Bytes bytes, std::uint64_t offset) {
  while (!bytes.empty()) {
    const std::size_t next = std::min(bytes.size(), std::size_t{1} << 30);
    const ssize_t count =
        uninterrupted([&] { return ::pwrite(file_, bytes.data(), next, static_cast<off_t>(offset)); });
    if (count <= 0) fail(target_, "write", count < 0 ? errno : EIO);
    bytes = bytes.subspan(static_cast<std::size_t>(count));
    offset += static_cast<std::uint64_t>(count);
  }
}

std::size_t AtomicFile::read(std::span<std::byte> bytes, std::uint64_t offset) const {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const std::size_t next = std::min(bytes.size() - done, std::size_t{1} << 30);
    const ssize_t count =
        uninterrupted([&] { return ::pread(file_, bytes.data() + done, next, static_cast<off_t>(offset + done)); });
    if (count < 0) fail(target_, "read back", errno);
    if (count == 0) break;
    done += static_cast<std::size_t>(count);
  }
  return done;
}

void AtomicFile::resize(std::uint64_t size) {
  if (uninterrupted([&] { return ::ftruncate(file_, static_cast<off_t>(size)); }) != 0) fail(target_, "resize", errno);
}

void AtomicFile::sync() {
  if (uninterrupted([&] { return ::fsync(file_); }) != 0) fail(target_, "fsync", errno);
#ifdef POSIX_FADV_DONTNEED
  ::posix_fadvise(file_, 0, 0, POSIX_FADV_DONTNEED);  // a hint: what is read back then comes from the disk
#endif
}

void AtomicFile::save() {
  sync();
  if (::rename(path_.c_str(), target_.c_str()) != 0) fail(target_, "rename", errno);
  path_.clear();
  sync_directory_of(target_);
}

void write_atomically(const std::string& path, const std::vector<Bytes>& pieces) {
  AtomicFile file(path);
  std::uint64_t offset = 0;
  for (const Bytes& piece : pieces) {
    file.write(piece, offset);
    offset += piece.size();
  }
  file.sync();
  std::vector<std::byte> block(kBlock);
  offset = 0;
  for (Bytes piece : pieces)
    while (!piece.empty()) {
      const std::size_t size = std::min(piece.size(), kBlock);
      if (file.read(std::span(block).first(size), offset) != size || std::memcmp(block.data(), piece.data(), size) != 0)
        throw Error(ErrorKind::io, text("cannot write ", path, ": other bytes are read back at ", offset),
                    "the disk or the memory of this machine is faulty");
      piece = piece.subspan(size);
      offset += size;
    }
  file.save();
}

}  // namespace voxgrad
