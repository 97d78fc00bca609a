#include "nn/unet.h"

#include <algorithm>

namespace voxgrad::nn {
namespace {

template <class... Parts>
void expect(bool ok, const char* hint, const Parts&... parts) {
  if (!ok) throw Error(ErrorKind::usage, text("unet: ", parts...), hint);
}

void expect_range(const char* name, std::int64_t value, const FieldRange& r) {
  expect(value >= r.low && value <= r.high, "", name, " is ", value, ", must be ", r.low, " .. ", r.high);
}

// The configuration after its check, with one stride of `dims` values per pooling.
UNetConfig checked(UNetConfig config) {
  expect(config.dims == 2 || config.dims == 3, "images have 2 axes, volumes 3", "dims is ", config.dims,
         ", must be 2 or 3");
  visit_fields(config, [](const char* name, const auto& value, const auto&... range) {
    if constexpr ((std::is_same_v<decltype(range), const FieldRange&> || ...)) expect_range(name, value, range...);
  });
  expect_range("max_channels", config.max_channels, {config.base, kMostChannels});
  expect(config.widths.empty() || std::ssize(config.widths) == config.depth, "give one for each level, or none",
         config.widths.size(), " widths for depth ", config.depth);
  for (const std::int64_t width : config.widths) expect_range("width", width, {1, kMostChannels});
  expect(config.slope >= 0 && config.slope <= 1, "", "slope is ", config.slope, ", must be in [0, 1]");
  expect(config.dropout >= 0 && config.dropout < 1, "", "dropout is ", config.dropout, ", must be in [0, 1)");
  const auto complete = [&](const char* what, std::vector<Extents>& list, int count, int usual, int most) {
    if (list.empty()) list.assign(static_cast<std::size_t>(count), Extents(usual));
    expect(std::ssize(list) == count,
           "give a stride for each pooling and a kernel for each level, or none for 2 and 3 everywhere", list.size(),
           ' ', what, "s for depth ", config.depth, ", must be ", count);
    for (Extents& extents : list) {
      expect(extents.dims == 0 || extents.dims == config.dims, "write {1, 2, 2} for a volume, {2, 2} for an image",
             "a ", what, " of ", extents.dims, " values for ", config.dims, " axes");
      extents.dims = config.dims;
      for (int axis = 0; axis < config.dims; ++axis) expect_range(what, extents[axis], {1, most});
    }
  };
  complete("stride", config.strides, config.depth - 1, 2, 6);
  complete("kernel", config.kernels, config.depth, 3, 3);
  return config;
}

ConvBlockOptions block_options(const UNetConfig& config, int level, const Extents& stride) {
  return {.kernel = nth(config.kernels, level),
          .stride = stride,
          .norm = config.norm,
          .activation = config.activation,
          .slope = config.slope,
          .residual = config.residual,
          .dropout = config.dropout,
          .init = config.init};
}

const char* axis_name(int dims, int axis) {
  constexpr const char* kNames[] = {"depth", "height", "width"};
  return kNames[axis + 3 - dims];
}

}  // namespace

std::int64_t width(const UNetConfig& config, int level) {
  return config.widths.empty() ? std::min(config.base << level, config.max_channels) : nth(config.widths, level);
}

const std::vector<std::string>& activation_names() {
  static const std::vector<std::string> names{"none", "relu", "leaky_relu"};
  return names;
}

const std::vector<std::string>& upsampling_names() {
  static const std::vector<std::string> names{"nearest", "linear"};
  return names;
}

struct UNet::Parts {
  UNetConfig config;
  std::vector<std::unique_ptr<ConvBlock>> encoder, decoder;  // one element per level
  std::vector<std::unique_ptr<Module>> up;                   // a ConvTranspose if `transposed`, else a Conv
  std::vector<std::unique_ptr<Conv>> heads;

