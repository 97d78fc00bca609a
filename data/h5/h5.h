// HDF5 for reading, on the terms of an untrusted file: read-only, no file locking, no plugins, no way out of the file
// (external links, virtual datasets, external storage), every size compared with the file before memory is asked for.
// All errors are Error(data) that name the file and the object; Error(io) only if the system cannot open the file.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace voxgrad::data::h5 {

using Id = std::int64_t;  // hid_t, so that this header needs no HDF5
using Extents = std::vector<std::int64_t>;

// Every call of the HDF5 library happens while one of these lives: one lock for the process (recursive), errors kept
// off stderr, filter plugins off. What the surrounding program had set is restored. The functions below hold their own.
class Guard {
 public:
  Guard();
  ~Guard();
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;

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
  Id release() { return std::exchange(id_, -1); }  // to be closed by the caller

 private:
  Id id_ = -1;
  Close close_ = nullptr;
};

// What HDF5 itself says about the failure just met, for the end of a message: ` (HDF5: "...")`.
std::string reason();

enum class Element : std::uint8_t { u8, i8, u16, i16, u32, i32, u64, i64, f32, f64, string, other };
const char* name_of(Element element);
std::size_t size_of(Element element);  // bytes; 0 for string and other
Id native_type(Element element);       // a predefined identifier, never closed

// A group or a dataset: its attributes. Each getter is an Error if the attribute is missing or has another type.
class Object {
 public:
  // "dataset /labels of nuclei.h5"
  const std::string& where() const { return where_; }
  bool has_attribute(const std::string& name) const;
  std::string string_attribute(const std::string& name) const;
  std::vector<std::string> strings_attribute(const std::string& name) const;  // a text or a list of them
  std::vector<double> numbers_attribute(const std::string& name) const;       // a number or a list of them
  std::int64_t integer_attribute(const std::string& name) const;
  // The attributes that are one text, for what a file tells about itself.
  std::vector<std::pair<std::string, std::string>> text_attributes() const;

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

// A dataset whose claims were checked: known filters, no storage elsewhere, no more bytes than the file can hold.
class Array : public Object {
 public:
  Array() = default;
  const Extents& extents() const { return extents_; }
  const Extents& chunk() const { return chunk_; }  // the extents themselves if it is stored in one piece
  Element element() const { return element_; }
  // The box of `count` elements per axis from `start`, in C order, converted to `memory`; `out` has room for it.
  void read(const Extents& start, const Extents& count, Element memory, void* out) const;
  std::vector<std::string> read_strings() const;    // a list of texts
  std::vector<std::int64_t> read_integers() const;  // a list of whole numbers

 private:
  friend class File;
  Array(Handle handle, std::string where, std::uint64_t file_bytes);
  void check_storage(Id creation, std::uint64_t file_bytes) const;

  Extents extents_, chunk_;
  bool chunked_ = false;
  Element element_ = Element::other;
};

class File {
 public:
  File() = default;
  static File open(const std::string& path);
  const std::string& path() const { return path_; }
  const std::string& name() const { return name_; }  // without folders, for messages
  // Paths are absolute: "/splits/train". Links other than hard ones are refused, not followed.
  bool exists(const std::string& path) const;
  bool is_group(const std::string& path) const;
  std::vector<std::string> children(const std::string& group) const;  // names, sorted
  Group group(const std::string& path) const;
  Array array(const std::string& path) const;

 private:
  std::shared_ptr<Handle> handle_;
  std::string path_, name_;
  std::uint64_t bytes_ = 0;
};

}  // namespace voxgrad::data::h5
