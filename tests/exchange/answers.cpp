// For the Python scripts beside this file: runs models on given maps and writes them again, as ONNX, too.
//   exchange_answers FOLDER
// For each NAME.KIND in the folder, where KIND is one of nn::foreign_names(), it writes NAME.model or, if something
// does not fit, NAME.misfits with a line for each misfit. After that, for each NAME.model, it writes
//   NAME.logits        the logits of each map of NAME.maps, [N, *S, C], under the name of the map
//   NAME.probabilities the probabilities of each map after the normalisation of the model, sample by sample
//   NAME.again         the model as it is saved
//   NAME.onnx          the network; NAME.whole.onnx has the normalisation and the probabilities inside
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "engine/autograd.h"
#include "nn/exchange/foreign.h"
#include "nn/exchange/onnx.h"
#include "nn/inference/model.h"

using namespace voxgrad;

namespace {

Tensor normalised(const Tensor& maps, const nn::Normalisation& normalisation) {
  std::vector<Tensor> samples;
  for (std::int64_t n = 0; n < maps.extent(0); ++n) {
    samples.push_back(slice(maps, 0, n, n + 1).clone());
    normalisation.apply(samples.back());
  }
  return concat(samples, 0);
}

void take(const std::string& name, nn::Foreign kind) {
  const std::string path = name + '.' + nth(nn::foreign_names(), static_cast<int>(kind));
  const nn::ForeignWeights weights = nn::translate(load_tensors(path).tensors, kind);
  if (!weights.misfits.empty()) {
    std::ofstream file(name + ".misfits");
    for (const std::string& misfit : weights.misfits) file << misfit << '\n';
    return;
  }
  nn::Model model{{}, std::make_unique<nn::UNet>(weights.net, Random(1)), path};
  model.spec.net = weights.net;
  model.spec.normalisation.kind = nn::Normalisation::Kind::none;
  for (int axis = 0; axis < weights.net.dims; ++axis) model.spec.window.push_back(model.net->divisor()[axis]);
  for (std::int64_t c = 0; c < weights.net.classes; ++c) model.spec.class_names.push_back(std::to_string(c));
  model.net->load_state(weights.state);
  nn::save_model(name + ".model", model);
}

void answer(const std::string& name) {
  const nn::Model model = nn::load_model(name + ".model");
  TensorFile logits, probabilities;
  for (const NamedTensor& map : load_tensors(name + ".maps").tensors) {
    logits.tensors.push_back({map.name, model.net->forward(map.tensor)});
    const Tensor prepared = normalised(map.tensor, model.spec.normalisation);
    probabilities.tensors.push_back({map.name, softmax(model.net->forward(prepared))});
  }
  save_tensors(name + ".logits", logits);
  save_tensors(name + ".probabilities", probabilities);
  nn::save_model(name + ".again", model);
  nn::save_onnx(name + ".onnx", model);
  nn::save_onnx(name + ".whole.onnx", model, {.probabilities = true, .normalise = true});
}

}  // namespace

int main(int count, char** arguments) try {
  check(count == 2, "exchange_answers: takes one folder");
  const NoGrad no_grad;
  const auto each = [&](const std::string& ending, const auto& f) {
    for (const auto& entry : std::filesystem::directory_iterator(arguments[1]))
      if (entry.path().extension() == '.' + ending) f(std::filesystem::path(entry.path()).replace_extension().string());
  };
  for (const nn::Foreign kind : {nn::Foreign::monai_basicunet, nn::Foreign::monai_dynunet, nn::Foreign::nnunet})
    each(nth(nn::foreign_names(), static_cast<int>(kind)), [&](const std::string& name) { take(name, kind); });
  each("model", answer);
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
