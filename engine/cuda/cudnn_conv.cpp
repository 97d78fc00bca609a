// A plan of cuDNN is made once per shape: describe the operation, ask its heuristics for engines, best first, and take
// the first that is deterministic, of full precision and can be built. The interface is that of C: descriptors with
// attributes.
#include "engine/cuda/cudnn_conv.h"

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include "engine/cuda/context.h"

namespace voxgrad::cuda {
namespace {

// Why cuDNN will not do it; caught below.
struct Refusal {
  std::string why;
};

class Descriptor {
 public:
  explicit Descriptor(cudnnBackendDescriptorType_t type) {
    need(cudnnBackendCreateDescriptor(type, &descriptor_), "descriptor");
  }
  ~Descriptor() {
    if (descriptor_ != nullptr) cudnnBackendDestroyDescriptor(descriptor_);
  }
  Descriptor(Descriptor&& other) noexcept : descriptor_(std::exchange(other.descriptor_, nullptr)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }

  template <class T>
  void set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, const std::vector<T>& values) {
    need(cudnnBackendSetAttribute(descriptor_, name, type, static_cast<std::int64_t>(values.size()), values.data()),
         "attribute");
  }
  void set(cudnnBackendAttributeName_t name, std::int64_t value) {
    set(name, CUDNN_TYPE_INT64, std::vector<std::int64_t>{value});
  }
  void set(cudnnBackendAttributeName_t name, const Descriptor& value) {
    set(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, std::vector<cudnnBackendDescriptor_t>{value.descriptor_});
  }
  void finalise(const char* what) { need(cudnnBackendFinalize(descriptor_), what); }
  // Values of an attribute, as many as there are up to values.size().
  template <class T>
  std::int64_t get(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, std::vector<T>& values) const {
    std::int64_t count = 0;
    need(cudnnBackendGetAttribute(descriptor_, name, type, static_cast<std::int64_t>(values.size()), &count,
                                  values.data()),
         "attribute");
    return std::min(count, static_cast<std::int64_t>(values.size()));
  }
  cudnnBackendDescriptor_t raw() const { return descriptor_; }

 private:
  static void need(cudnnStatus_t status, const char* what) {
    if (is_out_of_memory(status)) check_cudnn(status, what);
    if (status != CUDNN_STATUS_SUCCESS) throw Refusal{text(what, ": ", cudnnGetErrorString(status))};
  }
  cudnnBackendDescriptor_t descriptor_ = nullptr;
};

// A convolution as cuDNN counts: [N, C, *S] with at least two spatial axes, in the memory order of this engine.
struct Problem {
  ConvPass pass;
  DType type;
  Shortcuts allowed;
  std::vector<std::int64_t> x, weight, y, stride, padding, dilation;

  auto key() const {
    std::vector<std::int64_t> all{static_cast<std::int64_t>(pass), static_cast<std::int64_t>(type), allowed.tf32,
                                  allowed.fast};
    for (const auto* part : {&x, &weight, &y, &stride, &padding, &dilation}) {
      all.push_back(static_cast<std::int64_t>(part->size()));
      all.insert(all.end(), part->begin(), part->end());
    }
    return all;
  }
};

// [N, *S, C] to N, C, *S; a line becomes a plane of height one.
std::vector<std::int64_t> channels_second(const Shape& shape) {
  std::vector<std::int64_t> all{shape[0], shape[-1]};
  if (shape.spatial_dims() == 1) all.push_back(1);
  for (int axis = 1; axis <= shape.spatial_dims(); ++axis) all.push_back(shape[axis]);
  return all;
}
std::vector<std::int64_t> per_axis(const Extents& values, int axes, std::int64_t otherwise) {
  std::vector<std::int64_t> all;
  if (axes == 1) all.push_back(otherwise);
  for (int axis = 0; axis < axes; ++axis) all.push_back(values[axis]);
  return all;
}

// The engines that work in this memory order need it of all three maps: with weights that are not aligned so, cuDNN
// copies whole feature maps into another order.
constexpr std::int64_t kAlignment = 16;  // bytes

// The tensor, or one of its own memory, which is aligned. Parameters lie anywhere in the flat buffer of a module.
Tensor aligned(const Tensor& tensor, bool is_result) {
  if (reinterpret_cast<std::uintptr_t>(tensor.raw()) % kAlignment == 0) return tensor;
  return is_result ? empty_like(tensor) : tensor.clone();
}

constexpr std::int64_t kX = 1, kWeight = 2, kY = 3;  // how the plan names the three maps

Descriptor tensor_descriptor(std::int64_t id, DType type, const std::vector<std::int64_t>& extents) {
  std::vector<std::int64_t> strides(extents.size());
  std::int64_t step = extents[1];
  strides[1] = 1;  // channels last
  for (std::size_t axis = extents.size() - 1; axis >= 2; --axis) {
    strides[axis] = step;
    step *= extents[axis];
  }
  strides[0] = step;
  Descriptor tensor(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  tensor.set(CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE,
             std::vector<cudnnDataType_t>{type == DType::bf16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT});
  tensor.set(CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, extents);
  tensor.set(CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, strides);
  tensor.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, id);
  tensor.set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, kAlignment);
  tensor.finalise("tensor");
  return tensor;
}

