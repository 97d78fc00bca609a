// Reads HDF5 files that nobody vouches for. A file is opened read-only and without locking; plugins are off; nothing
// that leads out of the file is followed (external links, virtual datasets, external storage). Every size is compared
// with the file before memory is asked for. All errors are Error(data) and name the file and the object; only if the
// system cannot open the file it is an Error(io).
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/shape.h"

namespace voxgrad::data::h5 {

using Id = std::int64_t;  // HDF5's hid_t; with a type of our own this header needs no HDF5

// Every call of the HDF5 library must happen while a Guard lives. It holds a lock (recursive, one for the process),
// keeps HDF5's errors off stderr and turns filter plugins off. The last one restores what the surrounding program had
// set. The functions below make a Guard themselves.
class Guard {
 public:
  Guard();
  ~Guard();
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;
  // To be called first in a process that was forked while the caller held a Guard: there, nobody else has the lock.
  static void own_after_fork();
  // For a program, before the first Guard: HDF5 closes nothing by itself when the program ends. What is open by then
  // was left by a damaged file, or by memory that ran out, and HDF5 1.10 crashes when it closes that.
  static void close_nothing_at_exit();

 private:
  struct Saved;
  static Saved& saved();
};

// Owns one HDF5 identifier.
class Handle {
 public:
  using Close = int (*)(Id);
  Handle() = default;
  Handle(Id id, Close close) : id_(id), close_(close) {}
  ~Handle();
  Handle(Handle&& other) noexcept : id_(std::exchange(other.id_, -1)), close_(other.close_) {}
  Handle& operator=(Handle&& other) noexcept {
    std::swap(id_, other.id_);
    std::swap(close_, other.close_);
    return *this;
  }
  Id id() const { return id_; }
  Id release() { return std::exchange(id_, -1); }  // the caller closes it

 private:
  Id id_ = -1;
  Close close_ = nullptr;
};

// Returns what HDF5 says about the call that just failed, for the end of a message: ` (HDF5: "...")`.
std::string reason();

// Truth values, which HDF5 stores as an enumeration of FALSE and TRUE in 8 bits, are u8.
enum class Element : std::uint8_t { u8, i8, u16, i16, u32, i32, u64, i64, f16, f32, f64, string, other };
const char* name_of(Element element);
std::size_t size_of(Element element);  // in bytes; 0 for string and other
Id native_type(Element element);       // HDF5's own identifier of the type; it must not be closed

// A group or a dataset, with its attributes. Each getter throws Error(data) if the attribute is missing or has another
// type.
class Object {
 public:
  const std::string& where() const { return where_; }  // "dataset /labels of nuclei.h5", for messages
  bool has_attribute(const std::string& name) const;
  std::string string_attribute(const std::string& name) const;
  std::vector<std::string> strings_attribute(const std::string& name) const;  // a text or a list of them
  std::vector<double> numbers_attribute(const std::string& name) const;       // of any extents, in C order
  std::int64_t integer_attribute(const std::string& name) const;
  // Returns name and value of every attribute that is a single text.
  std::vector<std::pair<std::string, std::string>> text_attributes() const;
  std::vector<std::string> attribute_names() const;

 protected:
  Object() = default;
  Object(Handle handle, std::string where)
      : handle_(std::make_shared<Handle>(std::move(handle))), where_(std::move(where)) {}
  Id id() const { return handle_->id(); }

 private:
  Handle attribute(const std::string& name) const;
  std::shared_ptr<Handle> handle_;
  std::string where_;
};

class Group : public Object {
 public:
  Group() = default;

 private:
  friend class File;
  using Object::Object;
};

class Chunks;

// A dataset of HDF5. When it is opened, its claims are checked: at most six axes, filters that HDF5 brings along, no
// storage in other files, no more bytes than the file can hold.
class Array : public Object {
 public:
  Array() = default;
  const Shape& extents() const { return extents_; }
  const Shape& chunk() const { return chunk_; }  // equal to extents() if the array is stored in one piece
  Element element() const { return element_; }
  // Reads the box that begins at `start` and has `count` elements along each axis, in C order and converted to
  // `memory`. `out` must have room for it.
  void read(const Shape& start, const Shape& count, Element memory, void* out) const;
  void read_all(Element memory, void* out) const;
  std::vector<std::string> read_strings() const;    // the array must be a list of texts
  std::vector<std::int64_t> read_integers() const;  // the array must be a list of whole numbers
  // Whether read() leaves the values to HDF5, which dies of some that are damaged, and not only their places.
  bool left_to_library() const { return chunked_ && !chunks_; }

 private:
  friend class File;
  Array(Handle handle, std::string where, std::uint64_t file_bytes);
  void check_storage(Id creation, std::uint64_t file_bytes) const;

  Shape extents_, chunk_;
  std::shared_ptr<Chunks> chunks_;  // null: HDF5 reads the values itself
  bool chunked_ = false;
  Element element_ = Element::other;
};

class File {
 public:
  File() = default;
  static File open(const std::string& path);
  const std::string& path() const { return path_; }
  const std::string& name() const { return name_; }  // without folders, for messages
  // Paths are absolute: "/splits/train". Only hard links are followed; any other kind is an Error.
  bool exists(const std::string& path) const;
  bool is_group(const std::string& path) const;
  // Returns the address of an object below an existing group, the same for all its names; "" if there is none.
  std::string target(const std::string& path) const;
  std::vector<std::string> children(const std::string& group) const;  // names, sorted
  Group group(const std::string& path) const;
  Array array(const std::string& path) const;

 private:
  Handle open_object(const std::string& path, const std::string& where) const;

  std::shared_ptr<Handle> handle_;
  std::shared_ptr<std::set<std::string>> groups_ = std::make_shared<std::set<std::string>>();
  std::string path_, name_;
  std::uint64_t bytes_ = 0;
};

// Reads all that File, Object and Array read of a file, whatever is in it, but of the values that Array unpacks itself
// those of small arrays, at most 2^23. It is for a process that may die of it. Objects that are refused are passed
// over. Error(data) or Error(io) if the file cannot be opened.
void walk(const std::string& path);

// The function that File::open() calls first with every file that it has not seen before, or that has changed since. It
// may throw. The program lets it walk through the file in a process of its own.
using Precheck = void (*)(const std::string& path);
void set_precheck(Precheck precheck);

}  // namespace voxgrad::data::h5
