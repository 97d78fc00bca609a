// The paragraph of the methods: what was trained on which data, and how the numbers were compared.
#include <algorithm>
#include <map>

#include "apps/program/console.h"
#include "apps/report/card.h"
#include "apps/report/paper/latin.h"
#include "apps/report/paper/paper.h"
#include "apps/report/paper/references.h"
#include "apps/report/report.h"
#include "engine/error.h"
#include "engine/names.h"

namespace voxgrad::apps {
namespace {

// Cites references, and notes which.
class Citations {
 public:
  explicit Citations(std::vector<std::string>& cited) : cited_(cited) {}
  std::string operator()(const std::vector<std::string>& keys) {
    for (const std::string& key : keys)
      if (std::find(cited_.begin(), cited_.end(), key) == cited_.end()) cited_.push_back(key);
    return keys.empty() ? "" : "~\\cite{" + join(keys, ",") + "}";
  }

 private:
  std::vector<std::string>& cited_;
};

// The settings as they were used. Where datasets differ, each value names its dataset.
class Settings {
 public:
  explicit Settings(const Comparison& comparison) : datasets_(comparison.datasets) {}
  bool known() const {
    return std::all_of(datasets_.begin(), datasets_.end(),
                       [](const ComparedDataset& dataset) { return dataset.used.contains("settings"); });
  }
  std::string operator()(const std::string& name) const {
    return of(name, [](const std::string& value) { return latex(value); });
  }
  template <class Words>
  std::string of(const std::string& name, Words&& words) const {
    std::vector<std::string> values, named;
    for (const ComparedDataset& dataset : datasets_) {
      values.push_back(words(plain(dataset.used.at("settings").value(name, Json("")))));
      named.push_back(values.back() + " (" + latex(dataset.name) + ")");
    }
    const bool same = std::count(values.begin(), values.end(), values.front()) == std::ssize(values);
    return same ? values.front() : join(named, ", ");
  }
  // The datasets of each value.
  std::map<std::string, std::vector<std::string>> by_value(const std::string& name) const {
    std::map<std::string, std::vector<std::string>> found;
    for (const ComparedDataset& dataset : datasets_)
      found[plain(dataset.used.at("settings").value(name, Json("")))].push_back(dataset.name);
    return found;
  }
  static std::string plain(const Json& value) {
    return value.is_string()         ? value.get<std::string>()
           : value.is_number_float() ? text(value.get<double>())
                                     : value.dump();
  }

