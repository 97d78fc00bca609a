// What the values of masks are taken for. Each refusal must name what the masks look like and the remedy.
#include "data/exchange/label_values.h"
#include "engine/random.h"
#include "tests/data/exchange/support.h"

using namespace voxgrad;
using namespace voxgrad::test;
using data::LabelDecision;
using data::LabelSurvey;
using data::LabelWishes;
using data::SourceLabel;
using Names = std::vector<std::string>;
using Map = std::map<int, int>;

namespace {

SourceLabel label_with(const std::vector<std::int32_t>& values, bool colours = false) {
  SourceLabel label;
  label.values = values;
  label.colours = colours;
  return label;
}

// A mask of 32 x 32 that has these values in stripes of equal height.
SourceLabel stripes(const std::vector<std::int32_t>& values, bool colours = false) {
  std::vector<std::int32_t> all;
  for (std::size_t i = 0; i < 1024; ++i) all.push_back(values[i * values.size() / 1024]);
  return label_with(all, colours);
}

LabelDecision decide(const std::vector<SourceLabel>& labels, const LabelWishes& wishes = {},
                     const data::Discovery& source = {}) {
  LabelSurvey survey;
  for (std::size_t i = 0; i < labels.size(); ++i) survey.add(labels[i], {32, 32}, "case " + std::to_string(i));
  return decide_labels(survey, source, wishes);
}

std::string values_refusal(const std::vector<SourceLabel>& labels, const LabelWishes& wishes = {},
                           const data::Discovery& source = {}) {
  return error_of([&] { decide(labels, wishes, source); });
}

std::vector<int> classes(const SourceLabel& label, const LabelDecision& decision, const Shape& extents) {
  return classes_of(label, extents, decision).to_vector<int>();
}

LabelWishes wish_of_map(const Map& map) {
  LabelWishes wishes;
  wishes.map = map;
  return wishes;
}

}  // namespace

TEST_CASE("values 0, 1, 2 are classes as they stand") {
  const LabelDecision two = decide({stripes({0, 1}), stripes({0})}), three = decide({stripes({0, 2}), stripes({0, 1})});
  CHECK(two.class_names == Names({"background", "object"}));
  CHECK(three.class_names == Names({"background", "class_1", "class_2"}));
  CHECK(three.source_label_map.empty());
  CHECK(classes(label_with({0, 2, 1, 0}), three, {2, 2}) == std::vector<int>({0, 2, 1, 0}));
}

TEST_CASE("0 and 255 are refused with the map, and accepted with it") {
  const std::string message = values_refusal({stripes({0}), stripes({0, 255})});
  CHECK_MESSAGE(contains(message, "hold the values 0, 255"), message);
  CHECK(contains(message, "case 1"));
  CHECK(contains(message, "hint: use the label map 0:0,255:1"));
  const LabelDecision decision = decide({stripes({0, 255})}, wish_of_map({{0, 0}, {255, 1}}));
  CHECK(decision.class_names.size() == 2);
  CHECK(decision.source_label_map == Map({{0, 0}, {255, 1}}));
  CHECK(classes(label_with({0, 255}), decision, {1, 2}) == std::vector<int>({0, 1}));
}

TEST_CASE("gaps are refused with a complete map") {
  CHECK(contains(values_refusal({stripes({0, 1, 2, 4})}), "hint: use the label map 0:0,1:1,2:2,4:3"));
  CHECK(contains(values_refusal({stripes({1, 2, 3})}),
                 "use the label map 1:0,2:1,3:2, if the smallest value is the background"));
  CHECK(contains(values_refusal({stripes({0, 1, 255})}), "255:255 at its end if 255 means unknown"));
  CHECK(contains(values_refusal({stripes({-1, 0, 1})}), "values -1, 0, 1"));
}

TEST_CASE("many gaps may also be numbers of objects") {
  const std::string message = values_refusal({stripes({0, 2, 4, 6, 8, 10, 12, 14, 16})});
  CHECK_MESSAGE(contains(message, "14:7,16:8; or use the option instances if each value is an object"), message);
}

