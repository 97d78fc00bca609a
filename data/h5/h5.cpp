// The part of h5.h that is about the library, objects and attributes; h5_file.cpp has files and arrays.
#include "data/h5/h5.h"

#include <sys/mman.h>

#include <array>
#include <mutex>
#include <new>

#include "data/h5/h5_detail.h"

namespace voxgrad::data::h5 {

using namespace detail;

namespace {

// HDF5 1.10 crashes if there is no memory for it to begin with. This asks for more than it takes.
void require_memory() {
  constexpr std::size_t kBytes = 4 << 20;
  void* const room = ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (room == MAP_FAILED) throw std::bad_alloc();
  ::munmap(room, kBytes);
}

}  // namespace

struct Guard::Saved {
  std::recursive_mutex mutex;
  int depth = 0;
  H5E_auto2_t print = nullptr;
  void* print_data = nullptr;
  bool begun = false, closes_at_exit = true;
  unsigned plugins = 0;
};

Guard::Saved& Guard::saved() {
  static Saved& state = *new Saved;  // never destroyed, because static objects may close their handles after it
  return state;
}

Guard::Guard() {
  Saved& state = saved();
  std::unique_lock lock(state.mutex);
  if (!state.begun) require_memory();
  if (!state.begun && !state.closes_at_exit) H5dont_atexit();
  if (state.depth == 0 && H5open() < 0) throw std::bad_alloc();  // it cannot begin for no other reason
  state.begun = true;
  lock.release();
  if (state.depth++ > 0) return;
  H5Eget_auto2(H5E_DEFAULT, &state.print, &state.print_data);
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  H5PLget_loading_state(&state.plugins);
  H5PLset_loading_state(0);
}

Guard::~Guard() {
  Saved& state = saved();
  if (--state.depth == 0) {
    H5PLset_loading_state(state.plugins);
    H5Eset_auto2(H5E_DEFAULT, state.print, state.print_data);
  }
  state.mutex.unlock();
}

void Guard::close_nothing_at_exit() { saved().closes_at_exit = false; }

void Guard::own_after_fork() { new (&saved().mutex) std::recursive_mutex; }

Handle::~Handle() {
  if (id_ < 0) return;
  const Guard guard;
  close_(id_);
}

std::string reason() {
  const Guard guard;
  std::string found;
  const auto keep = [](unsigned index, const H5E_error2_t* error, void* target) -> herr_t {
    if (index == 0 && error->desc != nullptr) *static_cast<std::string*>(target) = error->desc;
    return 0;
  };
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep, &found);
  return found.empty() ? "" : " (HDF5: \"" + found + "\")";
}

const char* name_of(Element element) {
  static constexpr std::array kNames{
      "u8", "i8", "u16", "i16", "u32", "i32", "u64", "i64", "f16", "f32", "f64", "text", "a type of another kind"};
  return kNames[static_cast<std::size_t>(element)];
}

std::size_t size_of(Element element) {
  static constexpr std::array<std::size_t, 13> kSizes{1, 1, 2, 2, 4, 4, 8, 8, 2, 4, 8, 0, 0};
  return kSizes[static_cast<std::size_t>(element)];
}

namespace {

// HDF5 has no name of its own for IEEE's numbers of 16 bits: a sign, 5 bits of exponent, 10 of fraction.
Id half_precision() {
  const Id type = H5Tcopy(H5T_NATIVE_FLOAT);
  H5Tset_fields(type, 15, 10, 5, 0, 10);
  H5Tset_size(type, 2);
  H5Tset_ebias(type, 15);
  return type;
}

}  // namespace

Id native_type(Element element) {
  const Guard guard;
  switch (element) {
    case Element::u8: return H5T_NATIVE_UINT8;
    case Element::i8: return H5T_NATIVE_INT8;
    case Element::u16: return H5T_NATIVE_UINT16;
    case Element::i16: return H5T_NATIVE_INT16;
    case Element::u32: return H5T_NATIVE_UINT32;
    case Element::i32: return H5T_NATIVE_INT32;
    case Element::u64: return H5T_NATIVE_UINT64;
    case Element::i64: return H5T_NATIVE_INT64;
    case Element::f16: {
      static const Id half = half_precision();
      return half;
    }
    case Element::f32: return H5T_NATIVE_FLOAT;
    case Element::f64: return H5T_NATIVE_DOUBLE;
    case Element::string:
    case Element::other: break;
  }
  throw Error(ErrorKind::argument, text("h5: ", name_of(element), " has no native type"));
}

