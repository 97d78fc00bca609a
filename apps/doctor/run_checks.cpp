#include "apps/doctor/run_checks.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <functional>
#include <system_error>

#include "apps/doctor/run_files.h"
#include "apps/program/console.h"
#include "apps/program/words.h"
#include "engine/error.h"

namespace voxgrad::apps {
namespace {

constexpr std::size_t kFewEpochs = 4;  // fewer say nothing about a course
constexpr double kApart = 0.15;        // Dice of validation and test; small splits differ by less
constexpr double kLost = 0.05;         // Dice below the best that is no noise
constexpr double kRising = 0.02;       // Dice from the third to the last quarter of the epochs
constexpr double kManySkipped = 0.05;  // of all steps
constexpr double kWarm = 0.5;          // of the largest rate

// What the checks know of a run.
struct Course {
  const RunFiles& run;
  std::vector<EpochRecord> validated;  // the epochs with a validation Dice
  std::size_t best = 0, kept = 0;      // the places in it of the highest Dice and of the weights that were kept

  explicit Course(const RunFiles& files) : run(files) {
    for (const EpochRecord& epoch : files.epochs)
      if (!std::isnan(epoch.val_dice)) validated.push_back(epoch);
    for (std::size_t i = 0; i < validated.size(); ++i)
      if (validated[i].val_dice > validated[best].val_dice) best = i;
    if (!validated.empty()) kept = static_cast<std::size_t>(best_record(validated)) - 1;
    if (!validated.empty() && validated[kept].val_dice == 0) kept = validated.size() - 1;  // as Session::end_epoch does
  }
  // An object of run.json; null if it is absent.
  static const Json& part(const Json& whole, const char* key) {
    static const Json nothing;
    const auto found = whole.is_object() ? whole.find(key) : whole.end();
    return found == whole.end() ? nothing : *found;
  }
  const Json& config() const { return part(run.manifest, "config"); }
  double test_dice() const { return real_of(part(part(run.manifest, "results"), "test"), "dice_mean"); }
  std::string data() const {
    const std::string path = words_of(part(run.manifest, "dataset"), "path");
    return path.empty() ? "FILE.h5" : path;
  }
  std::string resume() const {
    return run.resumable
               ? "go on with `voxgrad train --resume " + shell_word(run.directory) + "`"
               : "there is no checkpoint: start it again with the same command and -o " + shell_word(run.directory);
  }
};

void ending(const Course& course, std::vector<Finding>& findings) {
  const RunFiles& run = course.run;
  const std::string reason = run.exit_reason();
  const Json* error = run.last("error");
  const std::string message = error != nullptr ? words_of(*error, "message") : "";
  const std::string hint = error != nullptr ? words_of(*error, "hint") : "";
  const std::string where = run.epochs.empty() ? "before the first epoch" : text("epoch ", run.epochs.back().epoch);
  if (reason == "diverged")
    findings.push_back({"ending", true, "the training has diverged: " + message + ".", where,
                        "the weights of the last checkpoint are from before the failure; nothing was trained after it.",
                        hint.empty() ? "train again with a tenth of the --lr" : "to repair it, " + hint, ""});
  else if (reason == "error")
    findings.push_back(
        {"ending", true, "the training ended with an error: " + message + ".", where,
         "only the epochs before the error are in the run.",
         (hint.empty() ? "remove the cause," : "to repair it, " + hint + ",") + " then " + course.resume(), ""});
  else if (reason == "interrupted" && !run.in_use)
    findings.push_back({"ending", false, "the training was interrupted by a signal and is not finished.", where,
                        "the model is that of a shorter training, at a learning rate that was still high.",
                        course.resume(), ""});
  else if (reason == "running" && !run.in_use)
    findings.push_back({"ending", true, "the run says that it is running, but no process is training there.", where,
                        "the process was killed, or the machine stopped; the run is not finished.", course.resume(),
                        ""});
}

void skipped_steps(const Course& course, std::vector<Finding>& findings) {
  std::int64_t skipped = 0, back = 0;
  std::string first;
  for (const Json& line : course.run.log) {
    const std::string event = words_of(line, "event");
    if (event != "skip" && event != "rollback") continue;
    ++(event == "skip" ? skipped : back);
    if (first.empty()) first = words_of(line, "message");
  }
  if (skipped + back == 0) return;
  const double steps = std::max(1.0, real_of(course.run.manifest, "steps"));
  findings.push_back({"skipped", static_cast<double>(skipped) > kManySkipped * steps || back > 1,
                      text("numbers were not finite: ", skipped, " steps were left out, and ", back,
                           " times the training went back to a checkpoint; first: ", first, "."),
                      "", "a training in which this happens often is near its end: it works by luck.",
                      "remove the cause that the message names; a smaller --lr is the usual one", ""});
}

void found_nothing(const Course& course, std::vector<Finding>& findings) {
  if (course.validated.empty() || course.validated[course.best].val_dice > 0) return;
  findings.push_back(
      {"found_nothing", true, text("the validation Dice is 0 in all ", course.validated.size(), " epochs."),
       "split val", "the model finds nothing: all is background, or what it finds lies elsewhere.",
       text("voxgrad doctor ", shell_word(course.data()), " looks at the data",
            ": masks that do not fit the images are the usual cause; then try --loss dice_ce, --foreground 1 so that "
            "patches show the object, more --steps, or another --lr"),
       ""});
}

void class_zero(const Course& course, std::vector<Finding>& findings) {
  if (course.validated.empty() || !(course.validated[course.best].val_dice > 0)) return;
  const std::vector<std::string>& names = course.run.class_names;
  for (std::size_t c = 0; c < names.size(); ++c) {
    // NaN in one epoch: no validation case has the class. The 0 of others are of voxels that were falsely found.
    const bool zero = std::ranges::all_of(course.validated, [c](const EpochRecord& epoch) {
      return c < epoch.val_classes.size() && epoch.val_classes[c] == 0;
    });
    if (!zero) continue;
    findings.push_back(
        {"class_zero", true, text("the validation Dice of class ", c + 1, " (\"", names[c], "\") is 0 in every epoch."),
         text("class ", c + 1, " (", names[c], ")"), "the model has not learned this class, while it finds others.",
         "see in how many training cases the class is and how large it is (`voxgrad inspect`); then try "
         "--loss dice+ce:weights=inverse, --foreground 1 or more --steps",
         ""});
  }
}

// Epochs with a loss that is a number.
std::vector<EpochRecord> with_loss(const RunFiles& run) {
  std::vector<EpochRecord> epochs;
  for (const EpochRecord& epoch : run.epochs)
    if (std::isfinite(epoch.loss)) epochs.push_back(epoch);
  return epochs;
}

// A loss may change its meaning with the epoch, so a validation that becomes better is an excuse.
void loss_falls(const Course& course, std::vector<Finding>& findings) {
  const std::vector<EpochRecord> epochs = with_loss(course.run);
  if (epochs.size() < kFewEpochs) return;
  const double first = epochs.front().loss;
  double least = epochs[1].loss;
  for (const EpochRecord& epoch : epochs)
    if (&epoch != &epochs.front()) least = std::min(least, epoch.loss);
  const std::vector<EpochRecord>& validated = course.validated;
  if (least < first - 0.01 * std::abs(first)) return;
  if (!validated.empty() && validated[course.best].val_dice > validated.front().val_dice + kLost) return;
  findings.push_back(
      {"loss_falls", true,
       text("the loss does not fall: ", significant(first), " in the first epoch, ", significant(least),
            " at best in the ", epochs.size() - 1, " after it."),
       text("epochs 1 to ", epochs.back().epoch), "nothing is learned.",
       text("try ten times and a tenth of the --lr (it was ", significant(real_of(course.config(), "lr")),
            "), and --loss dice_ce in place of ", words_of(course.config(), "loss")),
       ""});
}

void overfitting(const Course& course, std::vector<Finding>& findings) {
  const std::vector<EpochRecord>& all = course.validated;
  if (all.size() < 2 * kFewEpochs) return;
  const EpochRecord &best = all[course.best], &last = all.back();
  const double lost = best.val_dice - last.val_dice, fallen = best.loss - last.loss;
  if (lost < kLost || !(fallen > 0.02 * std::abs(best.loss)) || course.best + kFewEpochs > all.size()) return;
  findings.push_back({"overfitting", false,
                      text("the loss falls on, but the validation does not follow: best Dice ", fixed(best.val_dice, 3),
                           " in epoch ", best.epoch, ", ", fixed(last.val_dice, 3), " at the end."),
                      text("from epoch ", best.epoch),
                      text("from there on the model learns the training cases by heart; best.safetensors is of epoch ",
                           all[course.kept].epoch, "."),
                      "more cases, --augment default, --dropout 0.2 or fewer --steps help", ""});
}

double mean_dice(const std::vector<EpochRecord>& epochs, std::size_t begin, std::size_t end) {
  double sum = 0;
  for (std::size_t i = begin; i < end; ++i) sum += epochs[i].val_dice;
  return sum / static_cast<double>(end - begin);
}

void still_rising(const Course& course, std::vector<Finding>& findings) {
  const std::vector<EpochRecord>& all = course.validated;
  if (all.size() < 2 * kFewEpochs || course.run.exit_reason() != "finished") return;
  const std::size_t n = all.size();
  const double before = mean_dice(all, n / 2, 3 * n / 4), after = mean_dice(all, 3 * n / 4, n);
  if (after - before < kRising || course.best < 3 * n / 4) return;
  findings.push_back({"still_rising", false,
                      text("the validation Dice still rises at the end: ", fixed(before, 3),
                           " in the third quarter of the epochs, ", fixed(after, 3), " in the last."),
                      text("epochs ", all[n / 2].epoch, " to ", all.back().epoch), "a longer training would be better.",
                      text("train again with about twice the --steps (it had ",
                           significant(real_of(course.run.manifest, "steps")), ")"),
                      ""});
}

void first_is_best(const Course& course, std::vector<Finding>& findings) {
  const std::vector<EpochRecord>& all = course.validated;
  if (all.size() < kFewEpochs || course.best != 0 || all.front().val_dice - all.back().val_dice < kLost) return;
  findings.push_back({"first_is_best", true,
                      text("the first epoch is the best one: Dice ", fixed(all.front().val_dice, 3), ", at the end ",
                           fixed(all.back().val_dice, 3), "."),
                      text("epoch ", all.front().epoch),
                      "all that came later made the model worse: the learning rate is too large, or the loss rewards "
                      "something else.",
                      "try a tenth of the --lr, or another --loss", ""});
}

void val_and_test(const Course& course, std::vector<Finding>& findings) {
  const double test = course.test_dice();
  if (course.validated.empty() || std::isnan(test)) return;
  const double val = course.validated[course.kept].val_dice;
  if (std::abs(val - test) < kApart) return;
  findings.push_back({"val_and_test", false,
                      text("validation and test are far apart: Dice ", fixed(val, 3), " and ", fixed(test, 3), "."),
                      "splits val and test",
                      "one of the splits has too few cases, or cases of another kind (scanner, patient, size).",
                      "compare the splits, and measure with --fold k/5 instead of one split", ""});
}

void never_warm(const Course& course, std::vector<Finding>& findings) {
  const double wanted = real_of(course.config(), "lr");
  double largest = 0;
  for (const EpochRecord& epoch : course.run.epochs)
    if (epoch.lr > largest) largest = epoch.lr;
  if (course.run.epochs.size() < kFewEpochs || !(wanted > 0) || !(largest < kWarm * wanted)) return;
  findings.push_back({"never_warm", false,
                      text("the learning rate never came near its plan: at most ", significant(largest), " of ",
                           significant(wanted), "."),
                      text("epochs 1 to ", course.run.epochs.back().epoch),
                      "it was halved by rollbacks or lowered by the schedule early, so the model learned little.",
                      "train again with a --lr that does not diverge, and --schedule cosine", ""});
}

void dataset_there(const Course& course, std::vector<Finding>& findings) {
  std::error_code ignored;
  if (course.run.exit_reason() == "finished" || course.data() == "FILE.h5" ||
      std::filesystem::exists(course.data(), ignored))
    return;
  findings.push_back({"dataset", false, "the dataset " + course.data() + " is no longer where it was.", course.data(),
                      "the run cannot be resumed without it.",
                      "give its new place: `voxgrad train NEW.h5 --resume " + shell_word(course.run.directory) + "`",
                      ""});
}

struct RunCheck {
  const char* name;
  const char* question;
  void (*examine)(const Course&, std::vector<Finding>&);
};

const std::vector<RunCheck>& checks_of_runs() {
  static const std::vector<RunCheck> list{
      {"ending", "did the training come to its end, and why not?", ending},
      {"dataset", "is the dataset still there for a run that is not finished?", dataset_there},
      {"skipped", "were steps left out because numbers were not finite?", skipped_steps},
      {"found_nothing", "is Dice 0 throughout?", found_nothing},
      {"class_zero", "is there a class that is never found?", class_zero},
      {"loss_falls", "does the loss fall?", loss_falls},
      {"overfitting", "does the validation follow the loss?", overfitting},
      {"still_rising", "was the training long enough?", still_rising},
      {"first_is_best", "is a later epoch better than the first?", first_is_best},
      {"val_and_test", "do validation and test agree?", val_and_test},
      {"never_warm", "did the learning rate reach its plan?", never_warm},
  };
  return list;
}

}  // namespace

std::vector<Finding> examine_run(const std::string& directory, Device device) {
  std::vector<Finding> findings;
  const RunFiles run = read_run(directory, device, findings);
  const Course course(run);
  for (const RunCheck& check : checks_of_runs()) check.examine(course, findings);
  return findings;
}

const std::vector<std::pair<std::string, std::string>>& run_checks() {
  static const std::vector<std::pair<std::string, std::string>> list = [] {
    std::vector<std::pair<std::string, std::string>> all{{"files", "are the files of the run whole?"}};
    for (const RunCheck& check : checks_of_runs()) all.emplace_back(check.name, check.question);
    return all;
  }();
  return list;
}

}  // namespace voxgrad::apps
