#include "apps/training/timed_plan.h"

#include <algorithm>
#include <optional>

#include "apps/program/console.h"
#include "apps/training/preparation.h"
#include "apps/training/resolution.h"
#include "apps/training/rules.h"
#include "apps/training/validation.h"
#include "engine/error.h"

namespace voxgrad::apps {
namespace {

constexpr double kShare = 0.06, kMost = 10;  // of the time, and seconds, in which steps are measured
constexpr std::int64_t kFewSteps = 300, kLeastBatch = 2;
constexpr double kShareOfMirrors = 0.2;  // of the time, for what comes after the steps, if it is mirrored

class TimedPlan {
 public:
  TimedPlan(const TrainConfig& wish, const std::string& time, const data::DatasetInfo& info, const CasesRead& read,
            const PlanTrials& trials)
      : wish_(wish), time_(time), seconds_(parse_time(time)), info_(info), trials_(trials), config_(wish) {
    finest_ = plan_ = trials_.make(config_);
    if (read.facts) sides_ = read.facts->sides;
    if (wish_.spacing != "auto" || !wish_.from.empty()) return;
    voxel_ = trials_.voxel_seconds(plan_);
    if (plan_.model.preparation.crop && read.facts) kept_ = read.facts->kept;
    coarsen_to(kPredictionShare);
  }

  std::pair<Plan, Costs> fit() {
    measure(nullptr);
    // The windows are a part of it. What else a case takes is known now.
    if (const double end = seconds_at_end(plan_, costs_), left = trials_.left(); coarser_ && 3 * end > left) {
      const Plan finer = plan_;
      coarsen_to(kPredictionShare * std::max(0.1, left / (4 * end)));
      if (plan_.config.spacing != finer.config.spacing) scale_costs(finer);
    }
    choose();
    while (wish_.batch == 0 && plan_.steps < kFewSteps && plan_.config.batch / 2 >= kLeastBatch) {
      config_.batch = plan_.config.batch / 2;
      plan_ = trials_.make(config_);
      const Costs before = costs_;  // the batch changes no prediction
      measure(&before);
      choose();
      explain(plan_, "batch", text(plan_.config.batch), text("with more patches, few steps would fit ", time_));
    }
    return {std::move(plan_), costs_};
  }

 private:
  void coarsen_to(double share) {
    plan_ = finest_;
    coarser_ =
        coarsen(plan_, info_, kept_, share * seconds_ / voxel_,
                text(significant(100 * voxel_ * voxels_at_end(plan_, info_, kept_) / seconds_, 2), " % of ", time_),
                [&](const std::string& spacing) {
                  config_.spacing = spacing;
                  return trials_.make(config_);
                });
    config_.spacing = coarser_ ? plan_.config.spacing : wish_.spacing;
  }

  void measure(const Costs* known) {
    const double part = std::min(kMost, kShare * seconds_);
    costs_ = trials_.measure(plan_, part, part / 2, known);
  }

  // The costs of the plan as it is now, by those of a finer one: its windows take less, and all else of a prediction as
  // long. To measure large volumes again would take a fifth of a minute.
  void scale_costs(const Plan& finer) {
    const auto save = [&](double& seconds, const std::vector<std::int64_t>& cases, double views) {
      const double voxels = window_voxels(finer.model, info_, cases) - window_voxels(plan_.model, info_, cases);
      seconds = std::max(0.1 * seconds, seconds - views * voxel_ * kept_ * voxels);
    };
    const double views = view_count(finer);
    save(costs_.validation, plan_.val, 1);
    save(costs_.test, plan_.test, views);
    save(costs_.clean_up, plan_.val, views);
    save(costs_.pictures, pictured_cases(plan_), views);
    costs_.step *= static_cast<double>(plan_.config.batch * plan_.loader.patch.numel()) /
                   static_cast<double>(finer.config.batch * finer.loader.patch.numel());
  }

  // The plan of the settings as they are now, with other views; the network and its windows are as they were.
  void make_again() {
    const double views = view_count(plan_);
    plan_ = trials_.make(config_);
    costs_.test *= view_count(plan_) / views;
    costs_.clean_up *= view_count(plan_) / views;
    costs_.pictures *= view_count(plan_) / views;
  }

  // Chooses what depends on the time of a step.
  void choose() {
    std::optional<Reason> augment;
    if (wish_.augment.empty()) {
      const double patches = trials_.left() / costs_.step * static_cast<double>(plan_.config.batch);
      const std::vector<double>& common = plan_.model.preparation.spacing;
      augment = usual_augment(wish_, patches / static_cast<double>(plan_.loader.cases.size()), plan_.loader.patch,
                              common.empty() ? nth(info_.spacings, plan_.loader.cases.front()) : common, sides_);
      config_.augment = augment->value;
      if (augment->value != plan_.config.augment) make_again();
    }
    if (wish_.tta == "auto" && plan_.model.mirror &&
        validated_share(plan_) * costs_.clean_up + costs_.test + page_seconds(plan_, costs_) - page_seconds(plan_, {}) >
            kShareOfMirrors * seconds_) {
      config_.tta = "off";
      make_again();
    }
    // What was left out for the usual number of steps may fit.
    set_validated(plan_, wish_.validate_cases);
    plan_.config.validate_every = wish_.validate_every;
    fit_time(plan_, costs_, trials_.left());
    explain(plan_, "steps", text(plan_.steps), "as many as fit " + time_);
    if (coarser_) explain(plan_, coarser_->setting, coarser_->value, coarser_->why);
    if (augment) explain(plan_, "augment", augment->value, augment->why);
    if (config_.tta != wish_.tta)
      explain(plan_, "tta", "off", text("a test over mirrored images would take over a fifth of ", time_));
  }

  const TrainConfig& wish_;
  const std::string& time_;
  const double seconds_;
  const data::DatasetInfo& info_;
  const PlanTrials& trials_;
  TrainConfig config_;
  Plan finest_, plan_;
  Costs costs_;
  std::array<bool, 2> sides_{};
  double voxel_ = 1, kept_ = 1;  // the seconds of a voxel of a window; the share of an image that a crop keeps
  std::optional<Reason> coarser_;
};

}  // namespace

std::pair<Plan, Costs> plan_for_time(const TrainConfig& wish, const std::string& time, const data::DatasetInfo& info,
                                     const CasesRead& read, const PlanTrials& trials) {
  return TimedPlan(wish, time, info, read, trials).fit();
}

}  // namespace voxgrad::apps
