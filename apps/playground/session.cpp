#include "apps/playground/session.h"

#include <algorithm>
#include <cmath>

#include "engine/io/json.h"
#include "engine/ops.h"
#include "losses/core/registry.h"

namespace voxgrad::playground {
namespace {

// The streams of a seed.
enum : std::uint64_t { kWeights, kTraining, kComparison };

JsonValue words(const std::vector<std::string>& list) {
  JsonValue::Array all;
  for (const std::string& word : list) all.emplace_back(word);
  return JsonValue(std::move(all));
}

// Infinity, which JSON does not have, becomes null.
JsonValue number(double value) { return std::isfinite(value) ? JsonValue(value) : JsonValue(); }

JsonValue describe_parameter(const losses::Parameter& parameter) {
  JsonValue::Object entry;
  entry.emplace_back("name", JsonValue(parameter.name));
  entry.emplace_back("kind", JsonValue(std::string(losses::name_of(parameter.kind))));
  entry.emplace_back("standard", JsonValue(parameter.standard));
  entry.emplace_back("low", number(parameter.low));
  entry.emplace_back("high", number(parameter.high));
  entry.emplace_back("choices", words(parameter.choices));
  entry.emplace_back("meaning", JsonValue(parameter.meaning));
  return JsonValue(std::move(entry));
}

JsonValue describe_loss(const losses::Spec& spec) {
  JsonValue::Array parameters;
  for (const losses::Parameter& parameter : spec.parameters) parameters.push_back(describe_parameter(parameter));
  JsonValue::Object entry;
  entry.emplace_back("name", JsonValue(spec.name));
  entry.emplace_back("family", JsonValue(std::string(losses::name_of(spec.family))));
  entry.emplace_back("summary", JsonValue(spec.summary));
  entry.emplace_back("formula", JsonValue(spec.formula));
  entry.emplace_back("source", JsonValue(spec.source));
  entry.emplace_back("helps", JsonValue(spec.helps));
  entry.emplace_back("fails", JsonValue(spec.fails));
  entry.emplace_back("parameters", JsonValue(std::move(parameters)));
  return JsonValue(std::move(entry));
}

}  // namespace

std::string facts() {
  JsonValue::Array all;
  for (const losses::Spec& spec : losses::registry()) all.push_back(describe_loss(spec));
  JsonValue::Object facts;
  facts.emplace_back("side", JsonValue(std::int64_t{kSide}));
  facts.emplace_back("pictures", JsonValue(std::int64_t{kPictures}));
  facts.emplace_back("batch", JsonValue(std::int64_t{kBatch}));
  facts.emplace_back("tasks", words(task_names()));
  facts.emplace_back("losses", JsonValue(std::move(all)));
  return to_text(JsonValue(std::move(facts)));
}

Session::Session(const Task& task, const std::string& loss, std::uint64_t seed)
    : task_(task),
      random_(seed),
      loss_(losses::make_loss(loss)),
      net_({.dims = 2, .in_channels = 1, .classes = 1, .base = 8, .depth = 4}, random_.fork(kWeights)) {
  check_task(task_);
  optimizer_ = nn::make_optimizer("adamw", net_, {.weight_decay = 1e-4});
  pictures_ = empty({kPictures, kSide, kSide, 1});
  truth_ = empty({kPictures, kSide, kSide}, DType::u8);
  draw(random_.fork(kComparison), pictures_, truth_);
  const std::uint8_t* const labels = truth_.data<std::uint8_t>();
  const double inside = static_cast<double>(std::count(labels, labels + truth_.numel(), 1));
  const double share = inside / static_cast<double>(truth_.numel());
  context_.class_fractions = {1 - share, share};
}

// Fills a batch with the pictures 0, 1, .. of a stream.
void Session::draw(const Random& stream, Tensor& images, Tensor& labels) const {
  for (std::int64_t i = 0; i < images.extent(0); ++i)
    draw_picture(task_, stream.fork(static_cast<std::uint64_t>(i)), images.data<float>() + i * kPixels,
                 labels.data<std::uint8_t>() + i * kPixels);
}

double Session::step(double rate) {
  Tensor images = empty({kBatch, kSide, kSide, 1}), labels = empty({kBatch, kSide, kSide}, DType::u8);
  draw(random_.fork(kTraining).fork(static_cast<std::uint64_t>(steps())), images, labels);
  context_.progress = full(Shape(), std::min(1.0, static_cast<double>(steps()) / kSchedule), DType::f64);
  const Tensor value = loss_(net_(images), labels, context_);
  if (value.requires_grad()) value.backward();
  optimizer_->step(rate);
  net_.zero_grad();
  return value.item();
}

Tensor Session::predict() {
  const NoGrad no_grad;
  return sigmoid(net_(pictures_));
}

Session::Look Session::look(int picture) {
  check(picture >= 0 && picture < kPictures, "look: picture ", picture, " of ", kPictures);
  const Tensor image = pictures_.alias(std::int64_t{picture} * kPixels, {1, kSide, kSide, 1});
  const Tensor label = truth_.alias(std::int64_t{picture} * kPixels, {1, kSide, kSide});
  Tensor logits;
  {
    const NoGrad no_grad;
    logits = net_(image);
  }
  logits.set_requires_grad();
  const Tensor value = loss_(logits, label, context_);
  if (value.requires_grad()) value.backward();
  return {value.item(), sigmoid(logits.detach()), logits.has_grad() ? logits.grad() : zeros_like(logits)};
}

}  // namespace voxgrad::playground
