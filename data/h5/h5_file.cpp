// The part of h5.h that opens files and reads arrays; h5.cpp has the rest, so that both stay short.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <span>
#include <system_error>

#include "data/h5/h5_chunks.h"
#include "data/h5/h5_detail.h"
#include "engine/io/uninterrupted.h"

namespace voxgrad::data::h5 {

using namespace detail;

namespace {

// Deflate makes data at most 1032 times smaller, so a file cannot hold an array that claims to be larger than that.
constexpr std::uint64_t kLargestRatio = 1100;

bool is_truth_value(Id type) {
  if (H5Tget_size(type) != 1 || H5Tget_nmembers(type) != 2) return false;
  std::array<std::int8_t, 2> values{};
  for (unsigned i = 0; i < 2; ++i)
    if (H5Tget_member_value(type, i, &nth(values, i)) < 0) return false;
  return values[0] + values[1] == 1 && values[0] * values[1] == 0;
}

Element element_of(Id type) {
  const H5T_class_t kind = H5Tget_class(type);
  if (kind == H5T_STRING) return Element::string;
  if (kind == H5T_ENUM && is_truth_value(type)) return Element::u8;
  if (kind != H5T_INTEGER && kind != H5T_FLOAT) return Element::other;
  for (int i = 0; i < static_cast<int>(Element::string); ++i) {
    const Element candidate = static_cast<Element>(i);
    Handle swapped(H5Tcopy(native_type(candidate)), H5Tclose);
    const H5T_order_t order = H5Tget_order(swapped.id()) == H5T_ORDER_LE ? H5T_ORDER_BE : H5T_ORDER_LE;
    if (H5Tequal(type, swapped.id()) > 0) return candidate;
    if (H5Tset_order(swapped.id(), order) >= 0 && H5Tequal(type, swapped.id()) > 0) return candidate;
  }
  return Element::other;
}

std::string parent_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == 0 || slash == std::string::npos ? "/" : path.substr(0, slash);
}

// Returns the address of what the last component of `path` leads to, "" if there is none. Its parents must exist.
std::string target_of(Id file, const std::string& path, const std::string& file_name) {
  H5L_info_t info{};
  if (H5Lget_info(file, path.c_str(), &info, H5P_DEFAULT) < 0) return "";
  if (info.type != H5L_TYPE_HARD)
    fail(text("link ", path, " of ", file_name),
         info.type == H5L_TYPE_EXTERNAL ? "leads to another file; external links are refused"
                                        : "is a soft or user-defined link; these are refused",
         "store the object itself under this name, for instance with h5repack or h5py's copy");
  return {reinterpret_cast<const char*>(&info.u), sizeof info.u};
}

Precheck precheck = nullptr;

void precheck_once(const std::string& path, const struct stat& status) {
  using Known = std::array<std::int64_t, 5>;
  static std::set<Known> known;
  if (precheck == nullptr) return;
  const Known file{static_cast<std::int64_t>(status.st_dev), static_cast<std::int64_t>(status.st_ino), status.st_size,
                   status.st_mtim.tv_sec, status.st_mtim.tv_nsec};
  if (known.contains(file)) return;
  precheck(path);
  known.insert(file);
}

}  // namespace

void set_precheck(Precheck function) {
  const Guard guard;
  precheck = function;
}

