// Reverse-mode autodiff. The graph consists of nodes. A node is owned by the tensor that it belongs to and by the nodes
// that were computed from it. Nodes are numbered at creation, and backward() visits them newest first. That is a
// topological order, because an operation can only read tensors that exist already.
//
// An operation records one closure per input, which maps the gradient of the output to that of the input. The tensors
// that it captures are saved for backward(). They are captured without their nodes, by detach(): a result would own
// itself, and a long chain of inputs would be destroyed recursively. The closure of an input that needs no gradient is
// dropped. A closure may return a gradient in the broadcast shape of the output; backward() sums it back to that of the
// input. It frees the saved tensors as it advances, so it visits a graph only once: there are no second derivatives.
//
// One thread at a time records and visits a graph. On the CPU two threads may call backward() on different graphs at
// the same time if no leaf that requires a gradient is in both, because both would add to its gradient.
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
  const char* operation = nullptr;  // the name of the operation that computed the tensor, such as "conv"
  std::uint64_t number = 0;
  Shape shape;
  std::vector<Edge> edges;  // empty for a leaf
  Tensor grad;              // the sum of the gradients that have arrived so far
  bool swept = false;
  std::shared_ptr<Node> next;  // of those that are destroyed together
};

struct Input {
  const Tensor& tensor;
  Gradient gradient;
};

// Attaches a node to `output` if gradients are enabled and an input requires one, and returns the output. `operation`
// is a literal that names the node in errors and drawings.
Tensor record(const char* operation, Tensor output, std::vector<Input> inputs);
// True if record() would attach a node. An operation asks this to skip what only the backward pass needs.
[[nodiscard]] bool wants_gradient(std::initializer_list<const Tensor*> inputs);

// Writes the graph that was recorded for `output` in the language of Graphviz, so that `dot -Tsvg` can draw it. Each
// leaf is a box with its name in `names` (Module::parameters()), and each operation an ellipse with the shape of its
// result. It must be called before backward(), which takes the graph apart.
void write_graph(const Tensor& output, std::ostream& out, const std::vector<NamedTensor>& names = {});

// While an object of this class lives, the thread records nothing. With `recording` it records, whatever it did before.
class NoGrad {
 public:
  explicit NoGrad(bool recording = false);
  ~NoGrad();
  NoGrad(const NoGrad&) = delete;
  NoGrad& operator=(const NoGrad&) = delete;

 private:
  bool before_;
};
[[nodiscard]] bool grad_enabled() noexcept;

}  // namespace voxgrad
