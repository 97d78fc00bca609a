// Work on a few numbers. A loss is arithmetic on integrals [N, C], dozens of operations, and each would take longer to
// start as a kernel of its own than to run. They wait as instructions instead, and one block runs them in their order
// before anything else is queued: whoever asks for the stream starts them first (context.h).
// Every function is one primitive of backend.h, and true if the work waits now; false: it is too large, do it yourself.
#pragma once

#include "engine/backend.h"

namespace voxgrad::cuda {

constexpr std::int64_t kSmall = 1024;  // elements of the largest operand

// Starts what waits.
void run_small();
// The same where nothing may be thrown; false if it could not be started. It waits on then, and the next piece of work
// throws the reason.
bool try_run_small() noexcept;
// Forgets what waits: it belongs to work that failed.
void discard_small() noexcept;

bool small_unary(UnaryOp op, double a, double b, const Tensor& x, const Tensor& y);
bool small_unary_gradient(UnaryOp op, double a, double b, const Tensor& x, const Tensor& y, const Tensor& dy,
                          const Tensor& dx);
bool small_binary(BinaryOp op, const Tensor& p, const Tensor& q, const Tensor& y);
bool small_binary_gradient(BinaryOp op, int side, const Tensor& p, const Tensor& q, const Tensor& dy, const Tensor& d);
bool small_reduce(ReduceOp op, const Tensor& x, const Tensor& y);
bool small_fill(const Tensor& y, double value);
bool small_cast(const Tensor& x, const Tensor& y);
bool small_copy(void* to, const void* from, std::size_t bytes);
bool small_copy_box(const Tensor& x, const Shape& x_begin, const Tensor& y, const Shape& y_begin, const Shape& extents,
                    bool add);
bool small_lerp(const Tensor& x, double weight, const Tensor& y);

}  // namespace voxgrad::cuda
