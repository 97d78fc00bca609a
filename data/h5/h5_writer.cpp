#include "data/h5/h5_writer.h"

#include <algorithm>

#include "data/h5/h5_detail.h"
#include "data/h5/h5_disk.h"

namespace voxgrad::data::h5 {
namespace {

constexpr unsigned kGzipLevel = 4;
constexpr std::size_t kOpenArrays = 8;                             // each of them has a cache of 1 MiB
constexpr std::int64_t kCaseBytes = std::int64_t{4} << 20;         // larger cases are divided
constexpr std::int64_t kChunkBytes = std::int64_t{32} << 20;       // HDF5 allows less than 4 GiB
constexpr std::int64_t kChunkVoxels2d = 512, kChunkVoxels3d = 64;  // along an axis; 64^3 = 512^2

std::vector<const char*> pointers(const std::vector<std::string>& values) {
  std::vector<const char*> result;
  for (const std::string& value : values) result.push_back(value.c_str());
  return result;
}

}  // namespace

Shape chunk_of(Shape extents, bool stacked, int dims, Element element) {
  const std::int64_t bytes = static_cast<std::int64_t>(size_of(element));
  if (stacked) extents[0] = 1;
  if (extents.numel() * bytes <= kCaseBytes) return extents;
  const std::int64_t edge = dims == 2 ? kChunkVoxels2d : kChunkVoxels3d;
  const int first = stacked ? 1 : 0;
  for (int axis = first; axis < first + dims; ++axis) extents[axis] = std::min(extents[axis], edge);
  // Many channels or classes. The first axes become short, because scores are written slab by slab along them.
  for (int axis = first; extents.numel() * bytes > kChunkBytes;)
    if (extents[axis] == 1)
      ++axis;
    else
      extents[axis] = (extents[axis] + 1) / 2;
  return extents;
}

Writer::Writer(const std::string& path) : path_(path), disk_(std::make_shared<Disk>(path)) {
  const Guard guard;
  const Handle creation = properties(H5P_FILE_CREATE), access = properties(H5P_FILE_ACCESS);
  done(H5Pset_obj_track_times(creation.id(), false), "/");
  done(H5Pset_libver_bounds(access.id(), H5F_LIBVER_V18, H5F_LIBVER_V18), "/");
  file_ = own(disk_->create(creation.id(), access.id()), H5Fclose, "/");
}

// Throws if the disk or the call of HDF5 that returned this code has failed. If the disk is not to blame, a call fails
// only if memory is short or if the path exists already.
void Writer::done(Id code, const std::string& path) const {
  disk_->require();
  if (code >= 0) return;
  const ErrorKind kind = detail::system_failure().memory ? ErrorKind::memory : ErrorKind::io;
  throw Error(kind, text("cannot write ", path, " of ", path_, reason()));
}

// Owns the identifier that a call of HDF5 gave, also if the disk has failed meanwhile: HDF5 closes no file in which
// something is still open.
Handle Writer::own(Id id, Handle::Close close, const std::string& path) const {
  Handle handle(id, close);
  done(id, path);
  return handle;
}

Handle Writer::properties(Id kind) const { return own(H5Pcreate(kind), H5Pclose, "a property list"); }

Handle Writer::text_type() const {
  Handle type = own(H5Tcopy(H5T_C_S1), H5Tclose, "a text type");
  done(H5Tset_size(type.id(), H5T_VARIABLE), "a text type");
  done(H5Tset_cset(type.id(), H5T_CSET_UTF8), "a text type");
  return type;
}

// A single value has no extents.
Handle Writer::space(const Shape& extents) const {
  const std::vector<hsize_t> size(extents.begin(), extents.end());
  return own(size.empty() ? H5Screate(H5S_SCALAR) : H5Screate_simple(extents.dims(), size.data(), nullptr), H5Sclose,
             "extents");
}

void Writer::group(const std::string& path) {
  const Guard guard;
  const Handle creation = properties(H5P_GROUP_CREATE);
  done(H5Pset_obj_track_times(creation.id(), false), path);
  const Handle group =
      own(H5Gcreate2(file_.id(), path.c_str(), H5P_DEFAULT, creation.id(), H5P_DEFAULT), H5Gclose, path);
}

Handle Writer::new_array(const std::string& path, Id type, const Shape& extents, const Handle& creation) const {
  done(H5Pset_obj_track_times(creation.id(), false), path);
  return own(H5Dcreate2(file_.id(), path.c_str(), type, space(extents).id(), H5P_DEFAULT, creation.id(), H5P_DEFAULT),
             H5Dclose, path);
}

void Writer::create(const std::string& path, Element element, const Shape& extents, const Shape& chunk) {
  const Guard guard;
  const Handle creation = properties(H5P_DATASET_CREATE);
  if (chunk.dims() > 0) {
    const std::vector<hsize_t> size(chunk.begin(), chunk.end());
    done(H5Pset_chunk(creation.id(), chunk.dims(), size.data()), path);
    done(H5Pset_shuffle(creation.id()), path);
    done(H5Pset_deflate(creation.id(), kGzipLevel), path);
    done(H5Pset_fletcher32(creation.id()), path);
  }
  keep_open(path, new_array(path, native_type(element), extents, creation));
}

// Arrays are written in turn, such as the images and the labels of each case. Only the last few stay open.
Id Writer::keep_open(const std::string& path, Handle array) {
  if (arrays_.size() == kOpenArrays) arrays_.clear();
  disk_->require();
  return arrays_.insert_or_assign(path, std::move(array)).first->second.id();
}

void Writer::write(const std::string& path, const Shape& start, const Shape& count, Element memory,
                   const void* values) {
  const Guard guard;
  const auto open = arrays_.find(path);
  const Id array = open != arrays_.end()
                       ? open->second.id()
                       : keep_open(path, own(H5Dopen2(file_.id(), path.c_str(), H5P_DEFAULT), H5Dclose, path));
  const Handle box = space(count), whole = own(H5Dget_space(array), H5Sclose, path);
  const std::vector<hsize_t> first(start.begin(), start.end()), size(count.begin(), count.end());
  done(H5Sselect_hyperslab(whole.id(), H5S_SELECT_SET, first.data(), nullptr, size.data(), nullptr), path);
  done(H5Dwrite(array, native_type(memory), box.id(), whole.id(), H5P_DEFAULT, values), path);
}

void Writer::array(const std::string& path, Element element, const Shape& extents, const void* values,
                   const Shape& chunk) {
  create(path, element, extents, chunk);
  write(path, Shape::filled(extents.dims(), 0), extents, element, values);
}

void Writer::texts(const std::string& path, const std::vector<std::string>& values) {
  const Guard guard;
  const Handle type = text_type();
  const Handle array = new_array(path, type.id(), {std::ssize(values)}, properties(H5P_DATASET_CREATE));
  done(H5Dwrite(array.id(), type.id(), H5S_ALL, H5S_ALL, H5P_DEFAULT, pointers(values).data()), path);
}

void Writer::put_attribute(const std::string& path, const std::string& name, Id type, const Handle& extents,
                           const void* values) const {
  const Handle object = own(H5Oopen(file_.id(), path.c_str(), H5P_DEFAULT), H5Oclose, path);
  const Handle attribute =
      own(H5Acreate2(object.id(), name.c_str(), type, extents.id(), H5P_DEFAULT, H5P_DEFAULT), H5Aclose, path);
  done(H5Awrite(attribute.id(), type, values), path);
}

void Writer::attribute(const std::string& path, const std::string& name, const std::string& value) {
  const Guard guard;
  const char* pointer = value.c_str();
  put_attribute(path, name, text_type().id(), space({}), &pointer);
}
void Writer::attribute(const std::string& path, const std::string& name, const std::vector<std::string>& values) {
  const Guard guard;
  put_attribute(path, name, text_type().id(), space({std::ssize(values)}), pointers(values).data());
}
void Writer::attribute(const std::string& path, const std::string& name, const std::vector<double>& values,
                       const Shape& extents) {
  const Guard guard;
  put_attribute(path, name, H5T_NATIVE_DOUBLE, space(extents.dims() > 0 ? extents : Shape{std::ssize(values)}),
                values.data());
}
void Writer::attribute(const std::string& path, const std::string& name, std::int64_t value) {
  const Guard guard;
  put_attribute(path, name, H5T_NATIVE_INT64, space({}), &value);
}
void Writer::attribute(const std::string& path, const std::string& name, std::uint32_t value) {
  const Guard guard;
  put_attribute(path, name, H5T_NATIVE_UINT32, space({}), &value);
}

void Writer::save() {
  const Guard guard;
  arrays_.clear();
  done(H5Fclose(file_.release()), "/");
  disk_->save();
}

}  // namespace voxgrad::data::h5
