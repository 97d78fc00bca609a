// The text form of the losses, and what is said about a wrong one.
#include "tests/test.h"

#include "losses/core/grammar.h"
#include "tests/losses/samples.h"

using namespace voxgrad;
using losses::make_loss;
using test::contains;
using test::error_of;

TEST_CASE("terms, weights and settings are split where they should be") {
  const auto terms = losses::parse_terms("0.7*dice:background=0 + 1.3*ce:weights=0.2/1/3,smoothing=0.1");
  REQUIRE(terms.size() == 2);
  CHECK(terms[0].weight == 0.7);
  CHECK(terms[0].name == "dice");
  CHECK(terms[1].weight == 1.3);
  CHECK(terms[1].settings == std::vector<losses::Parameters::Setting>{{"weights", "0.2/1/3"}, {"smoothing", "0.1"}});
}

TEST_CASE("the sign of an exponent does not end a term") {
  for (const char* number : {"1e-05", "1e+5", "1E+5", "1.e+5", "2.5e+05"}) {
    const auto terms = losses::parse_terms(std::string("dice:smooth_nr=") + number + "+ce");
    REQUIRE(terms.size() == 2);
    CHECK(terms[0].settings[0].second == number);
    CHECK(terms[1].name == "ce");
  }
  CHECK(losses::parse_terms("1e+1*ce+2*ce")[0].weight == 10);
  CHECK(make_loss("ce+1e-3*ce").text() == make_loss("ce+0.001*ce").text());
}

TEST_CASE("the canonical text names every parameter and reads back as itself") {
  for (const losses::Spec& spec : losses::registry()) {
    for (const std::string& text : test::variants(spec, 3)) {
      const std::string canonical = make_loss(text).text();
      CHECK_MESSAGE(make_loss(canonical).text() == canonical, text);
      for (const losses::Parameter& parameter : spec.parameters)
        CHECK_MESSAGE(contains(canonical, parameter.name + "="), canonical);
      const std::size_t colon = text.find(':');
      if (colon != std::string::npos) CHECK_MESSAGE(contains(canonical + ",", text.substr(colon + 1) + ","), canonical);
    }
    const std::string sum = make_loss("0.25*" + spec.name + "+" + spec.name).text();
    CHECK_MESSAGE(make_loss(sum).text() == sum, sum);
  }
}

TEST_CASE("a number is printed so that it reads back as the same number") {
  CHECK(losses::shortest_text(0.1) == "0.1");
  CHECK(losses::shortest_text(1) == "1");
  CHECK(losses::shortest_text(1e-05) == "1e-05");
  for (double x : {1.0 / 3, 4.0 / 3, 1e300, 123456.789}) CHECK(std::stod(losses::shortest_text(x)) == x);
}

TEST_CASE("every loss describes itself") {
  for (const losses::Spec& spec : losses::registry()) {
    for (const std::string* field : {&spec.summary, &spec.formula, &spec.source, &spec.helps, &spec.fails})
      CHECK_MESSAGE(!field->empty(), spec.name);
    for (const losses::Parameter& parameter : spec.parameters) {
      CHECK_MESSAGE(!parameter.meaning.empty(), spec.name << " " << parameter.name);
      CHECK_MESSAGE(std::count_if(spec.parameters.begin(), spec.parameters.end(),
                                  [&](const losses::Parameter& p) { return p.name == parameter.name; }) == 1,
                    spec.name << " " << parameter.name);
    }
    CHECK(&losses::find_spec(spec.name) == &spec);
  }
}

TEST_CASE("an unknown name gets a did-you-mean") {
  CHECK(contains(error_of([] { return make_loss("dise"); }), "did you mean \"dice\"?"));
  CHECK(contains(error_of([] { return make_loss("dice:bakground=0"); }), "did you mean \"background\"?"));
  CHECK(contains(error_of([] { return make_loss("dice:transform=neglog"); }), "did you mean \"neg_log\"?"));
  CHECK(contains(error_of([] { return make_loss("ce:weights=invers"); }), "did you mean \"inverse\"?"));
}

TEST_CASE("a wrong text is refused with the place and the reason") {
  struct Wrong {
    const char *text, *part;
  };
  for (const Wrong& wrong : {Wrong{"", "no name"},
                             {"dice+", "no name"},
                             {"2*", "no name"},
                             {"x*dice", "weight \"x\""},
                             {"-1*dice", "weight \"-1\""},
                             {"inf*dice", "weight \"inf\""},
                             {"dice:", "\"\" is not parameter=value"},
                             {"dice:background", "\"background\" is not parameter=value"},
                             {"dice:background=", "not parameter=value"},
                             {"dice:=1", "not parameter=value"},
                             {"dice:background=2", "a switch: 0 or 1"},
                             {"dice:batch=0,batch=1", "batch is given twice"},
                             {"dice:smooth_nr=abc", "\"abc\" is not a number"},
                             {"dice:smooth_nr=1x", "\"1x\" is not a number"},
                             {"dice:smooth_nr=nan", "not a number"},
                             {"dice:smooth_nr=-1", "-1 is outside 0.."},
                             {"ce:smoothing=1", "1 is outside 0..0.999"},
                             {"ce:ignore=256", "256 is outside -1..255"},
                             {"ce:ignore=1.5", "not an integer"},
                             {"ce:weights=1//2", "\"\" is not a number"},
                             {"ce:weights=1/-2", "-2 is outside"},
                             {"dice:weights=1/2,pool_classes=1", "no meaning with pool_classes"}}) {
    const std::string message = error_of([&] { return make_loss(wrong.text); });
    CHECK_MESSAGE(contains(message, wrong.part), wrong.text << ": " << message);
  }
}

TEST_CASE("weights that do not fit the classes are refused when the logits are seen") {
  const Tensor logits = zeros({1, 4, 3}), labels = zeros({1, 4}, DType::u8);
  CHECK(contains(error_of([&] { return make_loss("ce:weights=1/2")(logits, labels); }), "2 values for 3 classes"));
  const std::string unknown = error_of([&] { return make_loss("ce:weights=inverse")(logits, labels); });
  CHECK(contains(unknown, "fractions of 3 classes"));
  CHECK(contains(unknown, "give 3 numbers"));
  CHECK(contains(error_of([&] { return make_loss("ce")(zeros({4}), labels); }), "[N, *S, C]"));
}
