#include "nn/module.h"

#include <algorithm>
#include <cstring>
#include <unordered_map>

#include "engine/backend.h"

namespace voxgrad::nn {
namespace {

constexpr const char* kPytorchCounter = "num_batches_tracked";

std::string join(const std::string& prefix, const std::string& name) {
  return prefix.empty() ? name : prefix + '.' + name;
}

// A weight has at least one axis between its first and its last; vectors and matrices are the same in both orders.
bool has_kernel(const Shape& shape) { return shape.dims() >= 3; }

Shape to_pytorch(const Shape& shape) {  // [A, *K, B] to [A, B, *K]
  if (!has_kernel(shape)) return shape;
  Shape result{shape[0], shape[-1]};
  for (int i = 1; i + 1 < shape.dims(); ++i) result.push_back(shape[i]);
  return result;
}

// Elements of x, seen as [blocks, rows, columns], in the order [blocks, columns, rows], on the host.
Tensor transposed(const Tensor& x, std::int64_t blocks, std::int64_t rows, const Shape& shape) {
  const Tensor host = x.detach().to(Device::cpu);
  Tensor result = empty(shape, x.dtype());
  const std::int64_t columns = blocks * rows == 0 ? 0 : x.numel() / (blocks * rows);
  const auto* from = static_cast<const std::byte*>(host.raw());
  auto* to = static_cast<std::byte*>(result.raw());
  const auto reorder = [&]<class Size>(Size bytes) {  // known to the compiler, so that a copy is one instruction
    for (std::int64_t block = 0; block < blocks; ++block)
      for (std::int64_t column = 0; column < columns; ++column)
        for (std::int64_t row = 0; row < rows; ++row, to += bytes)
          std::memcpy(to, from + static_cast<std::size_t>((block * rows + row) * columns + column) * bytes, bytes);
  };
  switch (size_of(x.dtype())) {
    case 2: reorder(std::integral_constant<std::size_t, 2>()); break;
    case 4: reorder(std::integral_constant<std::size_t, 4>()); break;
    default: reorder(size_of(x.dtype()));
  }
  return result;
}

Tensor to_pytorch(const Tensor& x) {
  const std::int64_t blocks = has_kernel(x.shape()) ? x.extent(0) : 1;
  const std::int64_t kernel = has_kernel(x.shape()) ? x.shape().spatial_numel() : 1;
  return transposed(x, blocks, kernel, to_pytorch(x.shape()));
}

Tensor from_pytorch(const Tensor& x, const Shape& shape) {
  const std::int64_t blocks = has_kernel(shape) ? shape[0] : 1;
  const std::int64_t channels = has_kernel(shape) ? shape[-1] : 1;
  return transposed(x, blocks, channels, shape);
}

// Overwrites the memory behind `target`, whatever its device.
void assign(const Tensor& target, const Tensor& host) {
  const Tensor source = host.to(target.dtype());
  target.backend().copy(target.raw(), target.device(), source.raw(), Device::cpu, target.bytes());
}

[[noreturn]] void refuse(const std::string& message) {
  throw Error(ErrorKind::model, "load_state: " + message,
              "the weights belong to a network with another configuration; build it with the one they were saved with");
}

}  // namespace

Random stream(const Random& random, std::string_view name) {
  std::uint64_t hash = 0xCBF29CE484222325ull;  // FNV-1a
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3ull;
  return random.fork(hash);
}

template <class Visit>
void Module::visit(const std::string& prefix, Visit&& f) const {
  f(prefix, *this);
  for (const auto& [name, child] : children_) child->visit(join(prefix, name), f);
}

void Module::check_name(const std::string& name) const {
  const auto taken = [&](const auto& entry) { return entry.first == name; };
  const bool known = std::any_of(parameters_.begin(), parameters_.end(), taken) ||
                     std::any_of(buffers_.begin(), buffers_.end(), taken) ||
                     std::any_of(children_.begin(), children_.end(), taken);
  check(!name.empty() && !known, "module: name \"", name, "\" is ", name.empty() ? "empty" : "taken already");
}

void Module::add_parameter(std::string name, Tensor& parameter) {
  check_name(name);
  check(parameter.defined(), "add_parameter: \"", name, "\" is an undefined tensor");
  parameter.set_requires_grad();
  parameters_.emplace_back(std::move(name), &parameter);
}

void Module::add_buffer(std::string name, Tensor& buffer) {
  check_name(name);
  check(buffer.defined(), "add_buffer: \"", name, "\" is an undefined tensor");
  buffers_.emplace_back(std::move(name), &buffer);
}

void Module::add_module(std::string name, Module& child) {
  check_name(name);
  children_.emplace_back(std::move(name), &child);
}

std::vector<NamedTensor> Module::parameters() const {
  std::vector<NamedTensor> all;
  visit("", [&](const std::string& prefix, const Module& module) {
    for (const auto& [name, tensor] : module.parameters_) all.push_back({join(prefix, name), *tensor});
  });
  return all;
}

std::vector<NamedTensor> Module::buffers() const {
  std::vector<NamedTensor> all;
  visit("", [&](const std::string& prefix, const Module& module) {
    for (const auto& [name, tensor] : module.buffers_) all.push_back({join(prefix, name), *tensor});
  });
  return all;
}

std::int64_t Module::parameter_count() const {
  std::int64_t count = 0;
  for (const NamedTensor& parameter : parameters()) count += parameter.tensor.numel();
  return count;
}

void Module::train(bool on) {
  training_ = on;
  for (const auto& [name, child] : children_) child->train(on);
}

void Module::set_step(std::uint64_t seed, std::int64_t step) {
  set_stream(Random(seed).fork(static_cast<std::uint64_t>(step)));
}

void Module::set_stream(const Random& random) {
  stream_ = random;
  draws_ = 0;
  for (const auto& [name, child] : children_) child->set_stream(stream(random, name));
}

bool Module::is_flat() const {
  if (!flat_parameters_.defined()) return false;
  const auto* expected = static_cast<const std::byte*>(flat_parameters_.raw());
  for (const NamedTensor& parameter : parameters()) {
    if (parameter.tensor.raw() != expected) return false;
    expected += parameter.tensor.bytes();
  }
  return expected == static_cast<const std::byte*>(flat_parameters_.raw()) + flat_parameters_.bytes();
}

// The pool keeps released blocks for their next use. Those of single parameters have none, so they are given back.
void Module::lay_out(DType dtype, Device device) {
  check(dtype == DType::f32 || dtype == DType::f64, "module: parameters are f32 or f64, not ", dtype);
  const std::int64_t count = parameter_count();
  flat_parameters_ = empty({count}, dtype, device);
  flat_gradients_ = zeros({count}, dtype, device);
  std::int64_t first = 0;
  visit("", [&](const std::string&, const Module& module) {
    for (const auto& [name, tensor] : module.parameters_) {
      Tensor part = flat_parameters_.alias(first, tensor->shape());
      const Tensor source = tensor->detach().to(dtype).to(device);
      part.backend().copy(part.raw(), device, source.raw(), device, part.bytes());
      part.set_requires_grad();
      part.set_grad(flat_gradients_.alias(first, tensor->shape()));
      first += part.numel();
      *tensor = std::move(part);
    }
    for (const auto& [name, tensor] : module.buffers_) *tensor = tensor->to(dtype).to(device);
  });
  flat_parameters_.backend().pool().trim();
}

void Module::flatten() {
  if (is_flat()) return;
  const std::vector<NamedTensor> all = parameters();
  if (all.empty())
    lay_out(DType::f32, Device::cpu);
  else
    lay_out(all[0].tensor.dtype(), all[0].tensor.device());
}

void Module::to(Device device) {
  if (flat_parameters().device() == device) return zero_grad();
  lay_out(flat_parameters_.dtype(), device);
}

void Module::to(DType dtype) {
  if (flat_parameters().dtype() == dtype) return zero_grad();
  lay_out(dtype, flat_parameters_.device());
}

Tensor Module::flat_parameters() {
  flatten();
  return flat_parameters_;
}

Tensor Module::flat_gradients() {
  flatten();
  return flat_gradients_;
}

void Module::zero_grad() {
  flatten();
  flat_gradients_.backend().fill(flat_gradients_, 0);
}

std::vector<NamedTensor> Module::state() const {
  std::vector<NamedTensor> all = parameters();
  for (NamedTensor& buffer : buffers()) all.push_back(std::move(buffer));
  for (NamedTensor& entry : all) entry.tensor = to_pytorch(entry.tensor);
  return all;
}

void Module::load_state(const std::vector<NamedTensor>& state) {
  std::vector<NamedTensor> own = parameters();
  for (NamedTensor& buffer : buffers()) own.push_back(std::move(buffer));
  std::unordered_map<std::string, Tensor> given;
  for (const NamedTensor& entry : state)
    if (!given.emplace(entry.name, entry.tensor).second) refuse(text("\"", entry.name, "\" is given twice"));
  std::vector<std::pair<Tensor, Tensor>> copies;  // everything is checked before anything is changed
  for (const NamedTensor& entry : own) {
    const auto found = given.find(entry.name);
    if (found == given.end()) refuse(text("\"", entry.name, "\" is missing"));
    const Tensor& tensor = found->second;
    const Shape expected = to_pytorch(entry.tensor.shape());
    if (!tensor.defined() || !is_float(tensor.dtype()) || !(tensor.shape() == expected))
      refuse(text("\"", entry.name, "\" is ", tensor, ", this network has ", entry.tensor.dtype(), ' ', expected));
    copies.emplace_back(entry.tensor, tensor);
    given.erase(found);
  }
  for (const NamedTensor& entry : state)
    if (given.count(entry.name) > 0 && !entry.name.ends_with(kPytorchCounter))
      refuse(text("\"", entry.name, "\" is left over: this network has no such tensor"));
  for (const auto& [target, source] : copies) assign(target, from_pytorch(source, target.shape()));
}

}  // namespace voxgrad::nn
