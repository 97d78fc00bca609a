// Primitives that are not written yet. Each moves to its own file (cuda_backend.h); this one disappears with the last.
#include "engine/cuda/cuda_backend.h"

namespace voxgrad::cuda {
namespace {

[[noreturn]] void unwritten(const char* name) {
  throw Error(ErrorKind::usage, text("device cuda: ", name, " is not written yet"), "use --device cpu");
}

}  // namespace

void CudaBackend::cast(const Tensor&, const Tensor&) { unwritten("cast"); }
void CudaBackend::copy_box(const Tensor&, const Shape&, const Tensor&, const Shape&, const Shape&, bool) {
  unwritten("copy_box");
}
void CudaBackend::unary(UnaryOp, double, double, const Tensor&, const Tensor&) { unwritten("unary"); }
void CudaBackend::unary_gradient(UnaryOp, double, double, const Tensor&, const Tensor&, const Tensor&, const Tensor&) {
  unwritten("unary_gradient");
}
void CudaBackend::binary(BinaryOp, const Tensor&, const Tensor&, const Tensor&) { unwritten("binary"); }
void CudaBackend::binary_gradient(BinaryOp, int, const Tensor&, const Tensor&, const Tensor&, const Tensor&) {
  unwritten("binary_gradient");
}
void CudaBackend::reduce(ReduceOp, const Tensor&, const Tensor&) { unwritten("reduce"); }
void CudaBackend::argmax(const Tensor&, const Tensor&) { unwritten("argmax"); }
std::int64_t CudaBackend::largest_label(const Tensor&, int) { unwritten("largest_label"); }
double CudaBackend::sum_of_squares(const Tensor&) { unwritten("sum_of_squares"); }
void CudaBackend::softmax(bool, const Tensor&, const Tensor&) { unwritten("softmax"); }
void CudaBackend::softmax_gradient(bool, const Tensor&, const Tensor&, const Tensor&) { unwritten("softmax_gradient"); }
void CudaBackend::matmul(const Tensor&, bool, const Tensor&, bool, const Tensor&) { unwritten("matmul"); }
void CudaBackend::conv(const Tensor&, const Tensor&, const Tensor&, const ConvGeometry&, const Tensor&) {
  unwritten("conv");
}
void CudaBackend::conv_input_gradient(const Tensor&, const Tensor&, const ConvGeometry&, const Tensor&) {
  unwritten("conv_input_gradient");
}
void CudaBackend::conv_weight_gradient(const Tensor&, const Tensor&, const ConvGeometry&, const Tensor&) {
  unwritten("conv_weight_gradient");
}
void CudaBackend::bias_gradient(const Tensor&, const Tensor&) { unwritten("bias_gradient"); }
void CudaBackend::max_pool(const Tensor&, const Extents&, const Tensor&, const Tensor&) { unwritten("max_pool"); }
void CudaBackend::max_pool_gradient(const Tensor&, const Tensor&, const Extents&, const Tensor&) {
  unwritten("max_pool_gradient");
}
void CudaBackend::upsample(const Tensor&, Upsampling, const Extents&, const Tensor&) { unwritten("upsample"); }
void CudaBackend::upsample_gradient(const Tensor&, Upsampling, const Extents&, const Tensor&) {
  unwritten("upsample_gradient");
}
void CudaBackend::norm_statistics(const Tensor&, double, const Tensor&, const Tensor&) { unwritten("norm_statistics"); }
void CudaBackend::norm(const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&, const NormActivation&,
                       const Tensor&) {
  unwritten("norm");
}
void CudaBackend::norm_gradient(const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&,
                                const NormActivation&, const Tensor&, bool, const Tensor&, const Tensor&,
                                const Tensor&) {
  unwritten("norm_gradient");
}
void CudaBackend::random(Distribution, std::uint64_t, double, double, const Tensor&) { unwritten("random"); }
void CudaBackend::dropout(const Tensor&, double, bool, std::uint64_t, const Tensor&) { unwritten("dropout"); }
void CudaBackend::integrate(const Tensor&, const Tensor&, const std::vector<Integral>&, const IntegrateOptions&,
                            const Tensor&) {
  unwritten("integrate");
}
void CudaBackend::integrate_gradient(const Tensor&, const Tensor&, const std::vector<Integral>&,
                                     const IntegrateOptions&, const Tensor&, const Tensor&) {
  unwritten("integrate_gradient");
}
void CudaBackend::integrand(const Tensor&, const Tensor&, const Integral&, const IntegrateOptions&, const Tensor&) {
  unwritten("integrand");
}
void CudaBackend::lookup(const Tensor&, const Tensor&, const Tensor&) { unwritten("lookup"); }
void CudaBackend::distance(const Tensor&, const std::vector<int>&, const std::vector<double>&, const Tensor&) {
  unwritten("distance");
}
void CudaBackend::neighbours(ReduceOp, int, const Tensor&, const Tensor&) { unwritten("neighbours"); }
void CudaBackend::neighbours_gradient(ReduceOp, int, const Tensor&, const Tensor&, const Tensor&) {
  unwritten("neighbours_gradient");
}
void CudaBackend::select_largest(const Tensor&, std::int64_t, const Tensor&) { unwritten("select_largest"); }
void CudaBackend::lovasz_slope(const Tensor&, const Tensor&, bool, int, const Tensor&) { unwritten("lovasz_slope"); }
void CudaBackend::sgd_step(const SgdStep&, const Tensor&, const Tensor&, const Tensor&) { unwritten("sgd_step"); }
void CudaBackend::adam_step(const AdamStep&, const Tensor&, const Tensor&, const Tensor&, const Tensor&) {
  unwritten("adam_step");
}
void CudaBackend::lerp(const Tensor&, double, const Tensor&) { unwritten("lerp"); }

}  // namespace voxgrad::cuda
