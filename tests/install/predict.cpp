// Segments images with a trained model, with voxgrad::nn and nothing else:
//   predict model.safetensors images.safetensors labels.safetensors
// The images are tensors f32 [*S, C]; the labels get their names.
#include <exception>
#include <iostream>

#if __has_include("nn/inference/windows.h")
#include "nn/inference/windows.h"
#else  // as other projects see it
#include "voxgrad/nn/inference/windows.h"
#endif

int main(int count, char** arguments) {
  using namespace voxgrad;
  if (count != 4) return 2;
  try {
    const nn::Model model = nn::load_model(arguments[1]);
    TensorFile labels;
    for (const NamedTensor& image : load_tensors(arguments[2]).tensors)
      labels.tensors.push_back({image.name, nn::predict(model, image.tensor)});
    save_tensors(arguments[3], labels);
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