bool Object::has_attribute(const std::string& name) const {
  const Guard guard;
  const htri_t there = H5Aexists(id(), name.c_str());
  if (there < 0) fail(where(), text("its attributes cannot be looked up", reason()));
  return there > 0;
}

Handle Object::attribute(const std::string& name) const {
  if (!has_attribute(name)) fail(where(), text("has no attribute \"", name, "\""));
  const std::string what = text("attribute \"", name, "\" of ", where());
  Handle handle(need(H5Aopen(id(), name.c_str(), H5P_DEFAULT), what, "cannot be opened"), H5Aclose);
  if (H5Aget_storage_size(handle.id()) > (std::uint64_t{1} << 20)) fail(what, "is larger than 1 MiB");
  return handle;
}

std::vector<std::string> Object::strings_attribute(const std::string& name) const {
  const Guard guard;
  const Handle handle = attribute(name);
  const std::string what = text("attribute \"", name, "\" of ", where());
  return read_texts(
      type_of(handle.id(), true, what), space_of(handle.id(), true, what), std::uint64_t{1} << 20,
      [&](Id type, void* out) { return H5Aread(handle.id(), type, out); }, what);
}

std::string Object::string_attribute(const std::string& name) const {
  std::vector<std::string> values = strings_attribute(name);
  if (values.size() != 1) fail(where(), text("attribute \"", name, "\" has ", values.size(), " texts, expected one"));
  return std::move(values[0]);
}

std::vector<double> Object::numbers_attribute(const std::string& name) const {
  const Guard guard;
  const Handle handle = attribute(name);
  const std::string what = text("attribute \"", name, "\" of ", where());
  const H5T_class_t kind = H5Tget_class(type_of(handle.id(), true, what).id());
  if (kind != H5T_INTEGER && kind != H5T_FLOAT) fail(what, "is not a number");
  const hssize_t count = H5Sget_simple_extent_npoints(space_of(handle.id(), true, what).id());
  if (count < 0) fail(what, "has no extents");
  if (count > (hssize_t{1} << 20)) fail(what, "is longer than a million numbers");
  std::vector<double> values(static_cast<std::size_t>(count));
  if (!values.empty() && H5Aread(handle.id(), H5T_NATIVE_DOUBLE, values.data()) < 0)
    fail(what, text("cannot be read", reason()));
  return values;
}

std::int64_t Object::integer_attribute(const std::string& name) const {
  const Guard guard;
  const Handle handle = attribute(name);
  const std::string what = text("attribute \"", name, "\" of ", where());
  std::int64_t value = 0;
  if (H5Tget_class(type_of(handle.id(), true, what).id()) != H5T_INTEGER ||
      list_length(space_of(handle.id(), true, what), what) != 1)
    fail(what, "is not one whole number");
  if (H5Aread(handle.id(), H5T_NATIVE_INT64, &value) < 0) fail(what, text("cannot be read", reason()));
  return value;
}

std::vector<std::string> Object::attribute_names() const {
  const Guard guard;
  std::vector<std::string> names;
  const auto collect = [](hid_t, const char* name, const H5A_info_t*, void* target) -> herr_t {
    static_cast<std::vector<std::string>*>(target)->emplace_back(name);
    return 0;
  };
  hsize_t position = 0;
  if (H5Aiterate2(id(), H5_INDEX_NAME, H5_ITER_INC, &position, collect, &names) < 0)
    fail(where(), text("its attributes cannot be listed", reason()));
  return names;
}

std::vector<std::pair<std::string, std::string>> Object::text_attributes() const {
  const Guard guard;
  std::vector<std::pair<std::string, std::string>> result;
  for (const std::string& name : attribute_names()) {
    const Handle handle = attribute(name);
    if (H5Tget_class(type_of(handle.id(), true, where()).id()) != H5T_STRING) continue;
    if (H5Sget_simple_extent_ndims(space_of(handle.id(), true, where()).id()) > 1) continue;
    std::vector<std::string> values = strings_attribute(name);
    if (values.size() == 1) result.emplace_back(name, std::move(values[0]));
  }
  return result;
}

}  // namespace voxgrad::data::h5
