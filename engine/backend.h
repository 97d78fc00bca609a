// The boundary between operations and devices: one abstract class. Its primitives are listed in engine/primitives.h.
// Several threads may use the backend of the CPU at the same time, and every pool; other backends take one at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/functors.h"
#include "engine/integrands.h"
#include "engine/memory.h"
#include "engine/options.h"

namespace voxgrad {

// Work of a device that was recorded once and can be replayed: the same kernels on the same memory, queued by one call.
class Recording {
 public:
  virtual ~Recording() = default;
  virtual void replay() = 0;
  virtual std::int64_t size() const = 0;  // number of kernels, copies and fills
};

class Backend {
 public:
  virtual ~Backend() = default;
  virtual Device device() const = 0;
  virtual std::string description() const = 0;  // "CPU, baseline, OpenBLAS Nehalem"
  virtual Pool& pool() = 0;
  virtual void synchronise() {}
  // Records what work() would run, without running it. `memory` is roughly the number of bytes that it allocates.
  // work() may write to tensors that existed before, but must not leave new ones. The result is null if the work cannot
  // be recorded, and `refusal` then says why: the device has no queue, or work() reads a number on the host, or it
  // draws random numbers.
  virtual std::unique_ptr<Recording> capture(const std::function<void()>& work, std::size_t memory,
                                             std::string& refusal);
  // Allows the device these shortcuts from now on. Error(usage) for one that it does not have.
  virtual void allow(const Shortcuts& wanted);
  virtual Shortcuts allowed() const { return {}; }

#define VOXGRAD_PRIMITIVE(...) virtual __VA_ARGS__ = 0;
#ifdef VOXGRAD_INFERENCE_ONLY  // not virtual, so no table names the kernels, and the linker drops them
#define VOXGRAD_TRAINING_PRIMITIVE(...) \
  __VA_ARGS__ { throw_inference_only(); }
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
#endif
#include "engine/primitives.h"
#undef VOXGRAD_PRIMITIVE
#ifdef VOXGRAD_INFERENCE_ONLY
#pragma GCC diagnostic pop
#endif

  // --- The functions below have a default that calls primitives (engine/composed.cpp). A device may override them with
  // something faster. ---
  // Returns the maps that conv, and later the gradient of its weights, will read. The default computes one plain map
  // from the inputs, so that this is done once. A device that normalises while it loads returns the inputs themselves.
  virtual std::vector<FeatureMap> prepare(std::vector<FeatureMap> inputs);
  // Error(data) for a label that is neither below `classes` nor `ignore`. A device that works asynchronously may throw
  // it later, when the host next reads a number from it.
  virtual void check_labels(const Tensor& labels, std::int64_t classes, int ignore);
  // See hinge_errors() in ops.h; y is [N, *S, C], for two channels [N, *S, 1].
  virtual void hinge_errors(const Tensor& logits, const Tensor& labels, const IntegrateOptions& options,
                            const Tensor& y);
  virtual void hinge_errors_gradient(const Tensor& logits, const Tensor& labels, const IntegrateOptions& options,
                                     const Tensor& y, const Tensor& dy, const Tensor& dlogits);
};

// The maps concatenated along the channels, each after its deferred normalisation and activation. A single map without
// them is returned as it is.
Tensor materialised(const std::vector<FeatureMap>& inputs);

// The error that check_labels() throws.
Error label_error(std::int64_t label, std::int64_t classes);

// The backend of a device, which is created at the first call. Error(usage) if this build or machine has no such
// device.
Backend& backend_of(Device device);
std::string description_of(Device device);  // the model of the device, or why there is none
const std::vector<std::string>& device_names();
Device device_named(const std::string& name);  // Error(usage) with the known names

// The factories of the backends, one per folder.
Backend& cpu_backend();  // that of the current Resources (engine/parallel.h)
std::shared_ptr<Backend> make_cpu_backend(std::span<std::byte> workspace);  // one with memory of its own
Backend& cuda_backend();  // engine/cuda, or engine/cuda/absent.cpp in a build without CUDA
bool cuda_available();
std::string cuda_description();

}  // namespace voxgrad
