// Primitives that are not written yet. Each moves to its own file (cuda_backend.h); this one disappears with the last.
#include "engine/cuda/cuda_backend.h"

namespace voxgrad::cuda {
namespace {

[[noreturn]] void unwritten(const char* name) {
  throw Error(ErrorKind::usage, text("device cuda: ", name, " is not written yet"), "use --device cpu");
}

}  // namespace

void CudaBackend::argmax(const Tensor&, const Tensor&) { unwritten("argmax"); }
std::int64_t CudaBackend::largest_label(const Tensor&, int) { unwritten("largest_label"); }
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

}  // namespace voxgrad::cuda