Descriptor convolution_descriptor(const Problem& p) {
  Descriptor convolution(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
  convolution.set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE,
                  std::vector<cudnnDataType_t>{CUDNN_DATA_FLOAT});
  convolution.set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE,
                  std::vector<cudnnConvolutionMode_t>{CUDNN_CROSS_CORRELATION});
  convolution.set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, static_cast<std::int64_t>(p.stride.size()));
  convolution.set(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, p.stride);
  convolution.set(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, p.padding);
  convolution.set(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, p.padding);
  convolution.set(CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, p.dilation);
  convolution.finalise("convolution");
  return convolution;
}

// The names that an operation gives to its attributes.
struct Names {
  cudnnBackendDescriptorType_t operation;
  cudnnBackendAttributeName_t convolution, x, weight, y, alpha, beta;
};
Names names_of(ConvPass pass) {
  switch (pass) {
    case ConvPass::forward:
      return {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA};
    case ConvPass::input_gradient:
      return {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA};
    case ConvPass::weight_gradient: break;
  }
  return {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA};
}

// For which card a plan is made: the one that is there, or another one by its properties.
struct Card {
  cudnnHandle_t handle = nullptr;
  const Descriptor* properties = nullptr;
};

Descriptor graph_of(const Problem& p, const Card& card) {
  const Names names = names_of(p.pass);
  const Descriptor x = tensor_descriptor(kX, p.type, p.x), weight = tensor_descriptor(kWeight, p.type, p.weight),
                   y = tensor_descriptor(kY, p.type, p.y), convolution = convolution_descriptor(p);
  Descriptor operation(names.operation);
  operation.set(names.convolution, convolution);
  operation.set(names.x, x);
  operation.set(names.weight, weight);
  operation.set(names.y, y);
  operation.set(names.alpha, CUDNN_TYPE_FLOAT, std::vector<float>{1});
  operation.set(names.beta, CUDNN_TYPE_FLOAT, std::vector<float>{0});
  operation.finalise("operation");
  Descriptor graph(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
  if (card.properties == nullptr)
    graph.set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, std::vector<cudnnHandle_t>{card.handle});
  graph.set(CUDNN_ATTR_OPERATIONGRAPH_OPS, operation);
  graph.finalise("graph");
  return graph;
}

std::vector<Descriptor> engines_of(const Descriptor& graph, const Card& card, cudnnBackendHeurMode_t mode) {
  Descriptor heuristics(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
  heuristics.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph);
  heuristics.set(CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, std::vector<cudnnBackendHeurMode_t>{mode});
  if (card.properties != nullptr) heuristics.set(CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, *card.properties);
  heuristics.finalise("heuristics");
  constexpr std::size_t kMost = 64;
  std::vector<Descriptor> engines;
  std::vector<cudnnBackendDescriptor_t> raw;
  for (std::size_t i = 0; i < kMost; ++i) {
    engines.emplace_back(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
    raw.push_back(engines.back().raw());
  }
  const std::int64_t count = heuristics.get(CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, raw);
  while (static_cast<std::int64_t>(engines.size()) > count) engines.pop_back();
  return engines;
}

// Whether the sums of an engine always come out the same, or need not, and are those of f32, or of factors that are
// rounded as allowed. Factors of bf16 are multiplied exactly.
bool is_good(const Descriptor& configuration, const Problem& p) {
  const Descriptor engine(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  std::vector<cudnnBackendDescriptor_t> raw{engine.raw()};
  configuration.get(CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, raw);
  std::vector<cudnnBackendNumericalNote_t> notes(CUDNN_NUMERICAL_NOTE_TYPE_COUNT);
  const std::int64_t count = engine.get(CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE, notes);
  for (std::int64_t i = 0; i < count; ++i) {
    const cudnnBackendNumericalNote_t note = notes[static_cast<std::size_t>(i)];
    if ((note == CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC && !p.allowed.fast) ||
        note == CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS || note == CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION ||
        (note == CUDNN_NUMERICAL_NOTE_TENSOR_CORE && p.type == DType::f32 && !p.allowed.tf32))
      return false;
  }
  return true;
}

struct Plan {
  Descriptor graph, configuration, plan;
  std::int64_t workspace;
};

// Bytes. An engine that works in another memory order copies the maps, once or twice.
std::int64_t most_workspace(const Problem& p) {
  std::int64_t elements = 0;
  for (const auto* map : {&p.x, &p.weight, &p.y})
    elements += std::accumulate(map->begin(), map->end(), std::int64_t{1}, std::multiplies<>());
  return std::max(std::int64_t{4} << 30, 2 * elements * static_cast<std::int64_t>(size_of(p.type)));
}

std::unique_ptr<Plan> make_plan(const Problem& p, const Card& card) {
  Descriptor graph = graph_of(p, card);
  std::string reason = "no engine that is deterministic and in f32";
  for (const cudnnBackendHeurMode_t mode : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK}) {
    std::vector<Descriptor> engines;
    try {
      engines = engines_of(graph, card, mode);
    } catch (const Refusal& refusal) {
      reason = refusal.why;  // the other mode may have some
    }
    for (Descriptor& configuration : engines) try {
        if (!is_good(configuration, p)) continue;
        Descriptor plan(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
        if (card.properties == nullptr)
          plan.set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, std::vector<cudnnHandle_t>{card.handle});
        else
          plan.set(CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, *card.properties);
        plan.set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, configuration);
        plan.finalise("plan");
        std::vector<std::int64_t> workspace(1);
        plan.get(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, workspace);
        if (workspace[0] > most_workspace(p)) throw Refusal{text("a workspace of ", workspace[0], " bytes")};
        return std::make_unique<Plan>(Plan{std::move(graph), std::move(configuration), std::move(plan), workspace[0]});
      } catch (const Refusal& refusal) {
        reason = refusal.why;  // the next engine may do it
      }
  }
  throw Refusal{reason};
}