  Tensor upsampled(std::size_t level, const FeatureMap& x) const;
  void check_input(const Tensor& x, const Extents& divisor) const;
  std::vector<Tensor> run(const Tensor& x, std::size_t outputs) const;
};

UNet::UNet(const UNetConfig& config, const Random& random) : parts_(std::make_shared<Parts>()) {
  Parts& parts = *parts_;
  parts.config = checked(config);
  const UNetConfig& c = parts.config;
  const auto name = [](const char* part, int level) { return text(part, '.', level); };
  const auto add_block = [&](auto& blocks, const char* part, int level, std::int64_t in, const Extents& stride) {
    nth(blocks, level) = std::make_unique<ConvBlock>(c.dims, in, width(c, level), block_options(c, level, stride),
                                                     stream(random, name(part, level)));
    add_module(name(part, level), *nth(blocks, level));
  };
  const int steps = c.depth - 1;
  parts.encoder.resize(static_cast<std::size_t>(c.depth));
  parts.decoder.resize(static_cast<std::size_t>(steps));
  parts.up.resize(static_cast<std::size_t>(steps));
  for (int level = 0; level < c.depth; ++level)
    add_block(parts.encoder, "encoder", level, level == 0 ? c.in_channels : width(c, level - 1),
              level > 0 && c.strided ? nth(c.strides, level - 1) : Extents(1));
  for (int level = steps - 1; level >= 0; --level) {
    auto& up = nth(parts.up, level);
    const std::int64_t in = width(c, level + 1), out = width(c, level);
    const Random own = stream(random, name("up", level));
    if (c.transposed)
      up = std::make_unique<ConvTranspose>(c.dims, in, out, nth(c.strides, level), c.init, own);
    else
      up = std::make_unique<Conv>(c.dims, in, out, ConvLayerOptions{.kernel = 1, .init = c.init}, own);
    add_module(name("up", level), *up);
    add_block(parts.decoder, "decoder", level, 2 * width(c, level), 1);
  }
  for (int level = 0; level < (c.deep_supervision ? std::max(steps, 1) : 1); ++level) {
    parts.heads.push_back(std::make_unique<Conv>(c.dims, width(c, level), c.classes,
                                                 ConvLayerOptions{.kernel = 1, .init = c.init, .f32_output = true},
                                                 stream(random, name("heads", level))));
    add_module(name("heads", level), *parts.heads.back());
  }
  set_step(random.key(), 0);
}

const UNetConfig& UNet::config() const noexcept { return parts_->config; }

Extents UNet::divisor() const {
  Extents product(1);
  product.dims = parts_->config.dims;
  for (const Extents& stride : parts_->config.strides)
    for (int axis = 0; axis < product.dims; ++axis) product[axis] *= stride[axis];
  return product;
}

void UNet::Parts::check_input(const Tensor& x, const Extents& divisor) const {
  check(x.defined() && x.dims() == config.dims + 2, "unet: a network with ", config.dims, " spatial axes takes ",
        config.dims == 2 ? "[N, H, W, C]" : "[N, D, H, W, C]", ", got ", x);
  if (x.extent(-1) != config.in_channels)
    throw Error(ErrorKind::argument,
                text("unet: takes ", config.in_channels, " channels, x ", x.shape(), " has ", x.extent(-1)),
                channels_hint(x.shape(), config.in_channels));
  for (int axis = 0; axis < config.dims; ++axis) {
    const std::int64_t extent = x.extent(axis + 1);
    const std::int64_t rest = extent % divisor[axis];
    if (extent > 0 && rest == 0) continue;
    const std::int64_t above = extent - rest + divisor[axis];
    throw Error(ErrorKind::argument,
                text("unet: ", axis_name(config.dims, axis), ' ', extent, " of x ", x.shape(), " is not a multiple of ",
                     divisor[axis], " (the product of the strides of depth ", config.depth, ')'),
                text("pad to ", above, extent > divisor[axis] ? text(", crop to ", extent - rest) : std::string(),
                     ", or take fewer levels"));
  }
}

// The step from level + 1 to level: it multiplies the extents by the stride and changes the number of channels. An
// interpolation, whose weights sum to 1, commutes with a 1x1 convolution. The convolution comes first, because on the
// coarse level it is cheaper.
Tensor UNet::Parts::upsampled(std::size_t level, const FeatureMap& x) const {
  if (config.transposed) return static_cast<const ConvTranspose&>(*up[level]).forward(x);
  return upsample(static_cast<const Conv&>(*up[level]).forward({x}), config.upsampling, config.strides[level]);
}

std::vector<Tensor> UNet::Parts::run(const Tensor& x, std::size_t outputs) const {
  std::vector<FeatureMap> skips;
  FeatureMap y = x;
  for (std::size_t level = 0; level < encoder.size(); ++level) {
    if (level > 0 && !config.strided) y = max_pool(y, config.strides[level - 1]);
    y = encoder[level]->forward({y});
    if (level + 1 < encoder.size()) skips.push_back(y);
  }
  std::vector<Tensor> logits(outputs);
  if (decoder.empty()) logits[0] = heads[0]->forward({y});
  for (std::size_t level = decoder.size(); level-- > 0;) {
    y = decoder[level]->forward({std::move(skips[level]), upsampled(level, y)});
    skips.pop_back();
    if (level < outputs) logits[level] = heads[level]->forward({y});
  }
  return logits;
}

Tensor UNet::forward(const Tensor& x) {
  parts_->check_input(x, divisor());
  return parts_->run(x, 1)[0];
}

std::vector<Tensor> UNet::outputs(const Tensor& x) {
  parts_->check_input(x, divisor());
  return parts_->run(x, training() ? parts_->heads.size() : 1);
}

}  // namespace voxgrad::nn