TEST_CASE("many values without gaps are classes or numbers of objects, and the caller says which") {
  const std::vector<std::int32_t> nine{0, 1, 2, 3, 4, 5, 6, 7, 8};
  CHECK(decide({stripes({0, 1, 2, 3, 4, 5, 6, 7})}).class_names.size() == 8);
  const std::string message = values_refusal({stripes({0, 1}), stripes(nine)});
  CHECK_MESSAGE(
      contains(message, "all values 0..8, which may be classes or numbers of objects (8 first in case case 1)"),
      message);
  CHECK(contains(message, "use the label map 0:0,1:1,2:2,3:3,4:4,5:5,6:6,7:7,8:8 if each value is a class"));
  CHECK(contains(message, "use the option instances if each value is an object"));
  Map map;
  for (const std::int32_t value : nine) map[value] = value;
  CHECK(decide({stripes(nine)}, wish_of_map(map)).class_names.size() == 9);
  LabelWishes wishes;
  wishes.class_names = {"background", "a", "b", "c", "d", "e", "f", "g", "h"};
  CHECK(decide({stripes(nine)}, wishes).class_names == wishes.class_names);
  LabelWishes instances;
  instances.instances = true;
  CHECK(decide({stripes(nine)}, instances).class_names == Names({"background", "object"}));
}

TEST_CASE("a map must have every value that occurs; 255 as its target means unknown") {
  CHECK(contains(values_refusal({stripes({0, 7, 9})}, wish_of_map({{0, 0}, {7, 1}})),
                 "the value 9 (case case 0, 341 voxels) is not in the label map"));
  const LabelDecision decision = decide({stripes({0, 7, 9})}, wish_of_map({{0, 0}, {7, 1}, {9, 255}}));
  CHECK(decision.ignore_label == 255);
  CHECK(decision.class_names.size() == 2);
  CHECK(classes(label_with({9, 7}), decision, {1, 2}) == std::vector<int>({255, 1}));
}

TEST_CASE("the source may say what its values are") {
  data::Discovery source;
  source.class_names = {"background", "core", "enhancing"};
  source.label_map = {{0, 0}, {1, 1}, {4, 2}};
  const LabelDecision decision = decide({stripes({0, 1, 4})}, {}, source);
  CHECK(decision.class_names == source.class_names);
  CHECK(decision.source_label_map == source.label_map);
  CHECK(contains(values_refusal({stripes({0, 3})}, {}, source),
                 "the value 3 (case case 0, 512 voxels) is not in the labels that the source"));
}

TEST_CASE("class names count the classes; fewer are refused") {
  LabelWishes wishes;
  wishes.class_names = {"background", "a", "b", "never seen"};
  CHECK(decide({stripes({0, 2})}, wishes).class_names == wishes.class_names);
  const LabelDecision voc = decide({stripes({0, 2, 255})}, wishes);
  CHECK(voc.ignore_label == 255);
  wishes.class_names = {"background", "a"};
  CHECK(contains(values_refusal({stripes({0, 1, 2})}, wishes), "2 are given for 3 classes"));
  CHECK(contains(values_refusal({stripes({0, 255})}, wishes), "use the label map 0:0,255:1"));
}

TEST_CASE("masks without any object are refused unless classes are named") {
  CHECK(contains(values_refusal({stripes({0})}), "every voxel of every mask has the value 0"));
  LabelWishes wishes;
  wishes.class_names = {"background", "cell"};
  CHECK(decide({stripes({0})}, wishes).class_names == wishes.class_names);
}

