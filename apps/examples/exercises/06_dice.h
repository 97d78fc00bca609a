// Exercise 6: the Dice loss from integrals, and its gradient by every logit.
// Read before: losses/README.md, "Symbols" and "One loss in a page: Dice"
//
// The probabilities of a pixel are the softmax of its C logits, p_c = e^z_c / sum over k of e^z_k. Subtract the largest
// logit of the pixel from all of them first: p does not change, and no exponential overflows. t_c is 1 where the label
// is c, else 0. For every sample n and class c, with sums over the pixels of the sample,
//
//   I = sum p t      P = sum p      G = sum t      D = (2 I + s) / (P + G + s)
//
// The loss is the mean of 1 - D over all samples and all classes. The small constant s keeps D finite where a class is
// absent.
//
// The gradient has three steps, and two of them happen on N C numbers only:
//
//   1. by the integrals    dL/dI = -2 / (P + G + s) / (N C)      dL/dP = (2 I + s) / (P + G + s)^2 / (N C)
//   2. by p, per pixel     g_c = dL/dI t_c + dL/dP               with those of this sample and class
//   3. by z, per pixel     dL/dz_c = p_c (g_c - sum over k of p_k g_k)                  the derivative of the softmax
//
//   logits f64 [N, H, W, C], labels u8 [N, H, W], which you read by labels.data<std::uint8_t>()
#pragma once

#include "apps/examples/exercises/hole.h"
#include "engine/ops.h"

namespace voxgrad::learn {

inline double my_dice(const Tensor& logits, const Tensor& labels, double s) {
  not_filled("my_dice", logits, labels, s);
}

// Returns dL/dz, with the shape of the logits.
inline Tensor my_dice_gradient(const Tensor& logits, const Tensor& labels, double s) {
  not_filled("my_dice_gradient", logits, labels, s);
}

}  // namespace voxgrad::learn
