#include "data/probabilities.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/error.h"

namespace voxgrad::data {
namespace {

constexpr double kTolerance = 1e-3;  // of a sum: room for the rounding of f32 and of f16 before it
constexpr double kKnown = 0.5;       // the least sum of a voxel that is not ignored

}  // namespace

void require_probabilities(std::span<const float> values, std::int64_t classes, const CaseName& name) {
  const auto fail = [&](const std::string& problem, const std::string& hint) {
    fail_case("label_probabilities", name, problem, hint);
  };
  for (auto voxel = values.begin(); voxel != values.end(); voxel += classes) {
    double sum = 0;
    for (auto value = voxel; value != voxel + classes; ++value) {
      if (!std::isfinite(*value) || *value < 0) [[unlikely]]
        fail(text("value ", *value, " is no probability"),
             "every value lies between 0 and 1; are they logits? softmax makes probabilities of them");
      sum += *value;
    }
    if (std::min(std::abs(sum), std::abs(sum - 1)) > kTolerance) [[unlikely]]
      fail(text("the probabilities of a voxel add up to ", sum, ", expected 1, or 0 where the voxel is ignored"),
           "divide them by their sum before they are written");
  }
}

void normalise_probabilities(const Tensor& p) {
  const std::int64_t classes = p.extent(-1);
  float* voxel = p.data<float>();
  for (float* const end = voxel + p.numel(); voxel != end; voxel += classes) {
    const double sum = std::accumulate(voxel, voxel + classes, 0.0);
    if (sum == 1) continue;  // one-hot values keep their bits
    for (std::int64_t c = 0; c < classes; ++c)
      voxel[c] = sum < kKnown ? 0 : static_cast<float>(static_cast<double>(voxel[c]) / sum);
  }
}

}  // namespace voxgrad::data
