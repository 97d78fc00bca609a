// A Tensor is a cheap handle on dense, row-major, channels-last memory, with an optional node of the autodiff graph.
// Copying a Tensor copies the handle, not the elements. There are no strides: the elements of a tensor are contiguous,
// but they may begin inside a larger block, as a parameter does in the flat buffer of all parameters.
//
// Several threads may use tensors on the same memory, and copies of the same handle, as long as none of them writes to
// the elements. While one thread assigns to a handle, no other may use that handle, as with any value.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstring>
#include <functional>
#include <initializer_list>
#include <iosfwd>
#include <memory>
#include <string>
#include <vector>

#include "engine/memory.h"
#include "engine/shape.h"

namespace voxgrad {

class Backend;
struct Node;

// A build with VOXGRAD_INFERENCE_ONLY has neither gradients nor kernels for f64.
[[noreturn]] void throw_inference_only();

enum class Device : std::uint8_t { cpu, cuda };
const char* name_of(Device device) noexcept;
inline const char* describe(Device device) { return name_of(device); }
bool has_device(Device device);  // true if this build and this machine have one

class [[nodiscard]] Tensor {
 public:
  Tensor() = default;  // an undefined tensor, which has no memory: using its elements is an Error

  bool defined() const noexcept { return storage_ != nullptr; }
  const Shape& shape() const noexcept { return shape_; }
  std::int64_t extent(int axis) const {
    check(defined(), "tensor: extent ", axis, " of an undefined tensor was asked for");
    return shape_[axis];
  }
  int dims() const noexcept { return shape_.dims(); }
  std::int64_t numel() const { return shape_.numel(); }
  std::size_t bytes() const { return static_cast<std::size_t>(numel()) * size_of(dtype_); }
  DType dtype() const noexcept { return dtype_; }
  Device device() const;  // cpu if undefined
  Backend& backend() const { return storage().backend(); }

  // The address of the first element; T must match dtype(). For a tensor on a card it is an address of the card.
  template <class T>
  T* data() const {
    check(defined() && dtype_v<T> == dtype_, "tensor: data of type ", dtype_v<T>, " asked of ",
          defined() ? name_of(dtype_) : "an undefined tensor");
    return static_cast<T*>(raw());
  }
  void* raw() const { return static_cast<std::byte*>(storage().data()) + offset_; }

  // Single elements as numbers, of any type and on any device. at() takes one index per axis, and a negative one counts
  // from the end: x.at(0, -1). For many elements copy_to() and data() are faster.
  template <std::integral... Index>
  [[nodiscard]] double at(Index... index) const {
    return element({static_cast<std::int64_t>(index)...}).item();
  }
  [[nodiscard]] double item() const;  // the only element of a one-element tensor
  // A handle on one element, with shape []. Error(argument) with index and shape if there is no such element.
  Tensor element(const std::vector<std::int64_t>& index) const;
  // Writes one element: x.set({0, -1}, 2.5). All handles on the memory see it, and so does a graph that saved it.
  void set(const std::vector<std::int64_t>& index, double value) const;
  // Writes all elements to host memory, converted from dtype() to T. `count`, the room in `target`, must be numel().
  template <class T>
  void copy_to(T* target, std::int64_t count) const;
  template <class T>
  [[nodiscard]] std::vector<T> to_vector() const;

  // The same elements on a device or in a type; if nothing changes, this handle. The graph does not record it: see
  // cast().
  Tensor to(Device device) const;
  Tensor to(DType dtype) const;
  Tensor clone() const;   // a copy in memory of its own, without a graph
  Tensor detach() const;  // a handle on the same memory, without a graph
  // A handle on shape.numel() elements from element `first` on, without a graph. It serves the flat buffer of
  // parameters.
  Tensor alias(std::int64_t first, Shape shape) const;
  // True if this handle is the only one on its memory, so that it may be overwritten.
  bool unique() const noexcept { return storage_.use_count() == 1; }

  // Autodiff (engine/autograd.h). A leaf that requires a gradient collects it in grad() during backward().
  bool requires_grad() const noexcept { return node_ != nullptr; }
  Tensor& set_requires_grad(bool on = true);
  // The gradient of a leaf, with its shape and dtype. If there is none, an Error says why: the tensor is not a leaf, or
  // no gradient has arrived. has_grad() asks without an error.
  Tensor grad() const;
  bool has_grad() const noexcept;
  // Gives the leaf a buffer to which gradients are added, of its own shape, dtype and device.
  void set_grad(Tensor gradient) const;
  // Computes the gradient of this one-element tensor with respect to each leaf, and *adds* it to the gradient of the
  // leaf. For a tensor of another size, the caller gives the gradient to begin with, of the same shape, dtype and
  // device.
  void backward() const;
  void backward(const Tensor& gradient) const;
  const std::shared_ptr<Node>& node() const noexcept { return node_; }

