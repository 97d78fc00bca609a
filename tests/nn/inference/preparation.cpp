// The way of an image to the network and of the scores back: boxes, grids, rows that come in order, round trips, and
// predictions on the voxels of the source.
#include "nn/inference/preparation.h"

#include <algorithm>
#include <cmath>

#include "tests/nn/common.h"

using namespace voxgrad;
using namespace voxgrad::nn;
using test::contains;
using test::error_of;
using test::same_bits;

namespace {

Box whole(const Shape& shape) { return {Shape::filled(shape.dims(), 0), shape}; }

Grid grid_for(const Shape& source, const std::vector<double>& spacing, const std::vector<double>& target) {
  return grid_of({.crop = false, .spacing = target}, source, whole(source), 1, spacing);
}

// A ball, a box and a bar in an image of these extents and spacing: the classes 1 to 3.
Tensor scene(const Shape& shape, const std::vector<double>& spacing) {
  const Tensor labels = zeros(shape, DType::u8);
  for (std::int64_t i = 0; i < labels.numel(); ++i) {
    std::int64_t rest = i;
    double distance = 0, far = 0;  // from the middle, in lengths
    for (int axis = shape.dims() - 1; axis >= 0; --axis) {
      const double at = static_cast<double>(rest % shape[axis]) + 0.5, half = 0.5 * static_cast<double>(shape[axis]);
      const double length = (at - half) * nth(spacing, axis);
      distance += length * length;
      far = std::max(far, std::abs(at / half - 1));
      rest /= shape[axis];
    }
    labels.data<std::uint8_t>()[i] = std::sqrt(distance) < 9 ? 1 : far < 0.75 ? 2 : far > 0.9 ? 3 : 0;
  }
  return labels;
}

Tensor one_hot(const Tensor& labels, std::int64_t classes) {
  const Tensor result = zeros(labels.shape() + Shape{classes});
  for (std::int64_t i = 0; i < labels.numel(); ++i)
    result.data<float>()[i * classes + labels.data<std::uint8_t>()[i]] = 1;
  return result;
}

// Brings scores back in slabs of these rows, over and over; they must come in order, each once.
Tensor restored(const Grid& grid, const Tensor& scores, const std::vector<std::int64_t>& slabs,
                Scores kind = Scores::probabilities) {
  std::vector<Tensor> parts;
  std::int64_t next = 0, most = *std::max_element(slabs.begin(), slabs.end());
  Restorer restore(grid, kind, [&](std::int64_t row, const Tensor& part) {
    CHECK(row == next);
    CHECK(part.extent(0) <= most);
    next += part.extent(0);
    parts.push_back(part);
  });
  std::size_t turn = 0;
  for (std::int64_t row = 0; row < scores.extent(0);) {
    const std::int64_t rows = std::min(slabs[turn++ % slabs.size()], scores.extent(0) - row);
    restore(row, slice(scores, 0, row, row + rows));
    row += rows;
  }
  CHECK(next == grid.source[0]);
  return concat(parts, 0);
}

Model small_model(int dims, const Shape& window, const Preparation& preparation) {
  Model model;
  model.spec.net = {.dims = dims, .in_channels = 1, .classes = 3, .base = 4, .depth = 2};
  model.spec.window = window;
  model.spec.class_names = {"a", "b", "c"};
  model.spec.preparation = preparation;
  model.net = std::make_unique<UNet>(model.spec.net, Random(5));
  model.net->train(false);
  return model;
}

}  // namespace

TEST_CASE("preparation: the box is the smallest one around the voxels that are not 0 in every channel") {
  const Tensor picture = zeros({6, 7, 2});
  CHECK(nonzero_box(picture).extents == Shape{6, 7});
  picture.set({2, 5, 1}, -3);
  CHECK(nonzero_box(picture).begin == Shape{2, 5});
  CHECK(nonzero_box(picture).extents == Shape{1, 1});
  picture.set({4, 1, 0}, 1e-30);
  CHECK(nonzero_box(picture).begin == Shape{2, 1});
  CHECK(nonzero_box(picture).extents == Shape{3, 5});
  const Tensor volume = zeros({5, 6, 7, 1});
  for (const std::vector<std::int64_t>& at : {std::vector<std::int64_t>{1, 5, 2, 0}, {3, 2, 6, 0}, {2, 3, 3, 0}})
    volume.set(at, 1);
  CHECK(nonzero_box(volume).begin == Shape{1, 2, 2});
  CHECK(nonzero_box(volume).extents == Shape{3, 4, 5});
}

