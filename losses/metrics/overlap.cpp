#include "losses/metrics/overlap.h"

#include <array>

namespace voxgrad::losses {

std::vector<Overlap> count_overlap(const Tensor& prediction, const Tensor& truth, std::int64_t classes, int ignore) {
  check(prediction.shape() == truth.shape(), "count_overlap: prediction ", prediction, " and truth ", truth,
        " must have one shape");
  check(classes >= 1 && classes <= 256, "count_overlap: classes ", classes, " outside 1..256");
  // How often each pair of labels occurs. All counts follow from it.
  std::vector<std::int64_t> pairs(256 * 256, 0);
  const std::uint8_t* s = prediction.data<std::uint8_t>();
  const std::uint8_t* g = truth.data<std::uint8_t>();
  std::int64_t voxels = 0;
  for (std::int64_t i = 0, end = truth.numel(); i < end; ++i) {
    if (g[i] == ignore) continue;
    ++pairs[static_cast<std::size_t>(g[i]) * 256 + s[i]];
    ++voxels;
  }
  std::array<std::int64_t, 256> in_truth{}, in_prediction{};
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    in_truth[i / 256] += pairs[i];
    in_prediction[i % 256] += pairs[i];
  }
  for (std::size_t label = static_cast<std::size_t>(classes); label < 256; ++label) {
    if (in_truth[label] + in_prediction[label] == 0) continue;
    throw Error(ErrorKind::data, text(in_truth[label] > 0 ? "truth" : "prediction", ": label ", label, " outside 0..",
                                      classes - 1, ", ", in_truth[label] + in_prediction[label], " voxels"));
  }
  std::vector<Overlap> counts(static_cast<std::size_t>(classes));
  for (std::size_t c = 0; c < counts.size(); ++c) {
    Overlap& o = counts[c];
    o.tp = pairs[c * 257];
    o.fp = in_prediction[c] - o.tp;
    o.fn = in_truth[c] - o.tp;
    o.tn = voxels - o.tp - o.fp - o.fn;
  }
  return counts;
}

}  // namespace voxgrad::losses