TEST_CASE("smoothed masks are refused with their peaks and a threshold, which is accepted") {
  std::vector<std::int32_t> values;  // a square of 255 with borders that fall off
  for (int y = 0; y < 32; ++y)
    for (int x = 0; x < 32; ++x) {
      const int in = std::min(std::min(x, 31 - x), std::min(y, 31 - y));
      values.push_back(in >= 8 ? 255 : in == 7 ? 100 + x * 3 : in == 6 ? 30 + y : 0);
    }
  const std::string message = values_refusal({label_with(values)});
  CHECK_MESSAGE(contains(message, "resized, smoothed or compressed. Peaks at 0 ("), message);
  CHECK(contains(message, ", 255 ("));
  CHECK(contains(message, "hint: use the threshold 127"));
  LabelWishes wishes;
  wishes.threshold = 127;
  const LabelDecision decision = decide({label_with(values)}, wishes);
  CHECK(classes(label_with({0, 127, 128, 255}), decision, {2, 2}) == std::vector<int>({0, 0, 1, 1}));
  CHECK(decision.source_label_map == Map({{0, 0}, {255, 1}}));
  wishes.threshold = 255;
  CHECK(contains(values_refusal({label_with(values)}, wishes), "no value is above the threshold 255"));
}

TEST_CASE("images in the place of masks are named") {
  Random random(3);
  std::vector<std::int32_t> values;
  for (int i = 0; i < 1024; ++i) values.push_back(static_cast<std::int32_t>(random.below(200)));
  const std::string message = values_refusal({label_with(values)});
  CHECK_MESSAGE(contains(message, "look like images and not like masks: "), message);
  std::vector<std::int32_t> colours;
  for (int i = 0; i < 1024; ++i) colours.push_back(static_cast<std::int32_t>(random.below(1 << 24)));
  CHECK(contains(values_refusal({label_with(colours, true)}), "one colour for each class"));
}

TEST_CASE("numbers of objects are recognised, and become one class with or without borders") {
  std::vector<std::int32_t> numbers;
  for (int i = 0; i < 40; ++i) numbers.push_back(i);
  CHECK(contains(values_refusal({stripes(numbers)}), "use the option instances"));
  LabelWishes wishes;
  wishes.instances = true;
  CHECK(classes(label_with({0, 3, 3, 9}), decide({stripes(numbers)}, wishes), {1, 4}) ==
        std::vector<int>({0, 1, 1, 1}));
  wishes.border = true;
  const LabelDecision decision = decide({stripes(numbers)}, wishes);
  CHECK(decision.class_names == Names({"background", "object", "border"}));
  CHECK(classes(label_with({3, 3, 3, 9, 9, 9, 0, 4}), decision, {1, 8}) == std::vector<int>({1, 1, 2, 2, 1, 1, 0, 1}));
  CHECK(classes(label_with({3, 0, 0, 9}), decision, {2, 2}) == std::vector<int>({2, 0, 0, 2}));  // diagonally
  CHECK(classes(label_with({3, 0, 0, 0, 0, 0, 0, 9}), decision, {2, 2, 2}) ==
        std::vector<int>({2, 0, 0, 0, 0, 0, 0, 2}));
}

TEST_CASE("what is unknown in masks of objects is no object, and touches none") {
  SourceLabel voc = stripes({0, 1, 2, 255});
  voc.palette.resize(256);
  LabelWishes wishes;
  wishes.instances = true;
  for (const bool border : {false, true}) {
    wishes.border = border;
    const LabelDecision decision = decide({voc}, wishes);
    CHECK(decision.ignore_label == 255);
    CHECK(decision.class_names.size() == (border ? 3 : 2));
    CHECK(contains(notes_of(decision.notes), "The value 255 of the masks is no object, but unknown."));
    CHECK(classes(label_with({1, 1, 255, 0, 2, 2, 1}), decision, {1, 7}) ==
          (border ? std::vector<int>({1, 1, 255, 0, 1, 2, 2}) : std::vector<int>({1, 1, 255, 0, 1, 1, 1})));
  }
  CHECK(decide({stripes({0, 1, 2, 255})}, wishes).ignore_label == -1);  // no palette: a number as others
  data::Discovery source;
  source.label_map = {{0, 0}, {1, 1}, {7, 255}};
  const LabelDecision described = decide({stripes({0, 1, 2, 7})}, wishes, source);
  CHECK(described.ignore_label == 255);
  CHECK(classes(label_with({2, 7, 1}), described, {1, 3}) == std::vector<int>({1, 255, 1}));
}

