#include "apps/embed/handles.h"

#include <exception>
#include <new>
#include <span>

#include "engine/autograd.h"
#include "engine/io/file_rules.h"

namespace voxgrad::embed {
namespace {

int code_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::argument: return VOXGRAD_ARGUMENT;
    case ErrorKind::usage: return VOXGRAD_USAGE;
    case ErrorKind::data: return VOXGRAD_DATA;
    case ErrorKind::model: return VOXGRAD_MODEL;
    case ErrorKind::io: return VOXGRAD_IO;
    case ErrorKind::memory: return VOXGRAD_MEMORY;
    case ErrorKind::diverged:
    case ErrorKind::check: break;
  }
  return VOXGRAD_INTERNAL;
}

int failed(voxgrad_context& context, int code, const char* text) noexcept {
  try {
    context.error = text;
  } catch (...) {
    context.error.clear();  // no memory for the text either
  }
  context.say(VOXGRAD_ERROR, text);
  return code;
}

ParallelFor host_of(const voxgrad_context_options& options) {
  if (options.parallel == nullptr) return {};
  using Block = const std::function<void(std::int64_t)>;
  return [call = options.parallel, user = options.parallel_user](std::int64_t count, Block& block) {
    const auto run_block = [](void* data, std::int64_t index) { (*static_cast<Block*>(data))(index); };
    call(user, count, run_block, const_cast<void*>(static_cast<const void*>(&block)));
  };
}

std::span<std::byte> workspace_of(const voxgrad_context_options& options) {
  check((options.workspace == nullptr) == (options.workspace_bytes == 0),
        "workspace: ", options.workspace == nullptr ? "a null pointer" : "a place", " of ", options.workspace_bytes,
        " bytes");
  return {static_cast<std::byte*>(options.workspace), options.workspace_bytes};
}

}  // namespace

void tell(void (*log)(void*, int, const char*), void* user, int level, const char* text) noexcept {
  try {
    if (log != nullptr) log(user, level, text);
  } catch (...) {  // the code says it, too
  }
}

int run_work(voxgrad_context* context, const std::function<void()>& work) noexcept {
  if (context == nullptr) return VOXGRAD_ARGUMENT;
  try {
    const Resources::Use use(&context->resources);
    const NoGrad recording(true);  // a prediction or a backward pass that made this call records nothing
    work();
    return VOXGRAD_OK;
  } catch (const Cancelled&) {
    return failed(*context, VOXGRAD_CANCELLED, "cancelled by the progress function");
  } catch (const Error& error) {
    return failed(*context, code_of(error.kind()), error.what());
  } catch (const std::bad_alloc&) {
    return failed(*context, VOXGRAD_MEMORY, "memory: the system has none left");
  } catch (const std::exception& error) {
    return failed(*context, VOXGRAD_INTERNAL, error.what());
  } catch (...) {
    return failed(*context, VOXGRAD_INTERNAL, "an exception of an unknown type");
  }
}

std::vector<double> spacing_of(const double* spacing, int axes) {
  if (spacing == nullptr) return {};
  std::vector<double> result(spacing, spacing + axes);
  const std::string problem = spacing_problem(result, axes);
  check(problem.empty(), problem);
  return result;
}

}  // namespace voxgrad::embed

voxgrad_context::voxgrad_context(const voxgrad_context_options& options)
    : resources(options.threads, voxgrad::embed::host_of(options), voxgrad::embed::workspace_of(options)),
      log(options.log),
      log_user(options.log_user) {}

const char* voxgrad_version(void) { return VOXGRAD_VERSION; }

int voxgrad_context_new(const voxgrad_context_options* options, voxgrad_context** context) {
  if (context == nullptr) return VOXGRAD_ARGUMENT;
  *context = nullptr;
  // Without a context there is nobody to ask for the text: it goes to the log of the options.
  const auto refuse = [&](int code, const char* text) {
    const bool readable = options != nullptr && options->size == sizeof *options;
    if (readable) voxgrad::embed::tell(options->log, options->log_user, VOXGRAD_ERROR, text);
    return code;
  };
  try {
    *context = new voxgrad_context(voxgrad::embed::read(options));
    return VOXGRAD_OK;
  } catch (const voxgrad::Error& error) {
    return refuse(voxgrad::embed::code_of(error.kind()), error.what());
  } catch (...) {
    return refuse(VOXGRAD_MEMORY, "memory: the system has none left");
  }
}

void voxgrad_context_free(voxgrad_context* context) { delete context; }

const char* voxgrad_error(const voxgrad_context* context) {
  return context == nullptr ? "there is no context" : context->error.c_str();
}
