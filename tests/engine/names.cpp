// Choosing by name: a typing error gets a suggestion, and another word gets none.
#include "engine/names.h"

#include "tests/test.h"

using namespace voxgrad;

TEST_CASE("the nearest name within a third of its letters") {
  const std::vector<std::string> known{"alpha", "beta", "smooth_nr", "smooth_dr"};
  CHECK(nearest("alhpa", known) == "alpha");  // two neighbours are swapped, which is one error
  CHECK(nearest("alfa", known) == "alpha");
  CHECK(nearest("betta", known) == "beta");
  CHECK(nearest("smoth_dr", known) == "smooth_dr");
  CHECK(nearest("gamma", known).empty());
  CHECK(nearest("x", {"y"}).empty());  // no letter is the same
  CHECK(suggestion("gamma", {"a", "b"}) == "known: a, b");
}

TEST_CASE("choose gives the index, or an error with the known names and the likely one") {
  CHECK(choose("loss", "dice", {"ce", "dice"}) == 1);
  CHECK(test::error_of([] {
          choose("loss", "dise", {"ce", "dice"});
        }) == "loss: unknown name \"dise\" (known: ce, dice)\nhint: did you mean \"dice\"?");
  CHECK(test::error_of([] {
          choose("loss", "tree", {"ce", "dice"});
        }) == "loss: unknown name \"tree\" (known: ce, dice)");
}
