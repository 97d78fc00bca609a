// `voxgrad losses eval` computes a loss on given logits and labels. It prints the value, and writes the gradient with
// respect to the logits as numbers (--gradient) or draws it as a picture (--png).

#include <algorithm>
#include <cmath>
#include <span>

#include "apps/program/outputs.h"
#include "apps/report/gradient_picture.h"
#include "apps/verbs/verbs.h"
#include "data/h5/h5_writer.h"
#include "data/label_file.h"
#include "engine/error.h"
#include "engine/io/atomic_file.h"
#include "engine/io/file_rules.h"
#include "losses/core/loss.h"
#include "losses/core/registry.h"

namespace voxgrad::apps {
namespace {

using data::h5::Element;

struct EvalOptions {
  std::string loss, file, dtype, gradient, png;
  std::int64_t sample = 0, slice = -1;
};

// What a file holds for a loss.
struct Given {
  Tensor logits, labels, image;  // image is undefined if there is none
  losses::Context context;
  std::vector<std::string> class_names;
};

// Reads an array as f32 or f64. If `dtype` is empty, it stays f64 if it is stored as f64.
Tensor read_numbers(const data::h5::Array& array, const std::string& dtype) {
  const bool f64 = dtype == "f64" || (dtype.empty() && array.element() == Element::f64);
  const Tensor result = empty(array.extents(), f64 ? DType::f64 : DType::f32);
  array.read_all(f64 ? Element::f64 : Element::f32, result.raw());
  return result;
}

void check_finite(const Tensor& logits, const std::string& where) {
  const std::vector<double> values = logits.to_vector<double>();
  const auto bad = std::find_if(values.begin(), values.end(), [](double z) { return !std::isfinite(z); });
  if (bad == values.end()) return;
  std::string position;
  std::int64_t index = bad - values.begin();
  for (int axis = logits.dims() - 1; axis >= 0; index /= logits.extent(axis--))
    position = std::to_string(index % logits.extent(axis)) + (position.empty() ? "" : ", ") + position;
  const auto count = std::count_if(values.begin(), values.end(), [](double z) { return !std::isfinite(z); });
  throw Error(ErrorKind::data,
              text(where, ": ", *bad, " at [", position, "], ", count, " of ", values.size(), " values are not finite"),
              "logits are finite numbers before any softmax; a network that gives others has diverged");
}

void check_shapes(const Shape& logits, const Shape& labels, const std::string& where) {
  const bool same = logits.dims() == labels.dims() + 1 && std::equal(labels.begin(), labels.end(), logits.begin());
  if (logits.dims() < 3 || !same)
    throw Error(ErrorKind::data,
                text(where, ": logits ", logits, " and labels ", labels, " must be [N, *S, C] and [N, *S]"));
}

Given read(const EvalOptions& options) {
  const data::h5::File file = data::h5::File::open(options.file);
  const data::h5::Array stored = file.array("/logits"), truth = file.array("/labels");
  const data::h5::Group root = file.group("/");
  Given given;
  check_shapes(stored.extents(), truth.extents(), options.file);
  given.logits = read_numbers(stored, options.dtype);
  given.labels = data::read_labels(truth);
  check_finite(given.logits, stored.where());
  for (const data::h5::Object* place :
       {static_cast<const data::h5::Object*>(&root), static_cast<const data::h5::Object*>(&stored),
        static_cast<const data::h5::Object*>(&truth)}) {  // predictions: the last one
    if (!place->has_attribute("spacing")) continue;
    given.context.spacing = place->numbers_attribute("spacing");
    const std::string problem = spacing_problem(given.context.spacing, given.logits.dims() - 2, given.logits.extent(0));
    if (!problem.empty()) throw Error(ErrorKind::data, text(place->where(), ": ", problem));
    break;
  }
  if (root.has_attribute("ignore_label")) given.context.ignore = data::ignore_label_of(root);
  if (root.has_attribute("class_names")) given.class_names = root.strings_attribute("class_names");
  if (!options.png.empty() && file.exists("/images")) {
    const data::h5::Array images = file.array("/images");
    check_shapes(images.extents(), truth.extents(), options.file + ": images as logits");
    given.image = read_numbers(images, "f32");
  }
  return given;
}

void write_gradient(const std::string& path, const Tensor& gradient, const std::string& loss, double value) {
  const Element element = gradient.dtype() == DType::f64 ? Element::f64 : Element::f32;
  data::h5::Writer writer(path);
  writer.array("/gradient", element, gradient.shape(), gradient.raw());
  writer.attribute("/gradient", "loss", loss);
  writer.attribute("/gradient", "value", std::vector<double>{value});
  writer.save();
}

void write_png(const EvalOptions& options, const Given& given, const Tensor& gradient, double value) {
  const std::string png = to_png(draw({.loss = options.loss,
                                       .value = value,
                                       .logits = given.logits,
                                       .gradient = gradient,
                                       .labels = given.labels,
                                       .image = given.image,
                                       .class_names = given.class_names,
                                       .sample = options.sample,
                                       .slice = options.slice}));
  write_atomically(options.png, {std::as_bytes(std::span(png))});
}

void eval(const EvalOptions& options, const Common& common) {
  require_output("--gradient", options.gradient, ".h5", {options.file});
  require_output("--png", options.png, ".png", {options.file});
  const losses::Loss loss = losses::make_loss(options.loss);
  const Device device = common.get_device();
  const Given given = read(options);
  const bool slope = !options.gradient.empty() || !options.png.empty();
  Tensor logits = given.logits.to(device);
  if (slope) logits.set_requires_grad();
  Tensor result;
  try {
    result = loss(logits, given.labels.to(device), given.context);
  } catch (const Error& error) {  // what a loss takes for a wrong call is here a wrong file
    if (error.kind() != ErrorKind::argument) throw;
    throw Error(ErrorKind::data, options.file + ": " + error.message(), error.hint());
  }
  const double value = result.item();
  if (slope) {
    if (result.requires_grad()) result.backward();
    const Tensor gradient = (logits.has_grad() ? logits.grad() : zeros_like(logits)).to(Device::cpu);
    if (!options.gradient.empty()) write_gradient(options.gradient, gradient, loss.text(), value);
    if (!options.png.empty()) write_png(options, given, gradient, value);
  }
  if (common.json)
    return print_json({{"loss", loss.text()},
                       {"value", number(value)},
                       {"dtype", name_of(logits.dtype())},
                       {"device", name_of(device)}});
  print_text(losses::shortest_text(value) + "\n");
}

}  // namespace

void add_losses_eval(Program& program, CLI::App& losses) {
  const auto options = std::make_shared<EvalOptions>();
  CLI::App& verb = program.verb(
      "eval", "value and gradient of a loss on given logits and labels",
      [options, &program] { eval(*options, program.common()); }, &losses);
  verb.add_option("loss", options->loss, "the loss as text")->required();
  verb.add_option("file", options->file, "HDF5 with /logits [N,*S,C] and /labels [N,*S]")->required();
  verb.add_option("--dtype", options->dtype, "f32 or f64; by default as the logits are stored")
      ->check(CLI::IsMember({"f32", "f64"}));
  verb.add_option("--gradient", options->gradient, "write the gradient with respect to the logits into this .h5 file");
  CLI::Option* png =
      verb.add_option("--png", options->png,
                      "draw probability, truth and gradient per class (and /images, if there) into this .png file");
  verb.add_option("--sample", options->sample, "sample of the picture")->check(CLI::NonNegativeNumber)->needs(png);
  verb.add_option("--slice", options->slice, "slice of the first axis of a volume; -1: the middle one")
      ->check(CLI::Range(-1, 65535))
      ->needs(png);
}

}  // namespace voxgrad::apps