TEST_CASE("objects of some cases and classes of others are refused, unless all are said to be objects") {
  data::Discovery source;
  source.cases.resize(2);
  source.cases[0].id = "a";
  source.cases[1].id = "b";
  source.cases[1].instances = true;
  const std::vector<SourceLabel> masks{stripes({0, 1, 2}), stripes({0, 1, 2, 3})};
  const std::string message = values_refusal(masks, {}, source);
  CHECK_MESSAGE(contains(message, "the masks of case b are objects, those of case a are classes"), message);
  LabelWishes wishes;
  wishes.instances = true;
  CHECK(decide(masks, wishes, source).instances);
  source.cases[0].instances = true;
  CHECK(decide(masks, {}, source).instances);
}

TEST_CASE("objects have no more names than the classes that are made of them") {
  data::Discovery source;
  source.cases.resize(1);
  source.cases[0].instances = true;
  LabelWishes wishes;
  wishes.class_names = {"background", "cell", "border"};
  const std::string message = values_refusal({stripes({0, 1, 2})}, wishes, source);
  CHECK_MESSAGE(contains(message, "3 are given, but the masks are objects, which make 2 classes"), message);
  CHECK(contains(message, "label map 0:0,1:1,2:2"));
  data::Discovery named = source;  // the folder names classes, which objects are not
  named.class_names = {"background", "core", "oedema"};
  CHECK(decide({stripes({0, 1, 2})}, {}, named).class_names == Names({"background", "object"}));
  wishes.border = true;
  CHECK(decide({stripes({0, 1, 2})}, wishes, source).class_names == wishes.class_names);
  wishes.border = false;
  wishes.map = {{0, 0}, {1, 1}, {2, 2}};
  CHECK(decide({stripes({0, 1, 2})}, wishes, source).class_names == wishes.class_names);
}

TEST_CASE("the values of several files of masks are numbers of files, of which no map makes classes") {
  data::Discovery source;
  source.cases.resize(1);
  source.cases[0].id = "a";
  source.cases[0].instances = true;
  source.cases[0].labels = {"liver.png", "spleen.png"};
  const std::vector<SourceLabel> masks{stripes({0, 1, 2})};
  LabelWishes threshold, names;
  threshold.threshold = 1;
  for (const LabelWishes& wishes : {wish_of_map({{0, 0}, {1, 1}, {2, 2}}), threshold}) {
    const std::string message = values_refusal(masks, wishes, source);
    CHECK_MESSAGE(contains(message, "case a has 2 files of masks, so its values are the numbers of these files"),
                  message);
    CHECK(contains(message, "use the option instances if each file is an object"));
  }
  names.class_names = {"background", "liver", "spleen"};
  const std::string message = values_refusal(masks, names, source);
  CHECK_MESSAGE((contains(message, "hint: name those alone") && !contains(message, "label map")), message);
  CHECK(decide(masks, {}, source).instances);
}

TEST_CASE("colours are listed with their share, and become classes, black the background") {
  const std::vector<SourceLabel> masks{stripes({0, 0xFF0000, 0x00FF00, 0xFF0000}, true),
                                       stripes({0, 255})};  // one is grey
  const std::string message = values_refusal(masks);
  CHECK_MESSAGE(contains(message, "with 4 colours:\n  #000000  37.5 %\n  #00ff00  12.5 %\n  #ff0000  25.0 %"), message);
  CHECK(contains(message, "hint: use the label map colours"));
  LabelWishes wishes;
  wishes.colours = true;
  const LabelDecision decision = decide(masks, wishes);
  CHECK(decision.class_colours == std::vector<Colour>({{0, 0, 0}, {0, 255, 0}, {255, 0, 0}, {255, 255, 255}}));
  CHECK(classes(label_with({0xFF0000, 0}, true), decision, {1, 2}) == std::vector<int>({2, 0}));
  CHECK(classes(label_with({255, 0}), decision, {1, 2}) == std::vector<int>({3, 0}));
  CHECK(contains(values_refusal({stripes({0, 1})}, wishes), "the masks have no colours"));
  LabelWishes chosen;
  chosen.map_of_colours = true;
  chosen.map = {{0, 0}, {0xFFFFFF, 255}, {0xFF0000, 1}, {0x00FF00, 1}};
  const LabelDecision merged = decide(masks, chosen);
  CHECK(merged.class_names.size() == 2);
  CHECK(merged.class_colours.size() == 2);
  CHECK(merged.ignore_label == 255);
}

