// The plan of a training: what follows from settings and cases, beside the geometry.
#include "apps/training/plan.h"

#include "apps/program/json.h"
#include "apps/training/preparation.h"
#include "data/fingerprint.h"
#include "data/splits.h"
#include "data/writer.h"
#include "engine/names.h"
#include "nn/inference/model.h"
#include "tests/apps/support.h"

using namespace voxgrad;
using namespace voxgrad::apps;
using namespace voxgrad::test;

TEST_CASE("a model remembers along which axes its training mirrored") {
  const Folder folder;
  const data::Dataset flat = data::Dataset::open(phantom_file(folder, "nuclei2d", 8, {32, 32})),
                      deep = data::Dataset::open(phantom_file(folder, "organ3d", 6, {16, 16, 16}));
  const auto axes = [](const data::Dataset& dataset, const std::string& augment) {
    TrainConfig config;
    config.augment = augment;
    return make_plan(dataset, config).model.mirror_axes;
  };
  using Axes = std::vector<std::int64_t>;
  CHECK(axes(flat, "") == Axes{1, 1});
  CHECK(axes(flat, "none") == Axes{0, 0});
  CHECK(axes(flat, "default,flip_x=0") == Axes{1, 0});
  CHECK(axes(deep, "") == Axes{0, 0, 0});
  CHECK(axes(deep, "default,flip_z=0.5") == Axes{1, 0, 0});
  CHECK(axes(deep, "none,flip=1,flip_y=0") == Axes{1, 0, 1});
  TrainConfig slices;  // which are their own mirror images along z
  slices.dims = 2;
  slices.augment = "default,flip=0.5";
  CHECK(make_plan(deep, slices).model.mirror_axes == Axes{0, 1, 1});
}

TEST_CASE("predictions are mirrored if the patches are flipped, unless somebody says otherwise") {
  const Folder folder;
  const data::Dataset flat = data::Dataset::open(phantom_file(folder, "nuclei2d", 8, {32, 32})),
                      deep = data::Dataset::open(phantom_file(folder, "organ3d", 6, {16, 16, 16}));
  const auto mirror = [](const data::Dataset& dataset, const std::string& tta, const std::string& augment = "") {
    TrainConfig config;
    config.tta = tta;
    config.augment = augment;
    const Plan plan = make_plan(dataset, config);
    CHECK(plan.config.tta == (plan.model.mirror ? "on" : "off"));
    return plan.model.mirror;
  };
  CHECK(mirror(flat, "auto"));
  CHECK(mirror(flat, "on"));
  CHECK(!mirror(flat, "off"));
  CHECK(!mirror(flat, "auto", "none"));
  CHECK(!mirror(deep, "auto"));
  CHECK(mirror(deep, "auto", "default,flip_z=0.5"));
  CHECK(!mirror(flat, "auto", "none,flip_z=0.5"));  // pictures have no z
  CHECK(contains(error_of([&] { mirror(deep, "on"); }), "--tta on: the patches are not flipped (--augment default)"));
  CHECK(contains(error_of([&] { mirror(flat, "maybe"); }), "--tta: unknown value `maybe`"));
}

TEST_CASE("cases that a training shows a few times only are not augmented, unless somebody asks for it") {
  const Folder folder;
  const data::Dataset dataset = data::Dataset::open(phantom_file(folder, "nuclei2d", 40, {32, 32}));
  const auto augment = [&](const TrainConfig& wish) { return make_plan(dataset, wish).config.augment; };
  TrainConfig config;
  config.batch = 2;
  const auto cases = std::ssize(make_plan(dataset, config).loader.cases);
  const auto shown = [&](std::int64_t times) {
    config.steps = times * cases / config.batch;
    return augment(config);
  };
  CHECK(shown(10) == "none");
  CHECK(shown(14) == "default");
  config.tta = "on";  // of which an image is mirrored as the patches were
  CHECK(shown(10) == "default");
  config.tta = "auto";
  config.augment = "elastic";
  CHECK(shown(10) == "elastic");
  config.augment.clear();
  config.steps = 0;
  config.epochs = 2;  // of 20 steps or more
  CHECK(augment(config) == "none");
  config.epochs = 100;
  CHECK(augment(config) == "default");
}

