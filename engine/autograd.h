// Reverse-mode autodiff. The graph is made of nodes that are owned by the tensors that they produced and, behind
// them, by their consumers. Nodes are numbered at creation; backward() sweeps them newest first, which is a
// topological order because an op can only read tensors that exist already.
//
// An op records one closure per input that maps the gradient of the output to the gradient of that input. What the
// closure captures is what is saved: capture detached tensors. An input that needs no gradient drops its closure and
// all that it kept. A closure may return the gradient in the broadcast shape of the output; the sweep sums it back to
// the shape of the input. Saved tensors are freed while the sweep advances: a graph can be swept once.
// There are no second derivatives.
//
// A graph is recorded and swept by one thread at a time. Different graphs may be swept at once if no leaf that requires
// a gradient is in two of them: the leaf is where their sums would meet.
#pragma once

#include <functional>
#include <initializer_list>
#include <iosfwd>
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
  bool leaf() const noexcept { return operation == nullptr; }
  const char* operation = nullptr;  // name of what computed the tensor: "conv"
  std::uint64_t number = 0;
  Shape shape;
  std::vector<Edge> edges;  // empty for a leaf
  Tensor grad;              // a leaf collects here; an inner node holds what has arrived so far
  bool swept = false;
};

struct Input {
  const Tensor& tensor;
  Gradient gradient;
};

// Attaches a node to `output` if gradients are on and an input needs one; returns the output. `operation` is a literal:
// it names the node in errors and drawings.
Tensor record(const char* operation, Tensor output, std::vector<Input> inputs);
// True if record() would attach a node: lets an op skip saving what only the backward pass needs.
[[nodiscard]] bool recording(std::initializer_list<const Tensor*> inputs);

// Writes the graph that was recorded for `output` in Graphviz' language, to be drawn by `dot -Tsvg`: a box for each
// leaf, which `names` (Module::parameters()) label, and an ellipse for each operation with the shape of its result. To
// be called before backward(), which takes the graph apart.
void write_graph(const Tensor& output, std::ostream& out, const std::vector<NamedTensor>& names = {});

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
[[nodiscard]] bool grad_enabled() noexcept;

}  // namespace voxgrad
