/* voxgrad for C and for every language that can call C: trained models, losses with their gradients, exact distance
 * maps and metrics. The library has no state of its own: all of it belongs to contexts, models and losses that the
 * caller makes and frees. It never prints, exits or aborts, and no exception leaves it.
 *
 * A function that can fail returns 0 or a code; voxgrad_error() then says what was wrong and what helps. Results are
 * written only if the function returns 0, except that labels, scores and gradients may be written in part before.
 *
 * Threads: one thread at a time may use a context. Several contexts may work at the same time, and share models and
 * losses, which nothing changes after they are made. All results are the same bits for any number of threads.
 *
 * An option struct begins with its size, and zero is the default of every other member:
 *   voxgrad_predict_options options = {.size = sizeof options};
 */
#ifndef VOXGRAD_H
#define VOXGRAD_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum voxgrad_code {
  VOXGRAD_OK = 0,
  VOXGRAD_ARGUMENT = 1, /* a call that breaks the rules of this page */
  VOXGRAD_USAGE = 2,    /* the text of a loss, or another choice, that there is not */
  VOXGRAD_DATA = 3,     /* an image, labels or logits that do not fit; an image that holds a NaN */
  VOXGRAD_MODEL = 4,    /* a model that is damaged, or whose output is not finite */
  VOXGRAD_IO = 5,       /* a file that cannot be read */
  VOXGRAD_MEMORY = 6,
  VOXGRAD_CANCELLED = 9, /* the progress function asked for it */
  VOXGRAD_INTERNAL = 10  /* a fault of the library */
};

const char* voxgrad_version(void); /* such as "0.1.0" */

/* ---- Contexts: threads, memory and messages. ---- */
typedef struct voxgrad_context voxgrad_context;

enum voxgrad_level { VOXGRAD_ERROR = 1, VOXGRAD_WARNING = 2 };

typedef struct voxgrad_context_options {
  size_t size;
  /* With the caller; 1 makes none; 0: VOXGRAD_THREADS or, without it, the cores of this process. With `parallel`, the
   * number of threads on which it runs blocks at the same time. */
  int threads;
  /* Runs blocks on threads of the host instead: calls block(data, 0) .. block(data, count - 1) once each, in any order
   * and on any threads, and returns when all are done. Then the library makes no thread. */
  void (*parallel)(void* user, int64_t count, void (*block)(void* data, int64_t index), void* data);
  void* parallel_user;
  /* Receives every error, and warnings such as a voxel spacing that the training never saw; `level` is a
   * voxgrad_level. Called by the thread that called the library. */
  void (*log)(void* user, int level, const char* text);
  void* log_user;
  /* Memory of the caller: images, maps and weights take no other. Lists are in memory of the system; they are small,
   * but for those of a clean-up, which have 28 bytes for each piece of a line of voxels that a class covers, and those
   * of voxgrad_metrics, which number the objects voxel by voxel. This memory must stay until the context and the models
   * that were opened with it are freed. NULL, and 0 bytes: memory of the system. A call for which it does not suffice
   * returns VOXGRAD_MEMORY. voxgrad_predict_bytes() says how much a prediction takes. */
  void* workspace;
  size_t workspace_bytes;
} voxgrad_context_options;

int voxgrad_context_new(const voxgrad_context_options* options, voxgrad_context** context); /* options may be NULL */
void voxgrad_context_free(voxgrad_context* context); /* joins its threads; models and losses may live longer */
/* What the last function that failed with this context said; "" if none did. Valid until the next call with it. */
const char* voxgrad_error(const voxgrad_context* context);

/* ---- Arrays, in the memory of the caller. ---- */
enum voxgrad_type { VOXGRAD_U8 = 1, VOXGRAD_U16, VOXGRAD_I16, VOXGRAD_I32, VOXGRAD_I64, VOXGRAD_F32, VOXGRAD_F64 };

/* `axes` extents, and for each axis the number of bytes from an element to the next one, which may be negative; NULL:
 * dense, the last axis fastest. Channels come last in `extents`, wherever they are in memory: the strides say that. */
typedef struct voxgrad_array {
  void* data; /* the element 0, 0, .. */
  int type;   /* a voxgrad_type */
  int axes;
  const int64_t* extents;
  const int64_t* strides;
} voxgrad_array;

/* ---- Models. ---- */
typedef struct voxgrad_model voxgrad_model;

typedef struct voxgrad_model_info {
  size_t size; /* set by the caller */
  int axes;    /* 2: images [H, W, channels]; 3: volumes [D, H, W, channels] */
  int channels, classes;
  int64_t window[3];  /* per axis, the patch of the training, which slides over larger images */
  int64_t divisor[3]; /* per axis, what the network halves; any extents can be given, they are padded */
  double spacing[3];  /* per axis, what images are resampled to; 0: they stay as they are */
  double least_spacing[3], most_spacing[3]; /* of the training images; 0: unknown */
} voxgrad_model_info;

int voxgrad_model_open(voxgrad_context* context, const char* path, voxgrad_model** model);
/* From the contents of a file; `bytes` may be freed afterwards. `name` is for messages and may be NULL. */
int voxgrad_model_parse(voxgrad_context* context, const void* bytes, size_t size, const char* name,
                        voxgrad_model** model);
void voxgrad_model_free(voxgrad_model* model);
int voxgrad_model_get_info(const voxgrad_model* model, voxgrad_model_info* info);
const char* voxgrad_model_class_name(const voxgrad_model* model, int index); /* NULL if there is no such class */
const char* voxgrad_model_text(const voxgrad_model* model); /* all that the file says about the model, as JSON */