 private:
  const std::vector<ComparedDataset>& datasets_;
};

// "96x96" with the sign of multiplication.
std::string times_tex(const std::string& sizes) {
  const auto digit = [&](std::size_t at) { return at < sizes.size() && sizes[at] >= '0' && sizes[at] <= '9'; };
  std::string tex;
  std::size_t begin = 0;
  for (std::size_t at = 1; at < sizes.size(); ++at) {
    if (sizes[at] != 'x' || !digit(at - 1) || !digit(at + 1)) continue;
    tex += latex(sizes.substr(begin, at - begin)) + "$\\times$";
    begin = at + 1;
  }
  return tex + latex(sizes.substr(begin));
}

std::string optimiser_tex(const std::string& name, Citations& cite) {
  if (name == "adamw") return "AdamW" + cite({"loshchilov2019"});
  if (name == "adam") return "Adam" + cite({"kingma2015"});
  return name == "sgd" ? "stochastic gradient descent with a Nesterov momentum of 0.9" : latex(name);
}

std::string normalisation_tex(const std::string& how) {
  const std::string by = "standardised by the mean and standard deviation of each image";
  if (how == "case") return by;
  if (how == "mask") return by + ", without its voxels that are 0";
  if (how == "dataset")
    return "clipped to the percentiles 0.5 and 99.5 of the foreground of the training cases, and standardised by its "
           "mean and standard deviation";
  if (how == "rgb") return "divided by 255";
  return how == "none" ? "not changed" : latex(how);
}

std::string augmentation_tex(const std::string& what) {
  if (what == "none") return "were not augmented";
  if (what == "default") return "were augmented by random geometric and intensity changes";
  if (what == "geometry" || what == "intensity") return "were augmented by random " + what + " changes";
  return "were augmented (" + latex(what) + ")";
}

std::string data_tex(const ComparedDataset& dataset, int folds, bool grouped) {
  std::vector<std::string> classes;
  for (std::size_t label = 1; label < dataset.class_names.size(); ++label)
    classes.push_back(latex(dataset.class_names[label]));
  std::string tex = text("The ", dataset.dims, "-D data set \\emph{", latex(dataset.name), "}");
  if (const std::string sums = checksums_words(dataset); !sums.empty())
    tex += " (CRC-32 of its images and labels: " + sums + ")";
  tex +=
      (classes.size() == 1 ? " has the class " : " has the classes ") + join(classes, ", ") + " beside the background";
  if (dataset.used.contains("settings")) {
    const Json& own = dataset.used.at("settings");
    const auto cases = [&](const char* name) { return Settings::plain(own.at(name)); };
    tex += text("; ", cases("training_cases"), " cases were used for training, ", cases("validation_cases"),
                " for validation and ", cases("test_cases"), " for the test",
                folds > 0 ? text(" in each fold of a ", folds, "-fold cross-validation",
                                 grouped ? ", which never splits a group" : "")
                          : std::string());
  }
  tex += ".";
  for (const char* name : {"source", "license", "citation"})
    if (dataset.used.contains(name))
      tex += text(" Its ", name, ": ", latex(dataset.used.at(name).get<std::string>()), ".");
  return tex + "\n";
}

std::string training_tex(const Comparison& comparison, Citations& cite) {
  const Settings used(comparison);
  if (!used.known()) return "The settings of the trainings are not in the results; compare again to have them.\n";
  const bool tuned = comparison.protocol.value("tune", false);
  std::vector<std::string> network{used("depth") + " levels", used("base") + " channels at the first level",
                                   used.of("norm", [](const std::string& norm) {
                                     return norm == "none" ? std::string("no normalisation of features")
                                                           : latex(norm) + " normalisation";
                                   })};
  if (used("residual") == "true") network.push_back("residual blocks");
  if (used("deep_supervision") == "true") network.push_back("deep supervision");
  if (used("dropout") != "0") network.push_back("dropout of " + used("dropout"));
  const std::string last = network.back();
  network.pop_back();
  const std::string dims =
      used.of("dims", [](const std::string& count) { return count.empty() ? count : count + "-D"; });
  std::string tex = text(
      dims, dims.empty() ? "" : " ", "U-Nets", cite({"ronneberger2015"}), " with ", join(network, ", "), " and ", last,
      " were trained with voxgrad ", latex(comparison.versions.at("version").get<std::string>()), " on patches of ",
      used.of("patch", times_tex), " voxels in batches of ", used("batch"), ", for ", used("steps"), " steps of ",
      used.of("optimizer", [&](const std::string& name) { return optimiser_tex(name, cite); }),
      " with the learning rate ", used("lr"),
      tuned ? text(", a third or three times of it, whichever was best in validation for a loss",
                   comparison.protocol.value("folds", 0) > 0 ? " and a fold" : "")
            : "",
      ", weight decay ", used("weight_decay"), ", a ", used("schedule"),
      " schedule after a linear warm-up over 3\\,\\% of the steps",
      used("clip") == "0" ? "" : ", and gradients clipped to the norm " + used("clip"), ". ");
  tex += text("Intensities were ", used.of("normalise", normalisation_tex), ". ");
  if (used("amp") == "true") tex += "The maps of the network were in bfloat16. ";
  if (used("ema") != "0") tex += text("The weights were averaged with the decay ", used("ema"), " per step. ");
  for (const ComparedDataset& dataset : comparison.datasets)
    if (dataset.dims == 3 && Settings::plain(dataset.used.at("settings").value("dims", Json(3))) == "2")
      tex += text("The volumes of ", latex(dataset.name), " were segmented slice by slice. ");
  for (const auto& [targets, datasets] : used.by_value("targets"))
    if (targets == "probabilities")
      tex += text("The truth of the losses on ", latex(join(datasets, ", ")), " was the label probabilities. ");
  for (const auto& [spacing, datasets] : used.by_value("spacing"))
    if (spacing != "none")
      tex += text("The images of ", latex(join(datasets, ", ")), " were resampled to voxels of ", times_tex(spacing),
                  " mm. ");
  for (const auto& [crop, datasets] : used.by_value("crop"))
    if (crop != "off")
      tex += text("The images of ", latex(join(datasets, ", ")),
                  " were cropped to the box of the voxels that are not 0. ");
  for (const auto& [tta, datasets] : used.by_value("tta"))
    if (tta == "on") tex += text("Predictions on ", latex(join(datasets, ", ")), " are means over mirrored images. ");
  const std::vector<std::string> last_epoch = without_choice_of_epoch(comparison);
  tex += text("Patches ", used.of("augment", augmentation_tex), "; a share of ", used("foreground"),
              " of them was centred on foreground. ",
              last_epoch.size() < comparison.datasets.size()
                  ? "The weights of the epoch with the highest Dice on the validation cases, smoothed over the "
                    "validations, were tested" +
                        (last_epoch.empty() ? "" : ", on " + latex(join(last_epoch, ", ")) + " those of the last epoch")
                  : "The weights of the last epoch were tested");
  if (used("clean_up") == "off" || used("validation_cases") == "0")  // without these nothing is chosen
    return tex + ", without any post-processing.\n";
  return tex +
         ". Whether of the foreground, and of each class, only the largest component was kept was chosen on the "
         "validation cases of each training" +
         cite({"isensee2021"}) + ".\n";
}

// The text of a loss, which may go on in the next line after a sign.
std::string loss_tex(const std::string& loss) {
  std::string tex;
  for (const char letter : latex(loss)) {
    tex += letter;
    if (letter == '+' || letter == ':' || letter == ',') tex += "\\allowbreak ";
  }
  return "\\texttt{" + tex + "}";
}

std::string losses_tex(const Comparison& comparison, const Analysis& all, Citations& cite) {
  std::vector<std::string> names;
  for (const LossStatistics& loss : all.losses) {
    std::vector<std::string> keys;
    for (const Reference* one : references_of(loss.loss)) keys.push_back(one->key);
    names.push_back(loss_tex(loss.loss) + cite(keys));
  }
  const std::string where = comparison.protocol.value("folds", 0) > 0 ? " in each fold" : "";
  return text(all.losses.size() == 1 ? "The loss was " : "The losses were ", join(names, ", "), ". ",
              all.losses.size() == 1 ? std::string()
                                     : "For the same data set, fold and seed every loss started from the same weights, "
                                       "saw the same patches in the same order and had the same number of steps. ",
              all.seeds == 1
                  ? "There was one training of each" + where + ".\n"
                  : text("There were ", all.seeds, " trainings of each", where, ", with different seeds.\n"));
}

std::string statistics_tex(const Analysis& all, Citations& cite) {
  std::string tex =
      "A case counts with its Dice averaged over the classes that are in its truth, and over the trainings; a training "
      "that diverged counts with 0. ";
  if (all.several) tex += "Scores over several data sets are means of their means. ";
  if (all.grouped) tex += "Cases of one group, such as a patient, count as one unit, with their mean. ";
  tex +=
      "Where a class was missed, or found where it is not, its Hausdorff distance (95th percentile) counts as the "
      "diagonal of the image, and so does that of a training that diverged. ";
  if (shows_intervals(all))
    tex += text("Intervals of 95\\,\\% are those of Student's t and include the variance between ", all.units,
                !all.grouped      ? " cases"
                : all.all_grouped ? " groups"
                                  : " groups and single cases",
                " and between ", all.seeds, " seeds, which is moderated by that of all losses", cite({"smyth2004"}),
                ", with Satterthwaite's degrees of freedom", cite({"satterthwaite1946"}), ". ");
  if (all.losses.size() < 2) return tex + "\n";
  std::vector<std::string> unranked;
  for (const LossStatistics& loss : all.losses)
    if (!loss.too_short.empty()) unranked.push_back(loss_tex(loss.loss));
  if (!unranked.empty())
    tex +=
        "Trainings that were too short to rank their loss were left out of all tests: " + join(unranked, ", ") + ". ";
  if (all.why_open.empty())
    return tex + text("Differences are paired by ",
                      !all.grouped      ? "case"
                      : all.all_grouped ? "group"
                                        : "group or case",
                      ": their variance is that of the differences between two losses and of the trainings of both; "
                      "$p$-values are adjusted for all pairs of losses",
                      cite({"holm1979"}), " at the level ", kLevel, ". Losses are called equal if two one-sided tests",
                      cite({"schuirmann1987"}), " exclude a difference of ", kMargin, " of Dice.\n");
  return tex + "No difference was tested, because " + latex(all.why_open.substr(0, all.why_open.rfind(": use "))) +
         ".\n";
}

}  // namespace

std::string methods_tex(const Comparison& comparison, const std::vector<Analysis>& analyses,
                        std::vector<std::string>& cited) {
  Citations cite(cited);
  const Analysis& all = analyses.back();
  std::string tex = "\\paragraph{Data.}\n";
  for (const ComparedDataset& dataset : comparison.datasets)
    tex += data_tex(dataset, comparison.protocol.value("folds", 0),
                    std::any_of(dataset.cases.begin(), dataset.cases.end(),
                                [](const TestCase& one) { return !one.group.empty(); }));
  tex += "\\paragraph{Training.}\n" + training_tex(comparison, cite);
  tex += "\\paragraph{Losses.}\n" + losses_tex(comparison, all, cite);
  return tex + "\\paragraph{Statistics.}\n" + statistics_tex(all, cite);
}

}  // namespace voxgrad::apps