TEST_CASE("a palette says that values are classes, whatever they are; 255 is unknown beside others") {
  SourceLabel indexed = stripes({0, 15});
  indexed.palette.resize(16);
  indexed.palette[15] = {1, 2, 3};
  const LabelDecision person = decide({indexed});
  CHECK(person.map == Map({{0, 0}, {15, 1}}));
  CHECK(person.class_colours == std::vector<Colour>({{0, 0, 0}, {1, 2, 3}}));
  SourceLabel voc = stripes({0, 3, 15, 255});
  voc.palette.resize(256);
  const LabelDecision decision = decide({voc});
  CHECK(decision.map == Map({{0, 0}, {3, 1}, {15, 2}, {255, 255}}));
  CHECK(decision.ignore_label == 255);
  CHECK(contains(values_refusal({voc, stripes({0, 3})}), "use the label map"));  // not all of them have one
}

TEST_CASE("an index that occurs has one colour in all palettes, whatever their lengths are") {
  const Colour red{255, 0, 0}, green{0, 255, 0};
  const auto mask = [](const std::vector<std::int32_t>& values, const std::vector<Colour>& palette) {
    SourceLabel label = stripes(values);
    label.palette = palette;
    return label;
  };
  const SourceLabel a = mask({0, 1}, {{0, 0, 0}, red}), b = mask({0, 1}, {{0, 0, 0}, green});
  const std::string message = values_refusal({a, b});
  CHECK_MESSAGE(contains(message, "the index 1 of the palettes is #00ff00 in case case 1, but #ff0000 in case case 0"),
                message);
  CHECK(contains(message, "give class names if the indices are classes"));
  LabelWishes wishes;
  wishes.class_names = {"background", "cell"};
  CHECK(decide({a, b}, wishes).class_names == wishes.class_names);
  CHECK(decide({a, b}, wish_of_map({{0, 0}, {1, 1}})).class_names.size() == 2);
  const LabelDecision longer = decide({a, mask({0, 1, 2}, {{0, 0, 0}, red, green, red})});
  CHECK(longer.class_colours == std::vector<Colour>({{0, 0, 0}, red, green}));
  CHECK(decide({a, mask({0}, {{0, 0, 0}, green})}).class_colours == std::vector<Colour>({{0, 0, 0}, red}));
}

TEST_CASE("beside masks with colours an index is the colour of its palette, in whatever order they come") {
  SourceLabel indexed = stripes({0, 1, 2, 0});
  indexed.palette = {{0, 0, 0}, {255, 0, 0}, {9, 9, 9}};
  const SourceLabel coloured = stripes({0, 0xFF0000}, true), grey = stripes({9, 0});
  LabelWishes wishes;
  wishes.colours = true;
  for (const std::vector<SourceLabel>& masks :
       std::vector<std::vector<SourceLabel>>{{coloured, indexed, grey}, {grey, indexed, coloured}}) {
    const LabelDecision decision = decide(masks, wishes);
    CHECK(decision.class_colours == std::vector<Colour>({{0, 0, 0}, {9, 9, 9}, {255, 0, 0}}));
    SourceLabel small = label_with({1, 0, 2});
    small.palette = indexed.palette;
    CHECK(classes(small, decision, {1, 3}) == std::vector<int>({2, 0, 1}));
    CHECK(classes(label_with({9, 0}), decision, {1, 2}) == std::vector<int>({1, 0}));
    CHECK(contains(values_refusal(masks), "with 3 colours:\n  #000000  50.0 %\n  #090909  25.0 %"));
  }
}

