/* Segments a grey picture (binary PGM, 8 or 16 bits) with a model of one channel that `voxgrad train` wrote:
 *   cc -std=c99 example.c -lvoxgrad -o segment
 *   ./segment best.safetensors picture.pgm labels.pgm
 * The grey values of labels.pgm are the classes. */
#include <stdio.h>
#include <stdlib.h>

#include "voxgrad.h"

static void log_line(void* user, int level, const char* text) {
  (void)user;
  fprintf(stderr, "%s: %s\n", level == VOXGRAD_ERROR ? "error" : "warning", text);
}

static int show(void* user, double share) {
  fprintf(stderr, "\r%3.0f %%%s", 100 * share, share < 1 ? "" : "\n");
  (void)user;
  return 0; /* anything else ends the prediction */
}

/* Returns the pixels as `type`, which is that of the file; null if this is no such file. */
static void* read_pgm(const char* path, int64_t extents[2], int* type) {
  long height = 0, width = 0, most = 0;
  size_t count, size;
  unsigned char* pixels = NULL;
  FILE* file = fopen(path, "rb");
  if (file == NULL) return NULL;
  if (fscanf(file, "P5 %ld %ld %ld", &width, &height, &most) == 3 && fgetc(file) != EOF && width > 0 && height > 0 &&
      width <= 1 << 20 && height <= 1 << 20 && most > 0 && most <= 65535) {
    count = (size_t)width * (size_t)height;
    size = most > 255 ? 2 : 1;
    pixels = malloc(count * size);
    if (pixels != NULL && fread(pixels, size, count, file) != count) {
      free(pixels);
      pixels = NULL;
    }
    for (; pixels != NULL && size == 2 && count > 0; --count) { /* the file has the high byte first */
      unsigned char* p = pixels + 2 * (count - 1);
      const uint16_t value = (uint16_t)(p[0] << 8 | p[1]);
      *(uint16_t*)(void*)p = value;
    }
    extents[0] = height;
    extents[1] = width;
    *type = most > 255 ? VOXGRAD_U16 : VOXGRAD_U8;
  }
  fclose(file);
  return pixels;
}

static int segment(voxgrad_context* context, const voxgrad_model* model, const char* from, const char* to) {
  int64_t extents[2] = {0, 0};
  int type = 0, code = 1, classes = 0;
  voxgrad_predict_options options = {.size = sizeof options};
  void* pixels = read_pgm(from, extents, &type);
  unsigned char* classes_of_pixels = NULL;
  if (pixels == NULL) {
    fprintf(stderr, "error: cannot read %s\n", from);
    return 1;
  }
  classes_of_pixels = malloc((size_t)(extents[0] * extents[1]));
  if (classes_of_pixels != NULL) {
    voxgrad_array image = {0}, labels = {0};
    image.data = pixels;
    image.type = type;
    labels.data = classes_of_pixels;
    labels.type = VOXGRAD_U8;
    image.axes = labels.axes = 2;
    image.extents = labels.extents = extents;
    options.progress = show;
    code = voxgrad_predict(context, model, &image, &options, &labels, NULL);
  }
  if (code == VOXGRAD_OK) {
    FILE* file = fopen(to, "wb");
    while (voxgrad_model_class_name(model, classes) != NULL) ++classes;
    if (file == NULL || fprintf(file, "P5 %ld %ld %d\n", (long)extents[1], (long)extents[0], classes - 1) < 0 ||
        fwrite(classes_of_pixels, 1, (size_t)(extents[0] * extents[1]), file) != (size_t)(extents[0] * extents[1]))
      code = VOXGRAD_IO;
    if (file != NULL && fclose(file) != 0) code = VOXGRAD_IO;
    if (code == VOXGRAD_IO) fprintf(stderr, "error: cannot write %s\n", to);
  }
  free(classes_of_pixels);
  free(pixels);
  return code;
}

int main(int count, char** arguments) {
  int code;
  voxgrad_context* context = NULL;
  voxgrad_model* model = NULL;
  voxgrad_context_options options = {.size = sizeof options};
  if (count != 4) {
    fprintf(stderr, "usage: segment MODEL PICTURE.pgm LABELS.pgm\n");
    return VOXGRAD_USAGE;
  }
  options.log = log_line; /* says what went wrong, so voxgrad_error() is not asked below */
  code = voxgrad_context_new(&options, &context);
  if (code == VOXGRAD_OK) code = voxgrad_model_open(context, arguments[1], &model);
  if (code == VOXGRAD_OK) code = segment(context, model, arguments[2], arguments[3]);
  voxgrad_model_free(model);
  voxgrad_context_free(context);
  return code;
}
