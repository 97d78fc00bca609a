// Files of labels: every kind of array that holds labels is read, and what is no label is refused.
#include "data/label_file.h"

#include "tests/data/support.h"
#include "tests/test.h"

using namespace voxgrad;
using namespace voxgrad::data;
using namespace voxgrad::test;

namespace {

// Writes a file whose labels are two images of 1 x 3, changed before it is saved, and opens it.
LabelFile opened(
    const Folder& folder, h5::Element element, const std::vector<std::int64_t>& values,
    const std::function<void(h5::Writer&)>& change = [](h5::Writer&) {}) {
  h5::Writer writer(folder.file("l.h5"));
  writer.create("/labels", element, {2, 1, 3});
  writer.write("/labels", {0, 0, 0}, {2, 1, 3}, h5::Element::i64, values.data());
  change(writer);
  writer.save();
  return LabelFile(folder.file("l.h5"));
}

}  // namespace

TEST_CASE("label file: every type of whole numbers is read, and only values of a label are taken") {
  const Folder folder;
  for (const h5::Element element : {h5::Element::u8, h5::Element::i16, h5::Element::u32, h5::Element::i64}) {
    const LabelFile file = opened(folder, element, {0, 1, 2, 3, 4, 255});
    CHECK(file.case_ids() == std::vector<std::string>{"0", "1"});
    CHECK(!file.has_case_ids());
    CHECK(file.ignore_label() == -1);
    CHECK(file.read(1).shape() == Shape{1, 3});
    CHECK(file.read(1).to_vector<int>() == std::vector<int>{3, 4, 255});
    CHECK(file.spacing(1, 2).empty());
  }
  for (const std::int64_t bad : {std::int64_t{-1}, std::int64_t{256}}) {
    const LabelFile file = opened(folder, h5::Element::i16, {0, 1, 2, 3, bad, 1});
    CHECK(file.read(0).to_vector<int>() == std::vector<int>{0, 1, 2});
    CHECK(contains(error_of([&] { file.read(1); }), text("label ", bad, " outside 0..255")));
  }
  CHECK(contains(error_of([&] {
                   opened(folder, h5::Element::f32, {0, 1, 2, 3, 4, 5}).read(0);
                 }),
                 "labels are whole numbers, this is f32"));
}

TEST_CASE("label file: attributes that cannot be meant are refused") {
  const Folder folder;
  const auto refused = [&](const std::function<void(h5::Writer&)>& change) {
    return error_of([&] { opened(folder, h5::Element::u8, {0, 1, 2, 3, 4, 5}, change).spacing(0, 2); });
  };
  // 2^32 + 1 must not become 1, and with it a class that counts for nothing.
  for (const std::int64_t bad : {std::int64_t{-7}, std::int64_t{256}, (std::int64_t{1} << 32) + 1})
    CHECK(contains(refused([&](h5::Writer& out) { out.attribute("/", "ignore_label", bad); }),
                   text("file l.h5: ignore_label is ", bad, ", expected 0..255")));
  for (const std::vector<double>& bad : {std::vector<double>{1}, {1, 0}, {1, -2}, {1, 1, 1}})
    CHECK(contains(refused([&](h5::Writer& out) { out.attribute("/labels", "spacing", bad); }),
                   "spacing must be 2 positive numbers"));
  CHECK(contains(refused([](h5::Writer& out) { out.texts("/case_ids", {"a"}); }), "1 case_ids for 2 labels"));
}