TEST_CASE("preparation: extents follow the spacing, and what is nearly the target stays") {
  CHECK(grid_for({10, 21}, {1, 0.5}, {0.8, 0.8}).extents == Shape{13, 13});
  CHECK(grid_for({10, 21}, {1, 0.5}, {0.8, 0.8}).spacing == std::vector<double>{0.8, 0.8});
  CHECK(grid_for({3, 2}, {1, 1}, {20, 20}).extents == Shape{1, 1});
  const Grid same = grid_for({2000, 10}, {1.0009, 0.9991}, {1, 1});
  CHECK(!same.resampled());
  CHECK(same.spacing == std::vector<double>{1.0009, 0.9991});
  CHECK(grid_for({2000, 10}, {1.002, 1}, {1, 1}).extents == Shape{2004, 10});
  CHECK(!grid_for({10, 10}, {}, {}).resampled());
}

TEST_CASE("preparation: the thick axis of a volume is that of the image, or else that of the target") {
  CHECK(grid_for({8, 8, 8}, {5, 1, 1.2}, {1, 1, 1}).thick == 0);
  CHECK(grid_for({8, 8, 8}, {1, 1, 1}, {1, 1, 3.1}).thick == 2);
  CHECK(grid_for({8, 8, 8}, {1, 5, 1}, {4, 1, 1}).thick == 1);
  CHECK(grid_for({8, 8, 8}, {3, 1, 1}, {1, 1, 1}).thick == -1);
  CHECK(grid_for({8, 8, 8}, {5, 5, 1}, {1, 1, 1}).thick == -1);
  CHECK(grid_for({8, 8}, {5, 1}, {1, 1}).thick == -1);
  CHECK(grid_for({8, 8, 8}, {5, 1, 1}, {1, 1, 1}).orders(Order::cubic) ==
        std::vector<Order>{Order::nearest, Order::cubic, Order::cubic});
}

TEST_CASE("preparation: no spacing, a wrong one and absurd factors are refused") {
  const auto refusal = [](const Shape& shape, const std::vector<double>& spacing, const std::vector<double>& target) {
    return error_of([&] { static_cast<void>(grid_for(shape, spacing, target)); });
  };
  CHECK(contains(refusal({4, 4}, {}, {1, 0.5}), "has no spacing; the model resamples all images to 1 x 0.5"));
  CHECK(contains(refusal({4, 4}, {1}, {1, 1}), "spacing must be 2 positive numbers"));
  CHECK(contains(refusal({4, 4}, {1, -1}, {1, 1}), "spacing must be 2 positive numbers"));
  CHECK(contains(refusal({4, 4}, {1, std::nan("")}, {1, 1}), "spacing must be 2 positive numbers"));
  CHECK(contains(refusal({4, 4}, {1, 33}, {1, 1}), "axis 1 would be resampled by a factor of 33"));
  CHECK(contains(refusal({4, 4}, {0.03, 1}, {1, 1}), "axis 0 would be resampled by a factor of 0.03"));
  CHECK(contains(refusal({400, 400, 400}, {4, 4, 4}, {1, 1, 1}), "resampled to [1600, 1600, 1600]"));
  CHECK(refusal({4, 4}, {1, 32}, {1, 1}).empty());
}

TEST_CASE("preparation: statistics are those of the box before it is resampled") {
  ModelSpec spec;
  spec.preparation = {.crop = true, .spacing = {1, 1}};
  const Tensor image = zeros({9, 8, 1}), inside = random_normal({4, 5, 1}, 1, 50, 10);
  for (std::int64_t y = 0; y < 4; ++y)
    for (std::int64_t x = 0; x < 5; ++x) image.set({y + 3, x + 2, 0}, inside.at(y, x, 0));
  const Prepared found = prepare(spec, image, {2, 1});
  CHECK(found.grid.box.begin == Shape{3, 2});
  CHECK(found.grid.extents == Shape{8, 5});
  Normalisation().apply(inside);
  CHECK(same_bits(found.image, resample_image(inside, {8, 5}, {Order::cubic, Order::cubic})));
  // With nothing to crop or resample, the image itself is normalised.
  spec.preparation = {.crop = true, .spacing = {}};
  CHECK(prepare(spec, inside, {}).image.raw() == inside.raw());
}

