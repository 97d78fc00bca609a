// Means and deviations per channel against two passes, in one piece and merged from several.
#include "engine/moments.h"

#include "engine/random.h"
#include "tests/test.h"

using namespace voxgrad;

namespace {

bool near(double a, double b) { return std::abs(a - b) <= 1e-12 * std::max(1.0, std::abs(b)); }

}  // namespace

TEST_CASE("moments of any number of voxels, far from zero, whole and merged") {
  Random random(2);
  constexpr std::int64_t kChannels = 3;
  for (std::int64_t voxels = 1; voxels < 40; ++voxels) {
    std::vector<float> values;
    for (std::int64_t i = 0; i < voxels * kChannels; ++i)
      values.push_back(static_cast<float>(1000 * (i % kChannels) + random.below(100)));
    const std::vector<Moments> whole = channel_moments(values.data(), voxels, kChannels);
    const std::int64_t cut = voxels / 3;
    std::vector<Moments> merged = channel_moments(values.data(), cut, kChannels);
    const std::vector<Moments> rest = channel_moments(values.data() + cut * kChannels, voxels - cut, kChannels);
    for (std::size_t c = 0; c < kChannels; ++c) {
      double sum = 0, squares = 0;
      for (std::size_t i = c; i < values.size(); i += kChannels) sum += values[i];
      const double count = static_cast<double>(voxels), mean = sum / count;
      for (std::size_t i = c; i < values.size(); i += kChannels) squares += (values[i] - mean) * (values[i] - mean);
      merged[c].merge(rest[c]);
      for (const Moments& found : {whole[c], merged[c]}) {
        CHECK(found.count == count);
        CHECK(near(found.mean, mean));
        CHECK(near(found.deviation(), std::sqrt(squares / count)));
      }
    }
  }
  CHECK(channel_moments(nullptr, 0, 2)[1].deviation() == 0);
}