TEST_CASE("wishes that exclude each other are refused") {
  LabelWishes wishes = wish_of_map({{0, 0}, {1, 1}});
  wishes.instances = true;
  CHECK(contains(values_refusal({stripes({0, 1})}, wishes), "exclude each other"));
  wishes = {};
  wishes.border = true;
  CHECK(contains(values_refusal({stripes({0, 1})}, wishes), "borders are those between objects"));
}

TEST_CASE("only values that masks can be written with are stored; others leave numbers of classes") {
  for (const int odd : {-5, 70000}) {
    const LabelDecision decision = decide({stripes({0, odd})}, wish_of_map({{0, 0}, {odd, 1}}));
    CHECK(classes(label_with({0, odd}), decision, {1, 2}) == std::vector<int>({0, 1}));
    CHECK(decision.source_label_map.empty());
    CHECK_MESSAGE(contains(notes_of(decision.notes), text("The value ", odd, " is outside 0..65535")),
                  notes_of(decision.notes));
  }
  LabelWishes wishes;
  wishes.threshold = 0;
  CHECK(decide({stripes({-5, 3})}, wishes).source_label_map.empty());
  CHECK(decide({stripes({0, 65535})}, wish_of_map({{0, 0}, {65535, 1}})).source_label_map.size() == 2);
}

TEST_CASE("the value of the ignore label is stored with the others") {
  CHECK(decide({stripes({0, 255, 128})}, wish_of_map({{0, 0}, {255, 1}, {128, 255}})).source_label_map.at(128) == 255);
  data::Discovery nnunet;
  nnunet.class_names = {"background", "a"};
  nnunet.label_map = {{0, 0}, {1, 1}, {2, 255}};
  CHECK(decide({stripes({0, 1})}, {}, nnunet).source_label_map == nnunet.label_map);
  SourceLabel voc = stripes({0, 3, 255});
  voc.palette.resize(256);
  CHECK(decide({voc}).source_label_map.at(255) == 255);
}

TEST_CASE("every class needs a value") {
  const auto refusal = [](const Map& map, const Names& names = {}) {
    LabelWishes wishes = wish_of_map(map);
    wishes.class_names = names;
    return values_refusal({stripes({0, 255})}, wishes);
  };
  CHECK(contains(refusal({{0, 0}, {255, 2}}), "class 1 (class_1) has no value"));
  CHECK(contains(refusal({{0, 1}, {255, 2}}), "class 0 (background) has no value"));
  CHECK(contains(refusal({{0, 0}, {255, 0}}), "class 1 (object) has no value, so there is no foreground"));
  CHECK(contains(refusal({{0, 255}, {255, 255}}), "has no value"));
  CHECK(contains(refusal({{0, 0}, {255, 1}}, {"background", "a", "b"}), "class 2 (b) has no value"));
  LabelWishes wishes;
  wishes.threshold = -5;
  CHECK(contains(values_refusal({stripes({0, 255})}, wishes), "no value is at or below the threshold -5"));
  wishes = {};
  wishes.colours = true;
  wishes.class_names = {"background", "a", "b"};
  CHECK(contains(values_refusal({stripes({0, 0xFF0000}, true)}, wishes), "class 2 (b) has no colour"));
}

TEST_CASE("grey values beyond those of pictures are no colours") {
  for (const int odd : {-1, 70000}) {
    const std::string expected = text("has the value ", odd, ", but other masks are pictures with colours");
    CHECK(contains(values_refusal({stripes({0, 0xFF0000}, true), stripes({0, odd})}), expected));
    CHECK(contains(values_refusal({stripes({0, odd}), stripes({0, 0xFF0000}, true)}), expected));
  }
}
