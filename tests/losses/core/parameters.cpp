// Parameters: one call declares a parameter and returns its value.
#include "losses/core/parameters.h"

#include "tests/test.h"

using namespace voxgrad;
using losses::Parameters;
using test::contains;
using test::error_of;

TEST_CASE("a parameter has its default until it is set, and both are in the text") {
  Parameters with("demo", {{"b", "2.50"}, {"list", "1/2.0"}, {"word", "y"}});
  CHECK(with.number("a", 1, 0, 2, "m") == 1);
  CHECK(with.number("b", 1, 0, 3, "m") == 2.5);
  CHECK(with.integer("n", 3, 0, 9, "m") == 3);
  CHECK(with.flag("on", true, "m"));
  CHECK(with.choice("word", {"x", "y"}, "m").word == "y");
  CHECK(with.list("list", {"none"}, 0, 9, "m").numbers == std::vector<double>{1, 2});
  CHECK(with.list("other", {"none"}, 0, 9, "m").word == "none");
  with.check_settings();
  CHECK(with.text() == "a=1,b=2.5,n=3,on=1,word=y,list=1/2,other=none");
  REQUIRE(with.declared().size() == 7);
  CHECK(with.declared()[1].standard == "1");
}

TEST_CASE("a setting that no parameter reads is refused, and so is one that is given twice") {
  Parameters with("demo", {{"alpa", "1"}});
  with.number("alpha", 1, 0, 2, "m");
  CHECK(contains(error_of([&] { with.check_settings(); }), "did you mean \"alpha\"?"));
  Parameters twice("demo", {{"a", "1"}, {"a", "1"}});
  twice.number("a", 1, 0, 2, "m");
  CHECK(contains(error_of([&] { twice.check_settings(); }), "demo: a is given twice"));
}

TEST_CASE("a loss may only ask for words that its choice has") {
  Parameters with("demo", {});
  const losses::Choice choice = with.choice("b", {"x", "y"}, "m");
  CHECK(choice.is("x"));
  CHECK(!choice.is("y"));
  CHECK(contains(error_of([&] { return choice.is("z"); }), "demo: b: \"z\" is not one of the choices"));
}

TEST_CASE("common options and fields are collected for whoever calls the loss") {
  Parameters with("demo", {{"batch", "1"}, {"weights", "1/2"}, {"ignore", "7"}});
  with.background(false);
  with.batch();
  with.weights("m");
  with.ignore();
  CHECK(with.field("distance") == "distance");
  CHECK(!with.common().background);
  CHECK(with.common().batch);
  CHECK(with.common().weights.numbers == std::vector<double>{1, 2});
  CHECK(with.common().ignore == 7);
  CHECK(with.fields() == std::vector<std::string>{"distance"});
}