TEST_CASE(
    "every resolution learns if there are several and the loss needs no distances, unless somebody says otherwise") {
  const Folder folder;
  const data::Dataset dataset = data::Dataset::open(phantom_file(folder, "nuclei2d", 8, {32, 32}));
  const auto supervised = [&](std::int64_t depth, const std::string& loss, std::optional<bool> wish = {}) {
    TrainConfig config;
    config.depth = depth;
    config.loss = loss;
    config.deep_supervision = wish;
    const Plan plan = make_plan(dataset, config);
    CHECK(plan.config.deep_supervision == plan.model.net.deep_supervision);
    return plan.model.net.deep_supervision;
  };
  CHECK(supervised(3, "dice_ce"));
  CHECK(!supervised(2, "dice_ce"));
  CHECK(!supervised(3, "dice_ce+0.01*boundary"));
  CHECK(!supervised(3, "dice_ce", false));
  CHECK(supervised(3, "dice_ce+0.01*boundary", true));
  const std::string out = folder.file("out");
  const Outcome compared = program({"compare", dataset.info().path, "--losses", "ce", "--depth", "3", "--base", "2",
                                    "--steps", "2", "--seeds", "1", "-o", out, "-q"});
  REQUIRE_MESSAGE(compared.code == 0, compared.err);
  CHECK(Json::parse(bytes_of(out + "/results.json"))["datasets"][0]["used"]["settings"]["deep_supervision"] == false);
}

TEST_CASE("a file that has folds alone is inspected and examined; a training says which option chooses one") {
  const Folder folder;
  data::DatasetContents contents = data::make_phantom("nuclei2d", {9, {32, 32}, 1});
  contents.splits.clear();
  for (data::Case& one : contents.cases) one.group.clear();
  for (std::int64_t fold = 0; fold < 3; ++fold)
    for (std::int64_t index = 0; index < 9; ++index)
      contents.splits[text("fold_", fold, index % 3 == fold ? "/val" : "/train")].push_back(index);
  const std::string path = folder.file("folds.h5");
  data::write_dataset(path, contents);
  CHECK(only_fold(data::Dataset::open(path).info()) == "0/3");
  CHECK(only_fold(data::Dataset::open(phantom_file(folder, "nuclei2d", 4, {32, 32})).info()).empty());
  const Outcome inspected = program({"inspect", path, "--json"});
  REQUIRE_MESSAGE(inspected.code == 0, inspected.err);
  CHECK(!contains(inspected.out, "nothing to learn"));
  CHECK(program({"inspect", path, "--augment", folder.file("sheet.png")}).code == 0);
  const Outcome refused = program({"train", path, "--steps", "2", "-o", folder.file("run")});
  CHECK(refused.code == 3);
  CHECK_MESSAGE(contains(refused.err, "give --fold 0/3"), refused.err);
  const Outcome examined = program({"doctor", path, "--json"});
  CHECK_MESSAGE((examined.code == 0 || examined.code == 8), examined.err);
  CHECK_MESSAGE(contains(examined.out, "memorising"), examined.out);
}

TEST_CASE("a base above the usual limit of channels raises it, and the widths of a model go with its base") {
  const Folder folder;
  const data::Dataset dataset = data::Dataset::open(phantom_file(folder, "nuclei2d", 4, {16, 16}));
  TrainConfig config;
  config.base = 512;
  config.depth = 2;
  CHECK(make_plan(dataset, config).model.net.max_channels == 512);
  nn::ModelSpec source;
  source.net = {.dims = 2, .in_channels = dataset.info().channels, .classes = 2, .base = 4, .depth = 2};
  source.net.widths = {4, 6};
  config.base = 4;
  CHECK(make_plan(dataset, config, &source).model.net.widths == source.net.widths);
  config.base = 8;
  CHECK(make_plan(dataset, config, &source).model.net.widths.empty());
}

