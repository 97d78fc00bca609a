// What messages say about numbers, shapes and tensors. Prints the elements of a tensor, and the graph that was recorded
// for it.
#include <array>
#include <charconv>
#include <iomanip>
#include <ostream>
#include <sstream>
#include <unordered_map>
#include <unordered_set>

#include "engine/autograd.h"

namespace voxgrad {
namespace {

struct Elements {
  Shape shape;
  std::vector<double> values;
  std::size_t width = 0;  // the length of the longest number that was written
  bool shortened = false;
  int precision = 4;  // digits

  // Writes the axes from `axis` on, beginning with element `first`.
  void write(std::ostream& out, int axis, std::int64_t first) {
    constexpr std::int64_t kEdge = 3;
    if (axis == shape.dims()) {
      std::ostringstream digits;
      digits << std::setprecision(precision) << nth(values, first);
      const std::string number = std::move(digits).str();
      out << std::setw(static_cast<int>(width)) << number;
      width = std::max(width, number.size());
      return;
    }
    std::int64_t step = 1;
    for (int inner = axis + 1; inner < shape.dims(); ++inner) step *= shape[inner];
    const std::int64_t extent = shape[axis];
    std::string separator = ", ";
    if (axis + 1 < shape.dims()) {
      separator = "," + std::string(static_cast<std::size_t>(shape.dims() - axis - 1), '\n');
      separator += std::string(static_cast<std::size_t>(axis + 1), ' ');
    }
    out << '[';
    for (std::int64_t i = 0; i < extent; ++i) {
      if (i > 0) out << separator;
      if (shortened && i == kEdge && extent > 2 * kEdge) {
        out << "..." << separator;
        i = extent - kEdge;
      }
      write(out, axis + 1, first + i * step);
    }
    out << ']';
  }
};

}  // namespace

std::string detail::digits_of(double number) {
  std::array<char, 32> digits;
  char* const begin = digits.data();
  return {begin, std::to_chars(begin, begin + digits.size(), number, std::chars_format::general, 6).ptr};
}

std::string describe(const Shape& shape) {
  std::string extents;
  for (const std::int64_t extent : shape) extents += (extents.empty() ? "" : ", ") + std::to_string(extent);
  return '[' + extents + ']';
}

std::string describe(const Tensor& tensor) {
  return tensor.defined() ? text(tensor.dtype(), ' ', tensor.shape()) : "undefined tensor";
}

std::ostream& operator<<(std::ostream& out, const Tensor& tensor) {
  constexpr std::int64_t kMost = 1000;
  if (!tensor.defined()) return out << describe(tensor);
  if (tensor.numel() == 0) return out << "[]";  // other extents may be beyond all bounds
  Elements elements{tensor.shape(), tensor.to_vector<double>(), 0, tensor.numel() > kMost,
                    is_float(tensor.dtype()) ? 4 : 10};
  std::ostringstream trial;  // the first pass only finds the width
  elements.write(trial, 0, 0);
  elements.write(out, 0, 0);
  return out;
}

void write_graph(const Tensor& output, std::ostream& out, const std::vector<NamedTensor>& names) {
  check(output.requires_grad(), "write_graph: nothing was recorded: no input requires a gradient, or NoGrad is active");
  std::unordered_map<const Node*, std::string> leaves;
  for (const NamedTensor& entry : names) leaves[entry.tensor.node().get()] = entry.name;
  std::unordered_set<const Node*> seen{output.node().get()};
  std::vector<const Node*> open{output.node().get()};
  out << "digraph {\n";
  while (!open.empty()) {
    const Node& node = *open.back();
    open.pop_back();
    const std::string name = !node.leaf() ? node.operation : leaves.contains(&node) ? leaves[&node] : "leaf";
    std::ostringstream quoted;  // a quote or a backslash in a name must not end the label
    quoted << std::quoted(name);
    std::string label = std::move(quoted).str();
    label.pop_back();
    out << "  n" << node.number << " [label=" << label << "\\n"
        << describe(node.shape) << '"' << (node.leaf() ? ", shape=box];\n" : "];\n");
    for (const Edge& edge : node.edges) {
      out << "  n" << edge.input->number << " -> n" << node.number << ";\n";
      if (seen.insert(edge.input.get()).second) open.push_back(edge.input.get());
    }
  }
  out << "}\n";
}

}  // namespace voxgrad