Array::Array(Handle handle, std::string where, std::uint64_t file_bytes) : Object(std::move(handle), std::move(where)) {
  // The layout is checked before the extents, because HDF5 opens the other files of a virtual dataset to compute those.
  const Handle creation(need(H5Dget_create_plist(id()), this->where(), "its layout cannot be read"), H5Pclose);
  const H5D_layout_t layout = H5Pget_layout(creation.id());
  if (layout == H5D_VIRTUAL)
    fail(this->where(), "is a virtual dataset, made of other files; these are refused", "repack it into one file");
  if (H5Pget_external_count(creation.id()) != 0)
    fail(this->where(), "keeps its values in another file; external storage is refused", "repack it into one file");
  const Handle space = space_of(id(), false, this->where());
  std::array<hsize_t, H5S_MAX_RANK> extents{};
  const int rank = H5Sget_simple_extent_dims(space.id(), extents.data(), nullptr);
  if (rank < 0) fail(this->where(), "has no extents");
  if (rank > Shape::kMaxDims)
    fail(this->where(), text("has ", rank, " axes, at most ", Shape::kMaxDims, " can be read"));
  for (const hsize_t extent : std::span(extents).first(static_cast<std::size_t>(rank))) {
    if (extent > static_cast<hsize_t>(INT64_MAX)) fail(this->where(), "is too large");
    extents_.push_back(static_cast<std::int64_t>(extent));
  }
  chunk_ = extents_;
  chunked_ = layout == H5D_CHUNKED;
  if (chunked_) {
    std::array<hsize_t, H5S_MAX_RANK> chunk{};
    if (H5Pget_chunk(creation.id(), rank, chunk.data()) != rank) fail(this->where(), "its chunks cannot be read");
    for (int i = 0; i < rank; ++i) chunk_[i] = static_cast<std::int64_t>(nth(chunk, i));
  }
  element_ = element_of(type_of(id(), false, this->where()).id());
  check_storage(creation.id(), file_bytes);
  if (chunked_)
    chunks_ = Chunks::of(creation.id(), extents_, chunk_, H5Tget_size(type_of(id(), false, this->where()).id()));
}

void Array::check_storage(Id creation, std::uint64_t file_bytes) const {
  const int filters = H5Pget_nfilters(creation);
  for (int i = 0; i < filters; ++i) {
    unsigned flags = 0, config = 0;
    std::size_t values = 0;
    std::array<char, 64> name{};
    const H5Z_filter_t filter =
        H5Pget_filter2(creation, static_cast<unsigned>(i), &flags, &values, nullptr, name.size(), name.data(), &config);
    if (filter < 0 || H5Zfilter_avail(filter) <= 0)
      fail(where(), text("is stored with filter ", filter, " (", name.data(), "), which is not part of HDF5"),
           "copy it with the program that wrote it and gzip instead; with h5py: new.create_dataset(name, "
           "data=old[name][...], compression=\"gzip\"), then new[name].attrs.update(old[name].attrs)");
  }
  const Handle type = type_of(id(), false, where());
  std::uint64_t bytes = H5Tget_size(type.id());
  for (std::int64_t extent : extents_)
    if (__builtin_mul_overflow(bytes, static_cast<std::uint64_t>(extent), &bytes) || bytes > INT64_MAX)
      fail(where(), "claims more than 2^63 bytes");
  std::uint64_t chunk = chunked_ ? H5Tget_size(type.id()) : 0;
  for (const std::int64_t extent : chunk_)  // HDF5 allows no chunk of 4 GiB or more, but its own product may wrap
    if (__builtin_mul_overflow(chunk, static_cast<std::uint64_t>(extent), &chunk) || chunk >> 32 != 0)
      fail(where(), text("claims chunks of ", chunk_, " elements, which are 4 GiB or more"), "the file is damaged");
  if (bytes > 0) bytes = std::max(bytes, chunk);  // without elements there is no chunk
  const std::uint64_t stored = std::min<std::uint64_t>(H5Dget_storage_size(id()), file_bytes);
  if (bytes > stored * (filters > 0 ? kLargestRatio : 1) + (filters > 0 ? 4096 : 0))
    fail(where(), text("claims ", bytes, " bytes, the file holds only ", stored, " for it"),
         "the file is damaged, or the values were never written");
}