TEST_CASE("a training of long, flat cases goes on with the network that it has") {
  const Folder folder;
  const std::string data = phantom_file(folder, "nuclei2d", 8, {32, 96}), run = folder.file("run");
  const Outcome trained = program({"train", data, "--base", "2", "--steps", "2", "-o", run, "-q"});
  REQUIRE_MESSAGE(trained.code == 0, trained.err);
  const Outcome resumed = program({"train", "--resume", run, "-q"});
  CHECK_MESSAGE(resumed.code == 0, resumed.err);
}

TEST_CASE("labels are read with the map of the training where they are its own, else as the classes that they are") {
  const Folder folder;
  const auto write = [&](const std::string& name, std::uint64_t seed, const std::map<int, int>& imported) {
    const data::DatasetContents contents = data::make_phantom("nuclei2d", {8, {32, 32}, seed});
    data::DatasetWriter writer(folder.file(name), {.class_names = contents.class_names, .source_label_map = imported});
    for (const data::Case& one : contents.cases) writer.add(one, data::h5::Element::f32);
    writer.save({{"train", {0, 1, 2, 3}}, {"val", {4, 5}}, {"test", {6, 7}}});
    return folder.file(name);
  };
  const std::string own = write("own.h5", 1, {{0, 0}, {255, 1}}), other = write("other.h5", 2, {{0, 0}, {255, 1}}),
                    raw = write("raw.h5", 3, {}), run = folder.file("run");
  const Outcome trained = program(small_training(own, run, {"--label-map", "0:1,1:0", "--json"}));
  REQUIRE_MESSAGE(trained.code == 0, trained.err);
  const nn::Model model = nn::load_model(run + "/best.safetensors");
  CHECK(model.spec.training.class_values == std::vector<std::int64_t>{255, 0});
  CHECK(label_map_for(own, model) == "0:1,1:0");
  CHECK(label_map_for(other, model).empty());
  CHECK(label_map_for(raw, model) == "0:1,1:0");  // nobody has made classes of its labels yet
  const Outcome evaluated = program({"evaluate", run, own, "--json"});
  REQUIRE_MESSAGE(evaluated.code == 0, evaluated.err);
  CHECK(Json::parse(evaluated.out)["mean"]["dice"] == Json::parse(trained.out)["test"]["dice_mean"]);
  CHECK(contains(evaluated.err, "read with the map of the training, 0:1,1:0"));
  CHECK(contains(program({"evaluate", run, other}).err, "as they are stored, without the map of the training"));
}

TEST_CASE("cases whose names look like slices of one patient in several splits are warned about") {
  const Folder folder;
  data::DatasetContents contents = data::make_phantom("nuclei2d", {9, {32, 32}, 1});
  for (std::size_t i = 0; i < 9; ++i) {
    contents.cases[i].group.clear();
    contents.cases[i].id = text("p", i / 3, "_z", i % 3);
  }
  const auto said = [&](const std::map<std::string, std::vector<std::int64_t>>& splits) {
    contents.splits = splits;
    data::write_dataset(folder.file("d.h5"), contents);
    const data::Dataset dataset = data::Dataset::open(folder.file("d.h5"));
    return join(warnings_of(dataset, split_of(dataset, "")), "; ");
  };
  CHECK(said({{"train", {0, 1, 2}}, {"val", {3, 4, 5}}, {"test", {6, 7, 8}}}).empty());
  const std::string shared = said({{"train", {0, 1, 2, 3}}, {"val", {4, 5}}, {"test", {6, 7, 8}}});
  CHECK_MESSAGE(contains(shared, "cases of 1 patient, as p1, are in several splits"), shared);
  CHECK_MESSAGE(contains(shared, "--groups '^(.+)_[A-Za-z]*[0-9]+$'"), shared);
  for (std::size_t i = 0; i < 9; ++i) contents.cases[i].id = text(i < 4 ? "benign_" : "malignant_", i);
  CHECK(said({{"train", {0, 1, 2, 3}}, {"val", {4, 5}}, {"test", {6, 7, 8}}}).empty());
}

