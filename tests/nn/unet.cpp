// The reference values were computed by the same network in PyTorch, in reference.py beside this file.
#include "nn/unet.h"

#include <algorithm>

#include "engine/parallel.h"
#include "nn/optimizer.h"
#include "tests/nn/common.h"

using namespace voxgrad;
using nn::Norm;
using nn::UNet;
using nn::UNetConfig;
using test::contains;
using test::error_of;
using test::near;
using test::wave;

namespace {

std::vector<std::string> parameter_names(const std::vector<NamedTensor>& tensors) {
  std::vector<std::string> all;
  for (const NamedTensor& entry : tensors) all.push_back(entry.name);
  return all;
}

// The parameters of reference.py: parameter k counts the sorted names, and element i is in PyTorch's order.
std::vector<NamedTensor> wave_state(const UNet& net) {
  std::vector<std::string> sorted = parameter_names(net.parameters());
  std::sort(sorted.begin(), sorted.end());
  std::vector<NamedTensor> state = net.state();
  for (NamedTensor& entry : state) {
    const auto found = std::find(sorted.begin(), sorted.end(), entry.name);
    if (found == sorted.end()) continue;
    const Tensor values = wave(entry.tensor.shape(), static_cast<double>(found - sorted.begin()));
    const bool gamma = values.dims() == 1 && entry.name.ends_with("weight");
    entry.tensor = gamma ? values * 0.1 + 1 : values * 0.3;
  }
  return state;
}

struct Reference {
  const char* name;
  UNetConfig config;
  Shape input;
  std::int64_t parameters;
  std::size_t tensors;
  // sum of logits times a wave; first and last logit; sum of gradients times a wave; norm of the gradients
  double value, first, last, gradient, norm;
};

std::vector<Reference> references() {
  const UNetConfig residual{.in_channels = 2,
                            .classes = 3,
                            .base = 4,
                            .depth = 3,
                            .norm = Norm::batch,
                            .activation = Activation::relu,
                            .residual = true,
                            .deep_supervision = true};
  const UNetConfig linear{.dims = 3,
                          .classes = 1,
                          .base = 3,
                          .max_channels = 8,
                          .depth = 3,
                          .transposed = false,
                          .strides = {{1, 2, 2}, 2}};
  const UNetConfig nearest{
      .base = 4, .depth = 2, .norm = Norm::group, .upsampling = Upsampling::nearest, .transposed = false};
  const UNetConfig kernels{.dims = 3, .base = 2, .depth = 2, .strides = {{2, 2, 1}}, .kernels = {{1, 3, 3}, {3, 3, 1}}};
  const UNetConfig plain{.dims = 3, .base = 2, .depth = 2, .norm = Norm::none};
  const UNetConfig strided{.in_channels = 2,
                           .widths = {3, 3, 5},
                           .depth = 3,
                           .norm = Norm::group,
                           .slope = 0.1,
                           .residual = true,
                           .strides = {{1, 2}, {2, 3}},
                           .strided = true};
  return {{"residual",
           residual,
           {2, 8, 16, 2},
           7918,
           48,
           4.70072299285407,
           0.487804590126613,
           -0.931640794907396,
           109.684216386584,
           302.175230780429},
          {"linear",
           linear,
           {1, 4, 8, 8, 1},
           8634,
           36,
           -4.93485300124224,
           -0.300377411241604,
           -0.14467766585083,
           9.65677829243741,
           21.4284097668594},
          {"nearest",
           nearest,
           {1, 8, 8, 1},
           1586,
           22,
           -1.62862106175217,
           -0.377622633002768,
           0.155943491032302,
           25.9285622159492,
           39.5197911987707},
          {"kernels",
           kernels,
           {1, 4, 8, 6, 1},
           450,
           22,
           -2.25644024954708,
           -0.227198600370035,
           0.162882551073677,
           -18.983621088722,
           35.2483360111649},
          {"plain",
           plain,
           {1, 4, 4, 6, 1},
           1222,
           16,
           -2.44016285212464,
           -0.165499871712506,
           -0.33362356658654,
           9.13392181623465,
           35.9818582289191},
          {"strided",
           strided,
           {2, 8, 12, 2},
           1416,
           46,
           5.35324073719576,
           -0.0181363979886612,
           0.491219116355828,
           33.7899681589064,
           140.358661151656}};
}

// Gradients in PyTorch's order, by name: a state in which every parameter is replaced by its gradient.
std::vector<NamedTensor> gradients(UNet& net) {
  const Tensor kept = net.flat_parameters().clone();
  test::overwrite(net.flat_parameters(), net.flat_gradients());
  std::vector<NamedTensor> state = net.state();
  test::overwrite(net.flat_parameters(), kept);
  state.resize(net.parameters().size());
  return state;
}

// Cross-entropy with labels 0 and 1 given by the sign of a wave over the voxels.
Tensor loss_of(const Tensor& logits) {
  const std::int64_t voxels = logits.numel() / 2;
  std::vector<double> targets(static_cast<std::size_t>(2 * voxels));
  for (std::int64_t i = 0; i < voxels; ++i)
    targets[static_cast<std::size_t>(2 * i) + (std::sin(0.05 * static_cast<double>(i)) > 0.3 ? 1 : 0)] = 1;
  const Tensor target = from_vector(logits.shape(), targets).to(logits.dtype());
  return sum(log_softmax(logits) * target) * (-1.0 / static_cast<double>(voxels));
}

// Trains for some steps and returns the losses.
std::vector<double> train(UNet& net, nn::Optimizer& optimizer, const Tensor& x, std::int64_t first, std::int64_t last) {
  std::vector<double> losses;
  for (std::int64_t step = first; step < last; ++step) {
    net.set_step(5, step);
    net.zero_grad();
    Tensor loss;
    for (const Tensor& logits : net.outputs(x)) loss = loss.defined() ? loss + loss_of(logits) : loss_of(logits);
    losses.push_back(loss.item());
    loss.backward();
    nn::clip_gradients(net, 5);
    optimizer.step(0.01);
  }
  return losses;
}

}  // namespace

