// The text of a tensor, and the drawing of its graph.
#include <cmath>
#include <cstdio>
#include <sstream>
#include <string_view>

#include "engine/ops.h"
#include "tests/test.h"

using namespace voxgrad;
using test::contains;

namespace {

std::string printed(const Tensor& x) {
  std::ostringstream out;
  out << x;
  return out.str();
}

std::string drawn(const Tensor& x, const std::vector<NamedTensor>& names = {}) {
  std::ostringstream out;
  write_graph(x, out, names);
  return out.str();
}

}  // namespace

TEST_CASE("a tensor is printed as nested rows, with its numbers below each other") {
  CHECK(printed(tensor(0.5)) == "0.5");
  CHECK(printed(tensor({1, -2.5, 1e-6})) == "[    1,  -2.5, 1e-06]");
  CHECK(printed(tensor({{1, 2}, {-3, 4}})) == "[[ 1,  2],\n [-3,  4]]");
  CHECK(printed(tensor({{{1, 2}}, {{3, 4}}}, DType::u8)) == "[[[1, 2]],\n\n [[3, 4]]]");
  CHECK(printed(tensor({1.0 / 3}).to(DType::bf16)) == "[0.334]");
  CHECK(printed(tensor({12345, 12346}, DType::i32)) == "[12345, 12346]");
  CHECK(printed(tensor({})) == "[]");
  CHECK(printed(zeros({std::int64_t{1} << 40, 0})) == "[]");  // and takes no time
  CHECK(printed(Tensor()) == "undefined tensor");
}

TEST_CASE("of more than a thousand elements those at the edges are printed") {
  std::vector<float> numbers(2002);
  for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<float>(i);
  CHECK(printed(from_vector({2002}, numbers)) == "[   0,    1,    2, ..., 1999, 2000, 2001]");
  CHECK(printed(from_vector({2, 1001}, numbers)) ==
        "[[   0,    1,    2, ...,  998,  999, 1000],\n [1001, 1002, 1003, ..., 1999, 2000, 2001]]");
}

TEST_CASE("a message says what a tensor is, not what its elements are") {
  CHECK(text("x is ", tensor({1, 2})) == "x is f32 [2]");
  CHECK(describe(zeros({2, 3}, DType::i32)) == "i32 [2, 3]");
}

TEST_CASE("the graph is drawn with operations, shapes and the names of leaves") {
  Tensor x = zeros({2, 3}).set_requires_grad(), w = zeros({3}).set_requires_grad();
  const Tensor y = sum(exp(x * w) + x);
  const std::string graph = drawn(y, {{"weight", w}});
  CHECK(contains(graph, "digraph {\n"));
  CHECK(contains(graph, "[label=\"weight\\n[3]\", shape=box];"));
  CHECK(contains(graph, "[label=\"leaf\\n[2, 3]\", shape=box];"));
  CHECK(contains(drawn(y, {{R"(a "b" \)", w}}), R"([label="a \"b\" \\\n[3]", shape=box];)"));
  for (const char* operation : {"multiply\\n[2, 3]", "exp\\n[2, 3]", "add\\n[2, 3]", "sum\\n[1, 1]", "reshape\\n[]"})
    CHECK_MESSAGE(contains(graph, std::string("[label=\"") + operation + "\"];"), operation);
  std::size_t edges = 0;
  for (std::size_t at = graph.find("->"); at != std::string::npos; at = graph.find("->", at + 1)) ++edges;
  CHECK(edges == 7);  // two of multiply, one of exp, two of add, one each of sum and reshape
  CHECK(contains(test::error_of([&] { drawn(y.detach()); }), "write_graph: nothing was recorded"));
}

TEST_CASE("messages write numbers as printf does, and say what a tensor is") {
  CHECK(text("at ", 3, ' ', std::size_t{18446744073709551615u}, ' ', -4L, ' ', true, '.') ==
        "at 3 18446744073709551615 -4 1.");
  for (const double number : {0.0, -0.0, 1.0, 0.1, 1e-5, 1234567.0, 123456.5, -2.5e300, 1.0 / 3, double{INFINITY}}) {
    char expected[32];
    std::snprintf(expected, sizeof expected, "%g", number);
    CHECK(text(number) == expected);
  }
  CHECK(text(0.1f, ' ', std::string("b"), std::string_view("c")) == "0.1 bc");
  CHECK(text(Shape{2, 3}, Shape(), ' ', DType::bf16, ' ', Device::cpu) == "[2, 3][] bf16 cpu");
  CHECK(text(zeros({2, 3}), ", ", Tensor()) == "f32 [2, 3], undefined tensor");
}
