// Expect: "by hand -0.9045 and -0.5022, by sweep -0.9045 and -0.5022", and the graph in derivative.svg, derivative.dot.
//
// L = (y - 1)^2 + w^2 / 10 with y = tanh(2 w + b) is one neuron, its squared error and a penalty. On paper the chain
// rule gives
//   dL/db = 2 (y - 1) (1 - y^2)        dL/dw = 2 dL/db + w / 5
// because w reaches L in two ways, and the derivatives of both are added. backward() does the same with numbers.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <map>

#include "engine/ops.h"

using namespace voxgrad;

namespace {

// Draws the nodes of a graph in columns: a result stands to the right of all that it was computed from, and a leaf
// beside the first result that needs it.
struct Drawing {
  explicit Drawing(std::vector<NamedTensor> leaves) : leaves_(std::move(leaves)) {}

  int place(const Node& node) {  // returns the column
    if (place_.contains(&node)) return place_[&node].first;
    int column = 1;
    for (const Edge& edge : node.edges)
      if (!edge.input->leaf()) column = std::max(column, place(*edge.input) + 1);
    for (const Edge& edge : node.edges)
      if (edge.input->leaf() && !place_.contains(edge.input.get())) draw(*edge.input, column - 1);
    draw(node, column);
    for (const Edge& edge : node.edges) {
      const auto [from, row] = place_[edge.input.get()];
      edges_ += text("<path d=\"M", x(from), ' ', y(row), 'H', x(column) - 76, 'L', x(column) - 52, ' ',
                     y(place_[&node].second), "\"/>\n");
    }
    return column;
  }

  std::string str() const {
    return text(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 ", 130 * rows_.size(), " 150\">\n<title>What ",
        "was computed from what, from left to right</title>\n<style>svg{font:13px sans-serif;text-anchor:middle}",
        "rect{fill:#cfe2f3;stroke:#36c}path{stroke:#888;fill:none}</style>\n", edges_, nodes_, "</svg>\n");
  }

  static int x(int column) { return 60 + 130 * column; }
  static int y(int row) { return 25 + 50 * row; }
  void draw(const Node& node, int column) {
    place_[&node] = {column, rows_[column]++};
    std::string name = node.leaf() ? "leaf" : node.operation;
    for (const NamedTensor& leaf : leaves_)
      if (leaf.tensor.node().get() == &node) name = text(leaf.name, " (", leaf.tensor.grad().item(), ')');
    nodes_ += text("<g transform=\"translate(", x(column), ' ', y(place_[&node].second),
                   ")\"><rect x=\"-52\" y=\"-15\" rx=\"", node.leaf() ? 0 : 15,
                   "\" width=\"104\" height=\"30\"/><text y=\"5\">", name, "</text></g>\n");
  }
  std::vector<NamedTensor> leaves_;
  std::map<const Node*, std::pair<int, int>> place_;  // column and row
  std::map<int, int> rows_;                           // how many nodes each column has
  std::string edges_, nodes_;
};

}  // namespace

int main() {
  Tensor w = full({}, 0.5, DType::f64).set_requires_grad(), b = full({}, -0.3, DType::f64).set_requires_grad();
  const auto loss = [&] { return square(tanh(2.0 * w + b) - 1.0) + 0.1 * square(w); };
  loss().backward();

  const double y = std::tanh(2 * 0.5 - 0.3), by_b = 2 * (y - 1) * (1 - y * y), by_w = 2 * by_b + 0.5 / 5;
  std::printf("by hand %.4f and %.4f, by sweep %.4f and %.4f\n", by_w, by_b, w.grad().item(), b.grad().item());

  const Tensor again = loss();  // backward() takes a graph apart, so a new one is drawn
  Drawing drawing({{"w", w}, {"b", b}});
  drawing.place(*again.node());
  std::ofstream("derivative.svg") << drawing.str();
  std::ofstream dot("derivative.dot");
  write_graph(again, dot, {{"w", w}, {"b", b}});
}
