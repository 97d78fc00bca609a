// The file on the disk to which HDF5 writes. HDF5 itself cannot live with a full disk: after a failed write it can
// neither close the file nor end the process in peace. So it writes through a driver of ours, which tells it of no
// failure: the failure is kept for the caller, who throws it. Internal to this folder.
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <span>
#include <string>

#include "data/h5/h5.h"
#include "engine/io/atomic_file.h"

namespace voxgrad::data::h5 {

class Disk {
 public:
  explicit Disk(const std::string& path) : file_(path) {}
  // Makes an empty HDF5 file here. The Disk must outlive it.
  Id create(Id creation, Id access);
  // Throws what went wrong with the disk since the beginning, if anything did.
  void require() const {
    if (failure_) std::rethrow_exception(failure_);
  }
  // Gives the file its name. The HDF5 file must have been closed.
  void save() { file_.save(); }

  // For the driver. None of them throws.
  void write(std::uint64_t address, Bytes bytes) noexcept;
  bool read(std::uint64_t address, std::span<std::byte> bytes) noexcept;
  void resize(std::uint64_t size) noexcept;

 private:
  AtomicFile file_;
  std::exception_ptr failure_;
};

}  // namespace voxgrad::data::h5