TEST_CASE("preparation: slabs of any size give the rows of the source, in order and each once") {
  struct Trial {
    Shape source;
    Box box;
    std::vector<double> spacing, target;
  };
  const std::vector<Trial> trials{{{9, 7}, {{2, 1}, {5, 6}}, {1, 1}, {}},
                                  {{9, 7}, {{0, 0}, {9, 7}}, {1, 1}, {0.4, 1.3}},
                                  {{11, 8}, {{3, 0}, {8, 5}}, {1, 1}, {2.7, 0.6}},
                                  {{6, 5, 7}, {{1, 2, 0}, {4, 3, 7}}, {1, 1, 1}, {0.7, 0.7, 1.6}},
                                  {{7, 9, 8}, {{0, 0, 1}, {7, 9, 6}}, {5, 1, 1}, {1.3, 1.3, 1.3}},
                                  {{3, 4, 5}, {{0, 0, 0}, {3, 4, 5}}, {0.4, 1, 1}, {4, 1, 1}},
                                  {{5, 4, 6}, {{1, 1, 1}, {1, 2, 3}}, {2, 2, 2}, {1, 1, 1}}};
  for (const Trial& trial : trials) {
    const Grid grid = grid_of({.crop = true, .spacing = trial.target}, trial.source, trial.box, 1, trial.spacing);
    const Tensor scores = softmax(random_normal(grid.extents + Shape{3}, 9));
    const Tensor inside = resample_image(scores, trial.box.extents, grid.orders(Order::linear));
    const Tensor first = restored(grid, scores, {1000});
    for (const std::vector<std::int64_t>& slabs : {std::vector<std::int64_t>{1}, {2, 1, 3}, {5}})
      CHECK(max(abs(restored(grid, scores, slabs) - first)).item() < 1e-6);
    Tensor part = first;
    for (int axis = 0; axis < grid.source.dims(); ++axis)
      part = slice(part, axis, trial.box.begin[axis], trial.box.begin[axis] + trial.box.extents[axis]);
    CHECK(max(abs(part - inside)).item() < 1e-6);
    CHECK(max(abs(sum(first, {-1}) + -1.0)).item() < 1e-6);
    const std::int64_t outside = grid.source.numel() - trial.box.extents.numel();
    CHECK(std::abs(sum(slice(first, -1, 0, 1)).item() - sum(slice(inside, -1, 0, 1)).item() -
                   static_cast<double>(outside)) < 1e-3);
  }
}

TEST_CASE("preparation: labels survive the way to the grid and back") {
  struct Trial {
    Shape shape;
    std::vector<double> spacing, target;
  };
  const std::vector<Trial> trials{{{41, 57}, {1, 0.7}, {0.6, 0.9}},
                                  {{33, 64}, {1, 0.5}, {1, 1}},
                                  {{23, 31, 27}, {1, 1, 1}, {0.8, 1.2, 0.9}},
                                  {{9, 40, 41}, {5, 1, 1}, {5, 0.8, 0.8}},
                                  {{9, 40, 41}, {5, 1, 1}, {2.5, 1, 1}}};
  for (const Trial& trial : trials) {
    const Tensor labels = scene(trial.shape, trial.spacing);
    const Grid grid = grid_for(trial.shape, trial.spacing, trial.target);
    const Tensor there = prepare_labels(grid, labels, 255);
    CHECK(there.shape() == grid.extents);
    const Tensor back = argmax(restored(grid, one_hot(there, 4), {3}));
    REQUIRE(back.shape() == labels.shape());
    for (int c = 0; c < 4; ++c) {
      double both = 0, either = 0;
      for (std::int64_t i = 0; i < labels.numel(); ++i) {
        const bool a = labels.data<std::uint8_t>()[i] == c, b = back.data<std::uint8_t>()[i] == c;
        both += a && b;
        either += a + b;
      }
      CHECK_MESSAGE(2 * both / either > 0.93, "class " << c << " of " << trial.shape << ": " << 2 * both / either);
    }
  }
}

