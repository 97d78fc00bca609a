// What the handles of voxgrad.h are, and how a call becomes a code and a text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "apps/embed/voxgrad.h"
#include "engine/error.h"
#include "engine/parallel.h"
#include "nn/inference/model.h"

namespace voxgrad::embed {
// Calls the log of a caller, if there is one. What it throws, which a function in C++ may do, is dropped.
void tell(void (*log)(void*, int, const char*), void* user, int level, const char* text) noexcept;
}  // namespace voxgrad::embed

struct voxgrad_context {
  explicit voxgrad_context(const voxgrad_context_options& options);
  void say(int level, const char* text) const noexcept { voxgrad::embed::tell(log, log_user, level, text); }
  voxgrad::Resources resources;
  std::string error;
  void (*log)(void*, int, const char*);
  void* log_user;
};

// A model may outlive the context that opened it, so it keeps the memory of its weights.
struct voxgrad_model {
  std::shared_ptr<voxgrad::Backend> memory;
  voxgrad::nn::Model model;
  std::string text;
};

namespace voxgrad::embed {

struct Cancelled {};

// Runs `work` with the threads and the memory of the context. An exception becomes a code, the text of the context and
// a line of its log. A function that another call runs may make this one, with a context of its own.
int run_work(voxgrad_context* context, const std::function<void()>& work) noexcept;

// A function object that refers to `work` needs no memory, so nothing can be thrown outside of run_work().
template <class Work>
int run(voxgrad_context* context, const Work& work) noexcept {
  return run_work(context, std::ref(work));
}

// The options, or zeros for a null pointer. A later version, whose structs are longer, also takes the older sizes.
template <class Options>
Options read(const Options* options) {
  if (options == nullptr) return {};
  if (options->size != sizeof(Options))
    throw Error(ErrorKind::argument,
                text("the options have the size ", options->size, ", this library knows ", sizeof(Options)),
                "begin with {.size = sizeof options}; the header and the library must be of one version");
  return *options;
}

// The numbers of an axis each; empty for a null pointer.
std::vector<double> spacing_of(const double* spacing, int axes);

}  // namespace voxgrad::embed
