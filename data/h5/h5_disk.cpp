#include "data/h5/h5_disk.h"

#include <algorithm>
#include <iterator>

#include "data/h5/h5_detail.h"
#if H5_VERSION_GE(1, 13, 0)
#include <H5FDdevelop.h>
#endif

namespace voxgrad::data::h5 {
namespace {

// An open file as HDF5 sees it: what it knows of every driver comes first.
struct Open {
  H5FD_t common;
  Disk* disk;
  haddr_t end_of_space, end_of_file;
};

Open& open_file(H5FD_t* file) { return *reinterpret_cast<Open*>(file); }
const Open& open_file(const H5FD_t* file) { return *reinterpret_cast<const Open*>(file); }

// The functions that sec2, HDF5's own driver for files, has too. Sizes and order of what is written are the same.
H5FD_class_t driver() {
  H5FD_class_t driver{};
#if H5_VERSION_GE(1, 13, 0)
  driver.version = H5FD_CLASS_VERSION;
  driver.value = static_cast<H5FD_class_value_t>(511);  // the last of the values that are free for tests
#endif
  driver.name = "voxgrad";
  driver.maxaddr = haddr_t{INT64_MAX};
  driver.fc_degree = H5F_CLOSE_WEAK;
  driver.fapl_size = sizeof(Disk*);
  driver.open = [](const char*, unsigned, hid_t access, haddr_t) -> H5FD_t* {
    const void* info = H5Pget_driver_info(access);
    return info == nullptr ? nullptr : &(new Open{{}, *static_cast<Disk* const*>(info), 0, 0})->common;
  };
  driver.close = [](H5FD_t* file) -> herr_t {
    delete &open_file(file);
    return 0;
  };
  driver.query = [](const H5FD_t*, unsigned long* features) -> herr_t {
    *features = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_ACCUMULATE_METADATA | H5FD_FEAT_DATA_SIEVE |
                H5FD_FEAT_AGGREGATE_SMALLDATA;
    return 0;
  };
  driver.get_eoa = [](const H5FD_t* file, H5FD_mem_t) { return open_file(file).end_of_space; };
  driver.set_eoa = [](H5FD_t* file, H5FD_mem_t, haddr_t address) -> herr_t {
    open_file(file).end_of_space = address;
    return 0;
  };
  driver.get_eof = [](const H5FD_t* file, H5FD_mem_t) { return open_file(file).end_of_file; };
  driver.read = [](H5FD_t* file, H5FD_mem_t, hid_t, haddr_t address, std::size_t size, void* out) -> herr_t {
    return open_file(file).disk->read(address, {static_cast<std::byte*>(out), size}) ? 0 : -1;
  };
  driver.write = [](H5FD_t* file, H5FD_mem_t, hid_t, haddr_t address, std::size_t size, const void* bytes) -> herr_t {
    Open& open = open_file(file);
    open.disk->write(address, {static_cast<const std::byte*>(bytes), size});
    open.end_of_file = std::max(open.end_of_file, address + size);
    return 0;
  };
  driver.truncate = [](H5FD_t* file, hid_t, hbool_t) -> herr_t {
    Open& open = open_file(file);
    if (open.end_of_file != open.end_of_space) open.disk->resize(open.end_of_file = open.end_of_space);
    return 0;
  };
  constexpr H5FD_mem_t kLists[H5FD_MEM_NTYPES] = H5FD_FLMAP_DICHOTOMY;
  std::copy(std::begin(kLists), std::end(kLists), driver.fl_map);
  return driver;
}

}  // namespace

Id Disk::create(Id creation, Id access) {
  // It stays registered: HDF5 gives a driver up before it has called its function that closes a file.
  static const H5FD_class_t kDriver = driver();
  static Id registered = -1;
  if (H5Iget_type(registered) != H5I_VFL) registered = H5FDregister(&kDriver);
  Disk* const self = this;
  if (registered < 0 || H5Pset_driver(access, registered, &self) < 0) return -1;
  return H5Fcreate("voxgrad", H5F_ACC_TRUNC, creation, access);
}

void Disk::write(std::uint64_t address, Bytes bytes) noexcept {
  if (failure_) return;
  try {
    file_.write(bytes, address);
  } catch (...) {
    failure_ = std::current_exception();
  }
}

bool Disk::read(std::uint64_t address, std::span<std::byte> bytes) noexcept {
  try {
    const std::size_t found = file_.read(bytes, address);
    std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(found), bytes.end(), std::byte{0});
  } catch (...) {
    failure_ = std::current_exception();
    return false;
  }
  return true;
}

void Disk::resize(std::uint64_t size) noexcept {
  if (failure_) return;
  try {
    file_.resize(size);
  } catch (...) {
    failure_ = std::current_exception();
  }
}

}  // namespace voxgrad::data::h5