TEST_CASE("names and number of parameters, counted by hand") {
  // base 8, depth 2, 1 -> 2 channels, 2-D, instance norm.
  const UNet net({.base = 8, .depth = 2}, Random(1));
  const std::vector<std::string> expected{"encoder.0.conv1.weight",
                                          "encoder.0.norm1.weight",
                                          "encoder.0.norm1.bias",
                                          "encoder.0.conv2.weight",
                                          "encoder.0.norm2.weight",
                                          "encoder.0.norm2.bias",
                                          "encoder.1.conv1.weight",
                                          "encoder.1.norm1.weight",
                                          "encoder.1.norm1.bias",
                                          "encoder.1.conv2.weight",
                                          "encoder.1.norm2.weight",
                                          "encoder.1.norm2.bias",
                                          "up.0.weight",
                                          "up.0.bias",
                                          "decoder.0.conv1.weight",
                                          "decoder.0.norm1.weight",
                                          "decoder.0.norm1.bias",
                                          "decoder.0.conv2.weight",
                                          "decoder.0.norm2.weight",
                                          "decoder.0.norm2.bias",
                                          "heads.0.weight",
                                          "heads.0.bias"};
  CHECK(parameter_names(net.parameters()) == expected);
  const std::int64_t encoder0 = 9 * 1 * 8 + 9 * 8 * 8 + 4 * 8;
  const std::int64_t encoder1 = 9 * 8 * 16 + 9 * 16 * 16 + 4 * 16;
  const std::int64_t up0 = 4 * 16 * 8 + 8;
  const std::int64_t decoder0 = 9 * 16 * 8 + 9 * 8 * 8 + 4 * 8;
  const std::int64_t head0 = 8 * 2 + 2;
  CHECK(net.parameter_count() == encoder0 + encoder1 + up0 + decoder0 + head0);
}

