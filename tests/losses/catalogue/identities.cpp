// Losses that must agree where their formulas say so, and with the masks they count.
#include "engine/integrands.h"
#include "tests/test.h"

#include "losses/catalogue/identities.h"
#include "tests/losses/identity.h"

using namespace voxgrad;
using losses::make_loss;
using namespace test;

TEST_CASE("every relation that `voxgrad losses` tells holds, and every term in it is spelt out right") {
  for (const losses::Identity& identity : losses::identities()) {
    std::vector<Shape> shapes = kShapes;
    if (identity.channels == losses::Channels::one) shapes = {kShapes[0]};
    if (identity.channels == losses::Channels::several) shapes = {kShapes[1], kShapes[2]};
    if (identity.channels == losses::Channels::two_classes) shapes = {kShapes[0], kShapes[1]};
    check_equal(identity.left, identity.right, shapes);
  }
  CHECK(losses::identities_of("jaccard").size() >= 2);
  CHECK(losses::identities_of("mcc").empty());
}

TEST_CASE("two channels without background are one sigmoid channel on the difference of the logits") {
  Random random(62);
  const Sample two = test::draw_sample(random, {2, 4, 5, 2});
  const Tensor z = slice(two.logits, 3, 1, 2) - slice(two.logits, 3, 0, 1);
  for (const char* name : {"dice",
                           "jaccard",
                           "tversky",
                           "focal_tversky",
                           "asymmetric",
                           "sensitivity_specificity",
                           "weighted_hamming",
                           "mcc",
                           "combo",
                           "exp_log",
                           "dice_ce",
                           "dice_focal",
                           "dice_topk",
                           "dml",
                           "jml",
                           "lovasz_softmax",
                           "lovasz_hinge",
                           "boundary",
                           "hausdorff_dt",
                           "dice_hd",
                           "cldice",
                           "dice_pp",
                           "ace",
                           "boundary_dou",
                           "generalized_surface",
                           "regionwise",
                           "surface_dice"}) {
    const double pair = value_of(std::string(name) + ":background=0", two);
    CHECK_MESSAGE(std::fabs(value_of(name, {z, two.labels}) - pair) <= 1e-12, name << ": " << pair);
  }
  for (const char* same :
       {"ce", "ce:smoothing=0.2", "ce:weights=0.3/2,smoothing=0.2", "focal", "ce_l1", "ce_kl", "generalized_dice",
        "penalty_gd", "unified_focal", "unified_focal:asymmetric=0", "topk", "topk_threshold", "dpce", "gd_boundary",
        "skeleton_recall", "cc_dice_ce", "blob", "generalized_wasserstein_dice"})
    CHECK_MESSAGE(std::fabs(value_of(same, {z, two.labels}) - value_of(same, two)) <= 1e-12, same);
}

TEST_CASE("a compound loss of which one weight is 0 is the other term, and weights may be below 1") {
  for (const std::string other : {"ce", "focal", "topk"}) {
    const std::string compound = "dice_" + other;
    check_equal(compound + ":lambda_" + other + "=0", "dice");
    check_equal(compound + ":lambda_dice=0", other);
    check_equal(compound + ":lambda_dice=0.3,lambda_" + other + "=0.2", "0.3*dice+0.2*" + other);
  }
}

TEST_CASE("the Jaccard loss is 2 L / (1 + L) of the Dice loss, and between it and twice it") {
  Random random(63);
  for (int i = 0; i < 50; ++i) {
    const Sample sample = test::draw_sample(random, {1, 4, 5, 1});
    const double dice = value_of("dice:" + kExact, sample), jaccard = value_of("jaccard:" + kExact, sample);
    CHECK(std::fabs(jaccard - 2 * dice / (1 + dice)) <= 1e-12);
    CHECK(dice <= jaccard);
    CHECK(jaccard <= 2 * dice);
  }
}

