// The plans that cuDNN makes for the layers of U-Nets on an H200, asked without one.
#include "tests/test.h"

#include "engine/cuda/cudnn_conv.h"

using namespace voxgrad;
using namespace voxgrad::cuda;

namespace {

const char* const kH200 = R"({"deviceVer":900,"driverVer":13000,"maxGridSize":[2147483647,65535,65535],
"maxBlockSize":[1024,1024,64],"regsPerBlock":65536,"multiProcessorCount":132,"warpSize":32,
"maxSharedMemoryPerBlock":49152,"maxSharedMemoryPerBlockOptin":232448,"reservedSharedMemoryPerBlock":1024,
"maxRegistersPerSM":65536,"maxCtasPerSM":32,"maxThreadsPerBlock":1024,"maxThreadsPerSM":2048,"pciDeviceId":0,
"isTccDriver":0,"supportCoopLaunch":1,"smClockRateKHz":1980000,"memClockRateKHz":3201000,"l2CacheSize":62914560,
"deviceName":"NVIDIA H200","cudaDeviceId":0,"totalGlobalMem":150000000000})";

struct Layer {
  const char* name;
  Shape x, weight, y;
  ConvOptions options;
};

const Layer kLayers[]{
    {"2-D first", {16, 512, 512, 1}, {64, 3, 3, 1}, {16, 512, 512, 64}, {.padding = 1}},
    {"2-D", {16, 512, 512, 64}, {64, 3, 3, 64}, {16, 512, 512, 64}, {.padding = 1}},
    {"2-D up", {16, 512, 512, 64}, {128, 2, 2, 64}, {16, 256, 256, 128}, {.stride = 2}},
    {"2-D odd", {3, 37, 41, 3}, {17, 3, 3, 3}, {3, 37, 41, 17}, {.padding = 1}},
    {"3-D first", {2, 128, 128, 128, 1}, {32, 3, 3, 3, 1}, {2, 128, 128, 128, 32}, {.padding = 1}},
    {"3-D", {2, 128, 128, 128, 32}, {32, 3, 3, 3, 32}, {2, 128, 128, 128, 32}, {.padding = 1}},
    {"3-D deep", {2, 8, 8, 8, 320}, {320, 3, 3, 3, 320}, {2, 8, 8, 8, 320}, {.padding = 1}},
    {"3-D up", {2, 64, 64, 64, 32}, {64, 2, 2, 2, 32}, {2, 32, 32, 32, 64}, {.stride = 2}},
    {"1-D", {4, 1000, 16}, {16, 3, 16}, {4, 1000, 16}, {.padding = 1}},
};

struct Precision {
  const char* name;
  DType type;
  Shortcuts allowed;
};
const Precision kPrecisions[]{{"f32", DType::f32, {}}, {"TF32", DType::f32, {.tf32 = true}}, {"bf16", DType::bf16, {}}};

}  // namespace

TEST_CASE("cuDNN has a deterministic plan for every layer, in f32, in TF32 and in bf16") {
  const PlanElsewhere probe = plan_elsewhere(kH200, ConvPass::forward, DType::f32, kLayers[1].x, kLayers[1].weight,
                                             kLayers[1].y, kLayers[1].options, {});
  if (probe.refusal == "emulated") {
    CHECK(probe.workspace == -1);
    return;
  }
  for (const Layer& layer : kLayers)
    for (const ConvPass pass : {ConvPass::forward, ConvPass::input_gradient, ConvPass::weight_gradient})
      for (const auto& [name, type, allowed] : kPrecisions) {
        const PlanElsewhere plan =
            plan_elsewhere(kH200, pass, type, layer.x, layer.weight, layer.y, layer.options, allowed);
        CHECK_MESSAGE(plan.workspace >= 0,
                      layer.name << " pass " << static_cast<int>(pass) << " " << name << ": " << plan.refusal);
      }
}

TEST_CASE("in TF32 and bf16 the large layers are computed in the order in which they lie") {
  // An engine that works in another order copies the maps: gigabytes. See decision 5 of engine/cuda/README.md. The
  // gradient of the weights of a volume in TF32 is left out: its best deterministic engine is such a one.
  for (const Layer* layer : {&kLayers[1], &kLayers[5]})
    for (const ConvPass pass : {ConvPass::forward, ConvPass::input_gradient, ConvPass::weight_gradient})
      for (const auto& [name, type, allowed] : {kPrecisions[1], kPrecisions[2]}) {
        if (layer == &kLayers[5] && pass == ConvPass::weight_gradient && type == DType::f32) continue;
        const PlanElsewhere plan =
            plan_elsewhere(kH200, pass, type, layer->x, layer->weight, layer->y, layer->options, allowed);
        const std::string found = text(layer->name, " pass ", static_cast<int>(pass), " ", name, ": ", plan.workspace,
                                       " bytes ", plan.refusal);
        const bool small = plan.workspace >= 0 && plan.workspace < 1 << 24;
        CHECK_MESSAGE((plan.refusal == "emulated" || small), found);
      }
}

TEST_CASE("a layer whose maps have more than 4 GiB has a plan in f32") {
  // The engines for it copy the maps, so the workspace is as large.
  const Shape map{40, 512, 512, 64};
  for (const ConvPass pass : {ConvPass::forward, ConvPass::input_gradient, ConvPass::weight_gradient}) {
    const PlanElsewhere plan = plan_elsewhere(kH200, pass, DType::f32, map, {64, 3, 3, 64}, map, {.padding = 1}, {});
    CHECK_MESSAGE((plan.refusal == "emulated" || plan.workspace >= 0),
                  "pass " << static_cast<int>(pass) << ": " << plan.refusal);
  }
}
