// Module: something with named parameters. A layer creates its parameters in its constructor; a composite adds its
// children under a name. Names join with dots ("encoder.0.conv1.weight") in the order of registration.
//
// All parameters of a finished module can live in one flat buffer, and their gradients in another (flatten()): one
// fused optimiser call, one gradient norm, one checkpoint blob.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "engine/tensor.h"

namespace voxgrad::nn {

class Module {
 public:
  Module() = default;
  virtual ~Module() = default;
  Module(const Module&) = delete;  // parents and optimisers hold addresses
  Module& operator=(const Module&) = delete;

  virtual Tensor forward(const Tensor& x) = 0;
  Tensor operator()(const Tensor& x) { return forward(x); }

  // Handles on the parameters (leaves that require a gradient) and buffers (running statistics), with full names.
  std::vector<NamedTensor> parameters() const;
  std::vector<NamedTensor> buffers() const;
  std::int64_t parameter_count() const;

  // Training or evaluation, for the whole tree: dropout, batch norm.
  void train(bool on = true);
  bool training() const { return training_; }

  // Moves parameters and buffers; the module is flat afterwards.
  void to(Device device);
  // Lays all parameters into one f32 or f64 buffer and gives them one gradient buffer of zeros. Idempotent.
  void flatten();
  Tensor flat_parameters();  // [parameter_count()], no graph; flattens if need be
  Tensor flat_gradients();
  void zero_grad();

  // Parameters and buffers on the host, in PyTorch's axis order: a convolution [out, *K, in] is saved as [out, in, *K].
  std::vector<NamedTensor> state() const;
  // Takes what state() gave. Error(model) that names the first tensor missing, left over, or of another shape.
  void load_state(const std::vector<NamedTensor>& state);

 protected:
  // Registers `parameter` (a member of the derived class) under `name`; it becomes a leaf that requires a gradient.
  void add_parameter(std::string name, Tensor& parameter);
  void add_buffer(std::string name, Tensor& buffer);
  void add_module(std::string name, Module& child);

 private:
  template <class Visit>
  void visit(const std::string& prefix, Visit&& f);
  std::vector<std::pair<std::string, Tensor*>> parameters_;
  std::vector<std::pair<std::string, Tensor*>> buffers_;
  std::vector<std::pair<std::string, Module*>> children_;
  Tensor flat_parameters_;
  Tensor flat_gradients_;
  bool training_ = true;
};

}  // namespace voxgrad::nn
