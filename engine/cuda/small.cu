// Numbers of every type are computed in f64 and rounded when they are stored.
#include "engine/cuda/small.h"

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "engine/cuda/convert.h"
#include "engine/cuda/device.h"
#include "engine/cuda/launch.h"
#include "engine/cuda/strided.h"
#include "engine/functors.h"

namespace voxgrad::cuda {
namespace {

enum class Kind : std::uint8_t { unary, unary_slope, binary, slope_p, slope_q, sum, max, min, fill, move, add, lerp };

struct Instruction {
  Kind kind;
  std::uint8_t op = 0;  // UnaryOp or BinaryOp
  DType p_type{}, q_type{}, dy_type{}, to_type{};
  int count = 0;  // elements of the result
  double a = 0, b = 0;
  const void *p = nullptr, *q = nullptr, *dy = nullptr;  // q: of a unary slope, the result
  void* to = nullptr;
  // Strides of p and q, or, to move, of p and the result. A reduction has those of p for the axes that stay, and behind
  // them for those that are added up, which are `length` elements. Last axis first.
  int axes = 0, reduced = 0, length = 1;
  int extent[Shape::kMaxDims] = {}, p_stride[Shape::kMaxDims] = {}, q_stride[Shape::kMaxDims] = {};
};

struct Program {
  static constexpr int kMost = 26;
  int count = 0;
  Instruction at[kMost];
};
static_assert(sizeof(Program) <= 4096, "what a kernel takes as arguments");

__device__ inline double load(const void* data, DType type, int i) {
  switch (type) {
    case DType::f32: return static_cast<const float*>(data)[i];
    case DType::f64: return static_cast<const double*>(data)[i];
    case DType::bf16: return static_cast<float>(static_cast<const Bf16*>(data)[i]);
    case DType::i32: return static_cast<const std::int32_t*>(data)[i];
    case DType::u8: return static_cast<const std::uint8_t*>(data)[i];
  }
  return 0;
}
__device__ inline void store(void* data, DType type, int i, double x) {
  switch (type) {
    case DType::f32: static_cast<float*>(data)[i] = static_cast<float>(x); return;
    case DType::f64: static_cast<double*>(data)[i] = x; return;
    case DType::bf16: static_cast<Bf16*>(data)[i] = x; return;
    case DType::i32: static_cast<std::int32_t*>(data)[i] = converted<std::int32_t>(x); return;
    case DType::u8: static_cast<std::uint8_t*>(data)[i] = converted<std::uint8_t>(x); return;
  }
}

// Bits for bits where the type stays, and a NaN keeps its bits between types of f32 arithmetic, as in memory.cu.
__device__ inline void move(const Instruction& in, int from, int to) {
  const auto narrow = [](DType type) { return type == DType::f32 || type == DType::bf16; };
  if (in.p_type == DType::u8 && in.to_type == DType::u8) {
    static_cast<std::uint8_t*>(in.to)[to] = static_cast<const std::uint8_t*>(in.p)[from];
  } else if (narrow(in.p_type) && narrow(in.to_type)) {
    const float x = in.p_type == DType::f32 ? static_cast<const float*>(in.p)[from]
                                            : static_cast<float>(static_cast<const Bf16*>(in.p)[from]);
    if (in.to_type == DType::f32)
      static_cast<float*>(in.to)[to] = x;
    else
      static_cast<Bf16*>(in.to)[to] = x;
  } else {
    store(in.to, in.to_type, to, load(in.p, in.p_type, from));
  }
}

struct Place {
  int p, q;
};
__device__ inline Place place_of(const Instruction& in, int begin, int end, int i) {
  Place place{0, 0};
  for (int axis = begin; axis < end; ++axis) {
    const int rest = i % in.extent[axis];
    place.p += rest * in.p_stride[axis];
    place.q += rest * in.q_stride[axis];
    i /= in.extent[axis];
  }
  return place;
}

// clang-format off
__device__ double unary_value(const Instruction& in, double x) {
  switch (static_cast<UnaryOp>(in.op)) {
#define VOXGRAD_CASE(name, ...) case UnaryOp::name: return functors::unary_##name<double>{in.a, in.b}.value(x);
    VOXGRAD_UNARY_TABLE(VOXGRAD_CASE)
#undef VOXGRAD_CASE
  }
  return 0;
}
__device__ double unary_slope(const Instruction& in, double x, double y) {
  switch (static_cast<UnaryOp>(in.op)) {
#define VOXGRAD_CASE(name, ...) case UnaryOp::name: return functors::unary_##name<double>{in.a, in.b}.slope(x, y);
    VOXGRAD_UNARY_TABLE(VOXGRAD_CASE)
#undef VOXGRAD_CASE
  }
  return 0;
}
__device__ double binary_part(const Instruction& in, double p, double q) {
  switch (static_cast<BinaryOp>(in.op)) {
#define VOXGRAD_CASE(name, ...)                                            \
    case BinaryOp::name: {                                                 \
      using Functor = functors::binary_##name<double>;                     \
      return in.kind == Kind::binary    ? Functor::value(p, q)             \
             : in.kind == Kind::slope_p ? Functor::slope_p(p, q)           \
                                        : Functor::slope_q(p, q);          \
    }
    VOXGRAD_BINARY_TABLE(VOXGRAD_CASE)
#undef VOXGRAD_CASE
  }
  return 0;
}
// clang-format on

// As in reduce.cu, a NaN stays.
__device__ inline double merged(Kind kind, double a, double b) {
  if (kind == Kind::sum) return a + b;
  return (kind == Kind::max ? b > a : b < a) || b != b ? b : a;
}
__device__ inline double reduced(const Instruction& in, int i) {
  constexpr double kInfinite = std::numeric_limits<double>::infinity();
  const int base = place_of(in, 0, in.axes, i).p;
  double state = in.kind == Kind::sum ? 0 : in.kind == Kind::max ? -kInfinite : kInfinite;
  for (int j = 0; j < in.length; ++j)
    state = merged(in.kind, state, load(in.p, in.p_type, base + place_of(in, in.axes, in.axes + in.reduced, j).p));
  return state;
}

__device__ inline void run(const Instruction& in, int i) {
  const auto result = [&](double x) { store(in.to, in.to_type, i, x); };
  const auto dy = [&] { return load(in.dy, in.dy_type, i); };
  switch (in.kind) {
    case Kind::unary: return result(unary_value(in, load(in.p, in.p_type, i)));
    case Kind::unary_slope: return result(dy() * unary_slope(in, load(in.p, in.p_type, i), load(in.q, in.q_type, i)));
    case Kind::binary:
    case Kind::slope_p:
    case Kind::slope_q: {
      const Place place = place_of(in, 0, in.axes, i);
      const double part = binary_part(in, load(in.p, in.p_type, place.p), load(in.q, in.q_type, place.q));
      return result(in.kind == Kind::binary ? part : dy() * part);
    }
    case Kind::sum:
    case Kind::max:
    case Kind::min: return result(reduced(in, i));
    case Kind::fill: return result(in.a);
    case Kind::move:
    case Kind::add: {
      const Place place = place_of(in, 0, in.axes, i);
      if (in.kind == Kind::move) return move(in, place.p, place.q);
      return store(in.to, in.to_type, place.q, load(in.to, in.to_type, place.q) + load(in.p, in.p_type, place.p));
    }
    case Kind::lerp: {
      const double y = load(in.to, in.to_type, i);
      return result(y + in.a * (load(in.p, in.p_type, i) - y));
    }
  }
}

constexpr int kThreads = 256;

__global__ void __launch_bounds__(kThreads) program_kernel(const __grid_constant__ Program program) {
  for (int k = 0; k < program.count; ++k) {
    for (int i = thread_index(); i < program.at[k].count; i += block_size()) run(program.at[k], i);
    __syncthreads();
  }
}

// Never destroyed, like the card (context.cpp): tensors with static storage may be released later.
std::vector<Instruction>& waiting = *new std::vector<Instruction>;

void wait(const Instruction& instruction) {
  if (instruction.count == 0) return;
  waiting.push_back(instruction);
  if (waiting.size() == Program::kMost) run_small();
}

bool is_small(std::initializer_list<const Tensor*> operands) {
  return std::all_of(operands.begin(), operands.end(), [](const Tensor* x) { return x->numel() <= kSmall; });
}

Instruction instruction(Kind kind, const Tensor& p, const Tensor& to) {
  return {.kind = kind,
          .p_type = p.dtype(),
          .to_type = to.dtype(),
          .count = static_cast<int>(to.numel()),
          .p = p.raw(),
          .to = to.raw()};
}

// The axes of a walk behind those that are there.
void append(Instruction& in, const Walk& walk) {
  const int first = in.axes + in.reduced;
  for (int axis = 0; axis < walk.axes; ++axis) {
    in.extent[first + axis] = static_cast<int>(walk.extent[axis]);
    in.p_stride[first + axis] = static_cast<int>(walk.p_stride[axis]);
    in.q_stride[first + axis] = static_cast<int>(walk.q_stride[axis]);
  }
}

Instruction binary_instruction(Kind kind, BinaryOp op, const Tensor& p, const Tensor& q, const Tensor& to) {
  Instruction in = instruction(kind, p, to);
  in.op = static_cast<std::uint8_t>(op);
  in.q = q.raw();
  in.q_type = q.dtype();
  const Walk walk = broadcast_walk(p.shape(), q.shape(), to.shape());
  append(in, walk);
  in.axes = walk.axes;
  return in;
}

}  // namespace

void run_small() {
  if (waiting.empty()) return;
  Program program;
  program.count = static_cast<int>(waiting.size());
  std::copy(waiting.begin(), waiting.end(), program.at);
  waiting.clear();
  launch(program_kernel, {1, kThreads}, program);
}

bool try_run_small() noexcept {
  std::vector<Instruction> kept;
  try {
    kept = waiting;
    run_small();
    return true;
  } catch (...) {
    waiting.swap(kept);
    return false;
  }
}

void discard_small() noexcept { waiting.clear(); }

// As the other kernels compare with it: 0.1 in f32 is not above 0.1.
static double as_type(const Tensor& x, double value) {
  return x.dtype() == DType::f64 ? value : static_cast<double>(static_cast<float>(value));
}

bool small_unary(UnaryOp op, double a, double b, const Tensor& x, const Tensor& y) {
  if (!is_small({&x})) return false;
  Instruction in = instruction(Kind::unary, x, y);
  in.op = static_cast<std::uint8_t>(op);
  in.a = as_type(x, a);
  in.b = as_type(x, b);
  wait(in);
  return true;
}

bool small_unary_gradient(UnaryOp op, double a, double b, const Tensor& x, const Tensor& y, const Tensor& dy,
                          const Tensor& dx) {
  if (!is_small({&x})) return false;
  Instruction in = instruction(Kind::unary_slope, x, dx);
  in.op = static_cast<std::uint8_t>(op);
  in.a = as_type(x, a);
  in.b = as_type(x, b);
  in.q = y.raw();
  in.q_type = y.dtype();
  in.dy = dy.raw();
  in.dy_type = dy.dtype();
  wait(in);
  return true;
}

bool small_binary(BinaryOp op, const Tensor& p, const Tensor& q, const Tensor& y) {
  if (!is_small({&y})) return false;
  wait(binary_instruction(Kind::binary, op, p, q, y));
  return true;
}

bool small_binary_gradient(BinaryOp op, int side, const Tensor& p, const Tensor& q, const Tensor& dy, const Tensor& d) {
  if (!is_small({&d})) return false;
  Instruction in = binary_instruction(side == 0 ? Kind::slope_p : Kind::slope_q, op, p, q, d);
  in.dy = dy.raw();
  in.dy_type = dy.dtype();
  wait(in);
  return true;
}

bool small_reduce(ReduceOp op, const Tensor& x, const Tensor& y) {
  constexpr std::int64_t kLongest = 128;  // one thread adds up a result
  if (!is_small({&x}) || y.numel() == 0 || x.numel() / y.numel() > kLongest) return false;
  Instruction in = instruction(op == ReduceOp::sum ? Kind::sum : op == ReduceOp::max ? Kind::max : Kind::min, x, y);
  Walk kept, gone;
  std::int64_t step = 1;
  for (int axis = x.dims() - 1; axis >= 0; --axis) {
    (y.extent(axis) == 1 ? gone : kept).push(x.extent(axis), step, 0);
    step *= x.extent(axis);
  }
  append(in, kept);
  in.axes = kept.axes;
  append(in, gone);
  in.reduced = gone.axes;
  in.length = static_cast<int>(x.numel() / y.numel());
  wait(in);
  return true;
}

bool small_fill(const Tensor& y, double value) {
  if (!is_small({&y})) return false;
  Instruction in = instruction(Kind::fill, y, y);
  in.a = value;
  wait(in);
  return true;
}

bool small_cast(const Tensor& x, const Tensor& y) {
  if (!is_small({&x})) return false;
  Instruction in = instruction(Kind::move, x, y);
  in.axes = 1;
  in.extent[0] = std::max(1, in.count);
  in.p_stride[0] = in.q_stride[0] = 1;
  wait(in);
  return true;
}

bool small_copy(void* to, const void* from, std::size_t bytes) {
  if (bytes > static_cast<std::size_t>(kSmall)) return false;
  Instruction in{.kind = Kind::move,
                 .p_type = DType::u8,
                 .to_type = DType::u8,
                 .count = static_cast<int>(bytes),
                 .p = from,
                 .to = to,
                 .axes = 1};
  in.extent[0] = static_cast<int>(bytes);
  in.p_stride[0] = in.q_stride[0] = 1;
  wait(in);
  return true;
}

bool small_copy_box(const Tensor& x, const Shape& x_begin, const Tensor& y, const Shape& y_begin, const Shape& extents,
                    bool add) {
  if (!is_small({&x, &y})) return false;
  const Box box = box_of(x.shape(), x_begin, y.shape(), y_begin, extents, 1);
  Instruction in = instruction(add ? Kind::add : Kind::move, x, y);
  const auto size = static_cast<std::int64_t>(size_of(x.dtype()));
  in.p = static_cast<const std::byte*>(in.p) + box.x_origin * size;
  in.to = static_cast<std::byte*>(in.to) + box.y_origin * size;
  in.count = static_cast<int>(box.numel);
  append(in, box.walk);
  in.axes = box.walk.axes;
  wait(in);
  return true;
}

bool small_lerp(const Tensor& x, double weight, const Tensor& y) {
  if (!is_small({&y})) return false;
  Instruction in = instruction(Kind::lerp, x, y);
  in.a = weight;
  wait(in);
  return true;
}

}  // namespace voxgrad::cuda