void Array::read(const Shape& start, const Shape& count, Element memory, void* out) const {
  const Guard guard;
  check(start.dims() == extents_.dims() && count.dims() == extents_.dims(), "h5: a box of ", count.dims(),
        " axes asked of ", where());
  if (extents_.dims() > 0 && extents_.numel() == 0)
    fail(where(), text("its extents are ", extents_, ", so it has no elements"), "write it again with its values");
  for (int i = 0; i < extents_.dims(); ++i)
    check(start[i] >= 0 && count[i] >= 1 && count[i] <= extents_[i] - start[i], "h5: ", count[i], " elements from ",
          start[i], " asked of axis ", i, " of ", where(), ", which has ", extents_[i]);
  if (chunks_ && size_of(element_) > 0) {
    const Handle type = type_of(id(), false, where());
    const std::size_t stored = H5Tget_size(type.id()), bytes = size_of(memory);
    const std::size_t elements = static_cast<std::size_t>(count.numel());
    // HDF5 converts in place.
    std::vector<std::byte> larger(stored > bytes ? elements * stored : 0);
    std::byte* const values = larger.empty() ? static_cast<std::byte*>(out) : larger.data();
    chunks_->read(id(), start, count, values, where());
    if (H5Tconvert(type.id(), native_type(memory), elements, values, nullptr, H5P_DEFAULT) < 0)
      fail(where(), text("cannot be converted", reason()));
    if (!larger.empty()) std::copy_n(values, elements * bytes, static_cast<std::byte*>(out));
    return;
  }
  const Handle file = space_of(id(), false, where());
  const std::vector<hsize_t> first(start.begin(), start.end()), size(count.begin(), count.end());
  const Handle box(need(H5Screate_simple(count.dims(), size.data(), nullptr), where(), "no space for a box"), H5Sclose);
  if (H5Sselect_hyperslab(file.id(), H5S_SELECT_SET, first.data(), nullptr, size.data(), nullptr) < 0 ||
      H5Dread(id(), native_type(memory), box.id(), file.id(), H5P_DEFAULT, out) < 0)
    fail(where(), text("cannot be read", reason()), "the file is damaged; fetch or write it again");
}

void Array::read_all(Element memory, void* out) const {
  read(Shape::filled(extents_.dims(), 0), extents_, memory, out);
}

std::vector<std::string> Array::read_strings() const {
  const Guard guard;
  const Handle type = type_of(id(), false, where()), space = space_of(id(), false, where());
  hsize_t bytes = 0;
  constexpr std::uint64_t kLimit = std::uint64_t{1} << 30;
  if (H5Tis_variable_str(type.id()) > 0 &&
      (H5Dvlen_get_buf_size(id(), type.id(), space.id(), &bytes) < 0 || bytes > kLimit))
    fail(where(), text("its texts cannot be read", reason()));
  return read_texts(
      type, space, kLimit,
      [&](Id memory, void* out) { return H5Dread(id(), memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, out); }, where());
}

std::vector<std::int64_t> Array::read_integers() const {
  const Guard guard;
  if (extents_.dims() != 1 || element_ > Element::i64)
    fail(where(), text("is not a list of whole numbers but ", name_of(element_), " with ", extents_.dims(), " axes"));
  std::vector<std::int64_t> values(static_cast<std::size_t>(extents_[0]));
  if (!values.empty()) read_all(Element::i64, values.data());
  return values;
}

File File::open(const std::string& path) {
  File file;
  file.path_ = path;
  file.name_ = std::filesystem::path(path).filename().string();
  const int descriptor = uninterrupted([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK); });
  struct stat status {};
  int code = descriptor < 0 || ::fstat(descriptor, &status) != 0 ? errno : 0;
  if (code == 0 && !S_ISREG(status.st_mode)) code = S_ISDIR(status.st_mode) ? EISDIR : EINVAL;
  char first = 0;  // a disk that cannot read it says so here; HDF5 would say that this is no file of its own
  if (code == 0 && uninterrupted([&] { return ::pread(descriptor, &first, 1, 0); }) < 0) code = errno;
  if (descriptor >= 0) ::close(descriptor);
  if (code != 0)
    throw Error(ErrorKind::io,
                text("cannot open ", path, ": ",
                     code == EINVAL ? "it is no regular file" : std::generic_category().message(code)),
                code == EISDIR ? "make a dataset of the folder first" : "");
  file.bytes_ = static_cast<std::uint64_t>(status.st_size);

  const Guard guard;
  precheck_once(path, status);
  const std::string where = "file " + file.name_;
  if (H5Fis_hdf5(path.c_str()) <= 0)
    fail(where, text("is not an HDF5 file (", file.bytes_, " bytes)"), "make a dataset of the file first");
  const Handle access(need(H5Pcreate(H5P_FILE_ACCESS), where, "no access list"), H5Pclose);
