// Tensor: a cheap handle on dense, row-major, channels-last memory, with an optional node of the autodiff graph.
// Copying a Tensor copies the handle, not the elements. There are no strides; a tensor may start inside a larger
// block (a parameter inside the flat parameter buffer), never skip inside it.
#pragma once

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "engine/memory.h"
#include "engine/shape.h"

namespace voxgrad {

class Backend;
struct Node;

enum class Device : std::uint8_t { cpu, cuda };
const char* name_of(Device device);
inline std::ostream& operator<<(std::ostream& out, Device device) { return out << name_of(device); }

class Tensor {
 public:
  Tensor() = default;  // undefined: no shape, no memory

  bool defined() const { return storage_ != nullptr; }
  const Shape& shape() const { return shape_; }
  std::int64_t extent(int axis) const { return shape_[axis]; }
  int dims() const { return shape_.dims(); }
  std::int64_t numel() const { return shape_.numel(); }
  std::size_t bytes() const { return static_cast<std::size_t>(numel()) * size_of(dtype_); }
  DType dtype() const { return dtype_; }
  Device device() const;
  Backend& backend() const;  // Error if undefined

  // Address of the first element. T must match dtype(). On a CUDA tensor this is a device address.
  template <class T>
  T* data() const {
    check(defined() && dtype_v<T> == dtype_, "tensor: data of type ", dtype_v<T>, " asked of ",
          defined() ? name_of(dtype_) : "an undefined tensor");
    return static_cast<T*>(raw());
  }
  void* raw() const { return static_cast<std::byte*>(storage_->data()) + offset_; }

  // The only element of a one-element tensor, as a host number.
  double item() const;
  // All elements on the host, converted from dtype() to T.
  template <class T>
  std::vector<T> to_vector() const;

  // Same elements on a device / in a type. Not recorded; the handle itself if nothing changes.
  Tensor to(Device device) const;
  Tensor to(DType dtype) const;
  Tensor clone() const;   // own memory, not recorded
  Tensor detach() const;  // same memory, no graph
  // Handle on `count` elements from element `first`, with a new shape. Not recorded: for flat parameter buffers.
  Tensor alias(std::int64_t first, Shape shape) const;
  // True if this handle is the only one on its memory, so that it may be overwritten.
  bool unique() const { return storage_.use_count() == 1; }

  // Autodiff (engine/autograd.h). A leaf that requires a gradient collects it in grad() during backward().
  bool requires_grad() const { return node_ != nullptr; }
  Tensor& set_requires_grad(bool on = true);
  // Gradient of a leaf; undefined before the first backward(). Same shape and dtype as the tensor.
  Tensor grad() const;
  // Gives the leaf a buffer in which gradients are added up (a part of the flat gradient buffer).
  void set_grad(Tensor gradient) const;
  // Sweep from this one-element tensor; gradients are *added* to the leaves.
  void backward() const;
  void backward(const Tensor& gradient) const;
  const std::shared_ptr<Node>& node() const { return node_; }

 private:
  friend Tensor empty(const Shape&, DType, Device);
  friend Tensor attach(Tensor, std::shared_ptr<Node>);
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

std::ostream& operator<<(std::ostream& out, const Tensor& tensor);  // "f32 [2, 3]" for messages

// Creation. empty() is uninitialised (filled with NaN in debug builds).
Tensor empty(const Shape& shape, DType dtype = DType::f32, Device device = Device::cpu);
Tensor zeros(const Shape& shape, DType dtype = DType::f32, Device device = Device::cpu);
Tensor full(const Shape& shape, double value, DType dtype = DType::f32, Device device = Device::cpu);
inline Tensor empty_like(const Tensor& x) { return empty(x.shape(), x.dtype(), x.device()); }
inline Tensor zeros_like(const Tensor& x) { return zeros(x.shape(), x.dtype(), x.device()); }
// Host values to a CPU tensor: from_vector<float>({2, 2}, {1, 2, 3, 4}).
template <class T>
Tensor from_vector(const Shape& shape, const std::vector<T>& values) {
  check(static_cast<std::int64_t>(values.size()) == shape.numel(), "from_vector: ", values.size(), " values for ",
        shape);
  Tensor result = empty(shape, dtype_v<T>);
  if (!values.empty()) std::memcpy(result.raw(), values.data(), result.bytes());
  return result;
}

// Calls f with a value of the C++ type that belongs to a CPU element type: dispatch(x.dtype(), [&]<class T>(T) { ...
// }).
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
  if (dtype == DType::f64) return f(double{});
  return f(float{});
}

template <class T>
std::vector<T> Tensor::to_vector() const {
  const Tensor host = to(Device::cpu);
  std::vector<T> values(static_cast<std::size_t>(numel()));
  dispatch(host.dtype(), [&]<class S>(S) {
    const S* source = host.data<S>();
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<T>(source[i]);
  });
  return values;
}

}  // namespace voxgrad