typedef struct voxgrad_predict_options {
  size_t size;
  const double* spacing; /* of the image, per axis; needed by a model that resamples; NULL: unknown */
  int mirror;            /* 1: averages over the image mirrored along the axes that the training mirrored; -1: does not;
                          * 0: as the model says */
  int logits;            /* 1: `scores` receives logits, not probabilities */
  /* Called with the share that is done, 0 < share <= 1; not 0 ends the call with VOXGRAD_CANCELLED. */
  int (*progress)(void* user, double share);
  void* progress_user;
} voxgrad_predict_options;

/* How an image lies is not in an array, so nothing here can find out that it lies wrongly. A volume is [Z, Y, X], and
 * "orientation" in voxgrad_model_text() says where X, Y and Z went in the training, if its files said it: "RAS" is to
 * the right, the front and the top of the patient. Turn yours so before, and the labels back afterwards. Spacings are
 * per axis in the order of the array, in "spacing_unit" (mm; px for pictures without a size). Labels are the numbers 0,
 * 1, .. of the classes; "class_values" are what the mask files of the training had for them.
 *
 * Segments an image of any extents, with the intensities that its file has (they are normalised inside). `image` is
 * [*S, channels], of one channel also [*S]; u8, u16, i16, i32, f32 or f64. `labels` [*S] of an integer type, and
 * `scores` [*S, classes] of f32 or f64, receive the results; one of them may be NULL, as may `options`. */
int voxgrad_predict(voxgrad_context* context, const voxgrad_model* model, const voxgrad_array* image,
                    const voxgrad_predict_options* options, const voxgrad_array* labels, const voxgrad_array* scores);

/* The size of a workspace for voxgrad_predict() with an image of these spatial extents and these options, in a context
 * with as many threads. A prediction is made to find it, of an image without zeros, but for a rim that some models cut
 * off, and a third is added, because the order in which threads take memory varies. The progress function is not
 * called. The weights of the model are not in it: open it with another context. */
int voxgrad_predict_bytes(voxgrad_context* context, const voxgrad_model* model, const int64_t* extents,
                          const voxgrad_predict_options* options, size_t* bytes);

/* ---- Losses, named by text: "dice_ce:background=0", "0.7*dice+1.3*ce:weights=0.2/1/3". ---- */
typedef struct voxgrad_loss voxgrad_loss;

int voxgrad_loss_new(voxgrad_context* context, const char* text, voxgrad_loss** loss);
void voxgrad_loss_free(voxgrad_loss* loss);
const char* voxgrad_loss_text(const voxgrad_loss* loss); /* with every parameter, whether it was set or not */
const char* voxgrad_loss_name(int index);                /* the losses that there are; NULL behind the last one */

typedef struct voxgrad_loss_options {
  size_t size;
  const int64_t* ignore;         /* the label that is left out of everything; NULL: none */
  const double* spacing;         /* per spatial axis, for losses of distances; NULL: 1 */
  const double* class_fractions; /* per class (of a sigmoid: two), for weights=inverse, sqrt, median; NULL: unknown */
  double progress;               /* 0 .. 1, the share of the training that is done, for losses with a schedule */
} voxgrad_loss_options;

/* The value, and scale times its gradient with respect to the logits. `logits` [N, *S, C] are f32 or f64; one channel
 * is a sigmoid. `labels` [N, *S] are u8, i32 or i64; most losses also take [N, *S, C] of the type of the logits.
 * `value`, `gradient` (type and extents of the logits, any strides) and `options` may be NULL. The gradient may take
 * the place of the logits, with their address and strides; other memory that overlaps theirs is refused. */
int voxgrad_loss_evaluate(voxgrad_context* context, const voxgrad_loss* loss, const voxgrad_array* logits,
                          const voxgrad_array* labels, const voxgrad_loss_options* options, double scale, double* value,
                          const voxgrad_array* gradient);

/* ---- Distances and metrics. ---- */
/* Exact Euclidean distance, centre to centre, of every voxel to the nearest one on the other side of the class `label`;
 * with label -1 to the nearest voxel with another label. 0 everywhere if there is no other side. `labels` [*S] are of
 * an integer type with values 0 .. 255, `distances` [*S] of f32 or f64; `spacing` is per axis, NULL: 1. */
int voxgrad_distance(voxgrad_context* context, const voxgrad_array* labels, int label, const double* spacing,
                     const voxgrad_array* distances);

typedef struct voxgrad_metric_options {
  size_t size;
  int classes;           /* with the background */
  int only_counts;       /* 1: leaves out what measures surfaces and objects, which takes longer */
  const int64_t* ignore; /* voxels with this truth are left out; NULL: none */
  const double* spacing; /* per axis; NULL: 1 */
  double tolerance;      /* of nsd; 0: the largest spacing */
} voxgrad_metric_options;

const char* voxgrad_metric_name(int index); /* "dice", ..; NULL behind the last one */
/* values[c * count + m] is metric m < count of class c. NaN: undefined, as every ratio 0/0 (of two empty masks,
 * but also the precision of an empty prediction), or not computed (of the background, or left out). An infinite
 * distance means that one mask is empty. `prediction` and `truth` are [*S] of an integer type. */
int voxgrad_metrics(voxgrad_context* context, const voxgrad_array* prediction, const voxgrad_array* truth,
                    const voxgrad_metric_options* options, double* values, int count);

#ifdef __cplusplus
}
#endif
#endif
