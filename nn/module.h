// A Module has named parameters. A layer registers its parameters in its constructor, and a module with layers
// registers them as children. The full name of a parameter joins the names with dots ("encoder.0.conv1.weight"), and
// lists are in the order of registration.
//
// flatten() moves all parameters of a finished module into one flat buffer, and their gradients into another. Then the
// step of the optimiser, the norm of the gradient and a checkpoint are one call on one vector each.
//
// One thread at a time may use a module. In evaluation forward() changes nothing in it, so after train(false) several
// threads may call forward() at the same time, on the CPU.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/random.h"
#include "engine/tensor.h"

namespace voxgrad::nn {

// The stream of random numbers that belongs to a name. The numbers of `encoder.0` depend on the key of `random` and on
// the name only, so an additional layer does not change those of the others.
[[nodiscard]] Random stream(const Random& random, std::string_view name);

class Module {
 public:
  Module() = default;
  virtual ~Module() = default;
  Module(const Module&) = delete;  // parents and optimisers hold addresses
  Module& operator=(const Module&) = delete;

  virtual Tensor forward(const Tensor& x) = 0;
  Tensor operator()(const Tensor& x) { return forward(x); }

  // Handles on the parameters, which are leaves that require a gradient, and on the buffers, which are running
  // statistics, with their full names.
  [[nodiscard]] std::vector<NamedTensor> parameters() const;
  [[nodiscard]] std::vector<NamedTensor> buffers() const;
  [[nodiscard]] std::int64_t parameter_count() const;

  // Switches the whole tree to training or to evaluation; dropout and batch norm do different things in the two.
  void train(bool on = true);
  bool training() const noexcept { return training_; }

  // Must be called before every step if the step uses random numbers (dropout). They are a function of the seed, the
  // step, the name of the layer and the number of the call in this step. So a run that is resumed at `step` continues
  // with the same bits.
  void set_step(std::uint64_t seed, std::int64_t step);

  // Moves parameters and buffers to a device, or converts them to f32 or f64. Afterwards the module is flat and its
  // gradients are zero.
  void to(Device device);
  void to(DType dtype);
  // Moves all parameters into one f32 or f64 buffer and their gradients into another, where those that have none get
  // zeros. A second call changes nothing. It is meant for the root of a tree: if a child is flattened later, its
  // parameters leave the buffer of the parent.
  void flatten();
  Tensor flat_parameters();  // [parameter_count()], without a graph; flattens if that was not done
  Tensor flat_gradients();
  void zero_grad();

  // Copies of parameters and buffers on the host, in PyTorch's axis order: the weight of a convolution, [out, *K, in],
  // becomes [out, in, *K].
  [[nodiscard]] std::vector<NamedTensor> state() const;
  // Restores a state() in any order and in any type of floats. Error(model) names the first tensor that is missing,
  // left over, given twice, or of another shape; the module is then unchanged. `num_batches_tracked`, a counter of
  // PyTorch's batch norm that nothing here needs, may be present.
  void load_state(const std::vector<NamedTensor>& state);

 protected:
  // Registers `parameter`, a member of the derived class, under `name`; it becomes a leaf that requires a gradient.
  // `key` is the key of the random numbers that it was initialised with; 0 means that it was not initialised at random.
  void add_parameter(std::string name, Tensor& parameter, std::uint64_t key = 0);
  void add_buffer(std::string name, Tensor& buffer);
  // Error(argument) if two parameters of the tree were initialised with one key, because they have the same numbers.
  void add_module(std::string name, Module& child);
  // The next random key of this module. Each call gives a new one, and set_step(seed, step) begins the sequence again.
  std::uint64_t next_key() { return stream_.fork(draws_++).key(); }

 private:
  template <class T>
  using Named = std::vector<std::pair<std::string, T*>>;
  std::vector<NamedTensor> all(Named<Tensor> Module::*list) const;
  template <class Visit>
  void visit(const std::string& prefix, Visit&& f) const;  // f(prefix, module), parents first
  void check_name(const std::string& name) const;
  bool is_flat(const std::vector<NamedTensor>& tensors) const;
  void lay_out(DType dtype, Device device);
  void set_stream(const Random& random);
  Named<Tensor> parameters_, buffers_;
  Named<Module> children_;
  std::vector<std::pair<std::uint64_t, std::string>> drawn_;  // keys and names of parameters initialised at random
  Tensor flat_parameters_, flat_gradients_;
  Random stream_;
  std::uint64_t draws_ = 0;
  bool training_ = true;
};

}  // namespace voxgrad::nn
