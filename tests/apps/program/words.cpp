// Words of the command line: names that are known, parts of a whole, names of files.
#include "apps/program/words.h"

#include "apps/program/svg.h"
#include "tests/test.h"

using namespace voxgrad;
using namespace voxgrad::apps;

TEST_CASE("a known word has its index; an unknown one is refused with what it could have been") {
  CHECK(choice("--norm: unknown value", "group", {"batch", "group"}) == 1);
  const auto message = [](const std::string& word) {
    return test::error_of([&] { choice("--norm: unknown value", word, {"batch", "group"}); });
  };
  CHECK(test::contains(message("bach"), "--norm: unknown value `bach`"));
  CHECK(test::contains(message("bach"), "did you mean `batch`?"));
  CHECK(test::contains(message("x"), "known: batch, group"));
}

TEST_CASE("a part of a whole is i/n with i from 0 to n - 1, and nothing else") {
  const std::optional<Part> part = parse_part("2/5");
  REQUIRE(part.has_value());
  CHECK(part->index == 2);
  CHECK(part->count == 5);
  for (const char* wrong : {"", "2", "2/", "/5", "5/5", "-1/5", "0/0", "0/-1", "2/5x", "2/5 ", "a/b", "2:5", " 2/5",
                            "+2/5", "2/+5", "2/ 5", "-0/5", "4294967296/4294967297", "0/4294967299"})
    CHECK_MESSAGE(!parse_part(wrong).has_value(), wrong);
}

TEST_CASE("a cell of a CSV file is in quotes where it must be") {
  CHECK(csv_cell("liver") == "liver");
  CHECK(csv_cell("kidney, left") == "\"kidney, left\"");
  CHECK(csv_cell("the \"rest\"") == "\"the \"\"rest\"\"\"");
  CHECK(csv_cell("a\nb") == "\"a\nb\"");
}

TEST_CASE("a loss as the name of a folder: no separators, no spaces, and what is allowed stays") {
  CHECK(file_name("tversky:alpha=0.3,beta=0.7") == "tversky_alpha=0.3_beta=0.7");
  CHECK(file_name("0.5*dice + a/b") == "0.5_dice___a_b");
  CHECK(file_name("dice_ce-2.x") == "dice_ce-2.x");
  CHECK(file_name("../../x") == "_.._.._x");
  for (const char* no_name : {"", ".", "..", ".hidden"}) CHECK(file_name(no_name) == std::string("_") + no_name);
  const std::string one = file_name(std::string(300, 'a')), other = file_name(std::string(300, 'a') + "b");
  CHECK(one.size() == 120);
  CHECK(other.size() == 120);
  CHECK(one != other);
  std::set<std::string> taken;
  CHECK(file_name("a/b", taken) == "a_b");
  CHECK(file_name("a b", taken) == "a_b_");
  CHECK(file_name("a_b_", taken) == "a_b__");
  CHECK(count_text(1, "case") + ", " + count_text(0, "case") + ", " + count_text(2, "loss") ==
        "1 case, 0 cases, 2 losses");
  CHECK(shell_word("--loss=0.5/x") == "--loss=0.5/x");
  CHECK(shell_word("my data.h5") == "'my data.h5'");
  CHECK(shell_word("it's") == "'it'\\''s'");
  CHECK(shell_word("0.5*ce") == "'0.5*ce'");
  CHECK(shell_word("") == "''");
}

TEST_CASE("a text of a stranger is shown without control characters, and a long one without its middle") {
  CHECK(shown("Dice 0.9\n\tgr\u00fc\u00df") == "Dice 0.9\n\tgr\u00fc\u00df");
  CHECK(shown("a\033[31mb\r\x7F") == "a\\u001b[31mb\\u000d\\u007f");
  CHECK(shown("\xC2\x9B"
              "2J\xC2\xA0") == "\\u009b2J\xC2\xA0");  // CSI in one character, and a space
  CHECK(shown("\xFFz\xC3") == "\\u00ffz\\u00c3");
  CHECK(shown("\u202Eb\u2069\u2028") == "\\u202eb\\u2069\u2028");  // what turns the text around
  CHECK(shown("abcdefghij", 10) == "abcdefghij");
  CHECK(shown("abcdefghijk", 10) == "abcde [1 bytes] ghijk");
  CHECK(shown(std::string(1, '\0')) == "\\u0000");
}

TEST_CASE("a text is cut between letters, and its letters are counted, not its bytes") {
  const std::string text = "a\xc3\xa4\xe2\x82\xac\xf0\x9f\x99\x82z";
  CHECK(letter_count(text) == 5);
  CHECK(first_letters(text, 0).empty());
  CHECK(first_letters(text, 2) == "a\xc3\xa4");
  CHECK(first_letters(text, 3) == "a\xc3\xa4\xe2\x82\xac");
  CHECK(first_letters(text, 5) == text);
  CHECK(first_letters(text, 9) == text);
  CHECK(shortened(text, 5) == text);
  CHECK(shortened(text, 3) == "a\xc3\xa4\u2026");
}
