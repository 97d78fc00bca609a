// Module: something with named parameters. A layer creates its parameters in its constructor; a composite adds its
// children under a name. Names join with dots ("encoder.0.conv1.weight") in the order of registration.
//
// All parameters of a finished module can live in one flat buffer, and their gradients in another (flatten()): then
// the optimiser step, the norm of the gradient and a checkpoint are one call on one vector each.
//
// A module is for one thread at a time. In evaluation forward() changes nothing in it: after train(false) several
// threads may call it at once.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/random.h"
#include "engine/tensor.h"

namespace voxgrad::nn {

// The stream of random numbers that belongs to a name. What `encoder.0` draws depends on the key of `random` and on
// the name alone, so a further layer changes nothing for the others.
[[nodiscard]] Random stream(const Random& random, std::string_view name);

class Module {
 public:
  Module() = default;
  virtual ~Module() = default;
  Module(const Module&) = delete;  // parents and optimisers hold addresses
  Module& operator=(const Module&) = delete;

  virtual Tensor forward(const Tensor& x) = 0;
  Tensor operator()(const Tensor& x) { return forward(x); }

  // Handles on the parameters (leaves that require a gradient) and buffers (running statistics), with full names.
  [[nodiscard]] std::vector<NamedTensor> parameters() const;
  [[nodiscard]] std::vector<NamedTensor> buffers() const;
  [[nodiscard]] std::int64_t parameter_count() const;

  // Training or evaluation, for the whole tree: dropout, batch norm.
  void train(bool on = true);
  bool training() const noexcept { return training_; }

  // What is random in a step (dropout) is a function of (seed, step, name of the layer, number of the call in this
  // step) and of nothing else. Call it before every step: a run resumed at `step` then continues with the same bits.
  void set_step(std::uint64_t seed, std::int64_t step);

  // Moves parameters and buffers, to a device or to f32 or f64; the module is flat afterwards, its gradients are zero.
  void to(Device device);
  void to(DType dtype);
  // Lays all parameters into one f32 or f64 buffer and gives them one gradient buffer of zeros. Idempotent.
  // For the root of a tree: flattening a child later takes its parameters out of the buffer of the parent.
  void flatten();
  Tensor flat_parameters();  // [parameter_count()], no graph; flattens if need be
  Tensor flat_gradients();
  void zero_grad();

  // Parameters and buffers on the host, in PyTorch's axis order: a convolution [out, *K, in] is saved as [out, in, *K].
  // Own memory: training on does not change what was returned.
  [[nodiscard]] std::vector<NamedTensor> state() const;
  // Takes what state() gave, in any order and in any float type. Error(model) that names the first tensor missing,
  // left over, given twice, or of another shape; the module is then unchanged. `num_batches_tracked`, a counter of
  // PyTorch's batch norm that has no counterpart here, may be present.
  void load_state(const std::vector<NamedTensor>& state);

 protected:
  // Registers `parameter` (a member of the derived class) under `name`; it becomes a leaf that requires a gradient.
  // `key` is that of the random numbers that it starts with; 0 means that it does not start at random.
  void add_parameter(std::string name, Tensor& parameter, std::uint64_t key = 0);
  void add_buffer(std::string name, Tensor& buffer);
  // Error(argument) if two parameters of the tree were drawn with one key: they would be the same numbers.
  void add_module(std::string name, Module& child);
  // The next random key of this module: a new one at each call, the same sequence after each set_step(seed, step).
  std::uint64_t next_key() { return stream_.fork(draws_++).key(); }

 private:
  template <class T>
  using Named = std::vector<std::pair<std::string, T*>>;
  std::vector<NamedTensor> all(Named<Tensor> Module::*list) const;
  template <class Visit>
  void visit(const std::string& prefix, Visit&& f) const;  // f(prefix, module), parents first
  void check_name(const std::string& name) const;
  bool is_flat() const;
  void lay_out(DType dtype, Device device);
  void set_stream(const Random& random);
  Named<Tensor> parameters_, buffers_;
  Named<Module> children_;
  std::vector<std::pair<std::uint64_t, std::string>> drawn_;  // keys and names of what starts at random
  Tensor flat_parameters_, flat_gradients_;
  Random stream_;
  std::uint64_t draws_ = 0;
  bool training_ = true;
};

}  // namespace voxgrad::nn
