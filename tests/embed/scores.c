/* scores model extent.. file: segments noise of these extents and writes the labels and the probabilities of all
 * voxels. It takes VOXGRAD_THREADS threads. It is linked with libvoxgrad, or with the one file that amalgamate.cmake
 * writes. */
#include <stdio.h>
#include <stdlib.h>

#ifdef VOXGRAD_ONE_FILE
#include "voxgrad_infer.h"
#else
#include "voxgrad.h"
#endif

static voxgrad_context* context;
static voxgrad_model* model;

static void log_line(void* user, int level, const char* text) {
  (void)user;
  (void)level;
  fprintf(stderr, "%s\n", text);
}

int main(int count, char** words) {
  const voxgrad_context_options options = {.size = sizeof options, .log = log_line};
  voxgrad_model_info info = {.size = sizeof info};
  int64_t extents[4];
  size_t voxels = 1, i;
  uint32_t state = 1;
  FILE* file;
  if (count < 4 || voxgrad_context_new(&options, &context) != 0) return 1;
  if (voxgrad_model_open(context, words[1], &model) != 0) return 1;
  if (voxgrad_model_get_info(model, &info) != 0 || info.channels != 1 || info.axes != count - 3) return 2;
  for (i = 0; i < (size_t)info.axes; ++i) voxels *= (size_t)(extents[i] = atoi(words[2 + i]));
  extents[info.axes] = info.classes;

  uint16_t* noise = malloc(voxels * sizeof *noise);
  uint8_t* labels = malloc(voxels);
  float* scores = malloc(voxels * (size_t)info.classes * sizeof *scores);
  if (noise == NULL || labels == NULL || scores == NULL) return 2;
  for (i = 0; i < voxels; ++i) {
    state = state * 1664525u + 1013904223u;
    noise[i] = (uint16_t)(state >> 16);
  }
  const voxgrad_array from = {noise, VOXGRAD_U16, info.axes, extents, NULL};
  const voxgrad_array to_labels = {labels, VOXGRAD_U8, info.axes, extents, NULL};
  const voxgrad_array to_scores = {scores, VOXGRAD_F32, info.axes + 1, extents, NULL};
  if (voxgrad_predict(context, model, &from, NULL, &to_labels, &to_scores) != 0) return 1;

  file = fopen(words[count - 1], "wb");
  if (file == NULL || fwrite(labels, 1, voxels, file) != voxels ||
      fwrite(scores, sizeof *scores, voxels * (size_t)info.classes, file) != voxels * (size_t)info.classes ||
      fclose(file) != 0)
    return 2;
  printf("%s %s\n", voxgrad_model_text(model), voxgrad_model_class_name(model, 0));
  free(noise);
  free(labels);
  free(scores);
  voxgrad_model_free(model);
  voxgrad_context_free(context);
  return 0;
}
