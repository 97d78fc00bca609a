// Reverse-mode autodiff. The graph is made of nodes that are owned by the tensors that they produced and, behind
// them, by their consumers. Nodes are numbered at creation; backward() sweeps them newest first, which is a
// topological order because an op can only read tensors that exist already.
//
// An op records one closure per input that maps the gradient of the output to the gradient of that input. What the
// closure captures is what is saved: capture detached tensors. An input that needs no gradient drops its closure and
// all that it kept. A closure may return the gradient in the broadcast shape of the output; the sweep sums it back to
// the shape of the input. Saved tensors are freed while the sweep advances: a graph can be swept once.
// There are no second derivatives.
#pragma once

#include <functional>
#include <initializer_list>
#include <vector>

#include "engine/tensor.h"

namespace voxgrad {

using Gradient = std::function<Tensor(const Tensor& output_gradient)>;

struct Edge {
  std::shared_ptr<Node> input;
  Gradient gradient;
};

struct Node {
  Node() = default;
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;
  ~Node();  // iterative: a long chain must not overflow the stack
  std::uint64_t number = 0;
  Shape shape;
  std::vector<Edge> edges;  // empty for a leaf
  Tensor grad;              // a leaf collects here; an inner node holds what has arrived so far
  bool leaf = true;
  bool swept = false;
};

struct Input {
  const Tensor& tensor;
  Gradient gradient;
};

// Attaches a node to `output` if gradients are on and an input needs one; returns the output.
Tensor record(Tensor output, std::initializer_list<Input> inputs);
Tensor record(Tensor output, std::vector<Input> inputs);
// True if record() would attach a node: lets an op skip saving what only the backward pass needs.
bool recording(std::initializer_list<const Tensor*> inputs);

// While an object of this class lives, the thread records nothing.
class NoGrad {
 public:
  NoGrad();
  ~NoGrad();
  NoGrad(const NoGrad&) = delete;
  NoGrad& operator=(const NoGrad&) = delete;

 private:
  bool before_;
};
bool grad_enabled();

}  // namespace voxgrad
