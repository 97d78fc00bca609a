// Which losses to try on a dataset, and why: rules from the literature over the numbers of a fingerprint. They are a
// start for a comparison and no result of one.
#pragma once

#include <string>
#include <vector>

#include "data/fingerprint.h"

namespace voxgrad::apps {

struct LossAdvice {
  std::string loss;    // as make_loss() reads it
  std::string reason;  // a sentence with the numbers that were seen
  std::string source;  // who says so, and where
};
// The fingerprint is that of labelled cases with foreground. The list has at most six entries, without a loss that this
// build does not have; the first one is the default that the others have to beat.
std::vector<LossAdvice> advise_losses(const data::Fingerprint& print);

}  // namespace voxgrad::apps
