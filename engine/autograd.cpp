#include "engine/autograd.h"

#include <algorithm>
#include <atomic>

#include "engine/backend.h"
#include "engine/ops.h"

namespace voxgrad {
namespace {

thread_local bool enabled = true;
std::atomic<std::uint64_t> next_number{1};

std::shared_ptr<Node> make_node(const char* operation, const Shape& shape) {
  auto node = std::make_shared<Node>();
  node->operation = operation;
  node->number = next_number.fetch_add(1, std::memory_order_relaxed);
  node->shape = shape;
  return node;
}

// Adds `gradient` to the sum at `node`. If a leaf has a buffer, the sum stays in that buffer.
void accumulate(Node& node, Tensor gradient) {
  if (!(gradient.shape() == node.shape)) gradient = sum_to(gradient, node.shape);
  if (!node.grad.defined()) {
    // Later additions must not overwrite a gradient that is still referenced elsewhere, so a leaf copies it.
    node.grad = node.leaf() && !gradient.unique() ? gradient.clone() : std::move(gradient);
  } else if (node.leaf() || node.grad.unique()) {
    node.grad.backend().binary(BinaryOp::add, node.grad, gradient, node.grad);
  } else {
    node.grad = add(node.grad, gradient);
  }
}

void check_gradient(const Tensor& x, const Tensor& gradient, const char* function) {
  check(gradient.defined() && gradient.shape() == x.shape() && gradient.dtype() == x.dtype() &&
            gradient.device() == x.device(),
        function, ": the gradient is ", gradient, " on ", gradient.device(), ", the tensor is ", x, " on ", x.device());
}

bool older(const std::shared_ptr<Node>& a, const std::shared_ptr<Node>& b) { return a->number < b->number; }

}  // namespace

Node::~Node() {
  std::shared_ptr<Node> doomed;  // a list, because a destructor must not allocate
  const auto release_inputs = [&doomed](Node& node) {
    for (Edge& edge : node.edges)
      if (const auto input = std::move(edge.input); input && input.use_count() == 1)
        input->next = std::exchange(doomed, input);
  };
  release_inputs(*this);
  while (const std::shared_ptr<Node> node = std::move(doomed)) {
    doomed = std::move(node->next);
    release_inputs(*node);
  }
}

NoGrad::NoGrad(bool recording) : before_(enabled) { enabled = recording; }
NoGrad::~NoGrad() { enabled = before_; }
bool grad_enabled() noexcept { return enabled; }

bool wants_gradient(std::initializer_list<const Tensor*> inputs) {
  return enabled && std::any_of(inputs.begin(), inputs.end(), [](const Tensor* x) { return x->requires_grad(); });
}

Tensor record(const char* operation, Tensor output, std::vector<Input> inputs) {
  if (!enabled) return output;
  std::shared_ptr<Node> node;
  for (Input& input : inputs) {
    if (!input.tensor.requires_grad()) continue;
    check(input.gradient != nullptr, operation, ": no gradient is given for an input that requires one");
    if (!node) node = make_node(operation, output.shape());
    node->edges.push_back({input.tensor.node(), std::move(input.gradient)});
  }
  return node ? attach(std::move(output), std::move(node)) : output;
}

Tensor& Tensor::set_requires_grad(bool on) {
  check(defined(), "set_requires_grad: undefined tensor");
  check(!on || is_float(dtype_), "set_requires_grad: only f32, f64 and bf16 have gradients, this is ", *this);
  check(!node_ || node_->leaf(), "set_requires_grad: only a leaf can be switched; detach() it first");
  if (!on || !node_) node_ = on ? make_node(nullptr, shape_) : nullptr;  // a leaf keeps its gradient and its graph
  return *this;
}

bool Tensor::has_grad() const noexcept { return node_ && node_->leaf() && node_->grad.defined(); }

Tensor Tensor::grad() const {
  const auto refuse = [](const std::string& why, const char* hint) {
    throw Error(ErrorKind::argument, "grad: there is no gradient: " + why, hint);
  };
  if (!node_) refuse("this tensor does not require one", "call set_requires_grad() before it is used");
  if (!node_->leaf()) refuse(text("this is the result of ", node_->operation, ", and leaves alone keep theirs"), "");
  if (!node_->grad.defined()) refuse("none has arrived at this leaf", "call backward() on a result that depends on it");
  return node_->grad;
}

void Tensor::set_grad(Tensor gradient) const {
  check(node_ && node_->leaf(), "set_grad: needs a leaf that requires a gradient");
  if (gradient.defined()) check_gradient(*this, gradient, "set_grad");
  node_->grad = std::move(gradient);
}

void Tensor::backward() const {
  check(numel() == 1, "backward: needs one number to start from, this is ", *this);
  backward(full(shape_, 1.0, dtype_, device()));
}

void Tensor::backward(const Tensor& gradient) const {
  check(node_ != nullptr, "backward: nothing was recorded: no input requires a gradient, or NoGrad is active");
  check_gradient(*this, gradient, "backward");
  const NoGrad guard;
  struct Heap : std::vector<std::shared_ptr<Node>> {  // the newest node on top; it is added with its first gradient
    ~Heap() {
      for (const std::shared_ptr<Node>& open : *this) open->grad = Tensor();  // after a failure the next begins anew
    }
  } heap;
  const auto arrive = [&heap](const std::shared_ptr<Node>& node, Tensor arriving) {
    check(!node->swept, "backward: this graph was swept already and its saved tensors are gone; run forward again");
    if (!node->leaf() && !node->grad.defined()) {
      heap.push_back(node);
      std::push_heap(heap.begin(), heap.end(), older);
    }
    accumulate(*node, std::move(arriving));
  };
  arrive(node_, gradient);
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), older);
    const std::shared_ptr<Node> node = std::move(heap.back());
    heap.pop_back();
    const Tensor output_gradient = std::exchange(node->grad, Tensor());
    node->swept = true;
    try {
      for (Edge& edge : node->edges) {
        Tensor input_gradient = edge.gradient(output_gradient);
        edge.gradient = nullptr;  // frees the tensors that only this closure saved
        arrive(edge.input, std::move(input_gradient));
      }
    } catch (const Error& error) {
      throw Error(error.kind(), text("backward of ", node->operation, ": ", error.message()), error.hint());
    }
    node->edges.clear();
  }
}

}  // namespace voxgrad
