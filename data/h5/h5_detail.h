// Helpers that the sources of this folder share. This header includes hdf5.h and must not be included elsewhere.
#pragma once

#include <hdf5.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>
#include <system_error>
#include <vector>

#include "data/h5/h5.h"
#include "engine/error.h"

namespace voxgrad::data::h5::detail {

static_assert(sizeof(hid_t) == sizeof(Id));

// What the system is to blame for in the last call of HDF5: the number of an error of the disk, or no memory.
struct SystemFailure {
  int code = 0;
  bool memory = false;
};

inline SystemFailure system_failure() {
  SystemFailure found;
  const auto look = [](unsigned, const H5E_error2_t* error, void* target) -> herr_t {
    constexpr const char* kNumber = "errno = ";
    SystemFailure& failure = *static_cast<SystemFailure*>(target);
    const char* const number = error->desc == nullptr ? nullptr : std::strstr(error->desc, kNumber);
    if (number != nullptr) failure.code = std::atoi(number + std::strlen(kNumber));
    const bool allocation = error->desc != nullptr && std::strstr(error->desc, "memory") != nullptr;
    if (error->min_num == H5E_NOSPACE || allocation) failure.memory = true;
    return 0;
  };
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, look, &found);
  return found;
}

// Throws Error(data), unless the disk or the memory is at fault and not the file.
[[noreturn]] inline void fail(const std::string& where, const std::string& what, const std::string& hint = {}) {
  const SystemFailure failure = system_failure();
  if (failure.code != 0)
    throw Error(ErrorKind::io, text(where, ": cannot be read: ", std::generic_category().message(failure.code)));
  if (failure.memory) throw Error(ErrorKind::memory, text(where, ": there is no memory to read it"));
  throw Error(ErrorKind::data, text(where, ": ", what), hint);
}

// Returns the identifier that a call of HDF5 gave. A negative one means that the call failed: throws Error(data).
inline Id need(Id id, const std::string& where, const char* what) {
  if (id < 0) fail(where, text(what, reason()));
  return id;
}

inline Handle space_of(Id id, bool attribute, const std::string& where) {
  return Handle(need(attribute ? H5Aget_space(id) : H5Dget_space(id), where, "its extents cannot be read"), H5Sclose);
}
inline Handle type_of(Id id, bool attribute, const std::string& where) {
  return Handle(need(attribute ? H5Aget_type(id) : H5Dget_type(id), where, "its type cannot be read"), H5Tclose);
}

// Returns the number of elements of a scalar or a list. Throws Error(data) for more than one axis.
inline std::size_t list_length(const Handle& space, const std::string& where) {
  const int rank = H5Sget_simple_extent_ndims(space.id());
  const hssize_t count = H5Sget_simple_extent_npoints(space.id());
  if (rank < 0 || rank > 1 || count < 0) fail(where, "is neither one value nor a list");
  return static_cast<std::size_t>(count);
}

// Reads texts of fixed or variable length. Throws Error(data) if they claim to have more than `limit` bytes.
template <class Read>
std::vector<std::string> read_texts(const Handle& type, const Handle& space, std::uint64_t limit, Read&& read,
                                    const std::string& where) {
  if (H5Tget_class(type.id()) != H5T_STRING) fail(where, "is not text");
  const std::size_t count = list_length(space, where);
  const htri_t variable = H5Tis_variable_str(type.id());
  const std::size_t size = H5Tget_size(type.id());
  if (variable < 0 || size == 0 || count > limit / size) fail(where, "claims more text than the file can hold");
  std::vector<std::string> result;
  result.reserve(count);
  if (variable > 0) {
    std::vector<char*> pointers(count, nullptr);
    if (count > 0 && read(type.id(), pointers.data()) < 0) fail(where, text("cannot be read", reason()));
    for (const char* pointer : pointers) result.emplace_back(pointer == nullptr ? "" : pointer);
    H5Dvlen_reclaim(type.id(), space.id(), H5P_DEFAULT, pointers.data());
  } else {
    std::vector<char> bytes(count * size);
    if (count > 0 && read(type.id(), bytes.data()) < 0) fail(where, text("cannot be read", reason()));
    for (std::size_t i = 0; i < count; ++i) {
      const char* first = bytes.data() + i * size;
      const char* last = std::find(first, first + size, '\0');
      if (H5Tget_strpad(type.id()) == H5T_STR_SPACEPAD)
        while (last > first && last[-1] == ' ') --last;
      result.emplace_back(first, last);
    }
  }
  return result;
}

}  // namespace voxgrad::data::h5::detail
