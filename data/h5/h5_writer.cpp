#include "data/h5/h5_writer.h"

#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "data/h5/h5_detail.h"
#include "engine/io/atomic_file.h"

namespace voxgrad::data::h5 {
namespace {

constexpr unsigned kGzipLevel = 4;

// Returns the identifier that a call gave. Such a call fails only if memory is short or if the path exists already.
Id made(Id id, const std::string& path) {
  if (id < 0) throw Error(ErrorKind::io, text("h5: cannot write ", path, reason()));
  return id;
}
void done(herr_t code, const std::string& path) { made(code, path); }

Handle properties(Id kind) {
  Handle list(made(H5Pcreate(kind), "a property list"), H5Pclose);
  return list;
}

Handle text_type() {
  Handle type(made(H5Tcopy(H5T_C_S1), "a text type"), H5Tclose);
  done(H5Tset_size(type.id(), H5T_VARIABLE), "a text type");
  done(H5Tset_cset(type.id(), H5T_CSET_UTF8), "a text type");
  return type;
}

Handle simple_space(const Shape& extents) {
  const std::vector<hsize_t> size(extents.begin(), extents.end());
  return Handle(made(H5Screate_simple(extents.dims(), size.data(), nullptr), "extents"), H5Sclose);
}
Handle scalar_space() { return Handle(made(H5Screate(H5S_SCALAR), "a scalar"), H5Sclose); }

std::vector<const char*> pointers(const std::vector<std::string>& values) {
  std::vector<const char*> result;
  for (const std::string& value : values) result.push_back(value.c_str());
  return result;
}

}  // namespace

// Takes over the memory in which HDF5 keeps the file at the moment when the file is closed. H5Fget_file_image is no way
// to get it: it copies the open file, clears a flag of the superblock and leaves the old checksum there.
struct Writer::Memory {
  void* bytes = nullptr;