TEST_CASE("widths double up to max_channels; heads and strides follow the configuration") {
  UNet net({.dims = 3,
            .in_channels = 4,
            .classes = 5,
            .base = 4,
            .max_channels = 10,
            .depth = 4,
            .deep_supervision = true,
            .strides = {{1, 2, 2}, {1, 2, 2}, 2}},
           Random(1));
  const auto shape_of = [&](const std::string& name) {
    for (const NamedTensor& entry : net.state())
      if (entry.name == name) return entry.tensor.shape();
    return Shape();
  };
  CHECK(shape_of("encoder.0.conv1.weight") == Shape({4, 4, 3, 3, 3}));
  CHECK(shape_of("encoder.2.conv1.weight") == Shape({10, 8, 3, 3, 3}));
  CHECK(shape_of("encoder.3.conv2.weight") == Shape({10, 10, 3, 3, 3}));
  CHECK(shape_of("up.0.weight") == Shape({8, 4, 1, 2, 2}));
  CHECK(shape_of("up.2.weight") == Shape({10, 10, 2, 2, 2}));
  CHECK(shape_of("decoder.1.conv1.weight") == Shape({8, 16, 3, 3, 3}));
  CHECK(shape_of("heads.2.weight") == Shape({5, 10, 1, 1, 1}));
  CHECK(net.divisor() == Extents({2, 8, 8}));
  const std::vector<Tensor> outputs = net.outputs(full({1, 4, 16, 8, 4}, 1));
  REQUIRE(outputs.size() == 3);
  CHECK(outputs[0].shape() == Shape({1, 4, 16, 8, 5}));
  CHECK(outputs[1].shape() == Shape({1, 4, 8, 4, 5}));
  CHECK(outputs[2].shape() == Shape({1, 4, 4, 2, 5}));
  net.train(false);
  CHECK(net.outputs(full({1, 4, 16, 8, 4}, 1)).size() == 1);
  CHECK(net(full({1, 4, 16, 8, 4}, 1)).shape() == Shape({1, 4, 16, 8, 5}));
}

TEST_CASE("values, gradients and running statistics of the PyTorch twin") {
  for (const Reference& r : references()) {
    UNet net(r.config, Random(1));
    net.to(DType::f64);
    net.load_state(wave_state(net));
    CHECK(net.parameter_count() == r.parameters);
    CHECK(net.parameters().size() == r.tensors);
    const std::vector<Tensor> outputs = net.outputs(wave(r.input, 0.1));
    Tensor value = sum(outputs[0] * wave(outputs[0].shape(), 0.4));
    for (std::size_t k = 1; k < outputs.size(); ++k) value = value + sum(outputs[k] * wave(outputs[k].shape(), 0.4));
    const std::vector<double> logits = outputs[0].to_vector<double>();
    value.backward();
    double gradient = 0;
    for (const NamedTensor& entry : gradients(net))
      gradient += sum(entry.tensor * wave(entry.tensor.shape(), 0.7)).item();
    const double norm = nn::clip_gradients(net, 1e9);
    const auto close = [&](const char* what, double got, double expected) {
      CHECK_MESSAGE(near(got, expected, 1e-11), r.name << ", " << what << ": " << got << ", not " << expected);
    };
    close("value", value.item(), r.value);
    close("first logit", logits.front(), r.first);
    close("last logit", logits.back(), r.last);
    close("gradient", gradient, r.gradient);
    close("norm of the gradient", norm, r.norm);
    for (const NamedTensor& entry : net.buffers()) {
      if (entry.name == "decoder.0.norm2.running_mean")
        close("mean", entry.tensor.data<double>()[1], -0.0136903944220136);
      if (entry.name == "decoder.0.norm2.running_var") close("var", entry.tensor.data<double>()[1], 0.936024507223998);
    }
  }
}

