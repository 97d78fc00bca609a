// Matrix products: both implementations against the definition and against each other.
#include "tests/test.h"

#include "tests/engine/conv_reference.h"

using namespace voxgrad;
using namespace voxgrad::test;

namespace {

struct Product {
  std::int64_t m, n, k;
  bool transpose_a, transpose_b;
  Shape a() const { return transpose_a ? Shape{k, m} : Shape{m, k}; }
  Shape b() const { return transpose_b ? Shape{n, k} : Shape{k, n}; }
  std::string name() const {
    return text(m, " x ", n, " x ", k, transpose_a ? " A^T" : " A", transpose_b ? " B^T" : " B");
  }
};

Tensor product(const Product& c, const Tensor& a, const Tensor& b) {
  const Tensor y = full({c.m, c.n}, NAN, a.dtype());
  cpu_backend().matmul(a, c.transpose_a, b, c.transpose_b, y);
  return y;
}

Tensor definition(const Product& c, const Tensor& a, const Tensor& b) {
  const std::vector<double> p = a.to_vector<double>(), q = b.to_vector<double>();
  std::vector<double> y(static_cast<std::size_t>(c.m * c.n));
  for (std::int64_t i = 0; i < c.m; ++i)
    for (std::int64_t l = 0; l < c.k; ++l) {
      const double factor = nth(p, c.transpose_a ? l * c.m + i : i * c.k + l);
      for (std::int64_t j = 0; j < c.n; ++j)
        nth(y, i * c.n + j) += factor * nth(q, c.transpose_b ? j * c.k + l : l * c.n + j);
    }
  return from_vector<double>({c.m, c.n}, y);
}

// Extents around the register tile and above the cache blocks (256 rows of B, 256 rows and columns per task).
Product generate_product(Random& random) {
  const auto extent = [&] {
    const double kind = random.uniform();
    return kind < 0.6 ? 1 + random.below(40) : kind < 0.95 ? 1 + random.below(150) : 250 + random.below(300);
  };
  return {extent(), extent(), extent(), random.chance(0.5), random.chance(0.5)};
}

// Whole numbers: every order of summation gives the same result.
template <class T>
void compare_with_definition(const char* implementation) {
  const Setting gemm("VOXGRAD_GEMM", implementation);
  Random random(1);
  for (std::uint64_t i = 0; i < 200; ++i) {
    const Product c = generate_product(random);
    const Tensor a = whole_numbers<T>(c.a(), random.fork(2 * i)), b = whole_numbers<T>(c.b(), random.fork(2 * i + 1));
    CHECK_MESSAGE(normalised_error(product(c, a, b), definition(c, a, b)) == 0, implementation, " ", c.name());
  }
}

bool has_openblas() {
  const Setting gemm("VOXGRAD_GEMM", "openblas");
  return error_of([] { product({1, 1, 1, false, false}, zeros({1, 1}), zeros({1, 1})); }).empty();
}

}  // namespace

TEST_CASE("matmul, built in: generated extents are exact") {
  compare_with_definition<float>("builtin");
  compare_with_definition<double>("builtin");
}

TEST_CASE("matmul, OpenBLAS: generated extents are exact, or the error says that this build has none") {
  if (has_openblas()) {
    compare_with_definition<float>("openblas");
    compare_with_definition<double>("openblas");
  } else {
    const Setting gemm("VOXGRAD_GEMM", "openblas");
    const std::string message = error_of([] { product({1, 1, 1, false, false}, zeros({1, 1}), zeros({1, 1})); });
    CHECK_MESSAGE(contains(message, "VOXGRAD_GEMM=openblas"), message);
  }
}

TEST_CASE("matmul: both implementations agree on large products within rounding") {
  if (!has_openblas()) {
    MESSAGE("this build has no OpenBLAS");
    return;
  }
  Random random(2);
  for (const Product& c : {Product{600, 700, 800, false, false}, Product{64, 513, 2000, true, false},
                           Product{300, 5, 3000, false, true}, Product{7, 900, 1000, true, true}}) {
    const Tensor a = uniform_numbers<float>(c.a(), random.fork(1)), b = uniform_numbers<float>(c.b(), random.fork(2));
    const auto with = [&](const char* implementation) {
      const Setting gemm("VOXGRAD_GEMM", implementation);
      return product(c, a, b);
    };
    CHECK_MESSAGE(normalised_error(with("builtin"), with("openblas")) <= 1e-5, c.name());
  }
}

TEST_CASE("matmul: the same bits for 1, 2 and 3 threads") {
  const Product c{530, 600, 300, false, false};
  Random random(3);
  const Tensor a = uniform_numbers<float>(c.a(), random.fork(1)), b = uniform_numbers<float>(c.b(), random.fork(2));
  const Tensor one = with_threads(1, [&] { return product(c, a, b); });
  for (const int count : {2, 3}) CHECK(same_bits(one, with_threads(count, [&] { return product(c, a, b); })));
}

TEST_CASE("matmul: no terms give zeros") {
  const Product c{3, 4, 0, false, false};
  CHECK(normalised_error(product(c, zeros(c.a()), zeros(c.b())), zeros({3, 4})) == 0);
}

TEST_CASE("matmul: VOXGRAD_GEMM with an unknown value is an error that lists the values") {
  const Setting gemm("VOXGRAD_GEMM", "mkl");
  const std::string message = error_of([] { product({1, 1, 1, false, false}, zeros({1, 1}), zeros({1, 1})); });
  CHECK_MESSAGE(contains(message, "VOXGRAD_GEMM=mkl"), message);
  CHECK_MESSAGE(contains(message, "builtin"), message);
}