  Memory() = default;
  ~Memory() { std::free(bytes); }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  static void* allocate(std::size_t size, H5FD_file_image_op_t, void*) { return std::malloc(size); }
  static void* copy(void* target, const void* source, std::size_t size, H5FD_file_image_op_t, void*) {
    return std::memcpy(target, source, size);
  }
  static void* resize(void* block, std::size_t size, H5FD_file_image_op_t, void*) { return std::realloc(block, size); }
  static herr_t release(void* block, H5FD_file_image_op_t operation, void* self) {
    if (operation == H5FD_FILE_IMAGE_OP_FILE_CLOSE)
      static_cast<Memory*>(self)->bytes = block;
    else
      std::free(block);
    return 0;
  }
  H5FD_file_image_callbacks_t callbacks() {
    return {allocate, copy, resize, release, [](void* self) { return self; }, [](void*) -> herr_t { return 0; }, this};
  }
};

Writer::Writer() : memory_(std::make_shared<Memory>()) {
  const Guard guard;
  const Handle creation = properties(H5P_FILE_CREATE), access = properties(H5P_FILE_ACCESS);
  done(H5Pset_obj_track_times(creation.id(), false), "file");
  done(H5Pset_libver_bounds(access.id(), H5F_LIBVER_V18, H5F_LIBVER_V18), "file");
  done(H5Pset_fapl_core(access.id(), std::size_t{1} << 20, false), "file");
  H5FD_file_image_callbacks_t callbacks = memory_->callbacks();
  done(H5Pset_file_image_callbacks(access.id(), &callbacks), "file");
  file_ = Handle(made(H5Fcreate("in memory", H5F_ACC_TRUNC, creation.id(), access.id()), "file"), H5Fclose);
}

void Writer::group(const std::string& path) {
  const Guard guard;
  const Handle creation = properties(H5P_GROUP_CREATE);
  done(H5Pset_obj_track_times(creation.id(), false), path);
  const Handle made_group(made(H5Gcreate2(file_.id(), path.c_str(), H5P_DEFAULT, creation.id(), H5P_DEFAULT), path),
                          H5Gclose);
}

void Writer::create(const std::string& path, Element element, const Shape& extents, const Shape& chunk) {
  const Guard guard;
  const Handle creation = properties(H5P_DATASET_CREATE);
  done(H5Pset_obj_track_times(creation.id(), false), path);
  if (chunk.dims() > 0) {
    const std::vector<hsize_t> size(chunk.begin(), chunk.end());
    done(H5Pset_chunk(creation.id(), chunk.dims(), size.data()), path);
    done(H5Pset_shuffle(creation.id()), path);
    done(H5Pset_deflate(creation.id(), kGzipLevel), path);
    done(H5Pset_fletcher32(creation.id()), path);
  }
  arrays_.insert_or_assign(
      path, Handle(made(H5Dcreate2(file_.id(), path.c_str(), native_type(element), simple_space(extents).id(),
                                   H5P_DEFAULT, creation.id(), H5P_DEFAULT),
                        path),
                   H5Dclose));
}

void Writer::write(const std::string& path, const Shape& start, const Shape& count, Element memory,
                   const void* values) {
  const Guard guard;
  const Id array = arrays_.at(path).id();
  const Handle box = simple_space(count), space(made(H5Dget_space(array), path), H5Sclose);
  const std::vector<hsize_t> first(start.begin(), start.end()), size(count.begin(), count.end());
  done(H5Sselect_hyperslab(space.id(), H5S_SELECT_SET, first.data(), nullptr, size.data(), nullptr), path);
  done(H5Dwrite(array, native_type(memory), box.id(), space.id(), H5P_DEFAULT, values), path);
}

void Writer::array(const std::string& path, Element element, const Shape& extents, const void* values,
                   const Shape& chunk) {
  create(path, element, extents, chunk);
  write(path, Shape::filled(extents.dims(), 0), extents, element, values);
}

void Writer::texts(const std::string& path, const std::vector<std::string>& values) {
  const Guard guard;
  const Handle creation = properties(H5P_DATASET_CREATE), type = text_type();
  done(H5Pset_obj_track_times(creation.id(), false), path);
  const Handle space = simple_space({std::ssize(values)});
  const Handle array(
      made(H5Dcreate2(file_.id(), path.c_str(), type.id(), space.id(), H5P_DEFAULT, creation.id(), H5P_DEFAULT), path),
      H5Dclose);
  done(H5Dwrite(array.id(), type.id(), H5S_ALL, H5S_ALL, H5P_DEFAULT, pointers(values).data()), path);
}

void Writer::put_attribute(const std::string& path, const std::string& name, Id type, const Handle& space,
                           const void* values) {
  const Handle object(made(H5Oopen(file_.id(), path.c_str(), H5P_DEFAULT), path), H5Oclose);
  const Handle attribute(made(H5Acreate2(object.id(), name.c_str(), type, space.id(), H5P_DEFAULT, H5P_DEFAULT), path),
                         H5Aclose);
  done(H5Awrite(attribute.id(), type, values), path);
}

void Writer::attribute(const std::string& path, const std::string& name, const std::string& value) {
  const Guard guard;
  const char* pointer = value.c_str();
  put_attribute(path, name, text_type().id(), scalar_space(), &pointer);
}
void Writer::attribute(const std::string& path, const std::string& name, const std::vector<std::string>& values) {
  const Guard guard;
  put_attribute(path, name, text_type().id(), simple_space({std::ssize(values)}), pointers(values).data());
}
void Writer::attribute(const std::string& path, const std::string& name, const std::vector<double>& values) {
  const Guard guard;
  put_attribute(path, name, H5T_NATIVE_DOUBLE, simple_space({std::ssize(values)}), values.data());
}
void Writer::attribute(const std::string& path, const std::string& name, std::int64_t value) {
  const Guard guard;
  put_attribute(path, name, H5T_NATIVE_INT64, scalar_space(), &value);
}
void Writer::attribute(const std::string& path, const std::string& name, std::uint32_t value) {
  const Guard guard;
  put_attribute(path, name, H5T_NATIVE_UINT32, scalar_space(), &value);
}

void Writer::save(const std::string& path) {
  const Guard guard;
  arrays_.clear();
  done(H5Fflush(file_.id(), H5F_SCOPE_GLOBAL), path);
  const ssize_t bytes = H5Fget_file_image(file_.id(), nullptr, 0);
  made(bytes, path);
  done(H5Fclose(file_.release()), path);
  check(memory_->bytes != nullptr, "h5: ", path, " is still open");
  write_atomically(path, {{static_cast<const std::byte*>(memory_->bytes), static_cast<std::size_t>(bytes)}});
}

}  // namespace voxgrad::data::h5