TEST_CASE("gradients, 2-D and 3-D, with every option") {
  for (const int dims : {2, 3})
    for (const Norm norm : {Norm::batch, Norm::instance, Norm::group, Norm::none})
      for (const bool variant : {false, true}) {
        UNetConfig config{.dims = dims,
                          .in_channels = 2,
                          .base = 2,
                          .depth = 3,
                          .norm = norm,
                          .slope = variant ? 0.1 : 0.01,
                          .residual = variant,
                          .dropout = variant ? 0.2 : 0.0,
                          .transposed = !variant,
                          .deep_supervision = variant,
                          .strided = norm == Norm::batch || norm == Norm::none};
        if (norm == Norm::none) config.widths = {2, 2, 3};
        config.strides = dims == 2 ? std::vector<Extents>{{1, 2}, 2} : std::vector<Extents>{{1, 2, 2}, {2, 1, 2}};
        if (dims == 3 && variant) config.kernels = {{1, 3, 3}, {3, 1, 3}, 3};
        UNet net(config, Random(3));
        const Tensor x = wave(dims == 2 ? Shape{2, 4, 8, 2} : Shape{1, 4, 2, 8, 2}, 0.2);
        const GradcheckResult result = test::gradcheck_module(
            net, x,
            [&](const Tensor& input) {
              net.set_step(1, 1);
              Tensor all;
              for (const Tensor& y : net.outputs(input))
                all = all.defined() ? all + sum(y * wave(y.shape(), 2)) : sum(y * wave(y.shape(), 1));
              return all;
            },
            12);
        CHECK_MESSAGE(result.ok, dims << "-D " << nth(nn::norm_names(), static_cast<int>(norm))
                                      << (variant ? " residual: " : ": ") << result.worst << " at " << result.where);
      }
}

TEST_CASE("an extent that does not fit is named, with the remedy") {
  UNet image({.base = 2, .depth = 4}, Random(1));
  CHECK(error_of([&] {
          image(zeros({1, 130, 128, 1}));
        }) ==
        "unet: height 130 of x [1, 130, 128, 1] is not a multiple of 8 (the product of the strides of depth 4)\n"
        "hint: pad to 136, crop to 128, or take fewer levels");
  CHECK(contains(error_of([&] { image(zeros({1, 8, 5, 1})); }), "width 5"));
  CHECK(contains(error_of([&] { image(zeros({1, 8, 5, 1})); }), "hint: pad to 8, or take fewer levels"));
  UNet volume({.dims = 3, .in_channels = 2, .base = 2, .depth = 2}, Random(1));
  CHECK(contains(error_of([&] { volume(zeros({1, 3, 4, 4, 2})); }), "depth 3 of x"));
  CHECK(contains(error_of([&] { volume(zeros({1, 4, 4, 2})); }), "takes [N, D, H, W, C], got f32 [1, 4, 4, 2]"));
  CHECK(contains(error_of([&] { volume(zeros({1, 4, 4, 4, 1})); }), "takes 2 channels, x [1, 4, 4, 4, 1] has 1"));
  CHECK(contains(error_of([&] { volume(zeros({1, 2, 4, 4, 4})); }), "has 4\nhint: channels are last"));
  CHECK(contains(error_of([&] { volume(Tensor()); }), "got undefined tensor"));
  // The bottleneck of instance norm needs more than one voxel.
  CHECK(contains(error_of([&] { image(zeros({1, 8, 8, 1})); }), "each group has one value, that of a single voxel"));
}

TEST_CASE("an impossible configuration is named") {
  const auto message = [](UNetConfig config) { return error_of([&] { UNet(config, Random(1)); }); };
  CHECK(contains(message({.dims = 4}), "dims is 4, must be 2 or 3"));
  CHECK(contains(message({.in_channels = 0}), "in_channels is 0, must be 1 .. 65536"));
  CHECK(contains(message({.classes = 256}), "classes is 256, must be 1 .. 255"));
  CHECK(contains(message({.base = 512}), "max_channels is 320, must be 512 .. 65536"));
  CHECK(contains(message({.depth = 0}), "depth is 0, must be 1 .. 10"));
  CHECK(contains(message({.dropout = 1}), "dropout is 1, must be in [0, 1)"));
  CHECK(contains(message({.widths = {8, 8}, .depth = 3}), "2 widths for depth 3\nhint: "));
  CHECK(contains(message({.widths = {8, 0}, .depth = 2}), "width is 0, must be 1 .. 65536"));
  CHECK(contains(message({.slope = 2}), "slope is 2, must be in [0, 1]"));
  CHECK(contains(message({.depth = 3, .strides = {2}}), "1 strides for depth 3, must be 2\nhint: "));
  CHECK(contains(message({.depth = 2, .strides = {{1, 2, 2}}}), "a stride of 3 values for 2 axes\nhint: "));
  CHECK(contains(message({.depth = 2, .strides = {0}}), "stride is 0, must be 1 .. 6"));
  CHECK(contains(message({.depth = 2, .kernels = {3}}), "1 kernels for depth 2, must be 2\nhint: "));
  CHECK(contains(message({.depth = 1, .kernels = {2}}), "an even kernel (2)"));
  try {
    UNet({.depth = 0}, Random(1));
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::usage);
  }
}