TEST_CASE("folds of a file test different cases, and a fold may leave cases out of its training") {
  const Folder folder;
  data::DatasetContents contents = data::make_phantom("nuclei2d", {9, {32, 32}, 1});
  for (data::Case& one : contents.cases) one.group.clear();
  const std::string path = folder.file("folds.h5");
  const auto split = [&](const std::map<std::string, std::vector<std::int64_t>>& splits) {
    contents.splits = splits;
    data::write_dataset(path, contents);
    return split_of(data::Dataset::open(path), "0/3");
  };
  const Split fewer = split({{"fold_0/val", {0, 1, 2}},
                             {"fold_1/val", {3, 4, 5}},
                             {"fold_2/val", {6, 7, 8}},
                             {"fold_0/train", {3, 4, 5, 6, 8}}});
  CHECK(fewer.test == std::vector<std::int64_t>{0, 1, 2});
  CHECK(fewer.val == std::vector<std::int64_t>{3, 4, 5});
  CHECK(fewer.train == std::vector<std::int64_t>{6, 8});
  const std::string error = error_of([&] {
    split({{"fold_0/val", {0, 1, 2}}, {"fold_1/val", {3, 4}}, {"fold_2/val", {1, 5, 6, 7, 8}}});
  });
  CHECK_MESSAGE(contains(error, "is in `fold_0/val` and in `fold_2/val`"), error);
  for (const std::size_t i : {2u, 8u}) contents.cases[i].group = "patient 1";
  for (const std::size_t i : {0u, 1u, 3u, 4u, 5u, 6u, 7u}) contents.cases[i].group = text("patient ", 10 + i);
  const std::string leak = error_of([&] {
    split({{"fold_0/val", {0, 1, 2}}, {"fold_1/val", {3, 4, 5}}, {"fold_2/val", {6, 7, 8}}});
  });
  CHECK_MESSAGE(contains(leak, "cases of the group patient 1 are in `fold_0/val` and in `fold_2/val`"), leak);
}

TEST_CASE("pictures whose classes lie on one side are not flipped along that axis, nor predicted mirrored along it") {
  const Folder folder;
  data::DatasetContents contents = data::make_phantom("nuclei2d", {24, {32, 32}, 1});
  contents.splits.clear();
  for (std::int64_t i = 0; i < 24; ++i) contents.splits[i < 20 ? "train" : i < 22 ? "val" : "test"].push_back(i);
  const auto plan_of = [&](std::int64_t top, std::int64_t left, const std::string& tta = "auto") {
    for (data::Case& one : contents.cases) {
      one.group.clear();
      one.label = zeros({32, 32}, DType::u8);
      for (std::int64_t y = top; y < top + 6; ++y)
        for (std::int64_t x = left; x < left + 6; ++x) one.label.data<std::uint8_t>()[y * 32 + x] = 1;
    }
    data::write_dataset(folder.file("d.h5"), contents);
    const data::Dataset dataset = data::Dataset::open(folder.file("d.h5"));
    TrainConfig config;
    config.tta = tta;
    return make_plan(dataset, config);
  };
  using Axes = std::vector<std::int64_t>;
  const Plan middle = plan_of(13, 13), upper = plan_of(2, 13), left = plan_of(13, 2), corner = plan_of(2, 2);
  CHECK(middle.config.augment == "default");
  CHECK(middle.model.mirror_axes == Axes{1, 1});
  CHECK(upper.config.augment == "default,flip_y=0,turn=0,rotate_angle=30");
  CHECK(upper.model.mirror_axes == Axes{0, 1});
  CHECK(upper.model.mirror);
  CHECK(left.config.augment == "default,flip_x=0,turn=0,rotate_angle=30");
  CHECK(left.model.mirror_axes == Axes{1, 0});
  CHECK(corner.config.augment == "default,flip=0,turn=0,rotate_angle=30");
  CHECK(!corner.model.mirror);
  CHECK(contains(reasons_text(left), "no flips along x"));
  CHECK(plan_of(2, 2, "on").config.augment == "default");  // who asks for mirrored predictions asks for flips
}

TEST_CASE("pictures that are long in millimetres are rotated by small angles") {
  const Folder folder;
  data::DatasetContents contents = data::make_phantom("nuclei2d", {8, {24, 64}, 1});
  const auto augment = [&](const std::vector<double>& spacing, const std::string& tta = "auto") {
    for (data::Case& one : contents.cases) one.spacing = spacing;
    data::write_dataset(folder.file("d.h5"), contents);
    TrainConfig config;
    config.tta = tta;
    return make_plan(data::Dataset::open(folder.file("d.h5")), config).config.augment;
  };
  CHECK(augment({1, 1}) == "default,rotate_angle=15");
  CHECK(augment({1, 1}, "on") == "default,rotate_angle=15");
  CHECK(augment({2, 1}) == "default");
  CHECK(augment({4.1, 1}) == "default,rotate_angle=15");
}

