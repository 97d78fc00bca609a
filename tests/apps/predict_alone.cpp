// A program with voxgrad::nn and nothing else (tests/install/predict.cpp) segments as `voxgrad predict` does, with the
// file that `voxgrad train` wrote.
#include "data/dataset.h"
#include "data/label_file.h"
#include "engine/io/safetensors.h"
#include "tests/apps/support.h"
#include "tests/test.h"

using namespace voxgrad;
using test::Folder;
using test::program;

namespace {

void compare(const std::string& task, const Shape& size, const std::vector<std::string>& more,
             const std::string& modality = "MR") {
  const Folder folder;
  const std::string data = folder.file("data.h5"), run = folder.file("run");
  data::DatasetContents contents = data::make_phantom(task, {8, size, 1});
  contents.attributes["modality"] = modality;
  data::write_dataset(data, contents);
  REQUIRE(program(test::small_training(data, run, more)).code == 0);
  REQUIRE(program({"predict", run, data, "-o", folder.file("p.h5")}).code == 0);
  const data::Dataset dataset = data::Dataset::open(data);
  const std::string kind = modality == "CT" ? "dataset" : "case";
  CHECK(test::contains(load_tensors(run + "/best.safetensors").metadata.at("model"), "{\"kind\":\"" + kind + "\""));
  TensorFile images;
  for (std::int64_t i = 0; i < dataset.size(); ++i)
    images.tensors.push_back({dataset.info().case_ids[static_cast<std::size_t>(i)], dataset.read(i).image});
  save_tensors(folder.file("images"), images);
  const std::string command = std::string(VOXGRAD_PREDICT_ALONE) + " " + run + "/best.safetensors " +
                              folder.file("images") + " " + folder.file("labels");
  REQUIRE(std::system(command.c_str()) == 0);
  const data::LabelFile expected(folder.file("p.h5"));
  const TensorFile labels = load_tensors(folder.file("labels"));
  REQUIRE(labels.tensors.size() == expected.case_ids().size());
  std::int64_t foreground = 0;
  for (std::size_t i = 0; i < expected.case_ids().size(); ++i) {
    const Tensor wanted = expected.read(i);
    for (const NamedTensor& entry : labels.tensors)
      if (entry.name == expected.case_ids()[i]) {
        CHECK(entry.tensor.shape() == wanted.shape());
        CHECK(entry.tensor.to_vector<int>() == wanted.to_vector<int>());
        for (const int label : wanted.to_vector<int>()) foreground += label > 0 ? 1 : 0;
      }
  }
  CHECK(foreground > 0);  // otherwise two empty pictures were compared
}

}  // namespace

TEST_CASE("images larger than the window, every case normalised by itself") { compare("nuclei2d", {48, 40}, {}); }

TEST_CASE("volumes smaller than the window") { compare("tumour3d", {12, 20, 20}, {"--norm", "batch"}); }

TEST_CASE("computed tomography, normalised by the training cases") { compare("organs2d", {40, 40}, {}, "CT"); }
