#include "engine/tensor.h"

#include <limits>

#include "engine/autograd.h"
#include "engine/backend.h"

namespace voxgrad {

const char* name_of(Device device) { return device == Device::cpu ? "cpu" : "cuda"; }

Tensor attach(Tensor tensor, std::shared_ptr<Node> node) {
  tensor.node_ = std::move(node);
  return tensor;
}

Device Tensor::device() const { return defined() ? storage_->backend().device() : Device::cpu; }

Backend& Tensor::backend() const {
  check(defined(), "tensor: an undefined tensor was used");
  return storage_->backend();
}

Tensor empty(const Shape& shape, DType dtype, Device device) {
  const std::size_t count = static_cast<std::size_t>(shape.numel());
  if (count > std::size_t{std::numeric_limits<std::ptrdiff_t>::max()} / size_of(dtype))
    throw Error(ErrorKind::memory, text("tensor: ", dtype, ' ', shape, " takes more bytes than a machine can address"));
  Tensor tensor;
  tensor.shape_ = shape;
  tensor.dtype_ = dtype;
  tensor.storage_ = std::make_shared<Storage>(backend_of(device), count * size_of(dtype));
#ifndef NDEBUG
  if (is_float(dtype)) tensor.backend().fill(tensor, std::numeric_limits<double>::quiet_NaN());
#endif
  return tensor;
}

Tensor full(const Shape& shape, double value, DType dtype, Device device) {
  Tensor tensor = empty(shape, dtype, device);
  tensor.backend().fill(tensor, value);
  return tensor;
}

Tensor zeros(const Shape& shape, DType dtype, Device device) { return full(shape, 0.0, dtype, device); }

double Tensor::item() const {
  check(numel() == 1, "item: needs one element, this is ", *this);
  return to_vector<double>()[0];
}

Tensor Tensor::to(Device target) const {
  if (!defined() || target == device()) return *this;
  Tensor result = empty(shape_, dtype_, target);
  Backend& engine = target == Device::cpu ? backend() : result.backend();  // the device side does the transfer
  engine.copy(result.raw(), target, raw(), device(), bytes());
  return result;
}

Tensor Tensor::to(DType target) const {
  if (!defined() || target == dtype_) return *this;
  Tensor result = empty(shape_, target, device());
  backend().cast(*this, result);
  return result;
}

Tensor Tensor::clone() const {
  Tensor result = empty(shape_, dtype_, device());
  backend().copy(result.raw(), device(), raw(), device(), bytes());
  return result;
}

Tensor Tensor::detach() const {
  Tensor result = *this;
  result.node_ = nullptr;
  return result;
}

Tensor Tensor::alias(std::int64_t first, Shape shape) const {
  check(first >= 0 && first + shape.numel() <= numel(), "alias: elements ", first, " .. ", first + shape.numel(),
        " of ", *this);
  Tensor result = detach();
  result.offset_ += static_cast<std::size_t>(first) * size_of(dtype_);
  result.shape_ = shape;
  return result;
}

std::ostream& operator<<(std::ostream& out, const Tensor& tensor) {
  if (!tensor.defined()) return out << "undefined tensor";
  return out << tensor.dtype() << ' ' << tensor.shape();
}

}  // namespace voxgrad
