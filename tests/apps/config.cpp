// Settings as text: TOML, JSON, sizes, label maps, lists of losses.
#include "apps/training/config.h"

#include "apps/comparison/compare.h"
#include "apps/training/plan.h"
#include "tests/test.h"

using namespace voxgrad;
using namespace voxgrad::apps;
using Words = std::vector<std::string>;

TEST_CASE("settings survive JSON, and a missing one is named") {
  TrainConfig config;
  config.loss = "0.7*dice:smooth_nr=1+ce";
  config.lr = 0.1 + 0.2;  // no short decimal form
  config.residual = true;
  config.seed = 0xFFFFFFFFFFFFFFFFull;
  Json json = Json::parse(to_json(config).dump());
  CHECK(to_json(config_from_json(json)) == to_json(config));
  json.erase("clip");
  CHECK(config_from_json(json).clip == TrainConfig().clip);
  CHECK(test::contains(test::error_of([&] { require_all_settings(json); }), "setting `clip`"));
  json["clip"] = "many";
  CHECK(test::contains(test::error_of([&] { config_from_json(json); }), "setting `clip`"));
}

TEST_CASE("sizes: one number for all axes, or one each") {
  CHECK(parse_sizes("64", 3, "--patch") == Shape{64, 64, 64});
  CHECK(parse_sizes("96x64", 2, "--patch") == Shape{96, 64});
  CHECK(parse_sizes("96,64", 2, "--patch") == Shape{96, 64});
  for (const char* bad :
       {"", "x", "0", "-3", "12x", "12xx3", "1x2x3", "1x1x1x1x1x1x1", "99999999999999999999", "12 13", "1e3"}) {
    const std::string message = test::error_of([&] { parse_sizes(bad, 2, "--size"); });
    CHECK_MESSAGE(test::contains(message, std::string("--size: cannot read \"") + bad + "\""), bad, ": ", message);
  }
}

TEST_CASE("spacings: one number for all axes, or one each, and the text keeps six digits") {
  CHECK(parse_spacing("0.5", 3) == std::vector<double>{0.5, 0.5, 0.5});
  CHECK(parse_spacing("1x0.5x0.25", 3) == std::vector<double>{1, 0.5, 0.25});
  CHECK(parse_spacing("3,1e-3", 2) == std::vector<double>{3, 1e-3});
  CHECK(spacing_text({3, 1.0 / 3}) == "3x0.333333");
  for (const char* bad : {"", "x", "0", "-3x1", "1xx3", "1x2x3", "1e999", "nan", "inf", "1x", "1 2"}) {
    const std::string message = test::error_of([&] { parse_spacing(bad, 2); });
    CHECK_MESSAGE(test::contains(message, std::string("--spacing: cannot read \"") + bad + "\""), bad, ": ", message);
  }
}

TEST_CASE("label maps") {
  CHECK(parse_label_map("").empty());
  CHECK(parse_label_map("0:0,255:1") == std::map<int, int>{{0, 0}, {255, 1}});
  for (const char* bad : {"0", "0:", ":1", "0:0,255", "0:0,", "256:1", "0=0", "0:0;1:1", "a:b"}) {
    if (std::string(bad) == "0:0,") continue;  // a comma at the end is no harm
    CHECK_MESSAGE(test::contains(test::error_of([&] { parse_label_map(bad); }), "--label-map: cannot read"), bad);
  }
  CHECK(test::contains(test::error_of([] { parse_label_map("0:0,0:1,255:1"); }), "--label-map: 0 is in it twice"));
}

TEST_CASE("a list of losses: commas separate losses and parameters") {
  CHECK(parse_losses("ce,dice") == Words{"ce", "dice"});
  CHECK(parse_losses("tversky:alpha=0.3,beta=0.7,dice:batch=1,ce") ==
        Words{"tversky:alpha=0.3,beta=0.7", "dice:batch=1", "ce"});
  CHECK(parse_losses("dice+ce:smoothing=0.1,weights=1/2") == Words{"dice+ce:smoothing=0.1,weights=1/2"});
  CHECK(parse_losses("all").size() >= 5);
  CHECK(parse_losses("").empty());
}