// losses.md and the survey: with the sums over the classes inside the ratio only the mean of p_y is left.
TEST_CASE("pooled over the classes, overlap losses see only the mean probability of the truth") {
  Random random(64);
  for (const Shape& shape : {Shape{1, 4, 5, 2}, Shape{1, 3, 2, 4, 3}}) {
    const Sample sample = test::draw_sample(random, shape);
    const Tensor I =
        integrate(sample.logits, sample.labels, {{.kind = Integrand::overlap, .a = 0, .weights = {}, .field = {}}});
    const double t = sum(I).item() / static_cast<double>(sample.labels.numel());
    const std::string pooled = "pool_classes=1," + kExact;
    CHECK(std::fabs(value_of("dice:" + pooled, sample) - (1 - t)) <= 1e-12);
    CHECK(std::fabs(value_of("jaccard:" + pooled, sample) - (1 - t / (2 - t))) <= 1e-12);
    const double tversky = 1 - t / (t + (0.2 + 0.5) * (1 - t));
    CHECK(std::fabs(value_of("tversky:alpha=0.2,beta=0.5," + pooled, sample) - tversky) <= 1e-12);
  }
}

TEST_CASE("on masks of zeros and ones the losses are the counts") {
  Random random(65);
  for (int i = 0; i < 20; ++i) {
    const HardMasks m = draw_masks(random);
    const double mismatch = m.fp + m.fn;
    const auto equal = [&](const std::string& text, double expected) {
      const double got = value_of(text, m.sample);
      CHECK_MESSAGE(std::fabs(got - expected) <= 1e-12, text << ": " << got << ", expected " << expected);
    };
    equal("dice:" + kExact, mismatch / (2 * m.tp + mismatch));
    equal("dice:denominator=squared," + kExact, mismatch / (2 * m.tp + mismatch));
    equal("jaccard:" + kExact, mismatch / (m.tp + mismatch));
    const double missed = m.fn / (m.tp + m.fn), alarmed = m.fp / (m.fp + m.tn);
    equal("sensitivity_specificity:w=0.3,eps=1e-12", 0.3 * missed + 0.7 * alarmed);
    equal("weighted_hamming:gamma=0.3,eps=1e-12", 0.3 * missed + 0.7 * alarmed);
    const double scale = std::sqrt((m.tp + m.fp) * (m.tp + m.fn) * (m.tn + m.fp) * (m.tn + m.fn));
    equal("mcc:eps=1e-12", 1 - (m.tp * m.tn - m.fp * m.fn) / scale);
    const double voxels = m.tp + m.fp + m.fn + m.tn;
    CHECK(std::fabs(value_of("region_size", m.sample) - std::fabs(m.fp - m.fn) / voxels) <= 1e-9);
  }
}

// CE = KL(p || q) + sum_c p_c KL(U_c || r_c): proportions p true, q predicted; U_c uniform on class c; r_c the map of
// p_ic over the image, normalised.
TEST_CASE("cross entropy is the divergence of the sizes plus that of the places") {
  Random random(66);
  const Sample sample = test::draw_sample(random, {1, 4, 5, 2});
  const std::vector<double> p = softmax(sample.logits).to_vector<double>();
  const std::vector<std::uint8_t> y = sample.labels.to_vector<std::uint8_t>();
  const double M = static_cast<double>(y.size());
  std::vector<double> G(2, 0), P(2, 0);
  for (std::size_t i = 0; i < y.size(); ++i) {
    G[y[i]] += 1;
    for (std::size_t c = 0; c < 2; ++c) P[c] += p[2 * i + c];
  }
  double places = 0;  // sum_c p_c sum_(i in c) 1/G_c ln((1/G_c) / (p_ic / P_c))
  for (std::size_t i = 0; i < y.size(); ++i) places += std::log(P[y[i]] / (G[y[i]] * p[2 * i + y[i]])) / M;
  CHECK(std::fabs(value_of("ce", sample) - value_of("region_size:kind=kl", sample) - places) <= 1e-9);
}

TEST_CASE("weights from class fractions: the numbers, the mean, and an absent class") {
  Random random(67);
  const Sample sample = test::draw_sample(random, {2, 3, 2, 4, 3});
  losses::Context context;
  context.class_fractions = {0.8, 0.2, 0};
  const auto with = [&](const std::string& weights) {
    return make_loss("ce:weights=" + weights)(sample.logits, sample.labels, context).item();
  };
  // mean over the voxels 0.8 w_0 + 0.2 w_1 = 1; the median of {0.8, 0.2} is 0.5
  CHECK(std::fabs(with("inverse") - with("0.625/2.5/0")) <= 1e-12);
  CHECK(std::fabs(with("median") - with("0.625/2.5/0")) <= 1e-12);
  const double a = 1 / std::sqrt(0.8), b = 1 / std::sqrt(0.2), mean = 0.8 * a + 0.2 * b;
  const std::string list = losses::shortest_text(a / mean) + "/" + losses::shortest_text(b / mean) + "/0";
  CHECK(std::fabs(with("sqrt") - with(list)) <= 1e-12);
  context.class_fractions = {0.5, 0.25, 0.125};  // whose median is one of them
  CHECK(std::fabs(with("median") - with("0.5/1/2")) <= 1e-12);
}

