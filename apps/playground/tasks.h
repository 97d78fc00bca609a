// The tasks of the playground: pictures that are drawn from a random stream, with their labels. There are as many of
// them as a training asks for, so that a network cannot learn them by heart.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/random.h"

namespace voxgrad::playground {

inline constexpr int kSide = 64;  // pixels
inline constexpr int kPixels = kSide * kSide;

const std::vector<std::string>& task_names();  // blobs, rings, vessels, lesions

struct Task {
  std::string name = "blobs";
  double size = 1;        // a factor of all lengths, 0.5 .. 2
  double contrast = 0.3;  // brightness of an object above its surroundings, 0 .. 1
  double noise = 0.1;     // standard deviation of the brightness of a pixel, 0 .. 1
  // Width in pixels of the rim in which an object fades away. Its border is somewhere in the rim: each label draws its
  // own place, with equal probability. So a perfect network could only say with which probability a pixel is inside.
  double rim = 1;
  double empty = 0;  // probability that a picture has no object, 0 .. 1
};

// Error(usage) if the name is unknown or a number is outside its range.
void check_task(const Task& task);

// Draws one picture. image[kPixels] has about zero mean; label[kPixels] is 1 inside an object and else 0.
void draw_picture(const Task& task, Random random, float* image, std::uint8_t* label);

}  // namespace voxgrad::playground