TEST_CASE("an amount of changes that never happen is refused where a training begins, and read where one goes on") {
  const Folder folder;
  const std::string data = phantom_file(folder, "nuclei2d", 8, {32, 32}), run = folder.file("run");
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"train", data, "-o", run, "--steps", "2", "--augment", "default,elastic_amount=0.4"},
        std::vector<std::string>{"compare", data, "-o", run, "--losses", "ce", "--augment",
                                 "default,elastic_amount=0.4"},
        std::vector<std::string>{"inspect", data, "--augment", folder.file("sheet.png"), "--augment-options",
                                 "default,elastic_amount=0.4"}}) {
    const Outcome refused = program(words);
    CHECK(refused.code == 2);
    CHECK_MESSAGE(contains(refused.err, "\"elastic_amount=0.4\" changes nothing, because elastic is 0"), refused.err);
    CHECK(!std::filesystem::exists(run));
  }
  TrainConfig config;
  config.augment = "default,elastic_amount=0.4";
  CHECK(make_plan(data::Dataset::open(data), config).loader.augment.elastic == 0);
}

TEST_CASE("the folds that are drawn stay what they are, and the fold behind the tested one validates, also the first") {
  const Folder folder;
  const data::Dataset dataset = data::Dataset::open(phantom_file(folder, "nuclei2d", 24, {16, 16}));
  const auto fold = [&](int k) { return data::make_fold(dataset.info(), dataset.split("all"), 4, k, 5).val; };
  for (const int k : {0, 3}) {
    const Split split = split_of(dataset, text(k, "/4"));
    CHECK(split.test == fold(k));
    CHECK(split.val == fold((k + 1) % 4));
    CHECK(split.train.size() == 24 - split.val.size() - split.test.size());
  }
}

TEST_CASE("the shares of the classes are counted where the loss weighs by them, and only there") {
  const Folder folder;
  const data::Dataset dataset = data::Dataset::open(phantom_file(folder, "nuclei2d", 8, {32, 32}));
  const auto plan_of = [&](const std::string& loss) {
    TrainConfig config;
    config.loss = loss;
    return make_plan(dataset, config);
  };
  for (const char* loss : {"dice_ce", "ce:weight_norm=weights", "ce:weights=none", "dice+ce:weights=0.2/5"}) {
    const Plan without = plan_of(loss);
    CHECK_MESSAGE(without.context.class_fractions.empty(), loss);
    CHECK_MESSAGE(!contains(reasons_text(without), "by frequency"), loss);
    CHECK_MESSAGE(contains(reasons_text(without), "the loss names them") == contains(loss, "0.2/5"), loss);
  }
  for (const char* loss : {"ce:weights=inverse", "dice + ce:weights = sqrt"}) {
    const Plan with = plan_of(loss);
    CHECK_MESSAGE(with.context.class_fractions.size() == 2, loss);
    CHECK_MESSAGE(contains(reasons_text(with), "by frequency"), loss);
  }
}

TEST_CASE("the shares of the classes are those of the fingerprint, and are counted once for all plans") {
  const Folder folder;
  const data::Dataset dataset = data::Dataset::open(phantom_file(folder, "nuclei2d", 8, {32, 32}));
  TrainConfig config;
  config.loss = "ce:weights=inverse";
  CasesRead read;
  const Plan plan = make_plan(dataset, config, nullptr, 0, &read);
  std::vector<double> fractions;
  for (const data::ClassFingerprint& one : data::take_fingerprint(dataset, plan.loader.cases).classes)
    fractions.push_back(one.fraction);
  CHECK(plan.context.class_fractions == fractions);
  read.fractions = {0.25, 0.75};
  CHECK(make_plan(dataset, config, nullptr, 0, &read).context.class_fractions == read.fractions);
}
