// The boundary between operations and devices: one abstract class. Its primitives are listed in engine/primitives.h.
// A backend is used by one thread at a time, but for its pool, which any thread may call.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/functors.h"
#include "engine/integrands.h"
#include "engine/memory.h"
#include "engine/options.h"

namespace voxgrad {

// Work that was queued once and can be queued again as one piece: the same kernels on the same memory.
class Recording {
 public:
  virtual ~Recording() = default;
  virtual void replay() = 0;
  virtual std::int64_t size() const = 0;  // kernels, copies and fills
};

class Backend {
 public:
  virtual ~Backend() = default;
  virtual Device device() const = 0;
  virtual std::string description() const = 0;  // "CPU, AVX-512, OpenBLAS SkylakeX"
  virtual Pool& pool() = 0;
  virtual void synchronise() {}
  // Records what work() would run, and runs nothing. `memory` is about how many bytes it will want. It must leave no
  // tensor behind: results go to memory that was there before. Null if that cannot be recorded, and then `refusal` says
  // why: the device runs everything at once, or work() wants to see a number on the host, or draws random ones.
  virtual std::unique_ptr<Recording> capture(const std::function<void()>& work, std::size_t memory,
                                             std::string& refusal);
  // From now on. Error(usage) for a shortcut that the device does not have.
  virtual void allow(const Shortcuts& wanted);
  virtual Shortcuts allowed() const { return {}; }

#define VOXGRAD_PRIMITIVE(...) virtual __VA_ARGS__ = 0;
#include "engine/primitives.h"
#undef VOXGRAD_PRIMITIVE

  // --- What follows has a default that is made of primitives (engine/composed.cpp); a device may do better. ---
  // What conv reads, and what the gradient of its weights reads again: the inputs themselves on a device that
  // normalises while it loads. By default the one map that is made of them, so that it is made once.
  virtual std::vector<FeatureMap> prepare(std::vector<FeatureMap> inputs);
  // Error(data) for a label that is neither below `classes` nor `ignore`. A device that works behind the host's back
  // may say so later, with the next number that is read from it.
  virtual void check_labels(const Tensor& labels, std::int64_t classes, int ignore);
  // See hinge_errors() in ops.h; y is [N, *S, C], for two channels [N, *S, 1].
  virtual void hinge_errors(const Tensor& logits, const Tensor& labels, const IntegrateOptions& options,
                            const Tensor& y);
  virtual void hinge_errors_gradient(const Tensor& logits, const Tensor& labels, const IntegrateOptions& options,
                                     const Tensor& y, const Tensor& dy, const Tensor& dlogits);
};

// The maps as one tensor, side by side along the channels, with normalisation and activation carried out. One plain
// map gives its own tensor.
Tensor materialised(const std::vector<FeatureMap>& inputs);

// What check_labels() throws.
Error label_error(std::int64_t label, std::int64_t classes);

// The backend of a device; one each, made at the first call. Error(usage) if this build or machine has none.
Backend& backend_of(Device device);
std::string description_of(Device device);  // what it is, or why there is none
const std::vector<std::string>& device_names();
Device device_named(const std::string& name);  // Error(usage) with the known names

// Factories, one per folder.
Backend& cpu_backend();
Backend& cuda_backend();  // engine/cuda, or engine/cuda/absent.cpp in a build without CUDA
bool cuda_available();
std::string cuda_description();

}  // namespace voxgrad
