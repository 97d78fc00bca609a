// Solution: data/sampling/sampler.cpp: Extents Sampler::corner(
// Solution: data/sampling/sampler.cpp: void crop(
#pragma once

#include <map>

#include "apps/examples/exercises/09_patch_sampling.h"
#include "data/sampling/loader.h"
#include "data/writer.h"
#include "tests/apps/examples/report.h"
#include "tests/files.h"

namespace voxgrad::learn::hole9 {

struct Answer {
  decltype(&my_corner) corner = my_corner;
  decltype(&my_cut) cut = my_cut;
};

// An image whose pixels are numbered from 1, so that a patch tells where it was cut; and labels, whose pixels are
// listed by class.
struct Picture {
  Tensor image, labels;  // [H, W]
  std::vector<std::vector<std::int64_t>> foreground;

  Picture(const Shape& shape, const std::vector<std::vector<std::int64_t>>& pixels)
      : image(empty(shape)), labels(zeros(shape, DType::u8)), foreground(pixels) {
    for (std::int64_t i = 0; i < shape.numel(); ++i) image.data<float>()[i] = static_cast<float>(i + 1);
    for (std::size_t k = 0; k < pixels.size(); ++k)
      for (const std::int64_t i : pixels[k]) labels.data<std::uint8_t>()[i] = static_cast<std::uint8_t>(k + 1);
  }
  // Patches that the loader of the engine cuts.
  std::vector<Tensor> loaded(const Shape& patch, bool on_foreground, std::int64_t count) const {
    const test::Folder folder;
    data::Case one;
    one.id = "one";
    one.image = reshape(image, image.shape() + Shape{1});
    one.label = labels;
    one.spacing = {1, 1};
    data::write_dataset(folder.file("one.h5"),
                        {.class_names = {"background", "a", "b"}, .attributes = {}, .cases = {one}, .splits = {}});
    data::Loader loader(
        data::Dataset::open(folder.file("one.h5")),
        {.cases = {0}, .patch = patch, .batch = count, .foreground = on_foreground ? 1.0 : 0.0, .prefetch = 0});
    const Tensor batch = loader.batch(0).images;
    std::vector<Tensor> patches;
    for (std::int64_t i = 0; i < count; ++i) patches.push_back(batch.alias(i * patch.numel(), patch));
    return patches;
  }
};

// The corner that a patch of a Picture was cut at: any pixel that is not padding tells it.
inline Extents corner_of(const Tensor& patch, std::int64_t width) {
  for (std::int64_t i = 0; i < patch.numel(); ++i)
    if (const auto number = static_cast<std::int64_t>(patch.data<float>()[i]); number > 0)
      return {(number - 1) / width - i / patch.extent(1), (number - 1) % width - i % patch.extent(1)};
  return {0, 0};
}

using Shares = std::map<std::pair<std::int64_t, std::int64_t>, double>;

// Compares how often every corner occurs, in `count` patches of each side.
inline void compare_corners(const std::string& what, const Picture& picture, const Shape& patch, bool on_foreground,
                            const Answer& answer) {
  constexpr int kCount = 4000;
  Shares mine, theirs;
  Random random(1);
  const auto foreground = on_foreground ? picture.foreground : std::vector<std::vector<std::int64_t>>{};
  for (int i = 0; i < kCount; ++i) {
    const Extents corner = answer.corner(picture.image.shape(), patch, foreground, random);
    mine[{corner[0], corner[1]}] += 1.0 / kCount;
  }
  for (const Tensor& one : picture.loaded(patch, on_foreground, kCount)) {
    const Extents corner = corner_of(one, picture.image.extent(1));
    theirs[{corner[0], corner[1]}] += 1.0 / kCount;
  }
  for (const auto& [corner, share] : mine)
    expect(theirs.contains(corner), what, ": the corner (", corner.first, ", ", corner.second,
           ") never occurs in the engine");
  // Five standard deviations of the difference of two shares of the same size.
  for (const auto& [corner, share] : theirs)
    expect(std::fabs(mine[corner] - share) <= 5 * std::sqrt(2 * share * (1 - share) / kCount), what, ": the corner (",
           corner.first, ", ", corner.second, ") has a share of ", mine[corner], " of the patches, in the engine ",
           share);
}

inline void check(Report& report, const Answer& answer = {}) {
  const Picture picture({8, 9}, {{40}, {0, 1, 2, 9, 10, 11, 18, 19, 20, 71}});  // one small and one large class
  report.part("my_corner", [&] {
    for (const Shape& patch : {Shape{5, 6}, {4, 4}, {8, 9}, {8, 4}, {11, 5}, {10, 12}})
      compare_corners(text("image [8, 9], patch ", patch, ", anywhere"), picture, patch, false, answer);
    for (const Shape& patch : {Shape{5, 6}, {4, 3}, {8, 9}, {11, 5}})
      compare_corners(text("image [8, 9], patch ", patch, ", on the foreground"), picture, patch, true, answer);
  });
  report.part("my_cut", [&] {
    for (const Shape& patch : {Shape{5, 6}, {4, 4}, {8, 9}, {11, 5}, {10, 12}})
      for (const Tensor& one : picture.loaded(patch, false, 12)) {
        const Extents corner = corner_of(one, 9);
        same(text("image [8, 9], patch ", patch, ", corner (", corner[0], ", ", corner[1], ')'),
             answer.cut(picture.image, corner, patch), one);
      }
  });
}

}  // namespace voxgrad::learn::hole9