CudnnPlans& plans = *new CudnnPlans;  // never destroyed, like the plans

// The plan of a shape; null if cuDNN refused it, which is asked only once.
const Plan* plan_of(const Problem& p) {
  // Never destroyed: at exit, cuDNN's own statics may be gone before the descriptors.
  static auto& known = *new std::map<std::vector<std::int64_t>, std::unique_ptr<Plan>>;
  auto key = p.key();
  check(Context::get().recorder() == nullptr || known.contains(key),
        "cuda: the first convolution of a shape makes a plan, which cannot be recorded");
  if (const auto found = known.find(key); found != known.end()) return found->second.get();
  std::unique_ptr<Plan> plan;
  const auto make = [&] {
    try {
      plan = make_plan(p, {.handle = Context::get().cudnn()});
      ++plans.made;
    } catch (const Refusal& refusal) {
      ++plans.refused;
      plans.last_refusal = refusal.why;
    }
  };
  try {
    make();
  } catch (const Error& error) {  // want of memory says nothing of the shape
    if (error.kind() != ErrorKind::memory) throw;
    Context::get().pool().trim();
    make();
  }
  return known.emplace(std::move(key), std::move(plan)).first->second.get();
}

Problem problem_of(ConvPass pass, DType type, const Shape& x, const Shape& weight, const Shape& y,
                   const ConvOptions& options, const Shortcuts& allowed) {
  const int axes = x.spatial_dims();
  return {pass,
          type,
          allowed,
          channels_second(x),
          channels_second(weight),
          channels_second(y),
          per_axis(options.stride, axes, 1),
          per_axis(options.padding, axes, 0),
          per_axis(options.dilation, axes, 1)};
}

}  // namespace

bool cudnn_conv(ConvPass pass, const Tensor& x, const Tensor& weight, const Tensor& y, const ConvOptions& options) {
  if (x.dtype() == DType::f64) return false;
  Context& context = Context::get();
  const Plan* plan =
      plan_of(problem_of(pass, x.dtype(), x.shape(), weight.shape(), y.shape(), options, context.allowed()));
  if (plan == nullptr) return false;
  const Tensor& result = pass == ConvPass::forward ? y : pass == ConvPass::input_gradient ? x : weight;
  std::vector<Tensor> maps;
  for (const Tensor* map : {&x, &weight, &y}) maps.push_back(aligned(*map, map == &result));
  const Scratch<std::byte> workspace(plan->workspace);
  try {
    Descriptor variant(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
    variant.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, std::vector<std::int64_t>{kX, kWeight, kY});
    variant.set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR,
                std::vector<void*>{maps[0].raw(), maps[1].raw(), maps[2].raw()});
    variant.set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, std::vector<void*>{workspace.data()});
    variant.finalise("variant pack");
    check_cudnn(cudnnBackendExecute(context.cudnn(), plan->plan.raw(), variant.raw()), "convolution");
  } catch (const Refusal& refusal) {
    throw Error(ErrorKind::argument, "cuda: convolution: cuDNN: " + refusal.why);
  }
  const Tensor& made = maps[&result == &x ? 0 : &result == &weight ? 1 : 2];
  if (made.raw() != result.raw())
    result.backend().copy(result.raw(), Device::cuda, made.raw(), Device::cuda, result.bytes());
  return true;
}

PlanElsewhere plan_elsewhere(const std::string& card, ConvPass pass, DType type, const Shape& x, const Shape& weight,
                             const Shape& y, const ConvOptions& options, const Shortcuts& allowed) {
  try {
    Descriptor properties(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
    std::vector<char> json(card.begin(), card.end());
    json.push_back('\0');
    properties.set(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR, json);
    properties.finalise("properties of the card");
    return {make_plan(problem_of(pass, type, x, weight, y, options, allowed), {.properties = &properties})->workspace,
            ""};
  } catch (const Refusal& refusal) {
    return {-1, refusal.why};
  }
}

const CudnnPlans& cudnn_plans() { return plans; }

}  // namespace voxgrad::cuda
