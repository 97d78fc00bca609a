/* unload LIBRARY MODEL ROUNDS: loads the library, segments a volume and evaluates a loss with four threads, frees all
 * and unloads it, and so on. It fails if the library stays loaded, if a thread is left, or if memory grows. */
#include <dirent.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include "voxgrad.h"

#define EDGE 40
#define GROWTH_KB 1024

/* ISO C has no cast from void* to a pointer to a function. */
static int find(void* library, const char* name, void* function) {
  void* const found = dlsym(library, name);
  if (found == NULL) return 0;
  memcpy(function, &found, sizeof found);
  return 1;
}

static long resident_kb(void) {
  long kb = -1;
  char line[256];
  FILE* file = fopen("/proc/self/status", "r");
  if (file == NULL) return -1;
  while (fgets(line, sizeof line, file) != NULL)
    if (sscanf(line, "VmRSS: %ld", &kb) == 1) break;
  fclose(file);
  return kb;
}

static int threads(void) {
  int count = 0;
  const struct dirent* entry;
  DIR* tasks = opendir("/proc/self/task");
  if (tasks == NULL) return -1;
  while ((entry = readdir(tasks)) != NULL) count += entry->d_name[0] != '.';
  closedir(tasks);
  return count;
}

static int use(void* library, const char* path) {
  static float image[EDGE * EDGE * EDGE], logits[4 * EDGE * EDGE * EDGE], gradient[4 * EDGE * EDGE * EDGE];
  static unsigned char labels[EDGE * EDGE * EDGE];
  static const int64_t extents[5] = {1, EDGE, EDGE, EDGE, 4};
  int (*context_new)(const voxgrad_context_options*, voxgrad_context**);
  void (*context_free)(voxgrad_context*);
  int (*model_open)(voxgrad_context*, const char*, voxgrad_model**);
  void (*model_free)(voxgrad_model*);
  int (*predict)(voxgrad_context*, const voxgrad_model*, const voxgrad_array*, const voxgrad_predict_options*,
                 const voxgrad_array*, const voxgrad_array*);
  int (*loss_new)(voxgrad_context*, const char*, voxgrad_loss**);
  void (*loss_free)(voxgrad_loss*);
  int (*loss_evaluate)(voxgrad_context*, const voxgrad_loss*, const voxgrad_array*, const voxgrad_array*,
                       const voxgrad_loss_options*, double, double*, const voxgrad_array*);
  voxgrad_context_options options = {.size = sizeof options, .threads = 4};
  voxgrad_context* context = NULL;
  voxgrad_model* model = NULL;
  voxgrad_loss* loss = NULL;
  const voxgrad_array volume = {image, VOXGRAD_F32, 3, extents + 1, NULL};
  const voxgrad_array mask = {labels, VOXGRAD_U8, 3, extents + 1, NULL}, truth = {labels, VOXGRAD_U8, 4, extents, NULL};
  const voxgrad_array z = {logits, VOXGRAD_F32, 5, extents, NULL}, dz = {gradient, VOXGRAD_F32, 5, extents, NULL};
  int i, code;
  for (i = 0; i < EDGE * EDGE * EDGE; ++i) image[i] = (float)(i % 97);
  if (!find(library, "voxgrad_context_new", &context_new) || !find(library, "voxgrad_context_free", &context_free) ||
      !find(library, "voxgrad_model_open", &model_open) || !find(library, "voxgrad_model_free", &model_free) ||
      !find(library, "voxgrad_predict", &predict) || !find(library, "voxgrad_loss_new", &loss_new) ||
      !find(library, "voxgrad_loss_free", &loss_free) || !find(library, "voxgrad_loss_evaluate", &loss_evaluate))
    return -1;
  code = context_new(&options, &context);
  if (code == 0) code = model_open(context, path, &model);
  if (code == 0) code = predict(context, model, &volume, NULL, &mask, NULL);
  if (code == 0) code = loss_new(context, "dice_ce", &loss);
  if (code == 0) code = loss_evaluate(context, loss, &z, &truth, NULL, 1, NULL, &dz);
  if (code == 0 && threads() < 4) code = -2;
  loss_free(loss);
  model_free(model);
  context_free(context);
  return code;
}

int main(int count, char** arguments) {
  long early = 0, late = 0; /* the most of each half: a single value depends on how the threads met */
  int round, rounds, left = 0, looks = 100000;
  if (count != 4) return 2;
#ifdef PR_SET_THP_DISABLE /* else the system makes huge pages of small ones, whenever it has time: 2 MiB at once */
  prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
#endif
  rounds = atoi(arguments[3]);
  for (round = 0; round < rounds; ++round) {
    void* library = dlopen(arguments[1], RTLD_NOW | RTLD_LOCAL);
    int code;
    if (library == NULL) {
      printf("%s\n", dlerror());
      return 1;
    }
    code = use(library, arguments[2]);
    if (code != 0 || dlclose(library) != 0) {
      printf("round %d: code %d\n", round, code);
      return 1;
    }
    if (dlopen(arguments[1], RTLD_NOW | RTLD_NOLOAD) != NULL) {
      printf("round %d: the library is still loaded\n", round);
      return 1;
    }
    {
      long* most = round < rounds / 2 ? &early : &late;
      const long now = resident_kb();
      if (now > *most) *most = now;
    }
  }
  do left = threads(); /* Linux lists a thread for a moment after it was joined */
  while (left != 1 && --looks > 0);
  printf("%d rounds: at most %ld kB in the first half, %ld kB in the second, %d thread(s)\n", rounds, early, late,
         left);
  return left == 1 && late - early < GROWTH_KB ? 0 : 1;
}
