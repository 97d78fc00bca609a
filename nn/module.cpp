#include "nn/module.h"

#include <algorithm>
#include <map>

#include "engine/backend.h"
#include "engine/ops.h"

namespace voxgrad::nn {
namespace {

constexpr const char* kPytorchCounter = "num_batches_tracked";

std::string join(const std::string& prefix, const std::string& name) {
  return prefix.empty() ? name : prefix + '.' + name;
}

// The weight of a convolution has at least one axis between its first and its last. Vectors and matrices have the same
// order of axes here and in PyTorch.
bool has_kernel(const Shape& shape) { return shape.dims() >= 3; }

// A copy of the weight with axis `from` moved to the position `to`.
Tensor moved(const Tensor& weight, int from, int to) {
  std::vector<int> axes;
  for (int i = 0; i < weight.dims(); ++i) axes.push_back(i);
  if (!has_kernel(weight.shape())) return permute(weight, axes);
  axes.erase(axes.begin() + from);
  axes.insert(axes.begin() + to, from);
  return permute(weight, axes);
}

// A copy of [A, *K, B] as [A, B, *K] on the host, and the reverse.
Tensor to_pytorch(const Tensor& x) { return moved(x.detach().to(Device::cpu), x.dims() - 1, 1); }
Tensor from_pytorch(const Tensor& x) { return moved(x, 1, x.dims() - 1); }

Shape to_pytorch(const Shape& shape) {
  if (!has_kernel(shape)) return shape;
  Shape result{shape[0], shape[-1]};
  for (int i = 1; i + 1 < shape.dims(); ++i) result.push_back(shape[i]);
  return result;
}

// Makes `part` the gradient of the leaf. It receives the gradient that the leaf has elsewhere, or else zeros.
void collect(const Tensor& leaf, const Tensor& part) {
  if (!leaf.requires_grad() || (leaf.has_grad() && leaf.grad().raw() == part.raw())) return;
  leaf.has_grad() ? copy_into(part, leaf.grad()) : part.backend().fill(part, 0);
  leaf.set_grad(part);
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

void Module::add_parameter(std::string name, Tensor& parameter, std::uint64_t key) {
  check_name(name);
  check(parameter.defined(), "add_parameter: \"", name, "\" is an undefined tensor");
  parameter.set_requires_grad();
  if (key != 0) drawn_.emplace_back(key, name);
  parameters_.emplace_back(std::move(name), &parameter);
}

void Module::add_buffer(std::string name, Tensor& buffer) {
  check_name(name);
  check(buffer.defined(), "add_buffer: \"", name, "\" is an undefined tensor");
  buffers_.emplace_back(std::move(name), &buffer);
}

void Module::add_module(std::string name, Module& child) {
  check_name(name);
  check(&child != this, "add_module: \"", name, "\" is the module itself");
  children_.emplace_back(std::move(name), &child);
  std::map<std::uint64_t, std::string> drawn;
  visit("", [&](const std::string& prefix, const Module& module) {
    for (const auto& [key, parameter] : module.drawn_) {
      const auto [first, fresh] = drawn.emplace(key, join(prefix, parameter));
      if (!fresh) {
        children_.pop_back();
        throw Error(ErrorKind::argument,
                    text("add_module: \"", first->second, "\" and \"", join(prefix, parameter),
                         "\" were made from the same random numbers"),
                    "make each layer from a stream of its own: stream(random, \"name of the layer\")");
      }
    }
  });
}

std::vector<NamedTensor> Module::all(Named<Tensor> Module::*list) const {
  std::vector<NamedTensor> tensors;
  visit("", [&](const std::string& prefix, const Module& module) {
    for (const auto& [name, tensor] : module.*list) tensors.push_back({join(prefix, name), *tensor});
  });
  return tensors;
}

std::vector<NamedTensor> Module::parameters() const { return all(&Module::parameters_); }
std::vector<NamedTensor> Module::buffers() const { return all(&Module::buffers_); }

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

bool Module::is_flat(const std::vector<NamedTensor>& tensors) const {
  if (!flat_parameters_.defined()) return false;
  const auto* expected = static_cast<const std::byte*>(flat_parameters_.raw());
  for (const NamedTensor& parameter : tensors) {
    if (parameter.tensor.raw() != expected) return false;
    expected += parameter.tensor.bytes();
  }
  return expected == static_cast<const std::byte*>(flat_parameters_.raw()) + flat_parameters_.bytes();
}

// A leaf that keeps its type and device keeps its node: its gradient stays, and graphs that were recorded lead to it.
// At the end the pool returns its cached blocks to the device, because nothing will reuse those of single parameters.
void Module::lay_out(DType dtype, Device device) {
  check(dtype == DType::f32 || dtype == DType::f64, "module: parameters are f32 or f64, not ", dtype);
  const std::int64_t count = parameter_count();
  flat_parameters_ = empty({count}, dtype, device);
  flat_gradients_ = empty({count}, dtype, device);
  std::int64_t first = 0;
  visit("", [&](const std::string&, const Module& module) {
    for (const auto& [name, tensor] : module.parameters_) {
      Tensor part = flat_parameters_.alias(first, tensor->shape());
      copy_into(part, *tensor);
      const std::shared_ptr<Node>& node = tensor->node();
      if (node && node->leaf() && tensor->dtype() == dtype && tensor->device() == device) part = attach(part, node);
      part.set_requires_grad();
      collect(part, flat_gradients_.alias(first, tensor->shape()));
      first += part.numel();
      *tensor = std::move(part);
    }
    for (const auto& [name, tensor] : module.buffers_) *tensor = tensor->to(dtype).to(device);
  });
  flat_parameters_.backend().pool().trim();
}

// If only gradients have left their buffer, the buffers stay: a recording (engine/replay.h) has their addresses.
void Module::flatten() {
  const std::vector<NamedTensor> tensors = parameters();
  if (!is_flat(tensors)) {
    const Tensor one = tensors.empty() ? Tensor() : tensors[0].tensor;  // an undefined tensor is f32 and on the CPU
    return lay_out(one.dtype(), one.device());
  }
  std::int64_t first = 0;
  for (const auto& [name, tensor] : tensors) {
    collect(tensor, flat_gradients_.alias(first, tensor.shape()));
    first += tensor.numel();
  }
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
  std::vector<NamedTensor> tensors = parameters();
  for (NamedTensor& buffer : buffers()) tensors.push_back(std::move(buffer));
  for (NamedTensor& entry : tensors) entry.tensor = to_pytorch(entry.tensor);
  return tensors;
}

void Module::load_state(const std::vector<NamedTensor>& state) {
  std::vector<NamedTensor> own = parameters();
  for (NamedTensor& buffer : buffers()) own.push_back(std::move(buffer));
  std::map<std::string, Tensor> given;  // names of a file could have one hash
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
  for (const auto& [target, source] : copies)
    copy_into(target, from_pytorch(source.dtype() == DType::bf16 ? source.to(DType::f32) : source));
}

}  // namespace voxgrad::nn
