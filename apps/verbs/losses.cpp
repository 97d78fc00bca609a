#include <algorithm>

#include "apps/training/label_file.h"
#include "apps/verbs/program.h"
#include "data/h5_writer.h"
#include "engine/error.h"
#include "losses/core/loss.h"
#include "losses/core/registry.h"

namespace voxgrad::apps {
namespace {

using data::h5::Element;
using losses::Parameter;
using losses::Spec;

struct LossesOptions {
  std::string name;
  bool markdown = false;
};

struct EvalOptions {
  std::string loss, file, dtype, gradient;
};

// "0..1", "one of a, b", "0 or 1".
std::string range_text(const Parameter& parameter) {
  std::string words;
  for (const std::string& choice : parameter.choices) words += (words.empty() ? "" : ", ") + choice;
  if (parameter.kind == losses::Kind::choice) return words;
  if (parameter.kind == losses::Kind::flag) return "0, 1";
  const auto bound = [](double value) {
    return std::isinf(value) ? std::string(value > 0 ? "inf" : "-inf") : losses::shortest_text(value);
  };
  return (words.empty() ? "" : words + ", or ") + bound(parameter.low) + ".." + bound(parameter.high);
}

Json to_json(const Spec& spec) {
  Json parameters = Json::array();
  for (const Parameter& parameter : spec.parameters)
    parameters.push_back({{"name", parameter.name},
                          {"kind", losses::name_of(parameter.kind)},
                          {"default", parameter.standard},
                          {"low", number(parameter.low)},
                          {"high", number(parameter.high)},
                          {"choices", parameter.choices},
                          {"meaning", parameter.meaning}});
  return {{"name", spec.name},       {"family", losses::name_of(spec.family)},
          {"summary", spec.summary}, {"formula", spec.formula},
          {"source", spec.source},   {"helps", spec.helps},
          {"fails", spec.fails},     {"parameters", parameters}};
}

std::string explain(const Spec& spec) {
  Table parameters({"parameter", "default", "range", "meaning"}, 4);
  for (const Parameter& parameter : spec.parameters)
    parameters.row({parameter.name, parameter.standard, range_text(parameter), parameter.meaning});
  return text(spec.name, " (", losses::name_of(spec.family), ")\n  ", spec.summary, "\n\nformula  ", spec.formula,
              "\nsource   ", spec.source, "\nhelps    ", spec.helps, "\nfails    ", spec.fails, "\n\n",
              parameters.str(), "\nvoxgrad train FILE.h5 --loss ", losses::make_loss(spec.name).text(), "\n");
}

std::string markdown() {
  // A | within a cell would end it.
  const auto cell = [](std::string words) {
    for (std::size_t at = 0; (at = words.find('|', at)) != std::string::npos; at += 2) words.insert(at, "\\");
    return words;
  };
  std::string result = "| loss | family | what it is | formula | source |\n| --- | --- | --- | --- | --- |\n";
  for (const Spec& spec : losses::registry())
    result += text("| `", spec.name, "` | ", losses::name_of(spec.family), " | ", cell(spec.summary), " | `",
                   cell(spec.formula), "` | ", cell(spec.source), " |\n");
  return result;
}

void list(const LossesOptions& options, const Common& common) {
  if (options.markdown) return print_text(markdown());
  if (!options.name.empty()) {
    const Spec& spec = losses::find_spec(options.name);
    return common.json ? print_json(to_json(spec)) : print_text(explain(spec));
  }
  Json json = Json::array();
  Table table({"loss", "family", "what it is"}, 3);
  for (const Spec& spec : losses::registry()) {
    json.push_back(to_json(spec));
    table.row({spec.name, losses::name_of(spec.family), spec.summary});
  }
  if (common.json) return print_json(json);
  print_text(table.str() + "\n`voxgrad losses NAME` explains one.\n");
}

// /logits as f32 or f64 (by default as it is stored).
Tensor read_logits(const data::h5::Array& array, const std::string& dtype) {
  const bool f64 = dtype == "f64" || (dtype.empty() && array.element() == Element::f64);
  Shape shape;
  for (const std::int64_t extent : array.extents()) shape.push_back(extent);
  const Tensor logits = empty(shape, f64 ? DType::f64 : DType::f32);
  array.read(data::h5::Extents(array.extents().size(), 0), array.extents(), f64 ? Element::f64 : Element::f32,
             logits.raw());
  return logits;
}

void write_gradient(const std::string& path, const Tensor& gradient, const std::string& loss, double value) {
  const Tensor host = gradient.to(Device::cpu);
  const data::h5::Extents extents(host.shape().begin(), host.shape().end());
  const Element element = host.dtype() == DType::f64 ? Element::f64 : Element::f32;
  data::h5::Writer writer;
  writer.create("/gradient", element, extents);
  writer.write("/gradient", data::h5::Extents(extents.size(), 0), extents, element, host.raw());
  writer.attribute("/gradient", "loss", loss);
  writer.attribute("/gradient", "value", std::vector<double>{value});
  writer.save(path);
}

void eval(const EvalOptions& options, const Common& common) {
  const losses::Loss loss = losses::make_loss(options.loss);
  const Device device = common.get_device();
  const data::h5::File file = data::h5::File::open(options.file);
  const data::h5::Array stored = file.array("/logits"), truth = file.array("/labels");
  losses::Context context;
  const data::h5::Group root = file.group("/");
  if (root.has_attribute("spacing"))
    context.spacing = root.numbers_attribute("spacing");
  else if (stored.has_attribute("spacing"))
    context.spacing = stored.numbers_attribute("spacing");
  Tensor logits = read_logits(stored, options.dtype).to(device);
  const Tensor labels =
      read_labels(truth, data::h5::Extents(truth.extents().size(), 0), truth.extents(), false).to(device);
  if (!options.gradient.empty()) logits.set_requires_grad();
  const Tensor result = loss(logits, labels, context);
  const double value = result.item();
  if (!options.gradient.empty()) {
    if (result.requires_grad()) result.backward();
    const Tensor gradient = logits.grad();
    write_gradient(options.gradient, gradient.defined() ? gradient : zeros_like(logits), loss.text(), value);
  }
  if (common.json)
    return print_json({{"loss", loss.text()},
                       {"value", number(value)},
                       {"dtype", name_of(logits.dtype())},
                       {"device", name_of(device)}});
  print_text(losses::shortest_text(value) + "\n");
}

}  // namespace

void add_losses(Program& program) {
  const auto options = std::make_shared<LossesOptions>();
  CLI::App& verb = program.verb("losses", "the losses: list, explain, evaluate",
                                [options, &program] { list(*options, program.common()); });
  verb.add_option("name", options->name, "the loss to explain; without it all are listed");
  verb.add_flag("--markdown", options->markdown, "the list as a Markdown table");
  const auto eval_options = std::make_shared<EvalOptions>();
  CLI::App& eval_verb = program.verb(
      "eval", "value and gradient of a loss on given logits and labels",
      [eval_options, &program] { eval(*eval_options, program.common()); }, &verb);
  eval_verb.add_option("loss", eval_options->loss, "the loss as text")->required();
  eval_verb.add_option("file", eval_options->file, "HDF5 with /logits [N,*S,C] and /labels [N,*S]")->required();
  eval_verb.add_option("--dtype", eval_options->dtype, "f32 or f64; by default as the logits are stored")
      ->check(CLI::IsMember({"f32", "f64"}));
  eval_verb.add_option("--gradient", eval_options->gradient, "write the gradient with respect to the logits here");
}

}  // namespace voxgrad::apps
