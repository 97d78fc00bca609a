// For the Python scripts beside this file: runs models on given maps and writes them again, as ONNX, too.
//   exchange_answers FOLDER
// For each NAME.model in the folder it writes
//   NAME.logits        the logits of each map of NAME.maps, [N, *S, C], under the name of the map
//   NAME.probabilities the probabilities of each map after the normalisation of the model, sample by sample
//   NAME.again         the model as it is saved
//   NAME.onnx          the network; NAME.whole.onnx has the normalisation and the probabilities inside
#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "engine/autograd.h"
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
  for (const auto& entry : std::filesystem::directory_iterator(arguments[1]))
    if (entry.path().extension() == ".model") answer(std::filesystem::path(entry.path()).replace_extension().string());
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
