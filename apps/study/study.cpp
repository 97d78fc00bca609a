#include "apps/study/study.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "apps/program/console.h"
#include "apps/program/svg.h"
#include "apps/report/html.h"
#include "apps/study/claims.h"
#include "engine/autograd.h"
#include "losses/core/loss.h"

namespace voxgrad::apps {
namespace {

constexpr const char* kStudyStyle = R"(
table.words th:nth-child(n+2),table.words td:nth-child(n+2){white-space:nowrap;overflow-wrap:normal}
table.words tbody th{min-width:8em;overflow-wrap:break-word}
a{color:inherit}
)";

const char* verdict_of(bool holds) { return holds ? "holds" : "does not hold"; }

std::string claimed_text(const StudyCheck& check) {
  switch (check.relation) {
    case StudyCheck::Relation::equal:
      return significant(check.claimed) + (check.tolerance > 0 ? " ± " + significant(check.tolerance, 2) : "");
    case StudyCheck::Relation::at_most: return "at most " + significant(check.claimed);
    case StudyCheck::Relation::at_least: return "at least " + significant(check.claimed);
  }
  return "";
}

const char* name_of(StudyCheck::Relation relation) {
  switch (relation) {
    case StudyCheck::Relation::equal: return "equal";
    case StudyCheck::Relation::at_most: return "at most";
    case StudyCheck::Relation::at_least: return "at least";
  }
  return "";
}

}  // namespace

bool StudyCheck::holds() const {
  switch (relation) {
    case Relation::equal: return std::fabs(measured - claimed) <= tolerance;
    case Relation::at_most: return measured <= claimed;
    case Relation::at_least: return measured >= claimed;
  }
  return false;
}

bool Evidence::holds() const {
  return !checks.empty() && std::all_of(checks.begin(), checks.end(), [](const StudyCheck& c) { return c.holds(); });
}

const std::vector<Claim>& claims() {
  static const std::vector<Claim> all{dice_jaccard(), weighting(), tversky(),     surrogates(),
                                      region_size(),  ambiguity(), temperature(), mismatch()};
  return all;
}

Examined examine(const Claim& claim) {
  const auto start = std::chrono::steady_clock::now();
  Examined result{&claim, claim.examine(), 0};
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

std::string study_text(const Examined& examined) {
  const Claim& claim = *examined.claim;
  Table table({"", "measured", "claimed", ""}, 1);
  for (const StudyCheck& check : examined.evidence.checks)
    table.row({check.quantity, significant(check.measured), claimed_text(check), check.holds() ? "" : "no"});
  return claim.name + ": " + verdict_of(examined.evidence.holds()) + " (" + duration(examined.seconds) + ")\n" +
         claim.statement + "\n" + claim.source + "\n\n" + table.str();
}

Json study_json(const std::vector<Examined>& all) {
  Json list = Json::array();
  for (const Examined& one : all) {
    Json checks = Json::array();
    for (const StudyCheck& check : one.evidence.checks)
      checks.push_back({{"quantity", check.quantity},
                        {"measured", number(check.measured)},
                        {"relation", name_of(check.relation)},
                        {"claimed", check.claimed},
                        {"tolerance", check.tolerance},
                        {"holds", check.holds()}});
    list.push_back({{"claim", one.claim->name},
                    {"statement", one.claim->statement},
                    {"source", one.claim->source},
                    {"method", one.claim->method},
                    {"holds", one.evidence.holds()},
                    {"checks", checks},
                    {"seconds", one.seconds}});
  }
  return {{"claims", list}};
}

std::string study_page(const std::vector<Examined>& all) {
  std::string body = paragraph(
      "Each claim is computed anew with the losses of voxgrad. A claim holds if all of its numbers are those that it "
      "says. Claims about whole trainings are for the verb compare.");
  HtmlTable overview("The claims", {"claim", "verdict"}, "words");
  for (const Examined& one : all)
    overview.row(
        {"<a href=\"#" + one.claim->name + "\">" + one.claim->name + "</a>", verdict_of(one.evidence.holds())});
  body += overview.str();
  for (const Examined& one : all) {
    HtmlTable table(one.claim->method, {"", "measured", "claimed", "verdict"}, "words");
    for (const StudyCheck& check : one.evidence.checks)
      table.row({escaped(check.quantity), significant(check.measured), claimed_text(check), verdict_of(check.holds())});
    body += "<div id=\"" + one.claim->name + "\"></div>\n" +
            section(one.claim->name + ": " + verdict_of(one.evidence.holds()),
                    paragraph(one.claim->statement) + paragraph("Source: " + one.claim->source) + table.str() +
                        figure(one.evidence.picture, one.evidence.caption));
  }
  return page("What the papers claim of losses, computed", body, kStudyStyle);
}

double loss_value(const std::string& loss, const Tensor& logits, const Tensor& labels) {
  const NoGrad guard;
  return losses::make_loss(loss)(logits, labels).item();
}

Tensor logits_of(const std::vector<double>& probabilities) {
  const Tensor logits = empty({1, std::ssize(probabilities), 1}, DType::f64);
  for (std::size_t i = 0; i < probabilities.size(); ++i)
    logits.data<double>()[i] = std::log(probabilities[i] / (1 - probabilities[i]));
  return logits;
}

Tensor labels_of(const std::vector<std::uint8_t>& labels) { return from_vector({1, std::ssize(labels)}, labels); }

std::vector<double> random_probabilities(std::int64_t voxels, Random& random) {
  std::vector<double> result(static_cast<std::size_t>(voxels));
  for (double& p : result) p = random.uniform(0.02, 0.98);
  return result;
}

std::vector<std::uint8_t> random_labels(std::int64_t voxels, Random& random) {
  std::vector<std::uint8_t> result(static_cast<std::size_t>(voxels));
  for (std::uint8_t& label : result) label = random.chance(0.4);
  result[static_cast<std::size_t>(random.below(voxels))] = 1;
  return result;
}

}  // namespace voxgrad::apps