TEST_CASE("preparation: outside of the box is background, and inside is what the box alone would be") {
  const Tensor image = zeros({14, 19, 1}), inside = random_normal({9, 11, 1}, 2);
  for (std::int64_t y = 0; y < 9; ++y)
    for (std::int64_t x = 0; x < 11; ++x) image.set({y + 4, x + 5, 0}, inside.at(y, x, 0));
  const Model cropping = small_model(2, {8, 8}, {.crop = true, .spacing = {}});
  const Prediction box = predict_probabilities(small_model(2, {8, 8}, {}), inside);
  const Prediction found = predict_probabilities(cropping, image);
  const auto cut = [](const Tensor& x) { return slice(slice(x, 0, 4, 13), 1, 5, 16); };
  CHECK(same_bits(cut(found.probabilities), box.probabilities));
  std::vector<Tensor> logits;
  const Tensor labels = predict(cropping, image, {.scores = Scores::logits},
                                [&](std::int64_t, const Tensor& slab) { logits.push_back(slab); });
  CHECK(same_bits(labels, found.labels));
  CHECK(same_bits(predict(cropping, image), found.labels));
  CHECK(max(abs(softmax(concat(logits, 0)) - found.probabilities)).item() < 1e-6);
  for (std::int64_t y = 0; y < 14; ++y)
    for (std::int64_t x = 0; x < 19; ++x) {
      const bool within = y >= 4 && y < 13 && x >= 5 && x < 16;
      if (within) CHECK(found.labels.at(y, x) == box.labels.at(y - 4, x - 5));
      if (!within) CHECK((found.labels.at(y, x) == 0 && found.probabilities.at(y, x, 0) == 1));
    }
}

TEST_CASE("preparation: a model with a target predicts on the voxels of the source") {
  for (const bool volume : {false, true}) {
    const Shape shape = volume ? Shape{5, 9, 13} : Shape{17, 13}, window = volume ? Shape{4, 8, 8} : Shape{8, 8};
    const std::vector<double> spacing = volume ? std::vector<double>{4, 1, 1.5} : std::vector<double>{1, 0.5};
    const std::vector<double> target = volume ? std::vector<double>{4, 1.2, 1.2} : std::vector<double>{0.7, 0.7};
    const Model model = small_model(shape.dims(), window, {.crop = false, .spacing = target});
    const Tensor image = random_normal(shape + Shape{1}, 4);
    const Prediction found = predict_probabilities(model, image, {.spacing = spacing});
    CHECK(found.labels.shape() == shape);
    CHECK(same_bits(found.labels, argmax(found.probabilities)));
    CHECK(same_bits(found.labels, predict(model, image, {.spacing = spacing})));
    std::vector<Tensor> logits;
    CHECK(same_bits(predict(model, image, {.scores = Scores::logits, .spacing = spacing},
                            [&](std::int64_t, const Tensor& slab) { logits.push_back(slab); }),
                    found.labels));
    CHECK(max(abs(softmax(concat(logits, 0)) - found.probabilities)).item() < 1e-6);
    CHECK(contains(error_of([&] { predict(model, image); }), "the image has no spacing"));
    Model of_pixels = small_model(shape.dims(), window, {.crop = false, .spacing = target});
    of_pixels.spec.training.spacing_unit = "px";
    const std::vector<double> ones(static_cast<std::size_t>(shape.dims()), 1);
    CHECK(same_bits(predict(of_pixels, image), predict(of_pixels, image, {.spacing = ones})));
    // An image that has the target is not touched: the bits are those of a model without one.
    std::vector<double> near = target;
    near[0] *= 1.0005;
    const Model plain = small_model(shape.dims(), window, {});
    CHECK(same_bits(predict_probabilities(model, image, {.spacing = near}).probabilities,
                    predict_probabilities(plain, image).probabilities));
  }
}