 private:
  friend Tensor on_storage(std::shared_ptr<Storage>, const Shape&, DType);
  friend Tensor attach(Tensor, std::shared_ptr<Node>);
  const Storage& storage() const {
    check(defined(), "tensor: an undefined tensor was used");
    return *storage_;
  }
  std::shared_ptr<Storage> storage_;
  std::size_t offset_ = 0;  // bytes
  Shape shape_;
  DType dtype_ = DType::f32;
  std::shared_ptr<Node> node_;
};

// A tensor with the name under which it is saved: "encoder.0.conv1.weight".
struct NamedTensor {
  std::string name;
  Tensor tensor;
};

// Writes the elements as numpy does: in nested brackets, and of more than a thousand only those at the edges.
std::ostream& operator<<(std::ostream& out, const Tensor& tensor);
std::string describe(const Tensor& tensor);  // "f32 [2, 3]", which text() and check() write for a tensor

// Overwrites the elements of `target` without recording it; `source` has the same shape, and any type and device.
void copy_into(const Tensor& target, const Tensor& source);
// True if the shapes are equal and |a - b| <= absolute + relative |b| for all elements; NaN is close to nothing.
[[nodiscard]] bool allclose(const Tensor& a, const Tensor& b, double relative = 1e-5, double absolute = 1e-8);

// Creation. The elements of empty() are not initialised; debug builds fill them with NaN.
Tensor empty(const Shape& shape, DType dtype = DType::f32, Device device = Device::cpu);
Tensor zeros(const Shape& shape, DType dtype = DType::f32, Device device = Device::cpu);
Tensor full(const Shape& shape, double value, DType dtype = DType::f32, Device device = Device::cpu);
inline Tensor empty_like(const Tensor& x) { return empty(x.shape(), x.dtype(), x.device()); }
inline Tensor zeros_like(const Tensor& x) { return zeros(x.shape(), x.dtype(), x.device()); }
// A CPU tensor of the numbers in nested braces: tensor({{1, 2, 3}, {4, 5, 6}}) is f32 [2, 3].
struct Nested {
  Nested(double value) : values{value} {}  // NOLINT: implicit on purpose
  Nested(std::initializer_list<Nested> parts);
  Shape shape;
  std::vector<double> values;
};
Tensor tensor(const Nested& numbers, DType dtype = DType::f32);
// A CPU tensor with a copy of the shape.numel() elements at `data`.
template <class T>
Tensor from_data(const T* data, const Shape& shape) {
  check(data != nullptr || shape.numel() == 0, "from_data: a null pointer for ", dtype_v<T>, ' ', shape);
  Tensor result = empty(shape, dtype_v<T>);
  if (shape.numel() > 0) std::memcpy(result.raw(), data, result.bytes());
  return result;
}
template <class T>
Tensor from_vector(const Shape& shape, const std::vector<T>& values) {
  check(std::ssize(values) == shape.numel(), "from_vector: ", values.size(), " values for ", shape);
  return from_data(values.data(), shape);
}
// A CPU tensor that uses the host memory at `data` in place: nothing is copied, and a change on one side is seen on the
// other. release(data) is called once, by the thread that destroys the last tensor on it. Without `release` the memory
// must live longer than the tensors. If borrow() throws, the caller still owns the memory. `release` must not throw,
// because a destructor calls it.
Tensor borrow(void* data, const Shape& shape, DType dtype, std::function<void(void*)> release = {});
template <class T>
Tensor borrow(T* data, const Shape& shape, std::function<void(void*)> release = {}) {
  return borrow(data, shape, dtype_v<T>, std::move(release));
}

// Calls f with a value of the C++ type of an element type that the CPU computes with:
//   dispatch(x.dtype(), [&]<class T>(T) { ... });
template <class F>
decltype(auto) dispatch(DType dtype, F&& f) {
  switch (dtype) {
    case DType::f32: return f(float{});
    case DType::f64: return f(double{});
    case DType::i32: return f(std::int32_t{});
    case DType::u8: return f(std::uint8_t{});
    case DType::bf16: break;
  }
  throw Error(ErrorKind::argument, text("dispatch: ", dtype, " has no CPU kernels"), "convert to f32 first");
}
// The same for f32 and f64 only; `op` names the caller in the message.
template <class F>
decltype(auto) dispatch_float(DType dtype, const char* op, F&& f) {
  check(dtype == DType::f32 || dtype == DType::f64, op, ": takes f32 or f64, got ", dtype);
#ifdef VOXGRAD_INFERENCE_ONLY
  if (dtype == DType::f64) throw_inference_only();
#else
  if (dtype == DType::f64) return f(double{});
#endif
  return f(float{});
}

template <class T>
void Tensor::copy_to(T* target, std::int64_t count) const {
  check(count == numel() && (target != nullptr || count == 0), "copy_to: ", target ? "" : "a null pointer with ",
        "room for ", count, " elements of ", *this);
  DType type = dtype_ == DType::bf16 ? DType::f32 : dtype_;
  if constexpr (requires { dtype_of<T>::value; }) type = dtype_v<T>;  // to() decides on NaN and large numbers
  const Tensor host = to(Device::cpu).to(type);
  dispatch(host.dtype(), [&]<class S>(S) {
    std::transform(host.data<S>(), host.data<S>() + count, target, [](S value) { return static_cast<T>(value); });
  });
}

template <class T>
std::vector<T> Tensor::to_vector() const {
  std::vector<T> values(static_cast<std::size_t>(numel()));
  copy_to(values.data(), numel());
  return values;
}

}  // namespace voxgrad
