// Expect: "15 nuclei of 176 pixels on average in an image of 100 x 140".
//
// A program that uses a trained model needs engine and nn alone. The model is that of example 5, nuclei.safetensors in
// this folder, or the file that is named. The image is a buffer of bytes, as a camera or another library hands it over:
// borrow() uses it where it lies, and the model prepares a copy. An image may have any size.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <numeric>
#include <vector>

#include "engine/ops.h"
#include "engine/random.h"
#include "nn/inference/windows.h"

using namespace voxgrad;

int main(int count, char** arguments) {
  try {
    const nn::Model model = nn::load_model(count > 1 ? arguments[1] : "nuclei.safetensors");

    // Three rows of five bright discs with soft borders, and noise.
    constexpr int kHeight = 100, kWidth = 140;
    std::vector<std::uint8_t> pixels;
    Random random(1);
    for (int i = 0; i < kHeight * kWidth; ++i) {
      const int row = i / kWidth, column = i % kWidth;
      const double away = std::hypot(row % 33 - 16, column % 28 - 14), radius = 6 + row / 33;
      const double disc = row < 99 ? 90 / (1 + std::exp(2 * (away - radius))) : 0;
      pixels.push_back(static_cast<std::uint8_t>(30 + disc + 6 * random.normal()));
    }

    const Tensor image = borrow(pixels.data(), {kHeight, kWidth, 1});
    const Tensor labels = nn::predict(model, image);  // u8 [100, 140]
    const Tensor objects = connected_components(reshape(labels, {1, kHeight, kWidth}), {1});
    std::vector<int> sizes;
    for (const int id : objects.to_vector<int>()) {
      if (id > std::ssize(sizes)) sizes.resize(static_cast<std::size_t>(id));
      if (id > 0) ++nth(sizes, id - 1);
    }
    std::erase_if(sizes, [](int size) { return size < 60; });  // specks of noise
    const int total = std::accumulate(sizes.begin(), sizes.end(), 0);
    std::printf("%zu nuclei of %zu pixels on average in an image of %d x %d\n", sizes.size(),
                static_cast<std::size_t>(total) / std::max<std::size_t>(sizes.size(), 1), kHeight, kWidth);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
}
