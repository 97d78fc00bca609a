// Files of labels: predictions are read back as they were written, and what is no label is refused.
#include "data/label_file.h"

#include "tests/data/support.h"
#include "tests/test.h"

using namespace voxgrad;
using namespace voxgrad::data;
using namespace voxgrad::test;

namespace {

// The labels of a dataset written as predictions of it, and read back.
void round_trip(const std::vector<Shape>& shapes, const std::vector<std::int64_t>& cases) {
  const Folder folder;
  write_dataset(folder.file("d.h5"), random_contents(shapes, 1, 3));
  const Dataset dataset = Dataset::open(folder.file("d.h5"));
  PredictionWriter writer(folder.file("p.h5"), dataset, cases, true, "model");
  const auto probabilities_of = [](const Tensor& label) { return full(label.shape() + Shape{3}, 0.25); };
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const Tensor label = dataset.read(cases[i]).label;
    writer.add(i, label, probabilities_of(label));
  }
  writer.save();

  const LabelFile file(folder.file("p.h5"));
  const h5::File raw = h5::File::open(folder.file("p.h5"));
  REQUIRE(file.case_ids().size() == cases.size());
  CHECK(file.has_case_ids());
  CHECK(file.class_names() == dataset.info().class_names);
  CHECK(file.ignore_label() == 255);
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const Case expected = dataset.read(cases[i]);
    CHECK(file.case_ids()[i] == expected.id);
    CHECK(same<std::uint8_t>(file.read(i), expected.label));
    CHECK(file.spacing(i, expected.label.dims()) == expected.spacing);
    const bool stacked = raw.exists("/labels");
    const h5::Array all = raw.array(stacked ? "/probabilities" : "/cases/" + expected.id + "/probabilities");
    const Shape one = expected.label.shape() + Shape{3};
    CHECK(all.extents() == (stacked ? Shape{std::ssize(cases)} + one : one));
    std::vector<float> values(static_cast<std::size_t>(all.extents().numel()));
    all.read_all(h5::Element::f32, values.data());
    CHECK(values == std::vector<float>(values.size(), 0.25f));
  }
}

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

TEST_CASE("label file: predictions for some cases, of one size and of several") {
  round_trip({{4, 5}, {4, 5}, {4, 5}}, {2, 0});
  round_trip({{4, 5}, {6, 3}, {4, 5}}, {1, 0});
  round_trip({{2, 4, 5}, {2, 4, 5}}, {0, 1});
}

TEST_CASE("label file: predictions need a case") {
  const Folder folder;
  write_dataset(folder.file("d.h5"), random_contents({{4, 5}}, 1, 2));
  const Dataset dataset = Dataset::open(folder.file("d.h5"));
  CHECK(contains(error_of([&] { PredictionWriter(folder.file("p.h5"), dataset, {}, false, "model"); }),
                 "there are no cases"));
}

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
