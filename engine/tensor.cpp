#include "engine/tensor.h"

#include <cmath>
#include <limits>

#include "engine/autograd.h"
#include "engine/backend.h"

namespace voxgrad {

Tensor attach(Tensor tensor, std::shared_ptr<Node> node) {
  tensor.node_ = std::move(node);
  return tensor;
}

Device Tensor::device() const { return defined() ? storage_->backend().device() : Device::cpu; }

Tensor on_storage(std::shared_ptr<Storage> storage, const Shape& shape, DType dtype) {
  Tensor tensor;
  tensor.storage_ = std::move(storage);
  tensor.shape_ = shape;
  tensor.dtype_ = dtype;
  return tensor;
}

Tensor empty(const Shape& shape, DType dtype, Device device) {
  const std::size_t count = static_cast<std::size_t>(shape.numel());
  if (count > std::size_t{std::numeric_limits<std::ptrdiff_t>::max()} / size_of(dtype))
    throw Error(ErrorKind::memory, text("tensor: ", dtype, ' ', shape, " takes more bytes than a machine can address"));
  Tensor tensor = on_storage(std::make_shared<Storage>(backend_of(device), count * size_of(dtype)), shape, dtype);
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

Tensor borrow(void* data, const Shape& shape, DType dtype, std::function<void(void*)> release) {
  check(data != nullptr || shape.numel() == 0, "borrow: a null pointer for ", dtype, ' ', shape);
  const auto address = reinterpret_cast<std::uintptr_t>(data);
  check(address % size_of(dtype) == 0, "borrow: the address ", address, " is not aligned for ", dtype);
  return on_storage(std::make_shared<Storage>(backend_of(Device::cpu), data, std::move(release)), shape, dtype);
}

Nested::Nested(std::initializer_list<Nested> parts) {
  const Shape inner = parts.size() > 0 ? parts.begin()->shape : Shape();
  shape = Shape{std::ssize(parts)} + inner;
  for (const Nested& part : parts) {
    check(part.shape == inner, "tensor: braces of shape ", part.shape, " beside braces of shape ", inner);
    values.insert(values.end(), part.values.begin(), part.values.end());
  }
}

Tensor tensor(const Nested& numbers, DType dtype) { return from_vector(numbers.shape, numbers.values).to(dtype); }

double Tensor::item() const {
  check(defined() && numel() == 1, "item: needs one element, this is ", *this);
  double value = 0;
  copy_to(&value, 1);
  return value;
}

Tensor Tensor::element(const std::vector<std::int64_t>& index) const {
  bool inside = defined() && std::ssize(index) == dims();
  std::int64_t first = 0;
  for (int axis = 0; inside && axis < dims(); ++axis) {
    const std::int64_t i = nth(index, axis), n = extent(axis);
    inside = i >= -n && i < n;
    first = first * n + (i < 0 ? i + n : i);
  }
  if (inside) return alias(first, {});
  std::string list;
  for (const std::int64_t i : index) list += text(list.empty() ? "" : ", ", i);
  throw Error(ErrorKind::argument, text("tensor: index [", list, "] outside of ", *this));
}

void Tensor::set(const std::vector<std::int64_t>& index, double value) const { backend().fill(element(index), value); }

void copy_into(const Tensor& target, const Tensor& source) {
  check(target.defined() && source.defined() && target.shape() == source.shape(), "copy_into: ", source,
        " does not fit into ", target);
  const Tensor same = source.to(target.dtype());
  const Tensor& on_device = target.device() == Device::cpu ? same : target;  // a card does its own transfers
  on_device.backend().copy(target.raw(), target.device(), same.raw(), same.device(), target.bytes());
}

bool allclose(const Tensor& a, const Tensor& b, double relative, double absolute) {
  if (!(a.shape() == b.shape())) return false;
  const std::vector<double> x = a.to_vector<double>(), y = b.to_vector<double>();
  return std::equal(x.begin(), x.end(), y.begin(), [&](double p, double q) {
    return p == q || (std::isfinite(q) && std::fabs(p - q) <= absolute + relative * std::fabs(q));
  });
}

Tensor Tensor::to(Device target) const {
  if (!defined() || target == device()) return *this;
  Tensor result = empty(shape_, dtype_, target);
  copy_into(result, *this);
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
  copy_into(result, *this);
  return result;
}

Tensor Tensor::detach() const {
  Tensor result = *this;
  result.node_ = nullptr;
  return result;
}

Tensor Tensor::alias(std::int64_t first, Shape shape) const {
  const std::int64_t count = shape.numel();
  check(defined() && first >= 0 && first <= numel() - count, "alias: ", count, " elements from ", first, " on of ",
        *this);
  Tensor result = detach();
  result.offset_ += static_cast<std::size_t>(first) * size_of(dtype_);
  result.shape_ = shape;
  return result;
}

}  // namespace voxgrad
