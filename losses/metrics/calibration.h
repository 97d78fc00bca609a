// Sums over the probabilities of a case, from which metrics are computed. They are added up slab by slab, so that the
// probabilities of a whole volume are never in memory.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "engine/tensor.h"

namespace voxgrad::losses {

class ProbabilityTally {
 public:
  // Voxels whose truth is `ignore` are left out.
  explicit ProbabilityTally(std::int64_t classes, int ignore = -1);
  // probabilities f32 [*S, C], C = classes >= 2; truth u8 [*S] of the same voxels; both on the CPU. The sums have the
  // same bits for any number of threads.
  void add(const Tensor& probabilities, const Tensor& truth);

  [[nodiscard]] std::int64_t voxels() const { return voxels_; }
  // Sum of the probabilities of a class over the voxels, which is its soft volume.
  [[nodiscard]] double volume(std::size_t label) const { return volumes_[label]; }
  // Expected calibration error (Naeini et al., AAAI 2015; Guo et al., ICML 2017) of this case, NaN without voxels. The
  // confidence of a voxel is its largest probability, and the first class with that probability is its prediction. With
  // 15 bins ((b-1)/15, b/15] the error is
  //   sum over b of n_b / n |share of right voxels in b - mean confidence in b|
  // The background counts too. Where it fills nearly the whole image and is easy, the error is small.
  [[nodiscard]] double calibration_error() const { return error(bins_.back()); }
  // The same over the voxels that are predicted as one class (top-label calibration of Gupta and Ramdas, ICLR 2022), so
  // that an easy background does not hide the foreground; NaN if there are none. The voxels are chosen by the
  // prediction and not by the truth, because among the voxels of a true class even honest probabilities look too small.
  [[nodiscard]] double calibration_error(std::size_t label) const { return error(bins_[label]); }

 private:
  static constexpr int kBins = 15;
  struct Bin {
    std::int64_t count = 0, right = 0;
    double confidence = 0;
  };
  using Bins = std::array<Bin, kBins>;
  struct Sums {
    std::vector<double> volumes;
    std::vector<Bins> bins;
    std::int64_t voxels = 0;
  };
  static double error(const Bins& bins);
  void add_range(const float* p, const std::uint8_t* truth, std::int64_t begin, std::int64_t end, Sums& sums) const;

  std::int64_t classes_;
  int ignore_;
  std::int64_t voxels_ = 0;
  std::vector<double> volumes_;
  std::vector<Bins> bins_;  // of the voxels predicted as each class, and at the end of all voxels
};

}  // namespace voxgrad::losses