#if H5_VERSION_GE(1, 10, 7) && !(H5_VERS_MAJOR == 1 && H5_VERS_MINOR == 12 && H5_VERS_RELEASE == 0)
  H5Pset_file_locking(access.id(), false, true);
#endif
  const Id id = H5Fopen(path.c_str(), H5F_ACC_RDONLY, access.id());
  if (id < 0) fail(where, text("cannot be opened", reason()), "it is cut off or damaged; fetch or write it again");
  file.handle_ = std::make_shared<Handle>(id, H5Fclose);
  return file;
}

// Groups that were found are remembered: a file may have thousands of cases, and each path begins with the same ones.
bool File::exists(const std::string& path) const {
  const Guard guard;
  if (path == "/" || groups_->contains(path)) return true;
  const std::string parent = parent_of(path);
  return exists(parent) && is_group(parent) && !target_of(handle_->id(), path, name_).empty();
}

std::string File::target(const std::string& path) const {
  const Guard guard;
  return target_of(handle_->id(), path, name_);
}

bool File::is_group(const std::string& path) const {
  const Guard guard;
  if (groups_->contains(path)) return true;
  const Handle object = open_object(path, text("object ", path, " of ", name_));
  const bool group = H5Iget_type(object.id()) == H5I_GROUP;
  if (group) groups_->insert(path);
  return group;
}

Handle File::open_object(const std::string& path, const std::string& where) const {
  return Handle(need(H5Oopen(handle_->id(), path.c_str(), H5P_DEFAULT), where, "cannot be opened"), H5Oclose);
}

std::vector<std::string> File::children(const std::string& group) const {
  const Guard guard;
  std::vector<std::string> names;
  const auto collect = [](hid_t, const char* name, const H5L_info_t*, void* target) -> herr_t {
    static_cast<std::vector<std::string>*>(target)->emplace_back(name);
    return 0;
  };
  const std::string where = text("group ", group, " of ", name_);
  const Handle handle(need(H5Gopen2(handle_->id(), group.c_str(), H5P_DEFAULT), where, "cannot be opened"), H5Gclose);
  hsize_t position = 0;
  if (H5Literate(handle.id(), H5_INDEX_NAME, H5_ITER_INC, &position, collect, &names) < 0)
    fail(where, text("its members cannot be listed", reason()));
  std::sort(names.begin(), names.end());
  return names;
}

Group File::group(const std::string& path) const {
  const Guard guard;
  if (!exists(path)) fail("file " + name_, text("has no group ", path));
  const std::string where = path == "/" ? "file " + name_ : text("group ", path, " of ", name_);
  Handle object = open_object(path, where);
  if (H5Iget_type(object.id()) != H5I_GROUP) fail(where, "is not a group");
  return Group(std::move(object), where);
}

Array File::array(const std::string& path) const {
  const Guard guard;
  if (!exists(path)) fail("file " + name_, text("has no dataset ", path));
  const std::string where = text("dataset ", path, " of ", name_);
  Handle object = open_object(path, where);
  if (H5Iget_type(object.id()) == H5I_GROUP) fail(where, "is a group, not a dataset");
  return Array(std::move(object), where, bytes_);
}

}  // namespace voxgrad::data::h5
