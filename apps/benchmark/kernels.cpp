// Measures the kernels whose time is that of their memory traffic, and compares them with a copy.
#include <functional>
#include <utility>

#include "apps/benchmark/benchmark.h"
#include "apps/training/config.h"
#include "engine/backend.h"
#include "engine/ops.h"
#include "engine/random.h"

namespace voxgrad::apps {
namespace {

struct Kernel {
  const char* name;
  double bytes;  // that are read and written, by all passes that it takes
  std::function<void()> run;
};

// Returns the shape with half the extent along every spatial axis.
Shape halved(Shape shape) {
  for (int axis = 1; axis + 1 < shape.dims(); ++axis) shape[axis] /= 2;
  return shape;
}

// The maps of a network: x, y and dy of one shape, a coarser one, a wider one, statistics and parameters.
struct Maps {
  Backend& backend;
  Tensor x, y, dy, coarse, index, both, mean, rstd, gamma, dgamma, dbeta, bias, w[4];

  FeatureMap normalised() const {
    FeatureMap map(x);
    map.mean = mean, map.rstd = rstd, map.gamma = gamma, map.beta = gamma;
    map.activation = Activation::leaky_relu;
    return map;
  }

  Maps(Device device, const Shape& shape, DType type, std::uint64_t seed) : backend(backend_of(device)) {
    const std::int64_t channels = shape[-1];
    const auto noise = [&](const Shape& of) { return random_normal(of, seed).to(device).to(type); };
    const auto made = [&](const Shape& of, DType as) { return zeros(of, as, device); };
    x = noise(shape);
    y = made(shape, type);
    dy = noise(shape);
    coarse = noise(halved(shape));
    index = made(halved(shape), DType::u8);
    both = made(shape.with(-1, 2 * channels), type);
    mean = made({shape[0], channels}, DType::f32);
    rstd = full({shape[0], channels}, 1, DType::f32, device);
    for (Tensor* one : {&gamma, &dgamma, &dbeta}) *one = full({channels}, 1, DType::f32, device);
    bias = made({channels}, type);
    for (Tensor& one : w) one = full({x.numel()}, 1, DType::f32, device);
  }
};

std::vector<Kernel> kernels_of(const Maps& m) {
  Backend& b = m.backend;
  const Device device = b.device();
  const auto map = static_cast<double>(m.x.bytes()), coarse = static_cast<double>(m.coarse.bytes()),
             index = static_cast<double>(m.index.bytes()), flat = static_cast<double>(m.w[0].bytes());
  const Shape origin = Shape::filled(m.x.dims(), 0);
  return {
      {"copy", 2 * map, [&, device] { b.copy(m.y.raw(), device, m.x.raw(), device, m.x.bytes()); }},
      {"add", 3 * map, [&] { b.binary(BinaryOp::add, m.x, m.dy, m.y); }},
      {"leaky_relu", 2 * map, [&] { b.unary(UnaryOp::leaky_relu, 0.01, 0, m.x, m.y); }},
      {"concat", 2 * map, [&, origin] { b.copy_box(m.x, origin, m.both, origin, m.x.shape(), false); }},
      {"norm_statistics", map, [&] { b.norm_statistics(m.x, 1e-5, m.mean, m.rstd); }},
      {"norm", 2 * map, [&] { b.norm(m.normalised(), m.y); }},
      {"norm_gradient", 5 * map,  // the sums come before what they send back
       [&] { b.norm_gradient(m.normalised(), m.dy, false, m.y, m.dgamma, m.dbeta); }},
      {"bias_gradient", map, [&] { b.bias_gradient(m.dy, m.bias); }},
      {"max_pool", map + coarse + index, [&] { b.max_pool(m.x, 2, m.coarse, m.index); }},
      {"max_pool_gradient", map + coarse + index, [&] { b.max_pool_gradient(m.coarse, m.index, 2, m.y); }},
      {"upsample", map + coarse, [&] { b.upsample(m.coarse, Upsampling::linear, 2, m.y); }},
      {"upsample_gradient", map + coarse, [&] { b.upsample_gradient(m.dy, Upsampling::linear, 2, m.coarse); }},
      {"adamw", 7 * flat,
       [&] {
         const AdamStep step{1e-4, 0.9, 0.999, 1e-8, 0.01, 1, true, 1};
         b.adam_step(step, m.w[0], m.w[1], m.w[2], m.w[3]);
       }},
  };
}

}  // namespace

Json bench_kernels(const BenchOptions& options, const Shape& shape, bool amp) {
  if (amp) require_amp(options.device);
  const Maps maps(options.device, shape, amp ? DType::bf16 : DType::f32, options.seed);
  Json rows = Json::array();
  double copy = 0;  // bytes per millisecond
  for (const Kernel& kernel : kernels_of(maps)) {
    const Timing timing = measure(options.device, options.repeats, kernel.run);
    const double rate = kernel.bytes / timing.median_ms;
    if (rows.empty()) copy = rate;
    Json row{{"kernel", kernel.name}, {"type", name_of(maps.x.dtype())}};
    row.update(to_json(timing));
    row["gb_per_s"] = rate / 1e6;
    row["share_of_copy"] = rate / copy;
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace voxgrad::apps
