// What is done to an image before a network sees it, and undone in what the network found: the crop to the box of the
// voxels that are not 0, the normalisation, and the resampling to the spacing of the training. Training, evaluation and
// prediction all use prepare() and Restorer, so a network meets the images that it was trained on.
//
//   const Prepared prepared = prepare(model.spec, image, spacing);
//   Restorer restore(prepared.grid, scores, sink);
//   sliding_window(net, prepared.image, window, [&](std::int64_t row, const Tensor& logits) { restore(row, ..); });
//
// The order is that of nnU-Net (Isensee et al., Nature Methods 2021): statistics are those of the box, and of voxels as
// they were measured.
#pragma once

#include <cstdint>
#include <vector>

#include "nn/inference/model.h"
#include "nn/inference/resample.h"
#include "nn/inference/windows.h"

namespace voxgrad::nn {

// A box of voxels.
struct Box {
  Shape begin, extents;
};
// The smallest box around the voxels of an image f32 [*S, C] that are not 0 in every channel; all of an image that is 0
// everywhere.
Box nonzero_box(const Tensor& image);

// How the voxels of a prepared image lie in the image that was given.
struct Grid {
  Shape source;                 // [*S] of the image that was given
  Box box;                      // the part of it that is kept
  Shape extents;                // of the prepared image, which covers the box
  std::vector<double> spacing;  // of the prepared image; as it was given if nothing was resampled
  int thick = -1;               // the axis of a volume along which nothing is interpolated; -1: none

  bool cropped() const { return box.extents != source; }
  bool resampled() const { return extents != box.extents; }
  std::vector<Order> orders(Order order) const;  // for each axis, `nearest` along the thick one
};

// The grid of an image with this box. Along each axis the extent is that of the box times spacing / target, rounded, at
// least 1; an axis whose spacing is the target up to one in a thousand keeps its voxels. The thick axis is that of the
// image, or else that of the target: values between slices so far apart would show what is in neither. Error(data) if
// the model has a target and the image no spacing, if a spacing is no positive number, if the factor of an axis is not
// between 1/32 and 32, or if the volume would have more than 2^31 values on the way.
Grid grid_of(const Preparation& preparation, const Shape& source, const Box& box, std::int64_t channels,
             const std::vector<double>& spacing);

struct Prepared {
  Tensor image;  // f32 [*Grid::extents, C]
  Grid grid;
};
// Prepares an image f32 [*S, C] on the host. If nothing is cropped, the given image is overwritten: it is normalised,
// or the result itself. Intensities are interpolated by cubic splines, along the thick axis taken from the nearest
// slice. An image without a spacing has one of 1 if the model was trained on pixels without a length.
Prepared prepare(const ModelSpec& spec, const Tensor& image, const std::vector<double>& spacing);
// Brings labels u8 [*S] of the same image to the grid (resample_labels). `ignore` is the label that is no class, or -1.
Tensor prepare_labels(const Grid& grid, const Tensor& labels, int ignore);
// The same for probabilities of labels, f32 [*S, K], which are interpolated linearly; they may add up to less than 1
// beside voxels where they are 0.
Tensor prepare_probabilities(const Grid& grid, const Tensor& probabilities);

// Brings scores of the prepared image to the voxels of the image that was given. Probabilities are interpolated
// linearly, along the thick axis they are those of the nearest slice. Outside the box everything is background: its
// probability is 1, or its logit 0 and those of the other classes log(1e-30).
class Restorer {
 public:
  Restorer(Grid grid, Scores kind, SlabSink sink);
  // Takes the rows from `row` on, f32 [rows, *S', C] on the host, in order and each once. Only probabilities can be
  // resampled. The sink gets the rows of the source in order and each once, at most as many at a time as came in, so
  // memory holds two slabs on the voxels of the source beside the one that was given.
  void operator()(std::int64_t row, const Tensor& scores);

 private:
  void emit(const Tensor& rows);                                  // of the box
  void emit_outside(std::int64_t end, const Tensor& like);        // rows of the source before `end`
  Tensor outside(std::int64_t rows, std::int64_t classes) const;  // rows of the source, all background

  Grid grid_;
  Scores kind_;
  SlabSink sink_;
  Tensor held_;              // the rows of the prepared image that are still needed, resampled along all other axes
  std::int64_t first_ = 0;   // of held_
  std::int64_t made_ = 0;    // rows of the box that were handed on
  std::int64_t handed_ = 0;  // rows of the source that were handed on
};

// Probabilities as logits, which give them back in softmax: their logarithms, of at least 1e-30.
Tensor logits_of(const Tensor& probabilities);

}  // namespace voxgrad::nn
