#include "losses/metrics/calibration.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/parallel.h"

namespace voxgrad::losses {

ProbabilityTally::ProbabilityTally(std::int64_t classes, int ignore)
    : classes_(classes),
      ignore_(ignore),
      volumes_(static_cast<std::size_t>(classes), 0.0),
      bins_(static_cast<std::size_t>(classes) + 1) {
  check(classes >= 2 && classes <= 256, "ProbabilityTally: classes ", classes, " outside 2..256");
}

void ProbabilityTally::add_range(const float* p, const std::uint8_t* truth, std::int64_t begin, std::int64_t end,
                                 Sums& sums) const {
  sums.volumes.assign(volumes_.size(), 0.0);
  sums.bins.resize(bins_.size());
  for (std::int64_t i = begin; i < end; ++i) {
    if (truth[i] == ignore_) continue;
    const float* row = p + i * classes_;
    for (std::size_t c = 0; c < sums.volumes.size(); ++c) sums.volumes[c] += static_cast<double>(row[c]);
    const float* likeliest = std::max_element(row, row + classes_);
    const auto confidence = static_cast<double>(*likeliest);
    const double place = std::clamp(std::ceil(confidence * kBins) - 1, 0.0, kBins - 1.0);
    for (Bins* bins : {&nth(sums.bins, likeliest - row), &sums.bins.back()}) {
      Bin& bin = (*bins)[static_cast<std::size_t>(place)];
      ++bin.count;
      bin.right += likeliest - row == truth[i] ? 1 : 0;
      bin.confidence += confidence;
    }
    ++sums.voxels;
  }
}

void ProbabilityTally::add(const Tensor& probabilities, const Tensor& truth) {
  check(probabilities.dims() == truth.dims() + 1 && probabilities.extent(-1) == classes_ &&
            probabilities.numel() == truth.numel() * classes_,
        "ProbabilityTally: probabilities ", probabilities, " of truth ", truth, " must be [*S, ", classes_, "]");
  constexpr std::int64_t kGrain = 16384;
  std::vector<Sums> blocks(static_cast<std::size_t>(block_count(truth.numel(), kGrain)));
  parallel_for(truth.numel(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    add_range(probabilities.data<float>(), truth.data<std::uint8_t>(), begin, end,
              blocks[static_cast<std::size_t>(begin / kGrain)]);
  });
  for (const Sums& block : blocks) {
    for (std::size_t c = 0; c < volumes_.size(); ++c) volumes_[c] += block.volumes[c];
    for (std::size_t c = 0; c < bins_.size(); ++c)
      for (std::size_t b = 0; b < bins_[c].size(); ++b) {
        bins_[c][b].count += block.bins[c][b].count;
        bins_[c][b].right += block.bins[c][b].right;
        bins_[c][b].confidence += block.bins[c][b].confidence;
      }
    voxels_ += block.voxels;
  }
}

double ProbabilityTally::error(const Bins& bins) {
  std::int64_t voxels = 0;
  double error = 0;  // n_b |right / n_b - confidence / n_b|, so that an empty bin adds nothing
  for (const Bin& bin : bins) {
    voxels += bin.count;
    error += std::fabs(static_cast<double>(bin.right) - bin.confidence);
  }
  return voxels == 0 ? std::numeric_limits<double>::quiet_NaN() : error / static_cast<double>(voxels);
}

}  // namespace voxgrad::losses
