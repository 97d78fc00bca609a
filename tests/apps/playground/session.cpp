// ctest labels: unsanitized
// The part of the playground that is C++: its pictures, and a network that learns them. The page itself is tested in a
// browser (browser.mjs), and what it says about losses by presets.mjs.
#include "apps/playground/session.h"

#include <algorithm>
#include <cmath>

#include "engine/io/json.h"
#include "losses/core/registry.h"
#include "tests/apps/support.h"

namespace voxgrad::playground {

using namespace voxgrad::test;

namespace {

struct Drawn {
  std::vector<float> image = std::vector<float>(kPixels);
  std::vector<std::uint8_t> label = std::vector<std::uint8_t>(kPixels);
  Drawn(const Task& task, std::uint64_t seed) { draw_picture(task, Random(seed), image.data(), label.data()); }
  std::int64_t inside() const { return std::count(label.begin(), label.end(), 1); }
};

double dice_of(Session& session) {
  const std::vector<float> p = session.predict().to_vector<float>();
  const std::vector<std::uint8_t> t = session.truth().to_vector<std::uint8_t>();
  double both = 0, all = 0;
  for (std::size_t i = 0; i < t.size(); ++i) {
    both += p[i] >= 0.5f && t[i] == 1 ? 1 : 0;
    all += (p[i] >= 0.5f ? 1 : 0) + t[i];
  }
  return 2 * both / all;
}

}  // namespace

TEST_CASE("playground: a picture is a function of its task and its stream, and most have objects") {
  for (const std::string& name : task_names()) {
    const Task task{name};
    CHECK(Drawn(task, 1).image == Drawn(task, 1).image);
    CHECK(Drawn(task, 1).image != Drawn(task, 2).image);
    int with_objects = 0;
    for (std::uint64_t seed = 0; seed < 40; ++seed) {
      const std::int64_t inside = Drawn(task, seed).inside();
      with_objects += inside > 0 ? 1 : 0;
      CHECK_MESSAGE(inside < kPixels / 2, name, ' ', seed);
    }
    CHECK_MESSAGE(with_objects == 40, name);
  }
}

TEST_CASE("playground: `empty` is the share of pictures without an object") {
  int empty = 0;
  for (std::uint64_t seed = 0; seed < 200; ++seed) empty += Drawn({.name = "rings", .empty = 0.3}, seed).inside() == 0;
  CHECK(empty > 40);
  CHECK(empty < 80);
}

// Where an object is half as bright as in its middle, a pixel is inside as often as not. The ground moves the
// brightness by 0.1 at most.
TEST_CASE("playground: the brightness in a rim is the probability that a pixel is inside") {
  for (const double share : {0.25, 0.5, 0.75}) {
    double inside = 0, pixels = 0;
    for (std::uint64_t seed = 0; seed < 300; ++seed) {
      const Drawn drawn({.name = "blobs", .contrast = 1, .noise = 0, .rim = 10}, seed);
      for (std::size_t i = 0; i < drawn.image.size(); ++i)
        if (std::abs(drawn.image[i] / 4 - share) < 0.05) {
          inside += drawn.label[i];
          ++pixels;
        }
    }
    CHECK(pixels > 1000);
    const double found = inside / pixels;
    CHECK_MESSAGE(std::abs(found - share) < 0.1, found, " of ", share);
  }
}

TEST_CASE("playground: sessions with one seed differ by their losses alone") {
  const Task task{"lesions"};
  Session one(task, "dice", 5), same(task, "dice", 5), other(task, "ce", 5), another_seed(task, "dice", 6);
  CHECK(one.pictures().to_vector<float>() == other.pictures().to_vector<float>());
  CHECK(one.predict().to_vector<float>() == other.predict().to_vector<float>());
  CHECK(one.pictures().to_vector<float>() != another_seed.pictures().to_vector<float>());
  for (int i = 0; i < 3; ++i) CHECK(one.step(1e-3) == same.step(1e-3));
  CHECK(one.steps() == 3);
  static_cast<void>(other.step(1e-3));
  CHECK(one.predict().to_vector<float>() == same.predict().to_vector<float>());
  CHECK(one.predict().to_vector<float>() != other.predict().to_vector<float>());
}

TEST_CASE("playground: a network learns blobs in fifty steps") {
  Session session({}, "dice", 1);
  const double before = dice_of(session);
  for (int i = 0; i < 50; ++i) static_cast<void>(session.step(1e-2));
  INFO("Dice ", before, " before");
  CHECK(before < 0.4);
  CHECK(dice_of(session) > 0.75);
}

TEST_CASE("playground: a look at a picture gives its loss and the derivative by every logit") {
  Session session({}, "ce", 1);
  const Session::Look look = session.look(3);
  const std::vector<float> all = session.predict().to_vector<float>(), p = look.probability.to_vector<float>(),
                           slope = look.gradient.to_vector<float>();
  const std::vector<std::uint8_t> truth = session.truth().to_vector<std::uint8_t>();
  double loss = 0, worst = 0, apart = 0;
  for (std::size_t i = 0; i < p.size(); ++i) {
    const std::size_t at = 3 * p.size() + i;
    apart = std::max(apart, std::abs(static_cast<double>(p[i]) - all[at]));
    loss -= std::log(truth[at] == 1 ? p[i] : 1 - p[i]) / kPixels;
    worst = std::max(worst, std::abs((p[i] - truth[at]) / kPixels - static_cast<double>(slope[i])));
  }
  CHECK(apart < 1e-5);
  CHECK(std::abs(look.loss - loss) < 1e-5);
  CHECK(worst < 1e-8);
  CHECK(contains(error_of([&] { static_cast<void>(session.look(kPictures)); }), "picture 16 of 16"));
}

TEST_CASE("playground: what cannot be meant is refused") {
  CHECK(contains(error_of([] { Session({}, "dise", 1); }), "dice"));
  CHECK(contains(error_of([] { Session({.name = "blob"}, "dice", 1); }), "blobs"));
  CHECK(contains(error_of([] { Session({.size = 3}, "dice", 1); }), "size 3 is outside 0.5..2"));
  CHECK(contains(error_of([] { Session({.noise = std::nan("")}, "dice", 1); }), "noise"));
}

TEST_CASE("playground: the page is told all losses, and each of them learns") {
  const JsonValue told = parse_json(facts());
  const JsonValue::Array& losses = *told.find("losses")->array();
  REQUIRE(losses.size() == losses::registry().size());
  for (const JsonValue& loss : losses) {
    const std::string name = *loss.find("name")->string();
    INFO(name);
    CHECK(loss.find("parameters")->array()->size() >= 1);
    Session session({}, name, 1);
    CHECK(std::isfinite(session.step(1e-3)));
    CHECK(std::isfinite(session.look(0).loss));
  }
}

}  // namespace voxgrad::playground
