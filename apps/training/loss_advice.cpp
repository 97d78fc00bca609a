#include "apps/training/loss_advice.h"

#include <algorithm>
#include <functional>

#include "apps/program/console.h"
#include "engine/error.h"
#include "losses/core/grammar.h"
#include "losses/core/registry.h"

namespace voxgrad::apps {
namespace {

using data::ClassFingerprint;
using data::Fingerprint;

std::string percent(double share) { return significant(100 * share, 2) + " %"; }

double objects_per_case(const ClassFingerprint& one) {
  return static_cast<double>(one.objects) / static_cast<double>(std::max<std::int64_t>(1, one.cases));
}

// The classes but the background that occur.
std::vector<ClassFingerprint> foreground(const Fingerprint& print) {
  std::vector<ClassFingerprint> found;
  for (std::size_t c = 1; c < print.classes.size(); ++c)
    if (print.classes[c].objects > 0) found.push_back(print.classes[c]);
  return found;
}

const ClassFingerprint* rarest(const std::vector<ClassFingerprint>& classes) {
  const auto found = std::min_element(classes.begin(), classes.end(),
                                      [](const auto& a, const auto& b) { return a.fraction < b.fraction; });
  return found == classes.end() ? nullptr : &*found;
}

// Long and thin: twice as many border voxels as compact objects of the same sizes.
bool thin(const ClassFingerprint& one) { return one.thinness >= 2; }
// Several objects of different sizes in a case. Objects of a few voxels are mostly flaws of the labels.
bool scattered(const ClassFingerprint& one) {
  return !thin(one) && objects_per_case(one) >= 3 && one.object_voxels.median >= 5 &&
         one.object_voxels.max >= 4 * one.object_voxels.median;
}
// One large object, whose inside is easy.
bool large(const ClassFingerprint& one, int dims) {
  return !thin(one) && objects_per_case(one) < 2 && one.object_voxels.median >= (dims == 2 ? 500 : 2000);
}

std::string name_of(const ClassFingerprint& one) { return "class \"" + one.name + "\": "; }

// The sentence of a rule about classes, for the first class that it holds for; empty if there is none.
std::string first_class(const Fingerprint& print, const std::function<bool(const ClassFingerprint&)>& holds,
                        const std::function<std::string(const ClassFingerprint&)>& sentence) {
  for (const ClassFingerprint& one : foreground(print))
    if (holds(one)) return name_of(one) + sentence(one);
  return "";
}

std::string thin_structures(const Fingerprint& print, const char* consequence) {
  return first_class(print, thin, [&](const ClassFingerprint& one) {
    return text("its border is ", significant(one.thinness, 2),
                " times as long as that of compact objects, so it is thin; ", consequence);
  });
}

std::string scattered_objects(const Fingerprint& print, const char* consequence) {
  return first_class(print, scattered, [&](const ClassFingerprint& one) {
    return text(significant(objects_per_case(one), 2), " objects per case, half of them below ",
                significant(one.object_voxels.median), " voxels and the largest of ",
                significant(one.object_voxels.max), ", ", percent(one.fraction), " of the voxels; ", consequence);
  });
}

std::string rare_class(const Fingerprint& print, double below, const char* consequence) {
  const std::vector<ClassFingerprint> classes = foreground(print);
  const ClassFingerprint* one = rarest(classes);
  if (one == nullptr || one->fraction >= below) return "";
  return text(name_of(*one), percent(one->fraction), " of the voxels, in objects of ",
              significant(one->object_voxels.median), " voxels (median); ", consequence);
}

std::string large_objects(const Fingerprint& print, const char* consequence) {
  return first_class(
      print, [&](const ClassFingerprint& one) { return large(one, print.dims); },
      [&](const ClassFingerprint& one) {
        return text("objects of ", significant(one.object_voxels.median), " voxels (median), ",
                    significant(objects_per_case(one), 2), " per case; ", consequence);
      });
}

// A loss is advised if `reason` returns a sentence. The order is that of the list. Terms that cannot be trained with
// alone stand in the sums of their authors.
struct AdviceRule {
  const char* loss;
  std::string (*reason)(const Fingerprint&);
  const char* source;
};
const AdviceRule kAdviceRules[] = {
    {"dice_ce",
     [](const Fingerprint& print) {
       return text("foreground ", percent(print.foreground_fraction), " of the voxels in ", print.cases,
                   " cases; the usual default, which the others have to beat.");
     },
     "Isensee et al., Nature Methods 2021, Methods; Ma et al., Medical Image Analysis 2021, abstract"},
    {"ce",
     [](const Fingerprint& print) -> std::string {
       const std::vector<ClassFingerprint> classes = foreground(print);
       const ClassFingerprint* one = rarest(classes);
       if (one == nullptr || one->fraction < 0.1) return "";
       return text(
           "every class of the foreground has at least ", percent(one->fraction),
           " of the voxels; without imbalance cross entropy alone does, and its probabilities can be trusted more "
           "than those of Dice.");
     },
     "Mehrtash et al., IEEE TMI 2020 (calibration after training with Dice and with cross entropy)"},
    {"dice_ce:background=0+skeleton_recall",
     [](const Fingerprint& print) { return thin_structures(print, "a gap costs recall on its skeleton."); },
     "Kirchhoff et al., ECCV 2024, section 3"},
    {"0.5*dice+0.5*cldice",
     [](const Fingerprint& print) {
       return thin_structures(print, "a gap in a branch costs as much as a thick branch.");
     },
     "Shit et al., CVPR 2021, section 3 (alpha = 0.5)"},
    {"cc_dice_ce",
     [](const Fingerprint& print) {
       return scattered_objects(print, "every object counts the same, whatever its size.");
     },
     "arXiv 2511.17146; Jaus et al., AAAI 2025 (the measure)"},
    {"2*dice_ce:background=0+blob",
     [](const Fingerprint& print) {
       return scattered_objects(print, "missed small objects hardly move a Dice of the whole.");
     },
     "Kofler et al., blob loss, arXiv 2205.08209"},
    {"tversky:alpha=0.3,beta=0.7",
     [](const Fingerprint& print) {
       return rare_class(print, 1e-3, "missed voxels weigh more than false ones, for the sake of recall.");
     },
     "Salehi et al., MLMI 2017, Table 1"},
    {"dice_topk",
     [](const Fingerprint& print) {
       return rare_class(print, 0.02,
                         "most voxels are easy background, and only the hardest ones enter the cross entropy.");
     },
     "Isensee et al., Nature Methods 2021; Ma et al., Medical Image Analysis 2021 (robust where the imbalance is "
     "strong)"},
    {"dice_focal",
     [](const Fingerprint& print) {
       return rare_class(print, 0.02, "most voxels are easy background, whose cross entropy fades.");
     },
     "Zhu et al., Medical Physics 2019 (AnatomyNet); Ma et al., Medical Image Analysis 2021"},
    {"dice_ce:batch=1",
     [](const Fingerprint& print) -> std::string {
       const double empty = static_cast<double>(print.empty_cases) / static_cast<double>(print.cases);
       if (empty < 0.1) return "";
       return text(print.empty_cases, " of ", print.cases,
                   " cases have no foreground; sums over the batch keep the Dice of such an image from being 0/0.");
     },
     "Isensee et al., Nature Methods 2021 (batch Dice of the 2-D configuration)"},
    {"boundary_dou",
     [](const Fingerprint& print) {
       return large_objects(print, "their inside is easy, so the border deserves the weight.");
     },
     "Sun et al., MICCAI 2023"},
    {"dice_hd",
     [](const Fingerprint& print) {
       return large_objects(print, "errors far from the border, which Dice hardly sees, cost by their distance.");
     },
     "Karimi and Salcudean, IEEE TMI 2020, Eq. 8; Ma et al., Medical Image Analysis 2021"},
};
constexpr std::size_t kMost = 6;

bool known(const std::string& loss) {
  const std::set<losses::Spec>& all = losses::registry();
  const std::vector<losses::TermText> terms = losses::parse_terms(loss);
  return std::all_of(terms.begin(), terms.end(), [&](const losses::TermText& term) {
    return std::any_of(all.begin(), all.end(), [&](const losses::Spec& spec) { return spec.name == term.name; });
  });
}

}  // namespace

std::vector<LossAdvice> advise_losses(const Fingerprint& print) {
  std::vector<LossAdvice> list;
  for (const AdviceRule& rule : kAdviceRules) {
    if (list.size() == kMost || !known(rule.loss)) continue;
    const std::string reason = rule.reason(print);
    if (!reason.empty()) list.push_back({rule.loss, reason, rule.source});
  }
  return list;
}

}  // namespace voxgrad::apps
