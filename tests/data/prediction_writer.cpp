// Files of predictions: what is written comes back, in the order of the dataset's arrays and slab by slab.
#include "data/prediction_writer.h"

#include <algorithm>

#include "data/h5/h5_writer.h"
#include "data/label_file.h"
#include "engine/ops.h"
#include "tests/data/support.h"
#include "tests/test.h"

using namespace voxgrad;
using namespace voxgrad::test;
using data::Case, data::PredictionWriter, data::ScoresFile;

namespace {

Case place(const std::string& id, int dims) {
  Case one;
  one.id = id;
  one.spacing = dims == 2 ? std::vector<double>{2, 1} : std::vector<double>{3, 2, 1};
  return one;
}

Tensor labels_of(const Shape& extents) {
  const Tensor labels = zeros(extents, DType::u8);
  for (std::int64_t i = 0; i < labels.numel(); ++i) labels.data<std::uint8_t>()[i] = static_cast<std::uint8_t>(i % 3);
  return labels;
}

data::PredictionHeader header(ScoresFile scores = ScoresFile::none) {
  data::PredictionHeader result;
  result.class_names = {"background", "a", "b"};
  result.scores = scores;
  return result;
}

}  // namespace

TEST_CASE("cases of one size are one array, and scores arrive slab by slab") {
  const Folder folder;
  const Tensor scores = random_normal({2, 6, 5, 3}, 1);
  PredictionWriter writer(folder.file("p.h5"), header(ScoresFile::probabilities), {2, 6, 5});
  for (std::int64_t i = 0; i < 2; ++i) {
    writer.begin(place(i == 0 ? "x" : "y", 2), {6, 5});
    const Tensor own = reshape(slice(scores, 0, i, i + 1), {6, 5, 3});
    for (std::int64_t row = 0; row < 6; row += 2) writer.scores(row, slice(own, 0, row, row + 2));
    writer.labels(labels_of({6, 5}));
  }
  writer.save();
  const data::LabelFile file(folder.file("p.h5"));
  CHECK(file.case_ids() == std::vector<std::string>{"x", "y"});
  CHECK(file.class_names().size() == 3);
  CHECK(same<std::uint8_t>(file.read(1), labels_of({6, 5})));
  CHECK(file.spacing(0) == std::vector<double>{2, 1});
  REQUIRE(file.has_probabilities());
  CHECK(same<float>(file.read_probabilities(1), reshape(slice(scores, 0, 1, 2), {6, 5, 3})));
}

TEST_CASE("scores of more rows than a chunk has are the same, however they are divided into slabs") {
  const Folder folder;
  const Shape extents{150, 70, 40};
  const Tensor scores = random_normal(extents + Shape{3}, 1);
  const Shape chunks = data::h5::chunk_of(extents + Shape{3}, false, 3, data::h5::Element::f32);
  REQUIRE(chunks[0] < 150);
  for (const std::int64_t rows : {std::int64_t{1}, std::int64_t{7}, chunks[0] + 3, std::int64_t{150}}) {
    PredictionWriter writer(folder.file("p.h5"), header(ScoresFile::probabilities));
    writer.begin(place("a", 3), extents);
    for (std::int64_t row = 0; row < 150; row += rows)
      writer.scores(row, slice(scores, 0, row, std::min<std::int64_t>(150, row + rows)));
    writer.labels(labels_of(extents));
    writer.save();
    CHECK(same<float>(data::LabelFile(folder.file("p.h5")).read_probabilities(0), scores));
  }
}

TEST_CASE("a case that was turned to RAS is written in the order of its dataset, with its place") {
  const Folder folder;
  Case one = place("scan", 3);
  one.orientation = "ASL";
  one.affine = data::Affine{{{1, 0, 0, 4}, {0, 2, 0, 5}, {0, 0, 3, 6}}};
  one.origin = {"scans/scan.nii.gz", data::Kind::nifti, std::string("\0\1\xff header", 10), "LPI"};
  const Shape extents{4, 5, 6};
  const Tensor scores = random_normal({4, 5, 6, 3}, 1);
  data::PredictionHeader described = header(ScoresFile::probabilities);
  described.style.values = {0, 1, 4};
  described.style.colours = {{0, 0, 0}, {255, 0, 0}, {0, 0, 255}};
  PredictionWriter writer(folder.file("p.h5"), described);
  writer.begin(one, extents);
  writer.scores(0, slice(scores, 0, 0, 3));
  writer.scores(3, slice(scores, 0, 3, 4));
  writer.labels(labels_of(extents));
  writer.save();
  const data::LabelFile file(folder.file("p.h5"));
  CHECK(same<std::uint8_t>(file.read(0), labels_of(extents)));
  CHECK(same<float>(file.read_probabilities(0), scores));
  CHECK(file.spacing(0) == one.spacing);
  // In the file the arrays are in the order that they had in the dataset.
  const data::Turn turn = data::turn_to_ras("ASL");
  const data::h5::Array stored = data::h5::File::open(folder.file("p.h5")).array("/cases/scan/label");
  CHECK(stored.extents() == turn.inverse()(extents));
  const Tensor values = empty(stored.extents(), DType::u8);
  stored.read_all(data::h5::Element::u8, values.data<std::uint8_t>());
  CHECK(same<std::uint8_t>(turn(values), labels_of(extents)));
  const Case back = file.place(0);
  CHECK(back.orientation == "ASL");
  REQUIRE(back.affine.has_value());
  CHECK(back.affine == one.affine);
  CHECK(back.spacing == one.spacing);
  CHECK(back.origin.path == one.origin.path);
  CHECK(back.origin.kind == data::Kind::nifti);
  CHECK(back.origin.header == one.origin.header);
  CHECK(back.origin.orientation == "LPI");
  CHECK(file.style().values == described.style.values);
  CHECK(file.style().colours == described.style.colours);
  CHECK(file.physical());
}