TEST_CASE("weights from class fractions have mean 1 over the classes, where each is a factor of the loss of a class") {
  Random random(69);
  const Sample two = test::draw_sample(random, {2, 4, 3, 2}), one = test::draw_sample(random, {2, 4, 3, 1});
  losses::Context context;
  context.class_fractions = {0.999, 0.001};
  const auto with = [&](const Sample& sample, const char* loss) {
    return make_loss(loss)(sample.logits, sample.labels, context).item();
  };
  for (const char* loss : {"dice:weights=inverse", "dice:weights=median"})  // 1/f, scaled to mean 1
    CHECK(std::fabs(with(two, loss) - with(two, "dice:weights=0.002/1.998")) <= 1e-12);
  CHECK(std::fabs(with(two, "dice:background=0,weights=inverse") - with(two, "dice:background=0")) <= 1e-12);
  CHECK(std::fabs(with(one, "dice:weights=inverse") - with(one, "dice")) <= 1e-12);
  // numbers that are given stay as they are
  CHECK(with(two, "dice:weights=3/3") > 2.9 * with(two, "dice"));
}

TEST_CASE("an absent class is kept, left out, or counted as zero") {
  Random random(68);
  Sample sample = test::draw_sample(random, {1, 4, 5, 3});  // class 2 is absent from the first half; from all of it now
  for (std::int64_t i = 0; i < 20; ++i) sample.labels.data<std::uint8_t>()[i] &= 1;
  for (const char* name : {"dice", "jaccard", "tversky"}) {
    const std::string loss = name;
    const double ignored = value_of(loss + ":absent=ignore", sample), zero = value_of(loss + ":absent=zero", sample);
    CHECK(std::fabs(2 * ignored - 3 * zero) <= 1e-12);
    CHECK(value_of(loss, sample) > zero + 0.3);  // its loss is nearly 1, as nothing of it is found
  }
}

TEST_CASE("the axes of an image may change places") {
  Random random(73);
  const Sample sample = test::draw_sample(random, {2, 6, 9, 3}), volume = test::draw_sample(random, {1, 4, 5, 6, 3});
  for (const losses::Spec& spec : losses::registry()) {
    // Which of two voxels a thinning keeps, and to which of two objects as near as each other a voxel belongs, depends
    // on their order.
    if (spec.name == "skeleton_recall" || spec.name == "cc_dice_ce") continue;
    const losses::Loss loss = make_loss(spec.name);
    const auto difference = [&](const Sample& one, int axis) {
      const double turned = loss(transpose(one.logits, axis, axis + 1), transpose(one.labels, axis, axis + 1)).item();
      return std::fabs(turned - loss(one.logits, one.labels).item());
    };
    CHECK_MESSAGE(difference(sample, 1) <= 1e-9, spec.name);
    CHECK_MESSAGE(difference(volume, 1) <= 1e-9, spec.name);
    CHECK_MESSAGE(difference(volume, 2) <= 1e-9, spec.name);
  }
}

TEST_CASE("a square of five voxels has its skeleton after two erosions of cldice, and not before") {
  Tensor truth = zeros({1, 9, 9}, DType::u8), logits = full({1, 9, 9, 2}, 0, DType::f64);
  for (std::int64_t i = 0; i < 81; ++i) logits.data<double>()[2 * i] = 60;  // background everywhere
  const Tensor none = truth.clone();
  for (std::int64_t y = 2; y < 7; ++y)
    for (std::int64_t x = 2; x < 7; ++x) truth.data<std::uint8_t>()[9 * y + x] = 1;
  const auto difference = [&](const char* loss) {
    return std::fabs(make_loss(loss)(logits, truth).item() - make_loss(loss)(logits, none).item());
  };
  CHECK(difference("cldice:iterations=1,background=0") <= 1e-9);
  CHECK(difference("cldice:iterations=2,background=0") > 0.1);
}