TEST_CASE("one level and one voxel are a network too") {
  UNet net({.base = 2, .depth = 1, .norm = Norm::none, .deep_supervision = true}, Random(1));
  CHECK(net.outputs(full({1, 1, 1, 1}, 1)).size() == 1);
  CHECK(net.divisor() == Extents(1));
}

TEST_CASE("state goes from one network to another, with the running statistics") {
  const UNetConfig config{.base = 4, .depth = 3, .norm = Norm::batch, .residual = true};
  UNet source(config, Random(1)), target(config, Random(2));
  const Tensor x = wave({2, 8, 8, 1}, 0, DType::f32);
  source(x);
  source.train(false);
  target.train(false);
  CHECK(!test::same_bits(source(x), target(x)));
  target.load_state(source.state());
  CHECK(test::same_bits(source(x), target(x)));
  UNet deeper({.base = 4, .depth = 4, .norm = Norm::batch, .residual = true}, Random(1));
  CHECK(contains(error_of([&] { deeper.load_state(source.state()); }), "\"encoder.3.conv1.weight\" is missing"));
}

TEST_CASE("a small network learns one batch by heart") {
  for (const int dims : {2, 3}) {
    UNet net({.dims = dims, .base = 8, .depth = 3}, Random(1));
    const auto optimizer = nn::make_optimizer("adam", net);
    const Tensor x = wave(dims == 2 ? Shape{1, 32, 32, 1} : Shape{1, 8, 16, 16, 1}, 0, DType::f32);
    const std::vector<double> losses = train(net, *optimizer, x, 0, 80);
    CHECK_MESSAGE(losses.back() < losses.front() / 5, dims << "-D: " << losses.front() << " -> " << losses.back());
  }
}

TEST_CASE("training has the same bits for one, two and three threads") {
  const int before = threads();
  for (const int dims : {2, 3}) {
    Tensor first;
    for (const int count : {1, 2, 3}) {
      set_threads(count);
      UNet net({.dims = dims,
                .base = 8,
                .depth = 3,
                .norm = dims == 2 ? Norm::batch : Norm::instance,
                .dropout = 0.1,
                .deep_supervision = true},
               Random(1));
      const auto optimizer = nn::make_optimizer("sgd", net);
      train(net, *optimizer, wave(dims == 2 ? Shape{2, 96, 80, 1} : Shape{1, 16, 32, 24, 1}, 0, DType::f32), 0, 4);
      if (count == 1) first = net.flat_parameters().clone();
      CHECK_MESSAGE(test::same_bits(net.flat_parameters(), first), dims << "-D, " << count << " threads");
    }
  }
  set_threads(before);
}

TEST_CASE("a run with dropout resumed in the middle has the bits of the whole one") {
  const UNetConfig config{.base = 4, .depth = 3, .norm = Norm::batch, .dropout = 0.3};
  const Tensor x = wave({2, 16, 16, 1}, 0, DType::f32);
  UNet whole(config, Random(1)), resumed(config, Random(99));
  const auto a = nn::make_optimizer("adamw", whole), b = nn::make_optimizer("adamw", resumed);
  train(whole, *a, x, 0, 3);
  const std::vector<NamedTensor> weights = whole.state(), moments = a->state();
  const std::vector<double> expected = train(whole, *a, x, 3, 6);
  resumed.load_state(weights);
  b->load_state(moments, 3);
  CHECK(train(resumed, *b, x, 3, 6) == expected);
  CHECK(test::same_bits(whole.flat_parameters(), resumed.flat_parameters()));
}
