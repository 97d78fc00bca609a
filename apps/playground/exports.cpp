// What the page calls in WebAssembly: plain functions on the one session of a worker. The page reads arrays where they
// are in memory, until the next call of the same function. A function that fails returns null or NaN, and
// playground_error() says why.
#include <limits>
#include <memory>
#include <string>
#include <utility>

#include "apps/playground/session.h"
#include "engine/parallel.h"

using namespace voxgrad;
using namespace voxgrad::playground;

namespace {

std::unique_ptr<Session> session;
std::string error;
Tensor predicted;
Session::Look seen;

template <class F>
auto guarded(F&& f, decltype(f()) failure) {
  try {
    error.clear();
    return f();
  } catch (const std::exception& problem) {
    error = problem.what();
  }
  return failure;
}

Session& started() {
  check(session != nullptr, "playground: nothing was started");
  return *session;
}

}  // namespace

extern "C" {

const char* playground_error() { return error.c_str(); }

const char* playground_facts() {
  return guarded(
      [] {
        static const std::string text = facts();
        return text.c_str();
      },
      static_cast<const char*>(nullptr));
}

// Begins anew. Returns the text of the loss with all of its parameters.
const char* playground_start(const char* task, double size, double contrast, double noise, double rim, double empty,
                             const char* loss, double seed) {
  return guarded(
      [&] {
        set_threads(1);
        session.reset();
        session = std::make_unique<Session>(Task{task, size, contrast, noise, rim, empty}, loss,
                                            static_cast<std::uint64_t>(seed));
        static std::string text;
        text = losses::make_loss(loss).text();
        return text.c_str();
      },
      static_cast<const char*>(nullptr));
}

double playground_step(double rate) {
  return guarded([&] { return started().step(rate); }, std::numeric_limits<double>::quiet_NaN());
}

const float* playground_pictures() {
  return guarded([] { return static_cast<const float*>(started().pictures().data<float>()); }, nullptr);
}

const std::uint8_t* playground_truth() {
  return guarded([] { return static_cast<const std::uint8_t*>(started().truth().data<std::uint8_t>()); }, nullptr);
}

// Probabilities of all pictures.
const float* playground_predict() {
  return guarded(
      [] {
        predicted = started().predict();
        return static_cast<const float*>(predicted.data<float>());
      },
      nullptr);
}

// Looks at one picture. Returns its loss; what else was seen is returned by the next two functions.
double playground_look(int picture) {
  return guarded(
      [&] {
        seen = started().look(picture);
        return seen.loss;
      },
      std::numeric_limits<double>::quiet_NaN());
}

const float* playground_probability() {
  return guarded([] { return static_cast<const float*>(seen.probability.data<float>()); }, nullptr);
}

const float* playground_gradient() {
  return guarded([] { return static_cast<const float*>(seen.gradient.data<float>()); }, nullptr);
}

}  // extern "C"
